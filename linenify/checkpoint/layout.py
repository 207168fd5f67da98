"""Finds the parts of a legacy checkpoint, whatever the program put around them.

An `Optimizer` is `{"target", "state"}`, a `Model` is `{"params"}`, a collection is a
dict of which all keys begin with `/`.  Tuples are dicts of numbers, structs dicts
of their fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from linenify.checkpoint.errors import CheckpointError, Keypath, spelled
from linenify.checkpoint.leaf import Leaf
from linenify.checkpoint.reading import Tree
from linenify.checkpoint.remap import found
from linenify.checkpoint.renames import flat


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the parts of a checkpoint lie.

    Attributes:
        params: the params of the model.
        state: the flat collection; None for none.
        optimizer: the optimizer's `state`; None for none.
        slots: the tree of what the optimizer keeps of each leaf, shaped like `params`;
            None when the optimizers of a `MultiOptimizer` keep lists (flax <= 0.3.2).
        others: whatever lies beside these: keypaths of subtrees.
        replicas: the size of the leading axis that every leaf has; 0 when there is none.
        models: where several models lie, below `params`; none for one model, which `params` is.
        collections: all flat collections, where there are several models.
    """

    params: Keypath
    state: Keypath | None = None
    optimizer: Keypath | None = None
    slots: Keypath | None = None
    others: tuple[Keypath, ...] = ()
    replicas: int = 0
    models: tuple[Keypath, ...] = ()
    collections: tuple[Keypath, ...] = ()

    @property
    def parts(self) -> list[Keypath]:
        """Where what it names begins."""
        target = None if self.optimizer is None else (*self.optimizer[:-1], "target")
        known = [p for p in (self.state, self.optimizer, target) if p is not None]
        return [*self.targets, *known, *self.collections]

    @property
    def targets(self) -> list[Keypath]:
        """Where params begin: what an optimizer trains, or else the models themselves."""
        if self.models and self.optimizer is None:
            return [(*self.params, *model) for model in self.models]
        return [self.params]


def layout_of(tree: Tree, at: Keypath = (), models: Sequence[Keypath] = ()) -> Layout:
    """The parts of a checkpoint.

    Args:
        tree: the checkpoint.
        at: where the optimizer, the model or the params to take are, when there are several.
        models: which models are wanted of those that lie together there; none for the only one.

    Raises:
        CheckpointError: nothing, or more than one thing, could be meant.
    """
    start = found(tree, at)
    if not isinstance(start, Mapping):
        raise CheckpointError("this is no dict of params", keypath=at)
    optimizers = [p for p, node in _dicts(start, at) if is_optimizer(node)]
    layout = _with_optimizer(tree, _one(optimizers, "optimizers")) if optimizers else None
    if layout is None:
        layout = _without_optimizer(start, at, together=bool(models))
    if models:
        layout = replace(layout, models=_places(tree, layout, models))
    collections = [
        p for p, node in _dicts(tree, ()) if is_collection(node) and not _inside(p, layout.parts)
    ]
    if layout.models:
        layout = replace(layout, collections=tuple(collections))
    elif collections and not (at and layout.params[: len(at)] == at and len(collections) > 1):
        layout = replace(layout, state=_one(collections, "collections"))
    layout = replace(layout, replicas=_replicas(tree, layout))
    return replace(layout, others=tuple(_others(tree, (), layout)))


def is_optimizer(node: Mapping[str, Tree]) -> bool:
    """Whether this is what an `Optimizer` leaves in a checkpoint."""
    if node.keys() != {"target", "state"}:
        return False
    state = node["state"]
    if not isinstance(state, Mapping):
        return False
    one = {"step", "param_states"}
    several = state and all(isinstance(s, Mapping) and s.keys() == one for s in state.values())
    return state.keys() == one or bool(several)


def is_collection(node: Mapping[str, Tree]) -> bool:
    """Whether this is a flat legacy `Collection`."""
    return bool(node) and all(key.startswith("/") for key in node)


def _is_model(node: Mapping[str, Tree]) -> bool:
    return node.keys() == {"params"} and isinstance(node["params"], Mapping)


def _dicts(tree: Tree, at: Keypath) -> Iterator[tuple[Keypath, Mapping[str, Tree]]]:
    """The dicts of a tree from the top; what is inside of an optimizer is its own business."""
    if not isinstance(tree, Mapping):
        return
    yield at, tree
    if is_optimizer(tree) or is_collection(tree):
        return
    for key, value in tree.items():
        yield from _dicts(value, (*at, key))


def _one(places: list[Keypath], what: str) -> Keypath:
    if len(places) > 1:
        listed = ", ".join(map(spelled, places))
        raise CheckpointError(f"several {what}: {listed}; choose one with --at")
    return places[0]


def _with_optimizer(tree: Tree, at: Keypath) -> Layout:
    target, state = (*at, "target"), (*at, "state")
    node = found(tree, target)
    is_model = isinstance(node, Mapping) and _is_model(node)
    params = (*target, "params") if is_model else target
    slots: Keypath | None = (*state, "param_states", *params[len(target) :])
    if "param_states" not in found(tree, state):
        slots = None
    several = () if is_model else tuple(_models(node))
    return Layout(params, optimizer=state, slots=slots, models=several)


def _without_optimizer(start: Mapping[str, Tree], at: Keypath, *, together: bool) -> Layout:
    if together:
        return Layout(at)
    models = [p for p, node in _dicts(start, at) if _is_model(node)]
    return Layout((*_one(models, "models"), "params") if models else _bare_params(start, at))


def _models(target: Tree) -> Iterator[Keypath]:
    """Where the Models in a container lie."""
    for place, node in _dicts(target, ()):
        if place and _is_model(node) and "params" not in place:
            yield place


def _places(tree: Tree, layout: Layout, names: Sequence[Keypath]) -> tuple[Keypath, ...]:
    """The named models; all of those that the checkpoint holds have to be among them.

    Raises:
        CheckpointError: one is not there, or is not named.
    """
    whole = found(tree, layout.params)
    held = tuple(_models(whole)) if isinstance(whole, Mapping) else ()
    for name in names:
        node = found(tree, (*layout.params, *name))
        if not isinstance(node, Mapping):
            raise CheckpointError("this is no model", keypath=(*layout.params, *name))
    if left := [place for place in held if place not in names]:
        raise CheckpointError(
            f"this model has no module; name it: --module {spelled(left[0])}=FILE:CLASS",
            keypath=(*layout.params, *left[0]),
        )
    return tuple(names)


def params_of(tree: Tree, layout: Layout, model: Keypath) -> Keypath:
    """Where the params of one of several models are, below `layout.params`."""
    node = found(tree, (*layout.params, *model))
    return (*model, "params") if _is_model(node) else model


def _bare_params(start: Mapping[str, Tree], at: Keypath) -> Keypath:
    beside = [k for k, v in start.items() if isinstance(v, Mapping) and is_collection(v)]
    dicts = [k for k, v in start.items() if isinstance(v, Mapping) and any(flat(v))]
    rest = [key for key in dicts if key not in beside]
    if (beside and len(rest) == 1) or rest == ["params"]:
        return (*at, rest[0])
    return at


def _inside(place: Keypath, parts: list[Keypath]) -> bool:
    return any(place[: len(part)] == part for part in parts)


def _replicas(tree: Tree, layout: Layout) -> int:
    if layout.optimizer is None:
        return 0
    state = found(tree, layout.optimizer)
    step = state.get("step") if "step" in state else next(iter(state.values())).get("step")
    return step.shape[0] if isinstance(step, Leaf) and len(step.shape) == 1 else 0


def _others(tree: Tree, at: Keypath, layout: Layout) -> Iterator[Keypath]:
    parts = layout.parts
    if at in parts:
        return
    node = found(tree, at)
    if any(part[: len(at)] == at for part in parts) and isinstance(node, Mapping):
        for key in node:
            yield from _others(tree, (*at, key), layout)
    elif node != {}:
        yield at


def common_leading_axis(tree: Tree, layout: Layout) -> int:
    """The size of the first axis, when all params and state leaves have the same; else 0."""
    sizes = set()
    for part in (layout.params, layout.state):
        if part is not None:
            sizes |= {leaf.shape[0] if leaf.shape else 0 for _, leaf in flat(found(tree, part))}
    return sizes.pop() if len(sizes) == 1 else 0
