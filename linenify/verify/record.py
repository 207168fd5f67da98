"""What the legacy side of a run computes, as NumPy arrays under names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import jax
import numpy as np

from linenify.verify.case import Run, RunPair
from linenify.verify.compare import Tolerance, compare_leaves, mismatch
from linenify.verify.leaves import key_name
from linenify.verify.observing import observed, randomised
from linenify.verify.programs import numbers_of
from linenify.verify.sides import module_side
from linenify.verify.verdict import Comparison, Gap, Outcome
from linenify.verify.worlds import UserCodeError, World, inside

Record = Mapping[str, np.ndarray]

# The same program on two releases of JAX, years apart, with other compilers.
_BETWEEN_RELEASES = Tolerance(5e-6, floor=2e-6)


def record(run: Run, world: World) -> Record:
    """Outputs, gradients and collections; of a program, what it returned.

    Raises:
        UserCodeError: the side did not run.
    """
    if run.function:
        return _arrays((("outputs", name), leaf) for name, leaf in numbers_of(run, world))
    with inside(world, "init"):
        side = module_side(run, world)
        params, state = side.initial()
    variables = [leaves.rebuild(randomised(leaves)) for leaves in (params, state)]
    pair = RunPair("", run, run)
    seen = observed(side, world, pair, *variables)
    parts: dict[str, Any] = {
        "initial": (params.rebuild(params.values), state.rebuild(state.values)),
        "outputs": seen.outputs,
        "collections": seen.state,
    }
    if isinstance(seen.gradients, tuple):
        parts["gradients"] = seen.gradients
    return _arrays(
        ((what, *map(key_name, path)), leaf)
        for what, tree in parts.items()
        for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]
        if not isinstance(leaf, str)
    )


def _arrays(leaves: Iterable[tuple[tuple[str, ...], Any]]) -> Record:
    return {"/".join(path): np.asarray(leaf) for path, leaf in leaves}


def compared_records(run: Run, world: World, other: Record | str) -> Comparison:
    """Whether the legacy side computes beside modern Flax what it computed elsewhere."""
    what = "independent oracle"
    if isinstance(other, str):
        return Comparison(what, Outcome.ERROR, 0, (Gap("legacy", other),), (Gap("legacy", other),))
    try:
        mine = record(run, world)
    except UserCodeError:
        return Comparison(what, Outcome.SKIPPED)  # the verdict says so already
    if missing := mine.keys() ^ other.keys():
        return mismatch(what, [Gap(name, "only one oracle has it") for name in sorted(missing)])
    rows = [(name, other[name], mine[name]) for name in mine]
    return compare_leaves(what, rows, _BETWEEN_RELEASES)
