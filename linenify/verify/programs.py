"""Runs a whole program on both sides and compares what it returned.

Both sides run under samplers that do not look at keys, so initial params,
dropout masks and shuffled data agree, and with them every loss and the params
after the last step.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from linenify.verify.case import CaseError, Run, RunPair
from linenify.verify.compare import Tolerance, compare_leaves, mismatch
from linenify.verify.creation import Creation, watched_legacy, watched_linen
from linenify.verify.departing import departure_in_order, dtype_departs_in_order, returns_half
from linenify.verify.ending import definition, departed_at_the_end
from linenify.verify.inputs import Inputs
from linenify.verify.leaves import Keypath
from linenify.verify.noise import Noise, Row, measured
from linenify.verify.pairing import Place, laid_out, pairings
from linenify.verify.results import Variables, canonical, names_of
from linenify.verify.structure import census, only_one_side
from linenify.verify.tracing import Event, traced_legacy, traced_linen
from linenify.verify.verdict import HALF, Census, Comparison, Curve, Departure, Gap
from linenify.verify.worlds import UserCodeError, World, found, inside

Compared = tuple[tuple[Comparison, ...], Departure | None, tuple[Curve, ...], tuple[Census, ...]]


def compared_programs(pair: RunPair, legacy: World, linen: World) -> Compared:
    """What the function returned, the variables in it apart from the rest.

    Raises:
        UserCodeError: a side did not run.
    """
    old = _returned(pair.legacy, legacy)
    new = _returned(pair.linen, linen)
    tolerance = Tolerance(pair.rtol or _LEAST, least=_LEAST)
    matched = _Match(tolerance)
    matched.walk("", old, new)

    @functools.cache
    def noise() -> Mapping[str, Noise]:
        return _noise(pair, (legacy, linen), (old, new))

    measure = noise if pair.rtol is None else None
    verdict = []
    if matched.rows or matched.gaps or not matched.variables:
        verdict.append(compare_leaves("outputs", matched.rows, tolerance, measure))
    if matched.gaps:
        verdict[0] = mismatch("outputs", matched.gaps, verdict[0].leaves)
    if matched.variables:
        verdict.append(compare_leaves("variables", matched.variables, tolerance, measure))
    first = None
    if not all(each.outcome.passed for each in verdict):
        first = _departure(pair, legacy, linen, verdict, matched.owners)
    elif any(gap.note == HALF for each in verdict for gap in each.every):
        first = _other_dtype(pair, legacy, linen)
        if first is not None:
            verdict.insert(0, mismatch("dtypes", (Gap(first.linen or "(all)", first.message),)))
    return tuple(verdict), first, tuple(_curves(matched.rows)), tuple(matched.sizes)


# A program sums up the rounding of many steps in an order that compilers choose.
_LEAST = 1e-6
_PERTURBATIONS = 2
_CURVES = 6


def _returned(run: Run, world: World) -> Any:
    with inside(world, "run"), _watched(world) as created:
        return canonical(_called(run, world), names_of(created), world.overlay)


def _called(run: Run, world: World) -> Any:
    namespace = vars(world.files.load(run.file))
    make = Inputs(namespace)
    inputs = make.positional(run.inputs)
    named = make.named(run.named_inputs, inputs) | make.literals(run.call)
    named |= make.literals(run.hyperparameters)
    function = found(run.function, namespace, make)
    if not callable(function):
        raise CaseError(f"`{run.function}` is no function")
    with contextlib.suppress(TypeError, ValueError):  # of a builtin, say
        signature = inspect.signature(function)
        _check(run.function, signature, inputs, named)
    return function(*inputs, **named)


def _check(
    name: str, signature: inspect.Signature, inputs: Sequence[Any], named: Mapping[str, Any]
) -> None:
    """Complains about arguments that the function does not take."""
    try:
        signature.bind(*inputs, **named)
    except TypeError as error:
        raise CaseError(f"{name}{signature}: {error}; --input and --set give arguments") from error


@contextlib.contextmanager
def _watched(world: World) -> Iterator[Mapping[str, Creation]]:
    if world.overlay is None:
        with watched_linen() as created:
            yield created
    else:
        with watched_legacy(world.overlay.nn) as (params, state):
            yield {"params": params, "state": state}


Both = tuple[World, World]


def _noise(pair: RunPair, worlds: Both, returned: tuple[Any, Any]) -> Mapping[str, Noise]:
    """What numbers that are off by a last bit do to the legacy program."""
    rows = _numeric(returned[0])
    moved = []
    for seed in range(_PERTURBATIONS):
        try:
            moved.append(_numeric(_returned(pair.legacy, worlds[0].anew(nudge=seed))))
        except UserCodeError:
            continue
    noises = measured(rows, moved, lambda: None)
    try:
        return _in_half(pair, worlds, returned, noises) or noises
    except UserCodeError:
        return noises


def _in_half(
    pair: RunPair, worlds: Both, returned: tuple[Any, Any], noises: Mapping[str, Noise]
) -> Mapping[str, Noise] | None:
    """The noise of a program that rounds to half precision: a last bit of single is lost there.

    Looked for only where the sides would be different otherwise.
    """
    tolerance = Tolerance(_LEAST, least=_LEAST)
    match, wide = _Match(tolerance), _Match(tolerance)
    match.walk("", *returned)
    rows = [row for row in (*match.rows, *match.variables) if _numbers(row)]
    if compare_leaves("", rows, tolerance, lambda: noises).outcome.passed:
        return None
    if not _rounds_to_half(pair.legacy, worlds[0]):
        return None
    legacy, linen = (world.in_double_precision() for world in worlds)
    doubles = _returned(pair.legacy, legacy), _returned(pair.linen, linen)
    wide.walk("", *map(_kept_double, doubles))
    known = measured(rows, [], lambda: [*wide.rows, *wide.variables])
    return {
        name: each if name not in known or each.floor > known[name].floor else known[name]
        for name, each in noises.items()
    }


def _kept_double(tree: Any) -> Any:
    """Double precision as NumPy has it: outside of its world JAX would round it.

    Params of Linen stay single there; against half precision that says enough.
    """
    match tree:
        case Variables():
            return Variables(tuple((path, _kept_double(leaf)) for path, leaf in tree.leaves))
        case Mapping():
            return {key: _kept_double(item) for key, item in tree.items()}
        case jax.Array() if jnp.issubdtype(tree.dtype, jnp.floating):
            return np.asarray(tree).astype(np.float64)
    return tree


def _numbers(row: Row) -> bool:
    return all(hasattr(value, "dtype") for value in row[1:])


def _rounds_to_half(run: Run, world: World) -> bool:
    """Whether some submodule returns numbers of half precision."""
    try:
        events, _ = _traced(run, world.anew())
    except UserCodeError:
        return False
    return any(map(returns_half, events))


def _other_dtype(pair: RunPair, legacy: World, linen: World) -> Departure | None:
    """The first call, in order, that returns another dtype."""
    try:
        old, new = (
            _traced(*each)[0] for each in ((pair.legacy, legacy.anew()), (pair.linen, linen.anew()))
        )
    except UserCodeError:
        return None
    return dtype_departs_in_order(old, new)


def numbers_of(run: Run, world: World) -> list[tuple[str, Any]]:
    """The numbers that a program returns, by keypath.

    Raises:
        UserCodeError: it did not run.
    """
    return [(name, leaf) for name, leaf, _ in _numeric(_returned(run, world))]


def _numeric(tree: Any) -> list[Row]:
    leaves = [("/".join(path) or "(all)", leaf) for path, leaf in _leaves(tree)]
    numbers = (bool, int, float, complex, np.generic, np.ndarray, jax.Array)
    return [(name, leaf, leaf) for name, leaf in leaves if isinstance(leaf, numbers)]


def _departure(
    pair: RunPair,
    legacy: World,
    linen: World,
    verdict: Sequence[Comparison],
    owners_of: Mapping[str, tuple[Keypath, Keypath]],
) -> Departure | None:
    """The first call of a submodule that differs, without compilation, in both programs.

    Where none does, the first one of which a variable differs at the end; else
    the program itself.
    """
    try:
        old, owners = _traced(pair.legacy, legacy.anew())
        moved, _ = _traced(pair.legacy, legacy.anew(nudge=0))
        new, others = _traced(pair.linen, linen.anew())
    except UserCodeError:
        return None
    if [event.path == () for event in old] == [event.path == () for event in new]:
        # Call for call the same: modules without parameters of their own can take part.
        owners = {event.path: () for event in old}
        others = {event.path: () for event in new}
    first = departure_in_order(old, new, (owners, others), [moved])
    if first is not None:
        return first
    lines = definition(pair.linen, linen), definition(pair.legacy, legacy)
    return departed_at_the_end(verdict, owners_of, (old, new), lines)


def _traced(run: Run, world: World) -> tuple[list[Event], dict[Keypath, Any]]:
    if world.overlay is None:
        tracing: Any = traced_linen(world.files)
    else:
        tracing = traced_legacy(world.overlay, world.files)
    with inside(world, "run"), _watched(world) as created, tracing as trace, jax.disable_jit():
        _called(run, world)
    owners = {path[:-1]: () for each in created.values() for path in each.keypaths}
    concrete = [
        event
        for event in trace.events
        if not event.initializing and any(value is not None for value in event.outputs)
    ]
    return concrete, owners


def _curves(rows: list[Row]) -> Iterator[Curve]:
    """Rows of numbers, such as the losses of all steps."""
    count = 0
    for name, old, new in rows:
        if np.ndim(old) == 1 and np.shape(old) == np.shape(new) and np.size(old) > 1:
            values = [np.asarray(side) for side in (old, new)]
            if values[0].dtype.kind == "f" and count < _CURVES:
                count += 1
                yield Curve(name, *(tuple(map(float, side)) for side in values))


@dataclass
class _Match:
    """Both results, walked side by side."""

    tolerance: Tolerance

    def __post_init__(self) -> None:
        self.rows: list[Row] = []
        self.variables: list[Row] = []
        self.gaps: list[Gap] = []
        self.sizes: list[Census] = []
        self.owners: dict[str, tuple[Keypath, Keypath]] = {}

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
        places = [
            [Place((*filter(None, [name]), *path), np.shape(leaf)) for path, leaf in leaves]
            for leaves in (olds, news)
        ]
        self.sizes.append(census(name or "(all)", *places))
        rows: list[Row] | None = None
        for reading in _readings(olds, news):
            tried = [
                (_join(name, "/".join(path)), *_same_kind(leaf, news[index][1], reshape=True))
                for (path, leaf), index in zip(olds, reading, strict=True)
            ]
            passed = compare_leaves("variables", tried, self.tolerance).outcome.passed
            if rows is None or passed:
                rows = tried
                self.owners |= {
                    each[0]: (path[:-1], news[index][0][:-1])
                    for each, (path, _), index in zip(tried, olds, reading, strict=True)
                }
            if passed:
                break
        if rows is not None:
            self.variables += rows
            return
        self.gaps += list(only_one_side(*places)) or [
            Gap(name or "(all)", f"{len(olds)} legacy leaves, {len(news)} Linen leaves")
        ]


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
