"""The optimizers of `flax.optim`, and the optax transformation equal to each.

Equal means: the same numbers, not the same idea.  Where the optax alias of the
same name computes something else, the exact chain is given instead.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from linenify.facts import sites
from linenify.facts.ask.arguments import text
from linenify.facts.legacy.optimizer_forms import FORMS, Given
from linenify.facts.sites import Argument, Unclear
from linenify.project.nodes import walk

CODE = "LN691"


@dataclass(frozen=True, slots=True)
class HyperParameter:
    """One argument of a legacy optimizer.

    Attributes:
        name: the legacy name.
        default: its default in flax 0.3.6, as code.
        key: how optax names it, in `hyperparams` too.
        static: no number that a step could change.
    """

    name: str
    default: str
    key: str
    static: bool = False


def _row(*entries: str) -> tuple[HyperParameter, ...]:
    """`name=default`, `name=default:key`; a `!` at the end marks what is static."""
    made = []
    for entry in entries:
        name, _, rest = entry.rstrip("!").partition("=")
        default, _, key = rest.partition(":")
        made.append(HyperParameter(name, default, key or name, entry.endswith("!")))
    return tuple(made)


# In the order of the legacy constructors.  Since 0.1.0 only the default of
# RMSProp's beta2 changed (it was 0.999 in 0.1.0); `centered` came with 0.3.0,
# Adadelta with 0.3.1, AdaBelief with 0.3.5, Adafactor and DynamicScale with 0.2.x.
OPTIMIZERS: Mapping[str, tuple[HyperParameter, ...]] = {
    "GradientDescent": _row("learning_rate=None"),
    "Momentum": _row(
        "learning_rate=None", "beta=0.9:momentum", "weight_decay=0", "nesterov=False!"
    ),
    "Adam": _row(
        "learning_rate=None", "beta1=0.9:b1", "beta2=0.999:b2", "eps=1e-8", "weight_decay=0.0"
    ),
    "AdaBelief": _row(
        "learning_rate=None", "beta1=0.9:b1", "beta2=0.999:b2", "eps=1e-16", "weight_decay=0.0"
    ),
    "Adadelta": _row("learning_rate=None", "rho=0.9", "eps=1e-6", "weight_decay=0.0"),
    "Adagrad": _row("learning_rate=None", "eps=1e-8"),
    "RMSProp": _row("learning_rate=None", "beta2=0.9:decay", "eps=1e-8", "centered=False!"),
    "Adafactor": _row(
        "learning_rate=None",
        "factored=True!",
        "multiply_by_parameter_scale=True!",
        "beta1=None:momentum",
        "decay_rate=0.8",
        "step_offset=0:decay_offset",
        "clipping_threshold=1.0",
        "weight_decay_rate=None",
        "min_dim_size_to_factor=128!",
        "epsilon1=1e-30:eps",
        "epsilon2=1e-3:min_scale",
        "dtype_momentum=jnp.float32!",
    ),
    "LAMB": _row(
        "learning_rate=None", "beta1=0.9:b1", "beta2=0.999:b2", "weight_decay=0", "eps=1e-6"
    ),
    "LARS": _row(
        "learning_rate=None",
        "beta=0.9:momentum",
        "weight_decay=0",
        "trust_coefficient=0.001",
        "eps=0",
        "nesterov=False!",
    ),
    "WeightNorm": _row("wrapped_optimizer=!", "wn_decay=0!", "wn_eps=1e-8!"),
}

# Optimizers that hold others, and what picks the leaves for them.
WRAPPERS = frozenset({"WeightNorm", "MultiOptimizer"})
TRAVERSALS = frozenset({"ModelParamTraversal"})


@dataclass(frozen=True, slots=True)
class Definition:
    """The optax expression that a legacy optimizer definition becomes.

    Attributes:
        template: code; `{0}` is argument 0 of the legacy call, `{0_1}` element 1
            of a tuple that stands there.
        imports: dotted names that it needs.
        support: snippets that it calls.
        notes: what to say above it when it is not the optax alias; may be empty.
        inner: for what holds other definitions: the paths from its state to theirs,
            in the order of its arguments; their `.hyperparams` are there.
        alias: the function of optax that takes the place of the legacy class, where
            `template` is just a call of it.
        arguments: of that call, in the order of the legacy one.
    """

    template: str
    imports: tuple[str, ...] = ("optax",)
    support: tuple[str, ...] = ()
    notes: str = ""
    inner: tuple[str, ...] = ()
    alias: str | None = None
    arguments: tuple[Argument, ...] = ()


def definition(
    name: str,
    call: ast.Call,
    per_step: Collection[str],
    spread: Mapping[str, Given] | None = None,
) -> Definition:
    """What `optim.<name>(...)` becomes.

    Args:
        name: a class of `flax.optim`.
        call: the call that makes the definition.
        per_step: names of the hyper-parameters that steps override.  With some,
            the state has `.hyperparams`, keyed as `hyperparameter` says.
        spread: what the `**splats` of the call carry; None where that is not known.

    Raises:
        Unclear: LN691, with the reason.
    """
    if name == "MultiOptimizer":
        return multi(call)
    if name not in OPTIMIZERS:
        raise Unclear(CODE, f"`{name}` has no counterpart in optax")
    given = _filled(name, call, spread)
    if name == "WeightNorm":
        return _weight_norm(given, per_step)
    for each in sorted(per_step):
        hyperparameter(name, each)
    changing = [p.name for p in OPTIMIZERS[name] if p.name in per_step]
    if not changing:
        return _fixed(name, given, call)
    return _injected(name, given, changing)


def hyperparameter(name: str, legacy: str) -> str:
    """The key in `.hyperparams` of what legacy calls `legacy`.

    Raises:
        Unclear: LN691, when it is none, or nothing that optax lets a step change.
    """
    for each in OPTIMIZERS.get(name, ()):
        if each.name == legacy and not each.static:
            return each.key
    raise Unclear(CODE, f"`{legacy}` of {name} cannot be set at a step")


# --- arguments -------------------------------------------------------------------------------


def _filled(name: str, call: ast.Call, spread: Mapping[str, Given] | None) -> dict[str, Given]:
    """The arguments of a call that matter, by the parameter they fill."""
    table = {each.name: each for each in OPTIMIZERS[name]}
    if any(isinstance(a, ast.Starred) for a in call.args) or any(
        k.arg is None and spread is None for k in call.keywords
    ):
        raise Unclear(CODE, f"the arguments of `{text(call.func)}` are not spelled out")
    if len(call.args) > len(table):
        raise Unclear(CODE, f"`{text(call.func)}` gets more arguments than it takes")
    found = {
        parameter: Given(f"{{{index}}}", node, positional=True)
        for index, (parameter, node) in enumerate(zip(table, call.args, strict=False))
    }
    named = {
        keyword.arg: Given(f"{{{index}}}", keyword.value)
        for index, keyword in enumerate(call.keywords, len(call.args))
        if keyword.arg is not None
    }
    for keyword, given in [*named.items(), *(spread or {}).items()]:
        if keyword not in table or keyword in found:
            raise Unclear(CODE, f"`{text(call.func)}` takes no argument `{keyword}` here")
        found[keyword] = given
    return {
        parameter: each
        for parameter, each in found.items()
        if not (
            each.says(None) and (table[parameter].default == "None" or parameter == "weight_decay")
        )
    }


def _fixed(name: str, given: Mapping[str, Given], call: ast.Call) -> Definition:
    """A definition whose hyper-parameters never change."""
    if "learning_rate" not in given:
        raise Unclear(CODE, f"`{text(call.func)}` gets no learning rate, neither here nor per step")
    form = FORMS[name](given)
    made = Definition(form.code(), support=form.support, notes=form.notes)
    return replace(made, alias=form.alias, arguments=_in_place(form.arguments))


def _in_place(arguments: Iterable[tuple[str, Given]]) -> tuple[Argument, ...]:
    """Arguments in the order in which they were written, new ones behind them."""
    written: list[sites.Given] = []
    added: list[Argument] = []
    for key, each in arguments:
        if each.node is None or not each.code[1:-1].isdigit():
            added.append(sites.Added(key, each.code))
        else:
            first = each.positional and key == "learning_rate"
            written.append(sites.Given(int(each.code[1:-1]), None if first else key))
    return (*sorted(written, key=lambda each: each.index), *added)


def _weight_norm(given: Mapping[str, Given], per_step: Collection[str]) -> Definition:
    """Weight normalisation around another definition, which has a site of its own."""
    own = {each.name for each in OPTIMIZERS["WeightNorm"]} & set(per_step)
    if own:
        raise Unclear(CODE, f"`{min(own)}` of WeightNorm cannot be set at a step")
    if "wrapped_optimizer" not in given:
        raise Unclear(CODE, "WeightNorm wraps no optimizer here")
    table = OPTIMIZERS["WeightNorm"]
    named = [f"{p.key}={given[p.name].code}" for p in table[1:] if p.name in given]
    arguments = ", ".join([given["wrapped_optimizer"].code, *named])
    return Definition(
        f"weight_norm({arguments})",
        imports=(),
        support=("weight_norm",),
        notes="optax has no weight normalisation",
        inner=("inner",),
    )


# --- hyper-parameters that change ------------------------------------------------------------


def _injected(name: str, given: Mapping[str, Given], changing: Iterable[str]) -> Definition:
    """A definition inside of `optax.inject_hyperparams`."""
    table = {each.name: each for each in OPTIMIZERS[name]}
    every = dict(given)
    for each in changing:
        every[each] = _initial(table[each], given.get(each))
    keys = [table[each].key for each in changing]
    form = FORMS[name](every)
    if form.alias is None or name == "Adafactor" or form.tied.intersection(keys):
        return _in_lambda(name, every, table, keys)
    loose = [key for key, each in form.arguments if key in _FLAGS and not each.is_literal]
    static = [key for key in (*form.exact, *loose) if key not in keys]
    arguments = ", ".join(f"{key}={each.code}" for key, each in form.arguments)
    template = f"optax.inject_hyperparams({form.alias}{_static(static)})({arguments})"
    return Definition(template, support=form.support, notes=form.notes)


_FLAGS = frozenset({"nesterov", "centered"})


def _initial(parameter: HyperParameter, given: Given | None) -> Given:
    """What stands in `.hyperparams` until the first step sets it: a float in any case."""
    if given is None:
        return Given(parameter.default if parameter.default not in {"None", "0"} else "0.0")
    match given.node:
        case ast.Constant(value=int(number)):
            return Given(f"{number}.0")
    return given if given.says(None) else Given(given.code)


def _in_lambda(
    name: str,
    every: Mapping[str, Given],
    table: Mapping[str, HyperParameter],
    keys: Collection[str],
) -> Definition:
    """`optax.inject_hyperparams(lambda learning_rate: optax.chain(...))(learning_rate=...)`.

    What the program computes is handed in as well, so that it is computed once.
    """
    inside: dict[str, Given] = {}
    outside: dict[str, Given] = {}
    static: list[str] = []
    for legacy, parameter in table.items():
        if legacy not in every:
            continue
        each, key = every[legacy], parameter.key
        if key in keys or not each.is_literal:
            inside[legacy] = Given(key, positional=True)
            outside[key] = each
            if key not in keys:
                static.append(key)
        else:
            inside[legacy] = each
    form = FORMS[name](inside)
    arguments = ", ".join(f"{key}={each.code}" for key, each in outside.items())
    function = f"lambda {', '.join(outside)}: {form.code()}"
    template = f"optax.inject_hyperparams({function}{_static(static)})({arguments})"
    return Definition(template, support=form.support, notes=form.notes)


def _static(keys: Collection[str]) -> str:
    if not keys:
        return ""
    names = ", ".join(f"'{key}'" for key in keys)
    return f", static_args=({names},)" if len(keys) == 1 else f", static_args=({names})"


# --- several optimizers ----------------------------------------------------------------------


def multi(call: ast.Call) -> Definition:
    """What `optim.MultiOptimizer((traversal, definition), ...)` becomes.

    Raises:
        Unclear: LN691, when the pairs are not spelled out.
    """
    if call.keywords or not call.args:
        raise Unclear(CODE, f"the arguments of `{text(call.func)}` are not spelled out")
    labels: list[str] = []
    predicates: list[str] = []
    for index, pair in enumerate(call.args):
        match pair:
            case ast.Tuple(elts=[predicate, inner]) if not _starred(predicate, inner):
                check_predicate(predicate)
                predicates.append(f"{{{index}_0}}")
                labels.append(f"'{index}': {{{index}_1}}")
            case _:
                raise Unclear(CODE, f"`{text(pair)}` is not a pair that is spelled out")
    return _partitioned(labels, predicates)


def focused(inner: str, predicate: str) -> Definition:
    """What `definition.create(target, focus=traversal)` optimizes with.

    Args:
        inner: code of the transformation, e.g. `{owner}`.
        predicate: code of what picks the leaves, e.g. `{1}`.
    """
    return _partitioned([f"'0': {inner}"], [predicate])


def _partitioned(labels: Iterable[str], predicates: Iterable[str]) -> Definition:
    every = list(labels)
    table = ", ".join([*every, "'frozen': optax.set_to_zero()"])
    return Definition(
        f"optax.multi_transform({{{table}}}, label_params({', '.join(predicates)}))",
        support=("label_params",),
        inner=tuple(f"inner_states['{i}'].inner_state" for i in range(len(every))),
    )


def traversal(call: ast.Call) -> str:
    """What `ModelParamTraversal(predicate)` becomes: its predicate.

    Raises:
        Unclear: LN691, when there is none, or when it names numbered children.
    """
    match call:
        case ast.Call(args=[predicate], keywords=[]) if not _starred(predicate):
            pass
        case ast.Call(args=[], keywords=[ast.keyword(arg="filter_fn", value=predicate)]):
            pass
        case _:
            raise Unclear(CODE, f"the predicate of `{text(call.func)}` is not spelled out")
    check_predicate(predicate)
    return "{0}"


_NUMBERED = re.compile(r"(?<![a-z0-9])[A-Z]\w*_(?:\d|\\d|\[|$)|^/?\d+$|/\d+(?:/|$)")


def check_predicate(node: ast.AST) -> None:
    """Whether a predicate goes by names that stay the same in Linen.

    Raises:
        Unclear: LN691, when a string in it looks like a numbered child.
    """
    for each in walk(node):
        if (
            isinstance(each, ast.Constant)
            and isinstance(each.value, str)
            and _NUMBERED.search(each.value)
        ):
            raise Unclear(CODE, f"`{each.value}` is numbered, and Linen numbers differently")


def _starred(*nodes: ast.expr) -> bool:
    return any(isinstance(node, ast.Starred) for node in nodes)
