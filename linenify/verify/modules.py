"""Runs one `[[run]]` on both sides and compares what comes out.

Initial values first, under samplers that do not look at keys.  Then all
parameters and collections get random numbers, the same ones on both sides,
because zero biases and unit scales hide a swap: outputs, gradients and the
collections after the call are compared under those.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import flax.core
import jax
import jax.numpy as jnp
import numpy as np

from linenify.verify.case import Case, CaseError, Run, RunPair, Side
from linenify.verify.compare import Tolerance, compare_leaves, compare_trees
from linenify.verify.creation import Creation, watched_legacy, watched_linen
from linenify.verify.inputs import Inputs, generator
from linenify.verify.leaves import (
    Leaves,
    leaves_of,
    legacy_state_keypath,
    linen_keypath,
)
from linenify.verify.loading import UserFiles
from linenify.verify.overlay import Overlay
from linenify.verify.pairing import Pairing, laid_out, pairings
from linenify.verify.programs import compared_programs
from linenify.verify.verdict import (
    CaseResult,
    Comparison,
    Gap,
    Outcome,
    RunResult,
    failed_case,
    worst_outcome,
)
from linenify.verify.worlds import UserCodeError, World, found, inside

_READINGS = 4


def run_case(
    name: str, case: Case, legacy: UserFiles, linen: UserFiles, overlay: Overlay
) -> CaseResult:
    """The verdict on all runs of a case; user errors are part of it."""
    worlds = {Side.LEGACY: World(legacy, overlay), Side.LINEN: World(linen, None)}
    try:
        runs = tuple(_run(pair, worlds) for pair in case.runs)
    except CaseError as error:
        return failed_case(name, str(error))
    return CaseResult(name, worst_outcome(run.outcome for run in runs), runs)


def _run(pair: RunPair, worlds: Mapping[Side, World]) -> RunResult:
    start = time.monotonic()
    failure = None
    comparisons: tuple[Comparison, ...] = ()
    try:
        if pair.legacy.function:
            comparisons = compared_programs(pair, worlds[Side.LEGACY], worlds[Side.LINEN])
        else:
            comparisons = _compared_modules(pair, worlds)
    except UserCodeError as error:
        failure = error.failure
    outcome = worst_outcome(comparison.outcome for comparison in comparisons)
    if failure is not None:
        outcome = Outcome.ERROR
    return RunResult(pair.name, outcome, comparisons, failure, time.monotonic() - start)


# Modules: initialise, pair the variables, call.


@dataclass(frozen=True)
class _Arguments:
    """What a module is called with."""

    inputs: tuple[Any, ...]
    named: dict[str, Any]
    fixed: dict[str, Any]


class _Module(Protocol):
    """A module class of either side, with its arguments; used inside its world."""

    arguments: _Arguments

    def initial(self) -> tuple[Leaves, Leaves]:
        """Parameters and collections as initialised."""

    def call(self, params: Any, state: Any, arguments: _Arguments) -> tuple[Any, Any]:
        """The outputs, and the collections after the call."""


class _LegacyModule:
    def __init__(self, run: Run, world: World) -> None:
        assert world.overlay is not None
        self._nn = world.overlay.nn
        self._run = run
        namespace = vars(world.files.load(run.file))
        make = Inputs(namespace)
        self._class = found(run.module, namespace, make)
        bound = make.literals(run.hyperparameters)
        self.arguments, self._init_arguments = _arguments(run, make, bound)

    def initial(self) -> tuple[Leaves, Leaves]:
        run = self._run
        module = _method(self._class, run.method if run.init_method is None else run.init_method)
        given = self._init_arguments
        with (
            watched_legacy(self._nn) as (params_created, state_created),
            self._contexts({}, mutable=True) as state,
        ):
            key = jax.random.PRNGKey(0)
            _, params = module.init(key, *given.inputs, **given.named, **given.fixed)
        return (
            leaves_of(params, params_created.keypaths, named=linen_keypath),
            leaves_of(_as_dict(state), state_created.keypaths, named=legacy_state_keypath),
        )

    def call(self, params: Any, state: Any, arguments: _Arguments) -> tuple[Any, Any]:
        module = _method(self._class, self._run.method)
        with self._contexts(state, mutable=self._run.state != "frozen") as after:
            outputs = module.call(params, *arguments.inputs, **arguments.named, **arguments.fixed)
        return outputs, _as_dict(after)

    @contextlib.contextmanager
    def _contexts(self, state: Any, *, mutable: bool) -> Iterator[Any]:
        with contextlib.ExitStack() as stack:
            if self._run.rngs:
                stack.enter_context(self._nn.stochastic(jax.random.PRNGKey(1)))
            after = None
            if self._run.state:
                collection = self._nn.Collection(state)
                after = stack.enter_context(self._nn.stateful(collection, mutable=mutable))
            yield after


def _as_dict(collection: Any) -> Any:
    return {} if collection is None else collection.as_dict()


class _LinenModule:
    def __init__(self, run: Run, world: World) -> None:
        self._run = run
        namespace = vars(world.files.load(run.file))
        make = Inputs(namespace)
        fields = make.literals(run.hyperparameters)
        self._module = found(run.module, namespace, make)(**fields)
        self.arguments, self._init_arguments = _arguments(run, make, {})

    def initial(self) -> tuple[Leaves, Leaves]:
        run = self._run
        method = run.method if run.init_method is None else run.init_method
        given = self._init_arguments
        with watched_linen() as created:
            variables = self._module.init(
                {"params": jax.random.PRNGKey(0), **self._rngs()},
                *given.inputs,
                **given.named,
                **given.fixed,
                **_linen_method(method),
            )
        variables = flax.core.unfreeze(variables)
        params = variables.pop("params", {})
        state = variables if run.state else {}
        state_created = [
            (collection, *keypath)
            for collection, creation in created.items()
            for keypath in creation.keypaths
            if collection != "params"
        ]
        return (
            leaves_of(params, created.get("params", Creation()).keypaths, named=linen_keypath),
            leaves_of(state, state_created, named=linen_keypath),
        )

    def call(self, params: Any, state: Any, arguments: _Arguments) -> tuple[Any, Any]:
        call = functools.partial(
            self._module.apply,
            {"params": params, **state},
            *arguments.inputs,
            **arguments.named,
            **arguments.fixed,
            **_linen_method(self._run.method),
            rngs=self._rngs(),
        )
        if self._run.state == "frozen":
            return call(), state
        # A BatchNorm outside `nn.stateful` is legal legacy: its statistics are dropped.
        outputs, after = call(mutable=flax.core.DenyList(("params", "intermediates")))
        return outputs, flax.core.unfreeze(after) if self._run.state else {}

    def _rngs(self) -> dict[str, jax.Array]:
        return {stream: jax.random.PRNGKey(1) for stream in self._run.rngs}


def _arguments(run: Run, make: Inputs, bound: Mapping[str, Any]) -> tuple[_Arguments, _Arguments]:
    """For the call, and for the initialisation where it differs."""
    inputs = make.positional(run.inputs)
    named = make.named(run.named_inputs, inputs)
    fixed = {**bound, **make.literals(run.call)}
    call = _Arguments(tuple(inputs), named, fixed)
    if run.init_inputs is not None:
        inputs = make.positional(run.init_inputs)
    if run.init_named_inputs is not None:
        named = make.named(run.init_named_inputs, inputs)
    if run.init_call is not None:
        fixed = {**bound, **make.literals(run.init_call)}
    return call, _Arguments(tuple(inputs), named, fixed)


def _method(module: Any, name: str) -> Any:
    return module if name in ("", "apply") else getattr(module, name)


def _linen_method(name: str) -> dict[str, str]:
    return {} if name in ("", "apply") else {"method": name}


@dataclass(frozen=True)
class _Seen:
    """What one side did under given variables."""

    outputs: Any
    state: Any
    gradients: tuple[Any, Any, Any] | UserCodeError | None


def _compared_modules(pair: RunPair, worlds: Mapping[Side, World]) -> tuple[Comparison, ...]:
    with inside(worlds[Side.LEGACY], "init"):
        legacy: _Module = _LegacyModule(pair.legacy, worlds[Side.LEGACY])
        legacy_params, legacy_state = legacy.initial()
    with inside(worlds[Side.LINEN], "init"):
        linen: _Module = _LinenModule(pair.linen, worlds[Side.LINEN])
        linen_params, linen_state = linen.initial()

    params_readings = list(_readings(legacy_params, linen_params))
    state_readings = list(_readings(legacy_state, _without_collection(linen_state)))
    unpaired = [
        _unpaired(what, old, new)
        for what, old, new, readings in (
            ("parameters", legacy_params, linen_params, params_readings),
            ("collections", legacy_state, linen_state, state_readings),
        )
        if not readings
    ]
    if unpaired:
        return tuple(unpaired)

    params = _randomised(legacy_params)
    state = _randomised(legacy_state)
    variables = legacy_params.rebuild(params), legacy_state.rebuild(state)
    old = _observed(legacy, worlds[Side.LEGACY], pair, *variables)

    first: tuple[Comparison, ...] | None = None
    for in_params, in_state in _attempts(params_readings, state_readings):
        paired_params = _Paired(legacy_params, linen_params, in_params)
        paired_state = _Paired(legacy_state, linen_state, in_state)
        variables = paired_params.moved(params), paired_state.moved(state)
        new = _observed(linen, worlds[Side.LINEN], pair, *variables)
        verdict = _verdict(pair, paired_params, paired_state, old, new)
        if worst_outcome(comparison.outcome for comparison in verdict).passed:
            return verdict
        first = first or verdict
    assert first is not None
    return first


def _attempts(
    params: Sequence[Pairing], state: Sequence[Pairing]
) -> Iterator[tuple[Pairing, Pairing]]:
    both = [(one, other) for one in params for other in state]
    yield from both[:_READINGS]


def _readings(legacy: Leaves, linen: Leaves) -> Iterator[Pairing]:
    return pairings(legacy.places, linen.places)


def _without_collection(state: Leaves) -> Leaves:
    """Legacy state does not know collections, so their names say nothing."""
    places = tuple(type(place)(place.keypath[1:], place.shape) for place in state.places)
    return dataclasses.replace(state, places=places)


def _unpaired(what: str, legacy: Leaves, linen: Leaves) -> Comparison:
    gaps = [
        Gap(f"{what}", f"{len(legacy.places)} legacy leaves, {len(linen.places)} Linen leaves"),
        *(Gap("legacy", str(place)) for place in legacy.places),
        *(Gap("linen", str(place)) for place in linen.places),
    ]
    return Comparison(what, Outcome.DIFFERENT, len(legacy.places), tuple(gaps))


@dataclass(frozen=True)
class _Paired:
    """The variables of both sides, and which is which."""

    legacy: Leaves
    linen: Leaves
    pairing: Pairing

    def moved(self, values: Sequence[Any]) -> Any:
        """Legacy leaves as the variables of Linen."""
        back: list[Any] = [None] * len(values)
        for index, value in zip(self.pairing, values, strict=True):
            back[index] = laid_out(value, np.shape(self.linen.values[index]))
        return self.linen.rebuild(back)

    def rows(self, old: Sequence[Any], new: Sequence[Any]) -> list[tuple[str, Any, Any]]:
        """Pairs of leaves under their legacy names, in Linen's layout."""
        rows = []
        for place, value, index in zip(self.legacy.places, old, self.pairing, strict=True):
            name = "/".join(place.keypath)
            rows.append((name, laid_out(value, np.shape(new[index])), new[index]))
        return rows

    def tree_rows(self, old: Any, new: Any) -> list[tuple[str, Any, Any]]:
        """The same, from trees in the structure of the variables."""
        return self.rows(self.legacy.row(old), self.linen.row(new))


def _randomised(leaves: Leaves) -> list[Any]:
    """Numbers of their own for every leaf, of the size that it had."""
    return [
        _random_like(value, generator(place.keypath, place.shape))
        for place, value in zip(leaves.places, leaves.values, strict=True)
    ]


def _random_like(value: Any, draw: np.random.Generator) -> Any:
    if not jnp.issubdtype(jnp.asarray(value).dtype, jnp.floating):
        return value
    numbers = np.asarray(value).astype(np.float64)
    if not numbers.size or not np.isfinite(numbers).all():
        return value
    if (numbers > 0).all() or (numbers < 0).all():  # a scale or a variance
        fresh = numbers * draw.uniform(0.5, 1.5, numbers.shape)
    else:
        spread = float(numbers.std()) or 0.2
        fresh = numbers.mean() + spread * draw.standard_normal(numbers.shape)
    return jnp.asarray(fresh, jnp.asarray(value).dtype)


def _observed(module: _Module, world: World, pair: RunPair, params: Any, state: Any) -> _Seen:
    with inside(world, "call"):
        outputs, after = module.call(params, state, module.arguments)
    if "gradients" not in pair.compare:
        return _Seen(outputs, after, None)
    if not any(map(_differentiable, jax.tree_util.tree_leaves(outputs))):
        return _Seen(outputs, after, None)
    try:
        with inside(world, "gradients"):
            return _Seen(outputs, after, _gradients(module, params, state))
    except UserCodeError as error:
        return _Seen(outputs, after, error)


def _differentiable(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray) and jnp.issubdtype(leaf.dtype, jnp.floating)


def _gradients(module: _Module, params: Any, state: Any) -> tuple[Any, Any, Any]:
    """Of a bounded, leaf-wise random function of the outputs, as trees with `None` for the rest."""
    given = module.arguments
    moving, rejoin = _split((params, given.inputs, given.named))

    def loss(moving: Sequence[Any]) -> jax.Array:
        params, inputs, named = rejoin(moving)
        outputs, _ = module.call(params, state, _Arguments(inputs, named, given.fixed))
        return _projected(outputs)

    gradients: tuple[Any, Any, Any] = rejoin(jax.grad(loss)(moving), absent=True)
    return gradients


def _split(tree: Any) -> tuple[list[Any], Callable[..., Any]]:
    """The differentiable leaves, and how to put such leaves back among the others."""
    leaves, definition = jax.tree_util.tree_flatten(tree)
    moves = [_differentiable(leaf) for leaf in leaves]

    def rejoin(moving: Sequence[Any], *, absent: bool = False) -> Any:
        fresh = iter(moving)
        merged = [
            next(fresh) if moved else (_NO_GRADIENT if absent else leaf)
            for leaf, moved in zip(leaves, moves, strict=True)
        ]
        return jax.tree_util.tree_unflatten(definition, merged)

    return [leaf for leaf, moved in zip(leaves, moves, strict=True) if moved], rejoin


_NO_GRADIENT = "no gradient"


def _projected(outputs: Any) -> jax.Array:
    total = jnp.zeros(())
    for index, leaf in enumerate(jax.tree_util.tree_leaves(outputs)):
        if _differentiable(leaf):
            weights = generator("projection", index, leaf.shape).uniform(-1, 1, leaf.shape)
            wide = leaf.astype(jnp.promote_types(leaf.dtype, jnp.float32))
            total += jnp.sum(jnp.cos(wide) * jnp.asarray(weights, wide.dtype))
    return total


def _verdict(
    pair: RunPair, params: _Paired, state: _Paired, old: _Seen, new: _Seen
) -> tuple[Comparison, ...]:
    exact = Tolerance(pair.rtol)
    verdict = []
    if "initial" in pair.compare:
        rows = params.rows(params.legacy.values, params.linen.values)
        rows += state.rows(state.legacy.values, state.linen.values)
        verdict.append(compare_leaves("initial", rows, exact))
    if "outputs" in pair.compare:
        verdict.append(compare_trees("outputs", old.outputs, new.outputs, exact))
    if "gradients" in pair.compare:
        verdict.append(_compared_gradients(pair, params, old, new))
    if "collections" in pair.compare:
        verdict.append(compare_leaves("collections", state.tree_rows(old.state, new.state), exact))
    return tuple(verdict)


def _compared_gradients(pair: RunPair, params: _Paired, old: _Seen, new: _Seen) -> Comparison:
    if isinstance(old.gradients, UserCodeError) and isinstance(new.gradients, UserCodeError):
        return Comparison("gradients", Outcome.SKIPPED)  # there are none, on either side
    for gradients in (old.gradients, new.gradients):
        if isinstance(gradients, UserCodeError):
            raise gradients
        if gradients is None:
            return Comparison("gradients", Outcome.SKIPPED)
    assert isinstance(old.gradients, tuple)
    assert isinstance(new.gradients, tuple)
    rows = params.tree_rows(old.gradients[0], new.gradients[0])
    if pair.legacy.inputs == pair.linen.inputs:
        rows += _input_rows("inputs", old.gradients[1], new.gradients[1])
    if pair.legacy.named_inputs == pair.linen.named_inputs:
        rows += _input_rows("named inputs", old.gradients[2], new.gradients[2])
    rows = [row for row in rows if not isinstance(row[1], str)]
    # A gradient sums over many outputs, and rounding with it.
    return compare_leaves("gradients", rows, Tolerance(10 * pair.rtol, floor=pair.rtol))


def _input_rows(kind: str, old: Any, new: Any) -> list[tuple[str, Any, Any]]:
    olds, news = jax.tree_util.tree_leaves(old), jax.tree_util.tree_leaves(new)
    if len(olds) != len(news):
        return []
    return [(f"{kind}/{index}", a, b) for index, (a, b) in enumerate(zip(olds, news, strict=True))]
