"""Plans the conversion of a whole checkpoint."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from linenify.checkpoint.conversion import Change, Const, Plan, Ref, Skeleton, whole_number
from linenify.checkpoint.errors import CheckpointError, Keypath
from linenify.checkpoint.layout import Layout
from linenify.checkpoint.leaf import Leaf, of_array
from linenify.checkpoint.optimizer_state import Described, Filling, Source
from linenify.checkpoint.reading import Tree
from linenify.checkpoint.remap import found, inverse, put
from linenify.checkpoint.renames import Renames, Row

_KEPT = 4096  # bytes of a leaf that Linen has no place for, and that the map keeps


class Kind(enum.StrEnum):
    """What is written."""

    TRAIN_STATE = "train-state"
    VARIABLES = "variables"
    PARAMS = "params"


def planned(
    tree: Tree,
    layout: Layout,
    renames: Renames,
    kind: Kind,
    *,
    opt_state: Described | None = None,
    negated: bool = False,
) -> Plan:
    """The plan for a checkpoint; what is left out has no way back.

    Args:
        tree: the legacy checkpoint.
        layout: its parts.
        renames: of the variables.
        kind: what to make.
        opt_state: the optax state to fill, for a train state with an optimizer.
        negated: whether momenta change their sign.

    Raises:
        CheckpointError: a leaf has no place, or no shape that fits.
    """
    builder = _Builder(tree, layout, renames)
    builder.variables(with_state=kind is not Kind.PARAMS, flat=kind is Kind.PARAMS)
    if kind is Kind.TRAIN_STATE:
        builder.step()
        if opt_state is not None:
            builder.optimizer(opt_state, negated=negated)
        builder.others()
    return Plan(builder.ordered(), builder.backward(whole=kind is Kind.TRAIN_STATE))


@dataclass
class _Builder:
    tree: Tree
    layout: Layout
    renames: Renames
    forward: dict[str, Skeleton] = field(default_factory=dict)
    taken: dict[Keypath, Ref] = field(default_factory=dict)
    """For each legacy leaf, how it is made again."""

    def variables(self, *, with_state: bool, flat: bool) -> None:
        """Params, and the collections."""
        self.forward.setdefault("params", {})
        for row in self.renames.rows:
            in_params = row.legacy[0] == "params"
            with_its_state = with_state and (self.layout.state is not None or self.layout.models)
            if not in_params and not with_its_state:
                continue
            base = self.layout.params if in_params else self.layout.state or ()
            self._place(row.linen, (*base, *row.legacy[1:]), _changes(row), _undo(row))
        if flat:
            self.forward = self.forward["params"]
            self.taken = {
                source: Ref(ref.source[1:], ref.shape, ref.dtype, ref.changes, ref.tag, ref.form)
                for source, ref in self.taken.items()
            }

    def step(self) -> None:
        """The number of steps taken; 0 without an optimizer."""
        if self.layout.optimizer is None:
            self.forward["step"] = Const(of_array(_int32(0)))
            return
        state = found(self.tree, self.layout.optimizer)
        at = ("step",) if "step" in state else (next(iter(state)), "step")
        step = self._ref(("step",), (*self.layout.optimizer, *at), (), (), count=True)
        put(self.forward, ("step",), step)

    def optimizer(self, opt_state: Described, *, negated: bool) -> None:
        """The optax state."""
        at = self.layout.optimizer
        assert at is not None
        slots = self.layout.slots
        base = () if slots is None else slots[len(at) :]
        filling = Filling(self.renames, base, lists=slots is None, negated=negated)
        self.forward["opt_state"] = filling.filled(
            opt_state,
            lambda source: _Wanted((*at, *source.keypath), source),
            lambda value, dtype: Const(of_array(_number(value, dtype))),
        )
        self.forward["opt_state"] = self._resolved(self.forward["opt_state"], ("opt_state",))

    def _resolved(self, node: Any, at: Keypath) -> Skeleton:
        match node:
            case dict():
                return {key: self._resolved(each, (*at, key)) for key, each in node.items()}
            case _Wanted(keypath=keypath, source=source):
                return self._slot(at, keypath, source)
            case None:
                return Const(None)
        return node

    def _slot(self, at: Keypath, keypath: Keypath, source: Source) -> Skeleton:
        leaf = found(self.tree, keypath)
        forward: tuple[Change, ...] = ()
        backward: tuple[Change, ...] = ()
        if isinstance(leaf, Leaf) and source.row is not None:
            shape = self._single(leaf)
            forward, backward = _slot_changes(source, shape, keypath)
            if source.negated:
                forward, backward = (*forward, Change("negate")), (Change("negate"), *backward)
        return self._ref(at, keypath, forward, backward, count=source.row is None)

    def others(self) -> None:
        """What the program kept beside model and optimizer, under its own name."""
        taken = self.forward.keys() - {place[0] for place in self.layout.collections}
        for keypath in self.layout.others:
            name = keypath[0]
            place = (f"legacy_{name}" if name in taken else name, *keypath[1:])
            self._whole(place, keypath, found(self.tree, keypath))

    def _whole(self, at: Keypath, keypath: Keypath, node: Tree) -> None:
        if self._like_params(keypath, node):
            for row in self._params():
                place, source = (*at, *row.linen[1:]), (*keypath, *row.legacy[1:])
                self._place(place, source, _changes(row), _undo(row))
        elif isinstance(node, Mapping) and node:
            for key, value in node.items():
                self._whole((*at, key), (*keypath, key), value)
        elif isinstance(node, Mapping | list):
            put(self.forward, at, {} if isinstance(node, Mapping) else Const(node))
        else:
            put(self.forward, at, self._ref(at, keypath, (), (), plain=True))

    def _like_params(self, keypath: Keypath, node: Tree) -> bool:
        """Whether a subtree holds other values of the params, such as their moving average."""
        rows = self._params()
        originals = found(self.tree, self.layout.params)
        if not rows or not isinstance(node, Mapping) or keypath == self.layout.params:
            return False
        shapes, wanted = (
            {path: leaf.shape for path, leaf in _leaves(each)} for each in (node, originals)
        )
        return shapes == wanted and shapes.keys() == {row.legacy[1:] for row in rows}

    def _params(self) -> list[Row]:
        return [row for row in self.renames.rows if row.legacy[0] == "params"]

    def ordered(self) -> Skeleton:
        """The forward skeleton, its first level as a `TrainState` has it."""
        first = [key for key in ("step", "params", "opt_state") if key in self.forward]
        rest = [key for key in self.forward if key not in first]
        return {key: self.forward[key] for key in (*first, *rest)}

    def backward(self, *, whole: bool) -> Skeleton:
        """The legacy checkpoint again; empty when something was left out."""
        lost: list[Keypath] = []
        made = self._back(self.tree, (), lost)
        if not lost:
            return made
        if whole:
            raise CheckpointError("Linen has no place for this leaf", keypath=lost[0])
        return {}

    def _back(self, node: Tree, at: Keypath, lost: list[Keypath]) -> Skeleton:
        if isinstance(node, Mapping):
            return {key: self._back(value, (*at, key), lost) for key, value in node.items()}
        if at in self.taken:
            return self.taken[at]
        if isinstance(node, Leaf):
            in_slots = self.layout.optimizer is not None and (
                at[: len(self.layout.optimizer)] == self.layout.optimizer
            )
            if not in_slots or node.nbytes > _KEPT or node.size > 1 + self.layout.replicas:
                lost.append(at)
                return Const(None)
            return Const(_held(node))
        return Const(node)

    def _place(
        self,
        at: Keypath,
        keypath: Keypath,
        forward: tuple[Change, ...],
        backward: tuple[Change, ...],
    ) -> None:
        put(self.forward, at, self._ref(at, keypath, forward, backward))

    def _ref(
        self,
        at: Keypath,
        keypath: Keypath,
        forward: tuple[Change, ...],
        backward: tuple[Change, ...],
        *,
        plain: bool = False,
        count: bool = False,
    ) -> Ref:
        """A leaf on its way there; remembers the way back."""
        leaf = found(self.tree, keypath)
        if not isinstance(leaf, Leaf):
            if plain:
                self.taken.setdefault(keypath, Ref(at, None, ""))
                return Ref(keypath, None, "")
            return self._number(at, keypath, leaf)
        if count and leaf.dtype.startswith(("float", "bfloat")):
            whole_number(self._one(leaf).item(), keypath)
            forward, backward = (*forward, Change("as int32")), (Change(f"as {leaf.dtype}"),)
        single = self._single(leaf)
        if single != leaf.shape:
            forward = (Change("first"), *forward)
            backward = (*backward, Change("repeat", (self.layout.replicas,)))
        if any(step.name == "swap bytes" for step in leaf.steps):
            backward = (*backward, Change("swap"))
        ref = Ref(keypath, leaf.shape, leaf.dtype, forward)
        dtype = "int32" if Change("as int32") in forward else leaf.dtype
        back = Ref(at, _shape_after(single, forward), dtype, backward, leaf.tag, leaf.form)
        self.taken.setdefault(keypath, back)
        return ref

    def _number(self, at: Keypath, keypath: Keypath, value: Any) -> Ref:
        """A count that the program kept as a plain number."""
        whole_number(value, keypath)
        kept = (Change("as float64"),) if isinstance(value, float) else ()
        self.taken.setdefault(keypath, Ref(at, (), "int32", (*kept, Change("number"))))
        return Ref(keypath, None, "int32", (Change("number"),))

    def _one(self, leaf: Leaf) -> Leaf:
        return leaf.first() if leaf.shape else leaf

    def _single(self, leaf: Leaf) -> tuple[int, ...]:
        """The shape of one replica."""
        n = self.layout.replicas
        return leaf.shape[1:] if n and leaf.shape[:1] == (n,) else leaf.shape


@dataclass(frozen=True)
class _Wanted:
    keypath: Keypath
    source: Source


def _leaves(node: Tree, at: Keypath = ()) -> Iterator[tuple[Keypath, Leaf]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _leaves(value, (*at, key))
    elif isinstance(node, Leaf):
        yield at, node


def _changes(row: Row) -> tuple[Change, ...]:
    made = (Change("transpose", row.axes),) if row.axes else ()
    shape = tuple(row.shape[axis] for axis in row.axes) if row.axes else row.shape
    return made if shape == row.linen_shape else (*made, Change("reshape", row.linen_shape))


def _undo(row: Row) -> tuple[Change, ...]:
    made = (Change("transpose", inverse(row.axes)),) if row.axes else ()
    shape = tuple(row.shape[axis] for axis in row.axes) if row.axes else row.shape
    return made if shape == row.linen_shape else (Change("reshape", shape), *made)


def _slot_changes(
    source: Source, shape: tuple[int, ...], keypath: Keypath
) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
    """What turns what legacy kept of a parameter into what optax keeps, and back."""
    row = source.row
    assert row is not None
    if shape == row.shape and source.shape == row.linen_shape:
        return _changes(row), _undo(row)
    if row.axes and len(shape) == len(row.axes):
        turned = tuple(shape[axis] for axis in row.axes)
        if turned == source.shape:
            back = Change("transpose", inverse(row.axes))
            return (Change("transpose", row.axes),), (back,)
    if shape == source.shape and (not row.axes or shape == (1,)):
        return (), ()
    if [n for n in shape if n != 1] == [n for n in source.shape if n != 1] and not row.axes:
        return (Change("reshape", source.shape),), (Change("reshape", shape),)
    if row.axes and shape == source.shape:
        raise CheckpointError(
            "a factored state, of a kernel whose axes Linen sorts: the factors are others there",
            keypath=keypath,
        )
    raise CheckpointError(
        f"the shape is {list(shape)}, the optax state wants {list(source.shape)}; "
        "is this the optimizer that wrote the checkpoint?",
        keypath=keypath,
    )


def _shape_after(shape: tuple[int, ...], changes: tuple[Change, ...]) -> tuple[int, ...]:
    for change in changes:
        if change.name == "transpose":
            shape = tuple(shape[axis] for axis in change.values)
        elif change.name == "reshape":
            shape = change.values
    return shape


def _held(leaf: Leaf) -> Leaf:
    raw = b"".join(leaf.blocks())
    return Leaf(leaf.dtype, leaf.shape, (raw,), tag=leaf.tag, form=leaf.form)


def _int32(value: int) -> Any:
    import numpy as np

    return np.asarray(value, np.int32)


def _number(value: Any, dtype: str) -> Any:
    import numpy as np

    return np.asarray(value, dtype)
