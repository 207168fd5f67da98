"""What legacy optimizers kept of each leaf, as the state of an optax transformation.

Legacy keeps a small dict beside every leaf, optax a tree for each quantity: the
leaves are the same.  The optax state is described by its structure (`Described`),
so that any chain is filled that keeps what the legacy optimizer kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from linenify.checkpoint.errors import CheckpointError, Keypath, spelled
from linenify.checkpoint.renames import Renames, Row

Described = Mapping[str, Any]
"""A pytree as JSON, see `linenify.checkpoint.optax_state`: `kind` is one of
`fields` (a NamedTuple, a struct, a tuple: `type`, `fields`), `dict` (`items`),
`leaf` (`dtype`, `shape`, and `value` of what depends on no parameter), `none`, `masked`."""

# Which legacy slot a field of an optax state is.
_SLOTS: Mapping[tuple[str, str], str] = {
    ("TraceState", "trace"): "momentum",
    ("ScaleByAdamState", "mu"): "grad_ema",
    ("ScaleByAdamState", "nu"): "grad_sq_ema",
    ("ScaleByBeliefState", "mu"): "grad_ema",
    ("ScaleByBeliefState", "nu"): "grad_sq_ema",
    ("ScaleByRssState", "sum_of_squares"): "G",
    ("ScaleByRmsState", "nu"): "v",
    ("ScaleByRStdDevState", "mu"): "mg",
    ("ScaleByRStdDevState", "nu"): "v",
    ("FactoredState", "v_row"): "v_row",
    ("FactoredState", "v_col"): "v_col",
    ("FactoredState", "v"): "v",
    ("EmaState", "ema"): "m",
    ("ScaleByAdaDeltaState", "e_g"): "sq_avg",
    ("ScaleByAdaDeltaState", "e_x"): "acc_delta",
    ("WeightNormState", "mult"): "mult",
}
_LEGACY_SLOTS = frozenset(_SLOTS.values())
_COUNTS = frozenset({"count", "step"})

# Legacy LARS holds learning rate times direction, optax its negative.
NEGATED = frozenset({"LARS"})

# By its slots an optimizer may be known; not where several keep the same.
_BY_SLOTS: Mapping[frozenset[str], tuple[str, ...]] = {
    frozenset(): ("GradientDescent",),
    frozenset({"momentum"}): ("Momentum", "LARS"),
    frozenset({"grad_ema", "grad_sq_ema"}): ("Adam", "LAMB", "AdaBelief"),
    frozenset({"G"}): ("Adagrad",),
    frozenset({"v"}): ("RMSProp",),
    frozenset({"v", "mg"}): ("RMSProp",),
    frozenset({"sq_avg", "acc_delta"}): ("Adadelta",),
    frozenset({"v_row", "v_col", "v", "m"}): ("Adafactor",),
    frozenset({"direction_state", "scale_state", "mult"}): ("WeightNorm(...)",),
}


def candidates(slots: frozenset[str]) -> tuple[str, ...]:
    """The legacy optimizers that keep these slots; none when they are those of no one."""
    return _BY_SLOTS.get(slots, ())


@dataclass(frozen=True, slots=True)
class Source:
    """What a place in the optax state is filled from.

    Attributes:
        keypath: below the optimizer's `state`.
        row: the parameter it belongs to; None for a count.
        shape: that the optax state has there.
        negated: whether the sign flips.
    """

    keypath: Keypath
    row: Row | None
    shape: tuple[int, ...]
    negated: bool = False


@dataclass(frozen=True)
class _Place:
    """Where in the optax state we are.

    Attributes:
        slot: the legacy slot that is being filled.
        prefix: what the slot is in, for a wrapped optimizer.
        several: the index of the optimizer, where each keeps a list.
        split: whether the tree has `direction` and `scale` on top.
    """

    slot: str = ""
    several: str | None = None
    split: bool = False


@dataclass(frozen=True)
class Filling:
    """Fills optax states from one legacy optimizer.

    Attributes:
        renames: of the params.
        lists: whether the state is that of a `MultiOptimizer` of flax <= 0.3.2.
        base: the path from `state` to the slots of the first level of params.
        negated: whether momenta change their sign.
    """

    renames: Renames
    base: Keypath
    lists: bool = False
    negated: bool = False

    def filled(
        self,
        described: Described,
        leaf: Callable[[Source], Any],
        value: Callable[[Any, str], Any],
    ) -> Any:
        """A nested dict like `flax.serialization.to_state_dict` makes of the state.

        Args:
            described: the state.
            leaf: makes a leaf from its source.
            value: makes a leaf from a number and a dtype.

        Raises:
            CheckpointError: the state holds something that no legacy optimizer kept.
        """
        return _Fill(self, leaf, value).node(described, (), _Place())


@dataclass
class _Fill:
    given: Filling
    leaf: Callable[[Source], Any]
    value: Callable[[Any, str], Any]

    def node(self, node: Described, at: Keypath, place: _Place) -> Any:
        match node["kind"]:
            case "none":
                return None
            case "masked":
                return {}
            case "dict":
                return {
                    key: self.node(each, (*at, key), place) for key, each in node["items"].items()
                }
            case "leaf":
                return self._loose(node, at)
        fields = node["fields"]
        made = {}
        for name, inner in fields.items():
            made[name] = self._field(node["type"], name, inner, (*at, name), place)
        return made

    def _field(self, kind: str, name: str, node: Described, at: Keypath, place: _Place) -> Any:
        if name in _COUNTS and node["kind"] == "leaf":
            return self._count(node, place)
        if kind.startswith("PartitionState") or kind == "MultiTransformState":
            return {
                label: self.node(
                    inner, (*at, label), replace(place, several=label if self.given.lists else None)
                )
                for label, inner in node.get("items", {}).items()
            }
        if kind == "WeightNormState" and name == "inner":
            return self.node(node, at, replace(place, split=True))
        if kind.startswith("Inject") and name in {"hyperparams", "hyperparams_states"}:
            return self.node(node, at, place)
        slot = _SLOTS.get((kind, name)) or (name if name in _LEGACY_SLOTS else "")
        if slot:
            split = place.split and slot != "mult"
            return self._tree(node, replace(place, slot=slot, split=split), (), at)
        return self.node(node, at, place)

    def _count(self, node: Described, place: _Place) -> Any:
        keypath = ("step",) if place.several is None else (place.several, "step")
        return self.leaf(Source(keypath, None, tuple(node["shape"])))

    def _loose(self, node: Described, at: Keypath) -> Any:
        if node.get("value") is None:
            raise CheckpointError(
                f"nothing in a legacy optimizer fills opt_state/{spelled(at)} of the optax state"
            )
        return self.value(node["value"], node["dtype"])

    def _tree(self, node: Described, place: _Place, below: Keypath, at: Keypath) -> Any:
        """A tree shaped like the params."""
        match node["kind"]:
            case "none":
                return None
            case "masked":
                return {}
            case "dict" | "fields":
                inner = node["items"] if node["kind"] == "dict" else node["fields"]
                mine = _bearing(node, ()) if not below and place.several is not None else ()
                if mine:
                    return self._listed(node, place, mine)
                return {
                    key: self._tree(each, place, (*below, key), (*at, key))
                    for key, each in inner.items()
                }
        row = self._row(below[1:] if place.split else below, at)
        own = row.legacy[1:]
        slot: Keypath = (place.slot,)
        if place.split:
            slot = (f"{below[0]}_state", place.slot)
        return self._source(node, (*self.given.base, *own, *slot), row, place)

    def _listed(self, node: Described, place: _Place, mine: Sequence[Keypath]) -> Any:
        """The leaves of one of several optimizers, which legacy numbered in sorted order."""
        rows = {keypath: self._row(keypath, keypath) for keypath in mine}
        order = sorted(mine, key=lambda keypath: rows[keypath].legacy)
        numbers = {keypath: str(number) for number, keypath in enumerate(order)}

        def walk(node: Described, below: Keypath) -> Any:
            if below in rows:
                where = (str(place.several), "param_states", numbers[below], place.slot)
                return self._source(node, where, rows[below], place)
            inner = node.get("items") or node.get("fields") or {}
            return {key: walk(each, (*below, key)) for key, each in inner.items()}

        return walk(node, ())

    def _source(self, node: Described, keypath: Keypath, row: Row, place: _Place) -> Any:
        negated = self.given.negated and place.slot == "momentum"
        return self.leaf(Source(keypath, row, tuple(node["shape"]), negated))

    def _row(self, linen: Keypath, at: Keypath) -> Row:
        for row in self.given.renames.rows:
            if row.linen == ("params", *linen):
                return row
        raise CheckpointError(f"opt_state/{spelled(at)} belongs to no parameter")


def _bearing(node: Described, at: Keypath) -> list[Keypath]:
    if node["kind"] == "leaf":
        return [at]
    inner = node.get("items") or node.get("fields") or {}
    return [keypath for key, each in inner.items() for keypath in _bearing(each, (*at, key))]
