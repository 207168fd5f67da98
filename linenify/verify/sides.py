"""A module class of either side: how to initialise it, and how to call it."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import flax.core
import jax

from linenify.guessing import hint
from linenify.verify.case import CaseError, Run
from linenify.verify.creation import Creation, watched_legacy, watched_linen
from linenify.verify.inputs import Inputs
from linenify.verify.leaves import Leaves, leaves_of, legacy_state_keypath, linen_keypath
from linenify.verify.worlds import World, found


@dataclass(frozen=True)
class Arguments:
    """What a module is called with."""

    inputs: tuple[Any, ...]
    named: dict[str, Any]
    fixed: dict[str, Any]


class ModuleSide(Protocol):
    """A module class of either side, with its arguments; used inside its world."""

    arguments: Arguments

    def initial(self) -> tuple[Leaves, Leaves]:
        """Parameters and collections as initialised."""

    def call(self, params: Any, state: Any, arguments: Arguments) -> tuple[Any, Any]:
        """The outputs, and the collections after the call."""


def module_side(run: Run, world: World) -> ModuleSide:
    """The module class that a run names, in the world that is entered."""
    return _LegacyModule(run, world) if world.overlay is not None else _LinenModule(run, world)


class _LegacyModule:
    def __init__(self, run: Run, world: World) -> None:
        assert world.overlay is not None
        self._nn = world.overlay.nn
        self._run = run
        namespace = vars(world.files.load(run.file))
        make = Inputs(namespace)
        self._class = found(run.module, namespace, make)
        if not _is_class(self._class, self._nn.Module):
            raise CaseError(f"`{run.module}` is no module class of legacy Flax")
        bound = make.literals(run.hyperparameters)
        method = self._method(run.method)
        apply = getattr(method, "apply", None)
        signature = _signature(apply, own=not hasattr(apply, "__wrapped__"))
        self.arguments, self._init_arguments = _arguments(run, make, bound, signature)
        partial = getattr(method, "_extend_kwargs", dict)  # adds what `.partial` has bound
        _check(run, signature, self.arguments, partial)

    def initial(self) -> tuple[Leaves, Leaves]:
        run = self._run
        module = self._method(run.method if run.init_method is None else run.init_method)
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

    def call(self, params: Any, state: Any, arguments: Arguments) -> tuple[Any, Any]:
        module = self._method(self._run.method)
        with self._contexts(state, mutable=self._run.state != "frozen") as after:
            outputs = module.call(params, *arguments.inputs, **arguments.named, **arguments.fixed)
        return outputs, _as_dict(after)

    def _method(self, name: str) -> Any:
        if name in ("", "apply"):
            return self._class
        method = getattr(self._class, name, None)
        if _is_class(method, self._nn.Module):
            return method
        known = [
            each
            for each in dir(self._class)
            if _is_class(getattr(self._class, each), self._nn.Module)
        ]
        has = f"it has {', '.join(known)}" if known else "it has none, only `apply`"
        raise CaseError(f"`{name}` is no module method of `{self._run.module}`: {has}")

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
        module_class = found(run.module, namespace, make)
        method = run.method if run.method not in ("", "apply") else "__call__"
        signature = _signature(getattr(module_class, method, None), own=True)
        run, fields = _placed(run, module_class, signature)
        self._module = module_class(**make.literals(fields))
        self.arguments, self._init_arguments = _arguments(run, make, {}, signature)

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

    def call(self, params: Any, state: Any, arguments: Arguments) -> tuple[Any, Any]:
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


def _signature(method: Callable[..., Any] | None, *, own: bool) -> Mapping[str, inspect.Parameter]:
    """The parameters of a method, less its instance; none when they cannot be known.

    A function that legacy `nn.module` made a class of has no instance: `own` is false.
    """
    try:
        parameters = dict(inspect.signature(method).parameters) if method is not None else {}
    except (TypeError, ValueError):
        return {}
    for name in list(parameters)[:1]:
        if own and not hasattr(method, "__self__"):
            del parameters[name]
    return parameters


def _placed(
    run: Run, module_class: Any, signature: Mapping[str, inspect.Parameter]
) -> tuple[Run, Mapping[str, Any]]:
    """The run with every keyword where the Linen class takes it; and its fields.

    A case says what legacy `apply` is given.  Which of that became a field and
    which an argument of the call is for the migration to decide.
    """
    fields, call = dict(run.hyperparameters), dict(run.call)
    if not dataclasses.is_dataclass(module_class) or not signature:
        return run, fields
    known = {each.name for each in dataclasses.fields(module_class) if each.init}
    for name in [name for name in fields if name not in known and name in signature]:
        call[name] = fields.pop(name)
    moved = [name for name in call if name not in signature and name in known]
    fields |= {name: call.pop(name) for name in moved}
    init_call = run.init_call
    if init_call is not None:
        init_call = {name: value for name, value in init_call.items() if name not in moved}
    return dataclasses.replace(run, call=call, init_call=init_call), fields


def _arguments(
    run: Run,
    make: Inputs,
    bound: Mapping[str, Any],
    signature: Mapping[str, inspect.Parameter],
) -> tuple[Arguments, Arguments]:
    """For the call, and for the initialisation where it differs."""
    inputs = make.positional(run.inputs)
    named = make.named(run.named_inputs, inputs)
    fixed = {**bound, **make.literals(run.call)}
    call = _bound(inputs, named, fixed, signature)
    if run.init_inputs is not None:
        inputs = make.positional(run.init_inputs)
    if run.init_named_inputs is not None:
        named = make.named(run.init_named_inputs, inputs)
    if run.init_call is not None:
        fixed = {**bound, **make.literals(run.init_call)}
    return call, _bound(inputs, named, fixed, signature)


def _bound(
    inputs: Sequence[Any],
    named: dict[str, Any],
    fixed: dict[str, Any],
    signature: Mapping[str, inspect.Parameter],
) -> Arguments:
    """Passes inputs by name where keywords take their places: `apply(self, features, x)`."""
    taken = {*named, *fixed}
    plain = [
        name
        for name, each in signature.items()
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
    if taken.isdisjoint(plain[: len(inputs)]):
        return Arguments(tuple(inputs), named, fixed)
    free = [name for name in plain if name not in taken]
    return Arguments((), {**dict(zip(free, inputs, strict=False)), **named}, fixed)


def _is_class(value: Any, base: type) -> bool:
    return isinstance(value, type) and issubclass(value, base)


def _check(
    run: Run,
    signature: Mapping[str, inspect.Parameter],
    given: Arguments,
    partial: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    """Complains about arguments that the legacy method does not take."""
    if not signature:
        return
    parameters = list(signature.values())
    try:
        named = partial({**given.named, **given.fixed})
        inspect.Signature(parameters).bind(*given.inputs, **named)
    except TypeError as error:
        name = ".".join(filter(None, [run.module, run.method or "apply"]))
        open_ended = any(each.kind is each.VAR_KEYWORD for each in parameters)
        unknown = [] if open_ended else [each for each in named if each not in signature]
        if unknown:
            tail = hint(unknown[0], signature)
            raise CaseError(f"{name} takes no `{unknown[0]}`; {tail}") from error
        takes = ", ".join(str(each.replace(annotation=each.empty)) for each in parameters)
        raise CaseError(
            f"{name} takes ({takes}): {error}; give arrays as inputs (--input), other values "
            "as hyper-parameters (--set)"
        ) from error


def _linen_method(name: str) -> dict[str, str]:
    return {} if name in ("", "apply") else {"method": name}
