"""Where two programs part whose submodules all return the same."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path

from linenify.verify.case import Run
from linenify.verify.inputs import Inputs
from linenify.verify.leaves import Keypath
from linenify.verify.tracing import Event
from linenify.verify.verdict import Comparison, Departure
from linenify.verify.worlds import UserCodeError, World, found, inside


def departed_at_the_end(
    verdict: Sequence[Comparison],
    owners: Mapping[str, tuple[Keypath, Keypath]],
    events: tuple[Sequence[Event], Sequence[Event]],
    lines: tuple[str, str],
) -> Departure:
    """The first submodule of which a variable differs at the end; else the program itself.

    Args:
        verdict: the comparisons; one of them did not pass.
        owners: for the name of each variable the legacy and the Linen module it belongs to.
        events: of the legacy and of the Linen side.
        lines: where the program is defined, on the Linen and on the legacy side.
    """
    gaps = [(each.what, gap) for each in verdict for gap in each.every if not gap.outcome.passed]
    differing = {
        owners[gap.keypath][1]: (gap, owners[gap.keypath][0])
        for what, gap in gaps
        if what == "variables" and gap.keypath in owners
    }
    for event in events[1]:
        for path, (gap, other) in differing.items():
            if event.path in (path, path[1:]):  # below the name of a collection, or not
                line = next((old.line for old in events[0] if old.path in (other, other[1:])), "")
                message = f"{gap.keypath}: {gap.message}"
                names = "/".join(event.path), "/".join(other)
                return Departure(*names, "variables", message, event.line, line)
    what, gap = gaps[0]
    return Departure("", "", what, f"{gap.keypath}: {gap.message}", lines[0], lines[1])


def definition(run: Run, world: World) -> str:
    """Where the function of a program is defined, as `file.py:12`."""
    with contextlib.suppress(UserCodeError), inside(world, "run"):
        namespace = vars(world.files.load(run.file))
        function = inspect.unwrap(found(run.function, namespace, Inputs(namespace)))
        code = getattr(function, "__code__", None)
        if code is not None and world.files.owns_file(code.co_filename):
            file = Path(code.co_filename).resolve().relative_to(world.files.folder)
            return f"{file}:{code.co_firstlineno}"
    return ""
