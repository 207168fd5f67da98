"""One run of `linenify remap`: what to convert, how, and what came of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from linenify.checkpoint.asking import asked
from linenify.checkpoint.conversion import Plan, applied, sources
from linenify.checkpoint.errors import CheckpointError, Keypath, spelled
from linenify.checkpoint.layout import Layout, common_leading_axis, layout_of
from linenify.checkpoint.leaf import Leaf
from linenify.checkpoint.optimizer_state import NEGATED, candidates
from linenify.checkpoint.planning import Kind, planned
from linenify.checkpoint.reading import Tree
from linenify.checkpoint.remap import found
from linenify.checkpoint.renames import Renames, flat, matched
from linenify.checkpoint.request import Request
from linenify.checkpoint.scopes import from_json
from linenify.checkpoint.several import (
    completed,
    created,
    matched_parts,
    named,
    stripped,
    taken_collections,
)


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
    layout, kind, request, notes = prepared(tree, request, kind, at)
    return concluded(tree, layout, kind, request, (ask or asked)(request), notes)


def prepared(
    tree: Tree, request: Request, kind: Kind | None, at: Keypath
) -> tuple[Layout, Kind, Request, list[str]]:
    """What to make, and the request with what the checkpoint adds to it; notes about that.

    Raises:
        CheckpointError: the optimizer, or which model is meant, is unclear.
    """
    layout = layout_of(tree, at, [named(name) for name in request.parts])
    if layout.models and not request.parts:
        raise CheckpointError(_several_models(layout), keypath=layout.params)
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
    if layout.optimizer is None or layout.params != (*layout.optimizer[:-1], "target", "params"):
        request = replace(request, bound=False)  # it did not train one Model
    if not wants_state:
        request = replace(request, optimizer="", tx="")
    return layout, kind, completed(request, tree, layout), notes


def _several_models(layout: Layout) -> str:
    listed = ", ".join(map(spelled, layout.models))
    words = " ".join(f"--module {spelled(model)}=FILE:CLASS" for model in layout.models)
    return f"several models lie here ({listed}); name a module for each: {words}"


def concluded(
    tree: Tree,
    layout: Layout,
    kind: Kind,
    request: Request,
    answer: Mapping[str, Any],
    notes: Sequence[str] = (),
) -> Conversion:
    """The conversion that an answer leads to.

    Raises:
        CheckpointError: the module does not fit.
    """
    layout, renames = _matched(tree, layout, answer)
    told = [*notes, *answer.get("notes", ()), *renames.notes]
    if answer.get("bound") and kind is Kind.TRAIN_STATE:
        renames = _inside_an_object(renames)
        told.append(
            "the program keeps its Model as a BoundModel, so that params lie in `params/params`; "
            "--plain-params if they do not"
        )
    if "parts" not in answer:
        told.append(_confirmed(answer, renames))
    else:
        for name, part in answer["parts"].items():
            told.append(_confirmed(part, _own(renames, named(name)), name))
    differing = _differing(tree, layout, layout.parts) if layout.replicas else []
    if layout.replicas:
        told.append(_about_replicas(layout, differing))
    plan = planned(
        tree,
        layout,
        renames,
        kind,
        opt_state=answer.get("opt_state"),
        negated=_negated(request.optimizer),
    )
    if differing:
        plan = replace(plan, backward={})
    return Conversion(plan, renames, layout, tuple(filter(None, told)), request.optimizer)


def _inside_an_object(renames: Renames) -> Renames:
    """The map for a train state whose params are a `BoundModel`, a struct around them."""
    return replace(
        renames,
        rows=tuple(
            replace(row, linen=("params", *row.linen)) if row.linen[0] == "params" else row
            for row in renames.rows
        ),
    )


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
    try:
        return _match(tree, layout, answer)
    except CheckpointError:
        replicas = 0 if layout.replicas else common_leading_axis(tree, layout)
        if not replicas:
            raise
        try:
            stacked = _match(tree, replace(layout, replicas=replicas), answer)
        except CheckpointError:
            stacked = None
        if stacked is None:
            raise
        if _differing(tree, stacked[0], stacked[0].targets):
            raise CheckpointError(
                f"every leaf has a leading axis of {replicas}, and the params differ along it: "
                "these are no replicas, but an ensemble, which remap cannot take apart",
                keypath=layout.params,
            ) from None
        return stacked


def _match(tree: Tree, layout: Layout, answer: Mapping[str, Any]) -> tuple[Layout, Renames]:
    if "parts" in answer:
        renames = matched_parts(tree, layout, answer["parts"])
        return taken_collections(layout, renames), renames
    params = stripped(found(tree, layout.params), layout.replicas)
    state = None
    if layout.state is not None:
        state = stripped(found(tree, layout.state), layout.replicas)
    return layout, matched(from_json(answer["scope"]), params, state, created(answer))


def _differing(tree: Tree, layout: Layout, parts: Sequence[Keypath]) -> list[Keypath]:
    """Which leaves are not the same on all devices."""
    leaves = {
        (*part, *keypath): leaf for part in parts for keypath, leaf in flat(found(tree, part))
    }
    return [
        keypath
        for keypath, leaf in leaves.items()
        if leaf.shape[:1] == (layout.replicas,) and not _equal_replicas(leaf)
    ]


def _about_replicas(layout: Layout, differing: Sequence[Keypath]) -> str:
    text = f"replicated over {layout.replicas} devices: the first replica is taken"
    if not differing:
        return text
    return (
        f"{text}; they differ in {len(differing)} leaves, for one in {spelled(differing[0])}: "
        "so there is no way back"
    )


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


def _own(renames: Renames, place: Keypath) -> Renames:
    """The rows of one of several models, as if it were alone."""
    rows = []
    for row in renames.rows:
        if row.legacy[0] == "params" and row.legacy[1 : len(place) + 1] == place:
            below = row.legacy[len(place) + 1 :]
            rows.append(replace(row, legacy=("params", *below[below[:1] == ("params",) :])))
    return Renames(tuple(rows))


def _confirmed(answer: Mapping[str, Any], renames: Renames, name: str = "") -> str:
    """Compares with what the legacy source itself initialises.

    Raises:
        CheckpointError: it names or shapes a leaf otherwise.
    """
    who = f"{name}: " if name else ""
    if "unconfirmed" in answer:
        return f"{who}not confirmed by a legacy initialisation: {answer['unconfirmed']}"
    if "legacy" not in answer:
        return ""
    for root in ("params", "state"):
        theirs = {tuple(at): tuple(shape) for at, shape, _ in answer["legacy"][root]}
        ours = {row.legacy[1:]: row.shape for row in renames.rows if row.legacy[0] == root}
        if root == "state" and not ours:
            continue
        for keypath in sorted(theirs.keys() ^ ours.keys()):
            side = "the legacy source" if keypath in theirs else "the checkpoint"
            raise CheckpointError(f"{who}only {side} has this leaf", keypath=(root, *keypath))
        for keypath, shape in theirs.items():
            if shape != ours[keypath]:
                raise CheckpointError(
                    f"{who}{list(shape)} in the legacy source, "
                    f"{list(ours[keypath])} in the checkpoint",
                    keypath=(root, *keypath),
                )
    return f"{who}the legacy source initialises the same leaves"


def checked(plan: Plan, tree: Tree, *, inverse: bool = False) -> Tree:
    """The converted tree, every leaf checked.

    Raises:
        CheckpointError: leaves are missing, left over, or of another shape or dtype.
    """
    skeleton, other = plan.forward, plan.backward
    if inverse:
        skeleton, other = other, skeleton
    if not skeleton:
        raise CheckpointError("this map leaves parts out, and so has no way back")
    if other and not sources(skeleton) <= _leaves(tree) and sources(other) <= _leaves(tree):
        way = "leave --inverse out" if inverse else "--inverse goes back"
        raise CheckpointError(f"this checkpoint is on the other side of the map already; {way}")
    made = applied(skeleton, tree)
    known = _places(plan.forward if inverse else plan.backward)
    for keypath, _ in flat(tree):
        if keypath not in known and plan.backward:
            raise CheckpointError("the map does not know this leaf", keypath=keypath)
    return made


def _leaves(tree: Tree, at: Keypath = ()) -> set[Keypath]:
    if isinstance(tree, Mapping):
        return {k for key, value in tree.items() for k in _leaves(value, (*at, key))}
    return {at}


def _places(skeleton: Any, at: Keypath = ()) -> set[Keypath]:
    """All places of a skeleton."""
    if isinstance(skeleton, Mapping):
        return {k for key, value in skeleton.items() for k in _places(value, (*at, key))}
    return {at}
