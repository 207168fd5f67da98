"""Legacy optimizers: each definition, creation and step, as `TrainState` and optax."""

from __future__ import annotations

import ast

from linenify.facts import optimizers, optimizing
from linenify.facts.arguments import Unclear, text
from linenify.facts.kinds import Api, Optimizer, OptimizerDef, Value
from linenify.facts.models import known, other_than_models
from linenify.facts.plan import Plan
from linenify.facts.rendering import rendered
from linenify.facts.sites import Reshaped, StatementSite
from linenify.facts.stated import can_go_before, free_name, in_block
from linenify.facts.support import require
from linenify.facts.training import Training
from linenify.project.source import Source

_GRADIENT = frozenset({"compute_gradient", "compute_gradients"})


def emit_definition(training: Training, source: Source, call: ast.Call) -> None:
    """`optim.Adam(...)`: the optax transformation that does the same."""
    plan = training.plan
    found = [a for a in plan.flow.values.get(call, frozenset()) if isinstance(a, OptimizerDef)]
    if len(found) != 1:
        raise Unclear("LN691", f"`{text(call.func)}` may be several optimizers")
    steps = training.per_step.get(call, [])
    if len(set(steps)) > 1:
        raise Unclear("LN692", "its steps pass different hyper-parameters")
    passed = {name for names in steps for name in names if name is not None}
    made = optimizers.definition(found[0].name, call, frozenset(passed))
    require(plan, source, made.support, "LN691")
    plan.at(source, call, Reshaped(made.template, "LN601", tuple(made.imports)))
    if made.notes:
        plan.files[source.name].comments[plan.statement(call).lineno] = made.notes


def emit(training: Training, source: Source, call: ast.Call, callee: Value) -> None:
    """A method of an optimizer or of an optimizer definition."""
    names = {a.name for a in callee if isinstance(a, Api)}
    kinds = {type(a.receiver) for a in callee if isinstance(a, Api)}
    if len(names) != 1 or len(kinds) != 1 or any(not isinstance(a, Api) for a in known(callee)):
        raise Unclear("LN692", f"`{text(call.func)}` is not always a method of an optimizer")
    name = names.pop()
    if kinds == {OptimizerDef}:
        if name != "create":
            raise Unclear("LN692", f"`{text(call.func)}` has no counterpart in optax")
        _emit_create(training, source, call)
        return
    match name:
        case "apply_gradient":
            _emit_step(training, source, call, callee)
        case "replace":
            _emit_replace(training.plan, source, call)
        case "replicate" | "unreplicate":
            if call.args or call.keywords:
                raise Unclear("LN692", f"`{text(call.func)}` names devices or an axis")
            template = "{spell:flax.jax_utils.%s}({owner})" % name
            training.plan.at(source, call, Reshaped(template, "LN605"))
        case "compute_gradient" | "compute_gradients" | "optimize":
            _emit_gradient(training, source, call, callee, name)
        case _:
            raise Unclear("LN692", f"`{text(call.func)}` has no counterpart in a TrainState")


def _emit_create(training: Training, source: Source, call: ast.Call) -> None:
    plan = training.plan
    given = {k.arg: i for i, k in enumerate(call.keywords, len(call.args))}
    if "focus" in given or len(call.args) > 1 or None in given:
        raise Unclear("LN692", f"`{text(call.func)}` optimizes a part of its target")
    place = 0 if call.args else given.get("target")
    if place is None:
        raise Unclear("LN692", f"`{text(call.func)}` is called without a target")
    target = known(plan.flow.items.get((call, "target"), frozenset()))
    apply = "None"
    if training.models.as_params(target) and not other_than_models(target):
        callee = training.models.apply_fn(call)
        if callee is not None:
            apply = f"{training.models.text(source, callee)}.apply"
    template = (
        "{spell:flax.training.train_state.TrainState}.create("
        "apply_fn=%s, params={%d}, tx={owner})" % (apply, place)
    )
    plan.at(source, call, Reshaped(template, "LN602"))


def _emit_step(training: Training, source: Source, call: ast.Call, callee: Value) -> None:
    plan = training.plan
    place = _place(call, "grads")
    grads = "{%d}" % place
    if _is_replicated(callee):
        grads = "{spell:jax.lax.pmean}(%s, axis_name='batch')" % grads
    before = tuple(
        "{owner}.opt_state.hyperparams['%s'] = {%d}" % (key, index)
        for key, index in _overrides(training, call, callee, "grads")
    )
    if before and not can_go_before(plan, call):
        raise Unclear("LN692", "hyper-parameters are passed where no statement can go before")
    plan.at(
        source,
        call,
        Reshaped("{owner}.apply_gradients(grads=%s)" % grads, "LN604", before=before),
    )


def _place(call: ast.Call, name: str) -> int:
    if call.args:
        if len(call.args) > 1 or isinstance(call.args[0], ast.Starred):
            raise Unclear("LN692", f"the arguments of `{text(call.func)}` are not spelled out")
        return 0
    for index, keyword in enumerate(call.keywords):
        if keyword.arg == name:
            return index
    raise Unclear("LN692", f"`{text(call.func)}` is called without its `{name}`")


def _overrides(
    training: Training, call: ast.Call, callee: Value, first: str
) -> list[tuple[str, int]]:
    """Hyper-parameters that a step passes: their key in the optax state, and their place."""
    found: list[tuple[str, int]] = []
    for index, keyword in enumerate(call.keywords, len(call.args)):
        if keyword.arg == first:
            continue
        keys = {
            optimizers.hyperparameter(definition.name, keyword.arg or "**")
            for atom in callee
            if isinstance(atom, Api) and isinstance(atom.receiver, Optimizer)
            for definition in optimizing.definitions(training.plan.flow, atom.receiver)
        }
        if len(keys) != 1:
            raise Unclear("LN692", f"`{keyword.arg or '**'}` is not one hyper-parameter")
        found.append((keys.pop(), index))
    return found


def _is_replicated(callee: Value) -> bool:
    flags = {
        a.receiver.replicated
        for a in callee
        if isinstance(a, Api) and isinstance(a.receiver, Optimizer)
    }
    if len(flags) != 1:
        raise Unclear("LN692", "the optimizer is replicated in some calls only")
    return flags.pop()


def _emit_replace(plan: Plan, source: Source, call: ast.Call) -> None:
    if call.args or [k.arg for k in call.keywords] != ["target"]:
        raise Unclear("LN692", f"`{text(call.func)}` replaces more than the target")
    plan.at(source, call, Reshaped("{owner}.replace(params={0})", "LN603"))


def _emit_gradient(
    training: Training, source: Source, call: ast.Call, callee: Value, name: str
) -> None:
    """`loss, grad = optimizer.compute_gradient(f)` and `optimizer.optimize(f)`."""
    plan = training.plan
    place = _place(call, "loss_fn")
    statement = plan.parents.get(call)
    match statement:
        case ast.Assign(targets=[ast.Tuple(elts=targets)]) if in_block(plan, statement):
            shown = [rendered(plan, source, target) for target in targets]
        case _:
            raise Unclear("LN693", f"the result of `{text(call.func)}` is not taken apart here")
    aux = len(shown) == 3
    if len(shown) not in {2, 3}:
        raise Unclear("LN693", f"the result of `{text(call.func)}` is not taken apart here")
    option = ", has_aux=True" if aux else ""
    template = "{spell:jax.value_and_grad}({%d}%s)({owner}.params)" % (place, option)
    before: tuple[str, ...] = ()
    if name in _GRADIENT:
        *values, grads = shown
        lines = [_unpacked(values, grads)]
    else:
        state, *values = shown
        grads = free_name(plan, call, ("grads", "gradients"))
        given = "{spell:jax.lax.pmean}(%s, axis_name='batch')" if _is_replicated(callee) else "%s"
        assert isinstance(call.func, ast.Attribute)
        owner = rendered(plan, source, call.func.value)
        before = tuple(
            "{owner}.opt_state.hyperparams['%s'] = {%d}" % (key, index)
            for key, index in _overrides(training, call, callee, "loss_fn")
        )
        step = f"{state} = {owner}.apply_gradients(grads={given % grads})"
        lines = [_unpacked(values, grads), step]
    plan.files[source.name].statements[statement.lineno] = StatementSite("LN606", lines=(*lines,))
    plan.at(source, call, Reshaped(template, "LN606", before=before))


def _unpacked(values: list[str], grads: str) -> str:
    shown = values[0] if len(values) == 1 else f"({', '.join(values)})"
    return f"{shown}, {grads} = {{value}}"
