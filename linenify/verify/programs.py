"""Runs a whole program on both sides and compares what it returned.

Both sides run under samplers that do not look at keys, so initial params,
dropout masks and shuffled data agree, and with them every loss and the params
after the last step.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import tempfile
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from linenify.verify.case import CaseError, Run, RunPair
from linenify.verify.compare import Tolerance, compare_leaves, confirmed, mismatch
from linenify.verify.creation import Creation, watched_legacy, watched_linen
from linenify.verify.departing import departure_in_order
from linenify.verify.ending import definition, departed_at_the_end
from linenify.verify.inputs import Inputs
from linenify.verify.leaves import Keypath
from linenify.verify.noise import Noise, Reruns, Row, Wide, measured
from linenify.verify.pairing import Place, laid_out, pairings
from linenify.verify.results import Variables, canonical, names_of
from linenify.verify.structure import census, only_one_side
from linenify.verify.tracing import Event, Trace, traced_legacy, traced_linen
from linenify.verify.verdict import Census, Comparison, Curve, Departure, Gap, Outcome
from linenify.verify.worlds import UserCodeError, World, found, inside

Compared = tuple[tuple[Comparison, ...], Departure | None, tuple[Curve, ...], tuple[Census, ...]]


def compared_programs(pair: RunPair, legacy: World, linen: World, locate: bool) -> Compared:
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
        return _noise(pair, legacy, linen, matched, new)

    measure = noise if pair.rtol is None else None
    verdict = []
    if matched.rows or matched.gaps or not matched.variables:
        verdict.append(compare_leaves("outputs", matched.rows, tolerance, measure))
    if matched.gaps:
        verdict[0] = mismatch("outputs", matched.gaps, verdict[0].leaves)
    if matched.variables:
        verdict.append(compare_leaves("variables", matched.variables, tolerance, measure))
    # A few steps may be too short for single precision to show what is wrong.
    if measure is not None and all(each.outcome is Outcome.IDENTICAL for each in verdict):
        verdict = [confirmed(each, noise()) for each in verdict]
    first = None
    if locate and not all(each.outcome.passed for each in verdict):
        first = _departure(pair, legacy, linen, verdict, matched.owners)
    return tuple(verdict), first, tuple(_curves(matched.rows)), tuple(matched.sizes)


# A program sums up the rounding of many steps in an order that compilers choose.
_LEAST = 1e-6
_PERTURBATIONS = 2
_CURVES = 6


def _returned(run: Run, world: World) -> Any:
    def computed() -> Any:
        with inside(world, "run"), _watched(world) as created:
            return canonical(_called(run, world), names_of(created), world.overlay)

    return world.remembered(run, computed)


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
    # What a run leaves behind, a checkpoint to go on from for one, the next must not find.
    with tempfile.TemporaryDirectory(prefix="linenify-cwd-") as folder, contextlib.chdir(folder):
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


def _noise(
    pair: RunPair, legacy: World, linen: World, matched: _Match, new: Any
) -> Mapping[str, Noise]:
    """How much of a difference is rounding: the programs run again."""

    def numbers(old: Any, new: Any) -> list[Row]:
        match = _Match(matched.tolerance)
        match.walk("", old, new)
        return match.numbers

    @functools.cache
    def double() -> Wide | None:
        worlds = legacy.in_double_precision(), linen.in_double_precision()
        try:
            old = _returned(pair.legacy, worlds[0])
            rows = numbers(old, _returned(pair.linen, worlds[1]))
        except UserCodeError:
            return None  # not every program allows it
        return Wide(rows, any(each.narrowing.happened for each in worlds))

    def moved(world: Callable[[int], World], new: Any) -> list[list[Row]]:
        rows = []
        for seed in range(_PERTURBATIONS):
            with contextlib.suppress(UserCodeError):
                rows.append(numbers(_returned(pair.legacy, world(seed)), new))
        return rows

    return measured(
        matched.numbers,
        Reruns(
            double,
            lambda coarse: moved(functools.partial(legacy.anew, coarse=coarse), new),
            round_alike=lambda: _round_alike(pair, legacy, linen, matched.owners),
            shaken=lambda: moved(legacy.in_double_precision, new),
        ),
    )


def _round_alike(
    pair: RunPair, legacy: World, linen: World, owners: Mapping[str, tuple[Keypath, Keypath]]
) -> bool:
    """Whether the programs go to half precision at the same places, if at all."""
    if not (legacy.narrowing.happened or linen.narrowing.happened):
        return True
    try:
        old, new = _trace(pair.legacy, legacy.anew()), _trace(pair.linen, linen.anew())
    except UserCodeError:
        return False
    # How often is not asked: modules are initialised by other calls.
    if old.dtypes() != new.dtypes() or old.roundings.keys() != new.roundings.keys():
        return False
    before, after = old.returned(), new.returned()
    return all(before[one] == after[other] for one, other in _partners(owners, before, after))


def _partners(
    owners: Mapping[str, tuple[Keypath, Keypath]],
    legacy: Container[Keypath],
    linen: Container[Keypath],
) -> Iterator[tuple[Keypath, Keypath]]:
    """The modules that own the same variables, where no second model has one of that name."""
    pairs = {(_module_of(one, legacy), _module_of(other, linen)) for one, other in owners.values()}
    for one, other in pairs:
        alone = [pair for pair in pairs if pair[0] == one or pair[1] == other] == [(one, other)]
        if one is not None and other is not None and alone:
            yield one, other


def _module_of(path: Keypath, calls: Container[Keypath]) -> Keypath | None:
    """The module that a keypath of variables ends in, if it was called."""
    tails = (path[start:] for start in range(len(path)))
    return next((tail for tail in tails if tail in calls), None)


def numbers_of(run: Run, world: World) -> list[tuple[str, Any]]:
    """The numbers that a program returns, by keypath.

    Raises:
        UserCodeError: it did not run.
    """
    leaves = _leaves(_returned(run, world))
    return [("/".join(path) or "(all)", leaf) for path, leaf in leaves if _is_number(leaf)]


def _is_number(leaf: Any) -> bool:
    return isinstance(leaf, bool | int | float | complex | np.generic | np.ndarray | jax.Array)


def _departure(
    pair: RunPair,
    legacy: World,
    linen: World,
    verdict: Sequence[Comparison],
    owners_of: Mapping[str, tuple[Keypath, Keypath]],
) -> Departure | None:
    """The first call of a submodule that differs, without compilation, in both programs.

    Where rounding hides it, it is looked for in double precision; where there is
    none, the first one of which a variable differs at the end; else the program itself.
    """
    events = None
    for again in (World.anew, World.in_double_precision):
        try:
            old, owners = _traced(pair.legacy, again(legacy))
            moved, _ = _traced(pair.legacy, again(legacy, nudge=0))
            new, others = _traced(pair.linen, again(linen))
        except UserCodeError:
            continue
        if [event.path == () for event in old] == [event.path == () for event in new]:
            # Call for call the same: modules without parameters of their own can take part.
            owners = {event.path: () for event in old}
            others = {event.path: () for event in new}
        first = departure_in_order(old, new, (owners, others), [moved])
        if first is not None:
            return first
        events = events or (old, new)
    if events is None:
        return None
    lines = definition(pair.linen, linen), definition(pair.legacy, legacy)
    return departed_at_the_end(verdict, owners_of, events, lines)


def _traced(run: Run, world: World) -> tuple[list[Event], dict[Keypath, Any]]:
    with _watched(world) as created:
        trace = _trace(run, world)
    owners = {path[:-1]: () for each in created.values() for path in each.keypaths}
    return trace.concrete(), owners


def _trace(run: Run, world: World) -> Trace:
    """The whole program, without compilation."""
    if world.overlay is None:
        tracing = traced_linen(world.files)
    else:
        tracing = traced_legacy(world.overlay, world.files)
    with inside(world, "run"), tracing as trace, jax.disable_jit():
        _called(run, world)
    return trace


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

    @property
    def numbers(self) -> list[Row]:
        """The pairs of leaves that are numbers."""
        return [row for row in (*self.rows, *self.variables) if _is_number(row[1])]

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
