"""Runs a whole program on both sides and compares what it returned.

Both sides run under samplers that do not look at keys, so initial params,
dropout masks and shuffled data agree, and with them every loss and the params
after the last step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from linenify.verify.case import Run, RunPair
from linenify.verify.compare import Tolerance, compare_leaves
from linenify.verify.creation import watched_legacy, watched_linen
from linenify.verify.inputs import Inputs
from linenify.verify.pairing import Place, laid_out, pairings
from linenify.verify.results import Variables, canonical, names_of
from linenify.verify.verdict import Comparison, Departure, Gap, Outcome
from linenify.verify.worlds import World, found, inside

Row = tuple[str, Any, Any]


def compared_programs(
    pair: RunPair, legacy: World, linen: World
) -> tuple[tuple[Comparison, ...], Departure | None]:
    """What the function returned, the variables in it apart from the rest."""
    old = _returned(pair.legacy, legacy)
    new = _returned(pair.linen, linen)
    matched = _Match(Tolerance(pair.rtol or 1e-6))
    matched.walk("", old, new)
    verdict = []
    if matched.rows or matched.gaps or not matched.variables:
        verdict.append(_with_gaps("outputs", matched.rows, matched.gaps, matched.tolerance))
    if matched.variables:
        verdict.append(compare_leaves("variables", matched.variables, matched.tolerance))
    return tuple(verdict), None


def _returned(run: Run, world: World) -> Any:
    with inside(world, "run"):
        namespace = vars(world.files.load(run.file))
        make = Inputs(namespace)
        inputs = make.positional(run.inputs)
        named = make.named(run.named_inputs, inputs) | make.literals(run.call)
        named |= make.literals(run.hyperparameters)
        function = found(run.function, namespace, make)
        if world.overlay is not None:
            with watched_legacy(world.overlay.nn) as (params, state):
                result = function(*inputs, **named)
            created = {"params": params, "state": state}
        else:
            with watched_linen() as created:
                result = function(*inputs, **named)
        return canonical(result, names_of(created), world.overlay)


def _with_gaps(what: str, rows: list[Row], gaps: list[Gap], tolerance: Tolerance) -> Comparison:
    compared = compare_leaves(what, rows, tolerance)
    if not gaps:
        return compared
    return Comparison(what, Outcome.DIFFERENT, compared.leaves, tuple(gaps[:_SHOWN]))


_SHOWN = 8


@dataclass
class _Match:
    """Both results, walked side by side."""

    tolerance: Tolerance

    def __post_init__(self) -> None:
        self.rows: list[Row] = []
        self.variables: list[Row] = []
        self.gaps: list[Gap] = []

    def walk(self, name: str, old: Any, new: Any) -> None:
        """Pairs what belongs together; `name` is the keypath so far."""
        if isinstance(old, Variables) or isinstance(new, Variables):
            self._pool(name, old, new)
        elif isinstance(old, Mapping) and isinstance(new, Mapping):
            self._mappings(name, old, new)
        elif isinstance(old, Mapping) or isinstance(new, Mapping):
            self._pool(name, old, new)
        else:
            self.rows.append((name or "(all)", *_same_kind(old, new)))

    def _mappings(self, name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        for key in old.keys() & new.keys():
            self.walk(_join(name, key), old[key], new[key])
        olds = {key: value for key, value in old.items() if key not in new and _leaves(value)}
        news = {key: value for key, value in new.items() if key not in old and _leaves(value)}
        if len(olds) == len(news) == 1:
            [(key, one)], [other] = olds.items(), news.values()
            self.walk(_join(name, key), one, other)
        elif olds or news:
            self._pool(name, olds, news)

    def _pool(self, name: str, old: Any, new: Any) -> None:
        """Leaves that have other names on the other side, by the likeliest reading."""
        olds, news = _leaves(old), _leaves(new)
        rows: list[Row] | None = None
        for reading in _readings(olds, news):
            tried = [
                (_join(name, "/".join(path)), *_same_kind(leaf, news[index][1], reshape=True))
                for (path, leaf), index in zip(olds, reading, strict=True)
            ]
            if rows is None:
                rows = tried
            if compare_leaves("variables", tried, self.tolerance).outcome.passed:
                rows = tried
                break
        if rows is not None:
            self.variables += rows
            return
        self.gaps.append(
            Gap(name or "(all)", f"{len(olds)} legacy leaves, {len(news)} Linen leaves")
        )
        for side, leaves in (("legacy", olds), ("linen", news)):
            places = (Place((name, *path), np.shape(leaf)) for path, leaf in leaves)
            self.gaps += [Gap(side, str(place)) for place in places]


def _leaves(tree: Any) -> list[tuple[tuple[str, ...], Any]]:
    match tree:
        case Variables():
            return list(tree.leaves)
        case Mapping():
            return [
                ((key, *path), leaf) for key, item in tree.items() for path, leaf in _leaves(item)
            ]
    return [((), tree)]


def _readings(
    olds: list[tuple[tuple[str, ...], Any]], news: list[tuple[tuple[str, ...], Any]]
) -> Iterator[tuple[int, ...]]:
    """Which of the new leaves each old leaf may be."""
    legacy, linen = (_places(leaves) for leaves in (olds, news))
    return pairings(legacy, linen)


def _places(leaves: list[tuple[tuple[str, ...], Any]]) -> list[Place]:
    """Places below what all leaves have in common, such as `params` or `batch_stats`."""
    paths = [path for path, _ in leaves]
    while len(paths) > 1 and all(len(path) > 1 and path[0] == paths[0][0] for path in paths):
        paths = [path[1:] for path in paths]
    shapes = [np.shape(leaf) for _, leaf in leaves]
    return [Place(path, shape) for path, shape in zip(paths, shapes, strict=True)]


def _same_kind(old: Any, new: Any, *, reshape: bool = False) -> tuple[Any, Any]:
    """A Python number has no precision of its own: it takes that of the other side."""
    if reshape:
        old = laid_out(old, np.shape(new))
    plain = (bool, int, float, complex)
    for one, other in ((old, new), (new, old)):
        if isinstance(one, plain) and isinstance(other, jax.Array | np.ndarray | np.generic):
            if _kind(one) != _kind(other) or np.ndim(other):
                break
            fitted = np.asarray(one).astype(np.asarray(other).dtype)
            return (fitted, other) if one is old else (other, fitted)
    return old, new


def _kind(value: Any) -> str:
    dtype = np.asarray(value).dtype
    if jnp.issubdtype(dtype, jnp.floating):
        return "f"
    return "i" if dtype.kind == "u" else dtype.kind


def _join(name: str, key: str) -> str:
    return f"{name}/{key}" if name and key else name or key
