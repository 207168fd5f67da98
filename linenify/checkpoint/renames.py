"""Which legacy leaf is which Linen leaf: read off a traced module, checked leaf by leaf."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from linenify.checkpoint.errors import CheckpointError, Keypath, spelled
from linenify.checkpoint.numbering import (
    by_number,
    called_again,
    kept,
    legacy_names,
    no_one,
    numberings,
)
from linenify.checkpoint.reading import Tree
from linenify.checkpoint.scopes import Scope, Variable


@dataclass(frozen=True, slots=True)
class Row:
    """One leaf on both sides.

    Attributes:
        legacy: `("params", "Dense_1", "kernel")` or `("state", "/Block_0/BatchNorm_2", "mean")`.
        linen: `("batch_stats", "Block_0", "BatchNorm_0", "mean")`.
        shape: in legacy.
        linen_shape: in Linen.
        dtype: the name of its dtype.
        axes: the legacy axes in the order of Linen; empty where they are the same.
    """

    legacy: Keypath
    linen: Keypath
    shape: tuple[int, ...]
    linen_shape: tuple[int, ...]
    dtype: str
    axes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Renames:
    """A one-to-one map of leaves.

    Attributes:
        rows: the leaves.
        notes: scopes whose children have other names than the trace predicts, and
            were matched by their order.

    Raises:
        CheckpointError: two rows name the same leaf.
    """

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for side in ("legacy", "linen"):
            seen: set[Keypath] = set()
            for row in self.rows:
                keypath = getattr(row, side)
                if keypath in seen:
                    raise CheckpointError(f"two leaves map to this {side} leaf", keypath=keypath)
                seen.add(keypath)

    def to_linen(self) -> dict[Keypath, Keypath]:
        """Legacy keypaths to Linen keypaths."""
        return {row.legacy: row.linen for row in self.rows}


def predicted(scope: Scope) -> Renames:
    """The map by the rules of legacy naming alone, without a checkpoint to check it against."""
    return Renames(tuple(_predicted(scope, (), ())))


def matched(
    scope: Scope,
    params: Tree,
    state: Mapping[str, Tree] | None = None,
    created: Iterable[Keypath] = (),
) -> Renames:
    """The map between a traced module and the trees of a checkpoint.

    Args:
        scope: the traced module.
        params: nested dicts of leaves (anything with a `shape` and a `dtype`).
        state: the flat legacy collection, `{"/Block_0/BatchNorm_1": {"mean": ...}}`;
            None when there is none, then collections are left out.
        created: the keypaths of params in the order in which the legacy source creates
            them, where that is known: it tells children apart that their names do not.

    Raises:
        CheckpointError: leaves are left over on a side, or do not fit, or more than one
            way to pair them would do; names the scope.
    """
    root = _legacy_root(params, state, {child.name for child in scope.children})
    matcher = _Matcher(only_params=state is None, order=_orders(created))
    rows = matcher.rows(scope, root, ())
    if isinstance(rows, _Mismatch):
        what = "" if rows.unclear else "the module does not fit the checkpoint: "
        raise CheckpointError(f"{what}{rows.why}", keypath=rows.at)
    return Renames(tuple(rows), tuple(dict.fromkeys(matcher.notes)))


# --- the legacy side -------------------------------------------------------------------------


@dataclass
class _Node:
    """A legacy scope: its params, of which some are children, and its state."""

    params: Mapping[str, Tree] = field(default_factory=dict)
    state: Mapping[str, Tree] = field(default_factory=dict)
    state_key: str = "/"
    below: dict[str, _Node] = field(default_factory=dict)


def _legacy_root(params: Tree, state: Mapping[str, Tree] | None, children: set[str]) -> _Node:
    root = _Node(params if isinstance(params, Mapping) else {})
    paths = {key: tuple(filter(None, key.split("/"))) for key in state or {}}
    firsts = {path[0] for path in paths.values() if path}
    named_root = (
        "/" not in paths and len(firsts) == 1 and not firsts & (set(root.params) | children)
    )
    for key, path in paths.items():
        node = root
        for name in path[1:] if named_root else path:
            node = node.below.setdefault(name, _Node())
        own = (state or {})[key]
        node.state = own if isinstance(own, Mapping) else {}
        node.state_key = key
    _graft(root)
    return root


def _orders(created: Iterable[Keypath]) -> dict[Keypath, list[str]]:
    """For each legacy scope its children, in the order of their first calls."""
    orders: dict[Keypath, list[str]] = {}
    for keypath in created:
        for length in range(len(keypath) - 1):
            names = orders.setdefault(keypath[:length], [])
            if keypath[length] not in names:
                names.append(keypath[length])
    return orders


def _graft(node: _Node) -> None:
    """Puts the params of children beside their state."""
    for name, child in node.below.items():
        own = node.params.get(name)
        child.params = own if isinstance(own, Mapping) else {}
        _graft(child)


def _children(node: _Node, own: set[str]) -> dict[str, _Node]:
    """The children of a legacy scope that have leaves, in the order of their numbers."""
    found = dict(node.below)
    for name, value in node.params.items():
        if name not in own and name not in found and isinstance(value, Mapping):
            child = _Node(value)
            found[name] = child
    return {name: child for name, child in found.items() if _bears(child)}


def _bears(node: _Node) -> bool:
    return (
        any(True for _ in flat(node.params))
        or any(True for _ in flat(node.state))
        or any(map(_bears, node.below.values()))
    )


def flat(tree: Tree, above: Keypath = ()) -> Iterator[tuple[Keypath, Any]]:
    """The leaves of nested dicts with their keypaths; None is a leaf of no array."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from flat(value, (*above, key))
    elif hasattr(tree, "shape"):
        yield above, tree


def _values(tree: Tree, above: Keypath = ()) -> Iterator[Keypath]:
    """All that is in nested dicts, plain numbers and texts too; None is nothing."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _values(value, (*above, key))
    elif tree is not None:
        yield above


# --- names -----------------------------------------------------------------------------------

_SHOWN = 4


def _called(child: Scope) -> int:
    return child.called if child.called >= 0 else child.created


def _created(child: Scope) -> int:
    return child.created if child.created >= 0 else child.called


def _predicted(scope: Scope, legacy: Keypath, linen: Keypath) -> Iterator[Row]:
    for variable in scope.variables:
        yield _row(variable, legacy, linen, _legacy_shape(variable))
    names = legacy_names(scope, called_again)
    for child in scope.children:
        yield from _predicted(child, (*legacy, names[child.name]), (*linen, child.name))


def _legacy_shape(variable: Variable) -> tuple[int, ...]:
    shape = [0] * len(variable.shape)
    for place, axis in enumerate(variable.axes or range(len(shape))):
        shape[axis] = variable.shape[place]
    return tuple(shape)


def _row(
    variable: Variable, legacy: Keypath, linen: Keypath, shape: tuple[int, ...], key: str = ""
) -> Row:
    if variable.collection == "params":
        place: Keypath = ("params", *legacy, *variable.keypath)
    else:
        place = ("state", key or "/" + "/".join(legacy), *variable.keypath)
    return Row(
        place,
        (variable.collection, *linen, *variable.keypath),
        shape,
        variable.shape,
        variable.dtype,
        variable.axes,
    )


# --- both sides ------------------------------------------------------------------------------


_Pair = tuple[Scope, str]
"""A Linen child and the name of the legacy child that it is."""


@dataclass(frozen=True)
class _Mismatch:
    at: Keypath
    why: str
    unclear: bool = False
    """Whether it would fit, in more than one way."""


@dataclass
class _Matcher:
    only_params: bool
    order: Mapping[Keypath, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    known: dict[tuple[Keypath, Keypath], tuple[list[Row] | _Mismatch, list[str]]] = field(
        default_factory=dict
    )

    def rows(
        self, scope: Scope, node: _Node, legacy: Keypath, linen: Keypath = ()
    ) -> list[Row] | _Mismatch:
        """The rows of a scope and of all below, or why there are none."""
        if (legacy, linen) not in self.known:
            before = len(self.notes)
            found = self._rows(scope, node, legacy, linen)
            self.known[legacy, linen] = found, self.notes[before:]
            del self.notes[before:]
        rows, notes = self.known[legacy, linen]
        self.notes += notes
        return rows

    def _rows(
        self, scope: Scope, node: _Node, legacy: Keypath, linen: Keypath
    ) -> list[Row] | _Mismatch:
        rows: list[Row] = []
        expected: set[tuple[bool, Keypath]] = set()
        for variable in scope.variables:
            if variable.collection != "params" and self.only_params:
                continue
            tree = node.params if variable.collection == "params" else node.state
            leaf = _at(tree, variable.keypath)
            if leaf is None and variable.keypath in _values(tree):
                return _Mismatch((*legacy, *variable.keypath), "this is no array")
            if leaf is None:
                return _Mismatch(
                    (*legacy, *variable.keypath),
                    f"Linen has {spelled((variable.collection, *linen, *variable.keypath))}, "
                    "which the checkpoint lacks here",
                )
            shape = tuple(leaf.shape)
            if not _fits(shape, variable):
                return _Mismatch(
                    (*legacy, *variable.keypath),
                    f"the shape is {list(shape)} and in Linen {list(variable.shape)}",
                )
            expected.add((variable.collection == "params", variable.keypath))
            rows.append(_row(variable, legacy, linen, shape, node.state_key))
        own = {variable.keypath[0] for variable in scope.variables}
        if left := self._left_over(node, own, expected):
            return _Mismatch((*legacy, *left), "the module has no such variable")
        below = self._below(scope, node, own, legacy, linen)
        return below if isinstance(below, _Mismatch) else [*rows, *below]

    def _left_over(
        self, node: _Node, own: set[str], expected: set[tuple[bool, Keypath]]
    ) -> Keypath | None:
        for in_params, tree in ((True, node.params), (False, node.state)):
            for keypath in _values(tree):
                mine = len(keypath) == 1 or keypath[0] in own or not in_params
                if mine and (in_params, keypath) not in expected:
                    return keypath
        return None

    def _below(
        self, scope: Scope, node: _Node, own: set[str], legacy: Keypath, linen: Keypath
    ) -> list[Row] | _Mismatch:
        olds = _children(node, own)
        news = [child for child in scope.children if child.holds(only_params=self.only_params)]
        if len(olds) != len(news):
            return _Mismatch(
                legacy,
                f"{len(olds)} submodules with variables ({', '.join(olds) or 'none'}), "
                f"in Linen {len(news)} ({', '.join(c.name for c in news) or 'none'})",
            )
        first: _Mismatch | None = None
        tried: list[list[_Pair]] = []
        for pairs in self._named(scope, news, olds, legacy):
            if pairs in tried:
                continue
            tried.append(pairs)
            rows = self._tried(pairs, olds, legacy, linen)
            if isinstance(rows, list):
                return rows
            first = rows if first is None else first
        numbered = self._numbered(scope, news, olds, legacy, linen)
        if numbered is not None:
            return numbered
        in_order = self._by_order(news, olds, _called)
        if in_order is not None:
            rows = self._tried(in_order, olds, legacy, linen)
            if isinstance(rows, list):
                made = self._by_order(news, olds, _created)
                if made != in_order and any(child.apart and n.isdigit() for child, n in in_order):
                    return _unclear(legacy, in_order, made or in_order)
                self.notes.append(_note(legacy, in_order))
                return rows
            first = rows if first is None else first
        return first if first is not None else _Mismatch(legacy, self._names(scope, news, olds))

    def _tried(
        self, pairs: Sequence[_Pair], olds: Mapping[str, _Node], legacy: Keypath, linen: Keypath
    ) -> list[Row] | _Mismatch:
        before = len(self.notes)
        rows = self._paired(pairs, olds, legacy, linen)
        if isinstance(rows, _Mismatch):
            del self.notes[before:]
        return rows

    def _paired(
        self, pairs: Sequence[_Pair], olds: Mapping[str, _Node], legacy: Keypath, linen: Keypath
    ) -> list[Row] | _Mismatch:
        rows: list[Row] = []
        for child, name in pairs:
            inner = self.rows(child, olds[name], (*legacy, name), (*linen, child.name))
            if isinstance(inner, _Mismatch):
                return inner
            rows += inner
        return rows

    def _named(
        self, scope: Scope, news: Sequence[Scope], olds: Mapping[str, _Node], legacy: Keypath
    ) -> Iterator[list[_Pair]]:
        """Ways to pair the children that name them all: as legacy calls them, as predicted."""
        known = self.order.get(legacy, [])
        if set(known) == set(olds):
            pairs = list(zip(sorted(news, key=_called), known, strict=True))
            if all(
                child.name == name for child, name in pairs if child.given and child.name in olds
            ):
                yield pairs
        for shared in (called_again, kept, no_one):
            names = legacy_names(scope, shared)
            if {names[child.name] for child in news} == set(olds):
                yield [(child, names[child.name]) for child in news]

    def _numbered(
        self,
        scope: Scope,
        news: Sequence[Scope],
        olds: Mapping[str, _Node],
        legacy: Keypath,
        linen: Keypath,
    ) -> list[Row] | _Mismatch | None:
        """The only pairing that legacy's way to number allows; None if there is none."""
        fixed = {child.name for child in news if child.given and child.name in olds}
        bearing = {child.name for child in news} - fixed
        fits: list[tuple[list[_Pair], list[Row]]] = []
        ways, complete = numberings(scope, bearing, olds.keys() - fixed, fixed)
        for names in ways:
            pairs = [(child, names.get(child.name, child.name)) for child in news]
            rows = self._tried(pairs, olds, legacy, linen)
            if isinstance(rows, list) and all(pairs != other for other, _ in fits):
                fits.append((pairs, rows))
        if len(fits) > 1:
            return _unclear(legacy, fits[0][0], fits[1][0])
        if fits and not complete:
            why = (
                f"too many ways to number its {len(news)} submodules; name the source with --legacy"
            )
            return _Mismatch(legacy, why, unclear=True)
        return fits[0][1] if fits else None

    def _by_order(
        self,
        news: Sequence[Scope],
        olds: Mapping[str, _Node],
        when: Callable[[Scope], int],
    ) -> list[_Pair] | None:
        """The children one by one, where no class speaks against it."""
        fixed = {child.name for child in news if child.given and child.name in olds}
        left = sorted((child for child in news if child.name not in fixed), key=when)
        free = by_number(name for name in olds if name not in fixed)
        known = {stem for child in left for stem in child.stems}
        pairs = list(zip(left, free, strict=True))
        if not all(_of_class(child, name, known) for child, name in pairs):
            return None
        return [*((child, child.name) for child in news if child.name in fixed), *pairs]

    def _names(self, scope: Scope, news: Sequence[Scope], olds: Iterable[str]) -> str:
        names = legacy_names(scope, called_again)
        wanted = ", ".join(names[child.name] for child in news)
        return f"the checkpoint has {', '.join(olds)}, the trace predicts {wanted}"


def _of_class(child: Scope, name: str, known: set[str]) -> bool:
    """Whether an automatic legacy name does not speak of another of the classes here."""
    stem = name.rpartition("_")[0]
    return stem in child.stems or stem not in known


def _unclear(legacy: Keypath, one: Sequence[_Pair], other: Sequence[_Pair]) -> _Mismatch:
    """Two pairings that both would do; where they differ is said."""
    apart = [pair for pair in one if pair not in other][:_SHOWN]
    instead = [pair for pair in other if pair not in one][:_SHOWN]
    return _Mismatch(
        legacy,
        f"it cannot be told whether {_listed(apart)}, or {_listed(instead)}; "
        "the legacy source can: name it with --legacy",
        unclear=True,
    )


def _note(legacy: Keypath, pairs: Sequence[tuple[Scope, str]]) -> str:
    return f"{spelled(legacy)}: matched by order, not by predicted names: {_listed(pairs)}"


def _listed(pairs: Sequence[_Pair]) -> str:
    return ", ".join(f"{name} = {child.name}" for child, name in pairs)


def _at(tree: Tree, keypath: Keypath) -> Any:
    for key in keypath:
        if not isinstance(tree, Mapping) or key not in tree:
            return None
        tree = tree[key]
    return tree if hasattr(tree, "shape") else None


def _fits(shape: tuple[int, ...], variable: Variable) -> bool:
    """Whether a legacy leaf of this shape is the variable in legacy's layout.

    GroupNorm dropped its leading axes of size one, DenseGeneral sorts what it contracts.
    """
    if variable.axes and len(variable.axes) == len(shape):
        return tuple(shape[axis] for axis in variable.axes) == variable.shape
    return shape == variable.shape or (
        [n for n in shape if n != 1] == [n for n in variable.shape if n != 1]
    )
