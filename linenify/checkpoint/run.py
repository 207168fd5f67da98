"""One run of `linenify remap`: what to convert, how, and what came of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from linenify.checkpoint.conversion import Plan, applied
from linenify.checkpoint.errors import CheckpointError, Keypath, spelled
from linenify.checkpoint.layout import Layout, common_leading_axis, layout_of
from linenify.checkpoint.leaf import Leaf
from linenify.checkpoint.optimizer_state import NEGATED, candidates
from linenify.checkpoint.planning import Kind, planned
from linenify.checkpoint.reading import Tree
from linenify.checkpoint.remap import found
from linenify.checkpoint.renames import Renames, flat, matched
from linenify.checkpoint.scopes import from_json
from linenify.checkpoint.worker import Request, as_json


@dataclass(frozen=True)
class Conversion:
    """A plan, and what it was made of.

    Attributes:
        plan: both directions.
        renames: of the variables.
        layout: of the legacy checkpoint.
        notes: what the user should know.
        optimizer: the legacy optimizer; empty for none.
    """

    plan: Plan
    renames: Renames
    layout: Layout
    notes: tuple[str, ...] = ()
    optimizer: str = ""


def convert(
    tree: Tree,
    request: Request,
    kind: Kind | None = None,
    at: Keypath = (),
    ask: Callable[[Request], Mapping[str, Any]] | None = None,
) -> Conversion:
    """Plans the conversion of a legacy checkpoint; moves nothing.

    Args:
        tree: the checkpoint.
        request: the module, and what to trace it with.
        kind: what to make; None for a train state where there is an optimizer, else variables.
        at: which optimizer, model or params to take.
        ask: what traces the module: `asked` (a process of its own, the default) or
            `linenify.checkpoint.worker.answered` (this one).

    Raises:
        CheckpointError: the module does not fit, or the optimizer is unclear.
    """
    layout = layout_of(tree, at)
    if kind is None:
        kind = Kind.TRAIN_STATE if layout.optimizer is not None else Kind.VARIABLES
    notes: list[str] = []
    wants_state = kind is Kind.TRAIN_STATE and layout.optimizer is not None
    if wants_state and request.tx and not request.optimizer and _has_momenta(tree, layout):
        raise CheckpointError("are these the momenta of Momentum or LARS? Say so with --optimizer")
    if wants_state and not request.tx and not request.optimizer:
        guess = guessed_optimizer(tree, layout)
        notes.append(f"the slots are those of {guess}; --optimizer tells more about it")
        request = replace(request, optimizer=guess)
    if not wants_state:
        request = replace(request, optimizer="", tx="")
    answer = (ask or asked)(request)
    layout, renames = _matched(tree, layout, answer)
    notes += renames.notes
    if request.legacy:
        notes.append(_confirmed(answer, renames))
    if layout.replicas:
        notes.append(_about_replicas(tree, layout))
    plan = planned(
        tree,
        layout,
        renames,
        kind,
        opt_state=answer.get("opt_state"),
        negated=_negated(request.optimizer),
    )
    return Conversion(plan, renames, layout, tuple(filter(None, notes)), request.optimizer)


def _negated(optimizer: str) -> bool:
    """Whether the momenta are those of LARS.

    Raises:
        CheckpointError: some are, and some are not.
    """
    names = {name for name in _WITH_MOMENTUM if re.search(rf"\b{name}\b", optimizer)}
    if len(names) > 1:
        raise CheckpointError("momenta of both Momentum and LARS, which cannot be told apart")
    return bool(names & NEGATED)


_WITH_MOMENTUM = ("Momentum", "LARS")


def asked(request: Request, timeout: float = 600) -> Mapping[str, Any]:
    """The answer of the process that runs the user's code.

    Raises:
        CheckpointError: the code raised, or took too long.
    """
    command = [sys.executable, "-m", "linenify.checkpoint.worker"]
    try:
        done = subprocess.run(  # noqa: S603
            command,
            input=as_json(request),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CheckpointError(f"the module was traced for {timeout:.0f} seconds; gave up") from None
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise CheckpointError(f"the module cannot be traced: {last}") from None
    if "error" in answer:
        raise CheckpointError(f"the module cannot be traced: {answer['error']}")
    return answer


def guessed_optimizer(tree: Tree, layout: Layout) -> str:
    """The one legacy optimizer that keeps the slots of a checkpoint.

    Raises:
        CheckpointError: there are several, or none.
    """
    if layout.slots is None:
        raise CheckpointError("a MultiOptimizer of flax <= 0.3.2; name it with --optimizer or --tx")
    params = [keypath for keypath, _ in flat(found(tree, layout.params))]
    kinds = set()
    for keypath in params:
        slots = found(tree, (*layout.slots, *keypath))
        kinds.add(None if slots is None else frozenset(slots))
    names = [candidates(kind) if kind is not None else () for kind in kinds]
    if len(names) != 1 or len(names[0]) != 1 or "(" in names[0][0]:
        open_to = " or ".join(names[0]) if len(names) == 1 and names[0] else "several optimizers"
        raise CheckpointError(
            f"the optimizer state could be that of {open_to}; "
            'name it as the program made it: --optimizer "Adam(weight_decay=0.1)"'
        )
    name = names[0][0]
    first = found(tree, (*layout.slots, *params[0])) if params else {}
    if name == "RMSProp" and isinstance(first.get("mg"), Leaf):
        return "RMSProp(centered=True)"
    if name == "Adafactor":
        momenta = [found(tree, (*layout.slots, *keypath, "m")) for keypath in params]
        if any(leaf.size > 1 for leaf in momenta if isinstance(leaf, Leaf)):
            return "Adafactor(beta1=0.9)"
    return name


def _has_momenta(tree: Tree, layout: Layout) -> bool:
    """Whether some leaf has a `momentum` beside it."""
    assert layout.optimizer is not None
    return any(keypath[-1] == "momentum" for keypath, _ in flat(found(tree, layout.optimizer)))


def _matched(tree: Tree, layout: Layout, answer: Mapping[str, Any]) -> tuple[Layout, Renames]:
    scope = from_json(answer["scope"])
    try:
        return layout, _match(tree, layout, scope)
    except CheckpointError:
        replicas = 0 if layout.replicas else common_leading_axis(tree, layout)
        if not replicas:
            raise
        stripped = replace(layout, replicas=replicas)
        try:
            return stripped, _match(tree, stripped, scope)
        except CheckpointError:
            pass
        raise


def _match(tree: Tree, layout: Layout, scope: Any) -> Renames:
    params = _stripped(found(tree, layout.params), layout.replicas)
    state = None
    if layout.state is not None:
        state = _stripped(found(tree, layout.state), layout.replicas)
    return matched(scope, params, state)


def _stripped(tree: Tree, replicas: int) -> Tree:
    if isinstance(tree, Mapping):
        return {key: _stripped(value, replicas) for key, value in tree.items()}
    if replicas and isinstance(tree, Leaf) and tree.shape[:1] == (replicas,):
        return tree.first()
    return tree


def _about_replicas(tree: Tree, layout: Layout) -> str:
    """Which leaves are not the same on all devices."""
    leaves = {
        (*part, *keypath): leaf
        for part in layout.parts
        for keypath, leaf in flat(found(tree, part))
    }
    differing = [
        keypath
        for keypath, leaf in leaves.items()
        if leaf.shape[:1] == (layout.replicas,) and not _equal_replicas(leaf)
    ]
    text = f"replicated over {layout.replicas} devices: the first replica is taken"
    if not differing:
        return text
    return f"{text}; they differ in {len(differing)} leaves, for one in {spelled(differing[0])}"


def _equal_replicas(leaf: Leaf) -> bool:
    """Compares the bytes, a block at a time."""
    first = leaf.first()
    size = first.nbytes
    if not size or leaf.steps:
        return True
    own = b"".join(first.blocks())
    at = 0
    for block in leaf.blocks():
        view = memoryview(block)
        while view:
            take = min(len(view), size - at % size)
            begin = at % size
            if view[:take] != own[begin : begin + take]:
                return False
            view, at = view[take:], at + take
    return True


def _confirmed(answer: Mapping[str, Any], renames: Renames) -> str:
    """Compares with what the legacy source itself initialises.

    Raises:
        CheckpointError: it names or shapes a leaf otherwise.
    """
    for root in ("params", "state"):
        theirs = {tuple(at): tuple(shape) for at, shape, _ in answer["legacy"][root]}
        ours = {row.legacy[1:]: row.shape for row in renames.rows if row.legacy[0] == root}
        if root == "state" and not ours:
            continue
        for keypath in sorted(theirs.keys() ^ ours.keys()):
            side = "the legacy source" if keypath in theirs else "the checkpoint"
            raise CheckpointError(f"only {side} has this leaf", keypath=(root, *keypath))
        for keypath, shape in theirs.items():
            if shape != ours[keypath]:
                raise CheckpointError(
                    f"{list(shape)} in the legacy source, {list(ours[keypath])} in the checkpoint",
                    keypath=(root, *keypath),
                )
    return "the legacy source initialises the same leaves"


def checked(plan: Plan, tree: Tree, *, inverse: bool = False) -> Tree:
    """The converted tree, every leaf checked.

    Raises:
        CheckpointError: leaves are missing, left over, or of another shape or dtype.
    """
    skeleton = plan.backward if inverse else plan.forward
    if not skeleton:
        raise CheckpointError("this map leaves parts out, and so has no way back")
    made = applied(skeleton, tree)
    known = _places(plan.forward if inverse else plan.backward)
    for keypath, _ in flat(tree):
        if keypath not in known and plan.backward:
            raise CheckpointError("the map does not know this leaf", keypath=keypath)
    return made


def _places(skeleton: Any, at: Keypath = ()) -> set[Keypath]:
    """All places of a skeleton."""
    if isinstance(skeleton, Mapping):
        return {k for key, value in skeleton.items() for k in _places(value, (*at, key))}
    return {at}
