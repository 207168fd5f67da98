"""Legacy optimizers: each definition, creation and step, as `TrainState` and optax."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence

from linenify.facts.ask.arguments import as_given, text
from linenify.facts.ask.callers import innermost
from linenify.facts.ask.places import can_go_before, is_path, is_pure
from linenify.facts.deciding.placing import free_name, in_block
from linenify.facts.deciding.plan import Plan
from linenify.facts.deciding.rendering import rendered
from linenify.facts.deciding.support import require
from linenify.facts.flow import optimizing
from linenify.facts.flow.kinds import (
    Api,
    Array,
    Container,
    External,
    Instance,
    Optimizer,
    OptimizerDef,
    Parameter,
    Value,
    known,
    models,
    rivals,
)
from linenify.facts.sites import ModuleCall, Reordered, Reshaped, Site, StatementSite, Unclear
from linenify.facts.training import (
    boundmethods,
    optimizers,
    own_optimizers,
    replicas,
    traversals,
)
from linenify.facts.training.spread import spread_arguments
from linenify.facts.training.training import Training
from linenify.project.nodes import walk
from linenify.project.source import Source

_GRADIENT = frozenset({"compute_gradient", "compute_gradients"})


def emit_definition(training: Training, source: Source, call: ast.Call) -> None:
    """`optim.Adam(...)`: the optax transformation that does the same."""
    plan = training.plan
    if training.factories.makes(call):
        plan.at(source, call, Reordered(as_given(call), "LN601"))
        return
    found = [a for a in plan.flow.values.get(call, frozenset()) if isinstance(a, OptimizerDef)]
    if len(found) != 1:
        why = f"`{text(call.func)}` may be several optimizers"
        raise Unclear("LN691", why, about=call.func)
    if any(isinstance(a, Parameter) for a in plan.flow.values.get(call.func, frozenset())):
        raise Unclear("LN691", f"callers may hand another optimizer as `{text(call.func)}`")
    if _hides(source, "optax"):
        raise Unclear("LN691", "`optax` names something else in this file")
    steps = training.per_step.get(call, [])
    passed = {name for names in steps for name in names if name is not None}
    for pair in call.args if found[0].name == "MultiOptimizer" else ():
        if isinstance(pair, ast.Tuple) and pair.elts:
            traversals.check_predicate(plan, pair.elts[0])
    spread = spread_arguments(plan, source, call)
    made = optimizers.definition(found[0].name, call, frozenset(passed), spread)
    require(plan, source, made.support, "LN691")
    if made.alias is not None and _has_lines(plan, call):
        site: Site = ModuleCall(None, made.arguments, callee=made.alias, rule="LN601")
    else:
        site = Reshaped(made.template, "LN601", tuple(made.imports))
    plan.at(source, call, site)
    if made.notes:
        plan.files[source.name].comments[plan.statement(call).lineno] = made.notes


def _has_lines(plan: Plan, call: ast.Call) -> bool:
    """Whether the arguments of a call stand on lines of their own, and can stay there."""
    return call.end_lineno != call.lineno and not isinstance(plan.parents[call], ast.Attribute)


def emit_own_definition(
    training: Training, source: Source, call: ast.Call, node: ast.ClassDef
) -> None:
    """The definition is made from a class of the project."""
    steps = training.per_step.get(call, [])
    passed = {name for names in steps for name in names if name is not None}
    own_optimizers.emit_definition(training.plan, source, call, node, passed)


def _hides(source: Source, package: str) -> bool:
    """Whether a file binds the name of a package to something else."""
    return any(
        (isinstance(n, ast.Name) and n.id == package and isinstance(n.ctx, ast.Store))
        or (isinstance(n, ast.arg) and n.arg == package)
        for n in walk(source.tree)
    )


def check_parts(training: Training) -> None:
    """An optimizer with a part that stays as it was stays as well."""
    plan = training.plan
    for call, scope in plan.flow.where.items():
        assert isinstance(call, ast.Call)
        if not _is_definition(plan, call):
            continue
        parts = [n for n in walk(call) if isinstance(n, ast.Call) and n is not call]
        if plan.site_at(scope.source, call) is not None and any(
            _is_definition(plan, part) and plan.site_at(scope.source, part) is None
            for part in parts
        ):
            plan.forget(scope.source, call)
            plan.refuse(scope.source, call, "LN691", f"a part of `{text(call.func)}` stays")


def _is_definition(plan: Plan, call: ast.Call) -> bool:
    callee = plan.flow.values.get(call.func, frozenset())
    return any(isinstance(a, External) and a.path.startswith("flax.optim.") for a in callee)


def emit(training: Training, source: Source, call: ast.Call, callee: Value) -> None:
    """A method of an optimizer or of an optimizer definition."""
    callee = frozenset(
        a for a in callee if not (isinstance(a, Api) and isinstance(a.receiver, Array | Container))
    )
    names = {a.name for a in callee if isinstance(a, Api)}
    kinds = {type(a.receiver) for a in callee if isinstance(a, Api)}
    if (
        len(names) != 1
        or len(kinds) != 1
        or any(not isinstance(a, Api | Array | Container) for a in known(callee))
    ):
        why = f"`{text(call.func)}` is not always a method of an optimizer"
        raise Unclear("LN692", why, about=call.func)
    name = names.pop()
    if kinds == {OptimizerDef}:
        if name != "create":
            raise Unclear("LN692", f"`{text(call.func)}` has no counterpart in optax")
        if boundmethods.is_named(training.plan, call, name):
            _emit_create(training, source, call)
        else:
            boundmethods.check_created(call)
        return
    boundmethods.check_named(training.plan, call, name, "LN692")
    match name:
        case "apply_gradient":
            _emit_step(training, source, call, callee)
        case "replace":
            _emit_replace(training.plan, source, call)
        case "replicate" | "unreplicate":
            if call.args or call.keywords:
                raise Unclear("LN692", f"`{text(call.func)}` names devices or an axis")
            replicas.emit(training.plan, training.replicas, source, call, callee, name)
        case "compute_gradient" | "compute_gradients" | "optimize":
            _emit_gradient(training, source, call, callee, name)
        case _:
            raise Unclear("LN692", f"`{text(call.func)}` has no counterpart in a TrainState")


def _emit_create(training: Training, source: Source, call: ast.Call) -> None:
    plan = training.plan
    given = {k.arg: i for i, k in enumerate(call.keywords, len(call.args))}
    focus = 1 if len(call.args) > 1 else given.get("focus")
    if None in given or len(call.args) > 2:
        raise Unclear("LN692", f"the arguments of `{text(call.func)}` are not spelled out")
    place = 0 if call.args else given.get("target")
    if place is None:
        raise Unclear("LN692", f"`{text(call.func)}` is called without a target")
    target = known(plan.flow.items.get((call, "target"), frozenset()))
    if any(isinstance(a, Instance) for a in target):
        raise Unclear("LN692", "its target is an object: `apply_gradients` wants a mapping")
    apply = "None"
    if training.models.as_params(target) and not rivals(target):
        callee = training.callees.apply_fn(call)
        # Two states meet in one pytree only if their static parts are equal, and
        # methods of two instances never are.
        plain = all(m.module.origin is None for m in models(target))
        shared = not plain or training.callees.runs_once(call, set())
        if callee is not None and shared:
            apply = f"{training.callees.text(source, callee)}.apply"
    tx = "{owner}"
    if focus is not None:
        node = call.args[1] if len(call.args) > 1 else call.keywords[focus - len(call.args)].value
        if not isinstance(node, ast.Constant):
            traversals.check_predicate(plan, node)
            made = optimizers.focused("{owner}", "{%d}" % focus)
            require(plan, source, made.support, "LN691")
            tx = made.template
    template = (
        "{spell:flax.training.train_state.TrainState}.create("
        "apply_fn=%s, params={%d}, tx=%s)" % (apply, place, tx)
    )
    if training.counts_in_arrays():
        template += ".replace(step={jnp}.array(0))"
    plan.at(source, call, Reshaped(template, "LN602"))


def _emit_step(training: Training, source: Source, call: ast.Call, callee: Value) -> None:
    plan = training.plan
    place = _place(call, "grads")
    grads = "{%d}" % place
    if training.replicas.averages(call, callee):
        grads = "{spell:jax.lax.pmean}(%s, axis_name='batch')" % grads
    before = _set_before(training, call, callee, "grads")
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
) -> list[tuple[str, str]]:
    """Hyper-parameters of one step: their keys in the optax state, templates of their values.

    What other steps pass and this one does not goes back to its default.
    """
    found: list[tuple[str, str]] = []
    definitions = {
        definition
        for atom in callee
        if isinstance(atom, Api) and isinstance(atom.receiver, Optimizer)
        for definition in optimizing.definitions(training.plan.flow, atom.receiver)
    }
    given: dict[str | None, str] = {}
    spread = spread_arguments(training.plan, training.plan.source(call), call)
    for index, keyword in enumerate(call.keywords, len(call.args)):
        if keyword.arg != first and (keyword.arg is not None or spread is None):
            given[keyword.arg] = "{%d}" % index
    given |= {name: each.code for name, each in (spread or {}).items()}
    passed = {n for d in definitions for ns in training.per_step.get(d.node, ()) for n in ns}
    for name in sorted(passed - given.keys(), key=str):
        defaults = {_default(definition, name) for definition in definitions}
        if len(defaults) != 1:
            raise Unclear("LN692", f"the optimizers have different defaults of `{name}`")
        given[name] = defaults.pop()
    if not given:
        return []
    assert isinstance(call.func, ast.Attribute)
    if not is_path(call.func.value):
        raise Unclear("LN692", f"`{text(call.func.value)}` is no variable to set them in")
    root = next(n for n in walk(call.func.value) if isinstance(n, ast.Name))
    scope = training.plan.flow.where[call]
    if scope.lookup(root.id) is not (scope.function() or scope.module()):
        raise Unclear("LN692", f"`{root.id}` belongs to a function around this one")
    plan = training.plan
    values = [k.value for k in call.keywords if k.arg != first]
    rest = [*call.args, *(k.value for k in call.keywords if k.arg == first)]
    if _acts(plan, values) and _acts(plan, rest):
        raise Unclear("LN692", "hyper-parameters and gradients may depend on their order")
    parts = _focuses(training.plan, callee)
    if parts == {True}:
        inner = ".inner_states['0'].inner_state"
    elif parts == {False}:
        inner = ""
    else:
        raise Unclear("LN692", "the optimizer optimizes a part of its target in some cases")
    if given and any(d.name in {"MultiOptimizer", "WeightNorm"} for d in definitions):
        return _inner_overrides(training.plan, definitions, given, call.func.value)
    for name, value in given.items():
        keys = {_key(d, name or "**") for d in definitions}
        if len(keys) != 1:
            raise Unclear("LN692", f"`{name or '**'}` is not one hyper-parameter")
        found.append((f"{inner}.hyperparams['{keys.pop()}']", value))
    return found


def _acts(plan: Plan, nodes: Sequence[ast.expr]) -> bool:
    """Whether computing something may do more than that."""
    return any(
        isinstance(part, ast.NamedExpr) or (isinstance(part, ast.Call) and not is_pure(plan, part))
        for node in nodes
        for part in walk(node)
    )


def _focuses(plan: Plan, callee: Value) -> set[bool]:
    """Whether the optimizers that a method may belong to were created with a `focus`."""
    created = {
        a.receiver.created
        for a in callee
        if isinstance(a, Api) and isinstance(a.receiver, Optimizer)
    }
    del plan
    return {len(c.args) > 1 or any(k.arg == "focus" for k in c.keywords) for c in created}


def _inner_overrides(
    plan: Plan,
    definitions: set[OptimizerDef],
    given: Mapping[str | None, str],
    about: ast.expr,
) -> list[tuple[str, str]]:
    """Every part of a MultiOptimizer gets what a step passes."""
    found: list[tuple[str, str]] = []
    if len(definitions) != 1:
        raise Unclear("LN692", "the optimizer may be one of several", about=about)
    (definition,) = definitions
    paths = optimizers.definition(definition.name, definition.node, ()).inner
    parts = optimizing.inner(plan.flow, definition)
    if len(paths) != len(parts):
        raise Unclear("LN692", "the parts of the optimizer are not known")
    for path, part in zip(paths, parts, strict=True):
        for name, value in given.items():
            key = _key(part, name or "**")
            found.append((f".{path}.hyperparams['{key}']", value))
    return found


def _key(definition: OptimizerDef, name: str) -> str:
    """The name of a hyper-parameter in the state of the migrated optimizer."""
    return name if definition.own else optimizers.hyperparameter(definition.name, name)


def _default(definition: OptimizerDef, name: str | None) -> str:
    """The hyper-parameter that a definition was made with, as text that holds everywhere."""
    values = [k.value for k in definition.node.keywords if k.arg == name]
    if name == "learning_rate" and definition.node.args:
        values = definition.node.args[:1]
    if len(values) != 1 or not isinstance(values[0], ast.Constant):
        raise Unclear("LN692", f"other steps pass `{name}`, and its default is not spelled out")
    return ast.unparse(values[0])


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
    assert isinstance(call.func, ast.Attribute)
    if name == "optimize" and not is_path(call.func.value):
        raise Unclear("LN693", f"`{text(call.func.value)}` would be computed twice")
    statement = plan.parents.get(call)
    returned = False
    match statement:
        case ast.Assign(targets=[ast.Tuple(elts=targets)]) if in_block(plan, statement) and not any(
            isinstance(t, ast.Starred) for t in targets
        ):
            shown = [rendered(plan, source, target) for target in targets]
        case ast.Return() if name == "optimize" and in_block(plan, statement):
            shown = _shown(plan, call)
            returned = True
        case _:
            _emit_whole_result(training, source, call, callee, name)
            return
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
        given = _averaged(training, call, callee)
        assert isinstance(call.func, ast.Attribute)
        owner = rendered(plan, source, call.func.value)
        before = _set_before(training, call, callee, "loss_fn")
        step = f"{state} = {owner}.apply_gradients(grads={given(grads)})"
        lines = [_unpacked(values, grads), step]
        if returned:
            lines.append(f"return {', '.join(shown)}")
    plan.files[source.name].statements[statement.lineno] = StatementSite("LN606", lines=(*lines,))
    plan.at(source, call, Reshaped(template, "LN606", before=before))


def _emit_whole_result(
    training: Training, source: Source, call: ast.Call, callee: Value, name: str
) -> None:
    """`optimizer.optimize(f)` whose result goes somewhere as it is: it is put together again."""
    plan = training.plan
    place = _place(call, "loss_fn")
    size = _size(plan, call)  # a loss and perhaps more, beside a state or gradients
    option = ", has_aux=True" if size == 3 else ""
    run = "{spell:jax.value_and_grad}({%d}%s)({owner}.params)" % (place, option)
    if name in _GRADIENT and not option:
        plan.at(source, call, Reshaped(run, "LN606"))  # a pair of loss and gradient, too
        return
    if not can_go_before(plan, call):
        raise Unclear("LN693", f"the result of `{text(call.func)}` is not taken apart here")
    kept = [free_name(plan, call, each) for each in _SHOWN[1:size]]
    grads = free_name(plan, call, ("grads", "gradients"))
    before: tuple[str, ...] = (_unpacked(kept, grads).replace("{value}", run),)
    made = [*kept, grads]
    if name == "optimize":
        before = (*before, *_set_before(training, call, callee, "loss_fn"))
        step = "{owner}.apply_gradients(grads=%s)" % _averaged(training, call, callee)(grads)
        made = [step, *kept]
    plan.at(source, call, Reshaped(f"({', '.join(made)})", "LN606", before=before))


def _set_before(training: Training, call: ast.Call, callee: Value, taken: str) -> tuple[str, ...]:
    """Statements that set the hyper-parameters which a step passes."""
    return tuple(
        "{owner}.opt_state%s = %s" % override
        for override in _overrides(training, call, callee, taken)
    )


def _averaged(training: Training, call: ast.Call, callee: Value) -> Callable[[str], str]:
    """Around gradients: their mean over all devices, where legacy took it."""
    if training.replicas.averages(call, callee):
        return "{{spell:jax.lax.pmean}}({}, axis_name='batch')".format
    return str


_SHOWN = (("state", "new_state"), ("loss", "value"), ("aux", "outputs"))


def _shown(plan: Plan, call: ast.Call) -> list[str]:
    """Names for what `optimize` gives: the optimizer, the loss, and what else it computes."""
    return [free_name(plan, call, each) for each in _SHOWN[: _size(plan, call)]]


def _size(plan: Plan, call: ast.Call) -> int:
    """Of how many things the result of a step is made.

    Legacy put in what the loss function gives beside the loss, so that function has
    to be known, and whether it gives a loss alone or a pair.
    """
    unknown = Unclear("LN693", f"the result of `{text(call.func)}` is not taken apart here")
    loss = [*call.args, *(k.value for k in call.keywords)][_place(call, "loss_fn")]
    functions = {innermost(atom) for atom in plan.flow.values.get(loss, frozenset())}
    sizes: set[int] = set()
    for function in functions:
        given = plan.flow.returns.get(function, frozenset()) if function is not None else None
        for atom in given or ():
            if isinstance(atom, Container) and {*plan.flow.keys.get(atom.node, ())} == {0, 1}:
                sizes.add(3)
            elif isinstance(atom, Array):
                sizes.add(2)
            else:
                raise unknown
        if not given:
            raise unknown
    if len(sizes) != 1:
        raise unknown
    return sizes.pop()


def _unpacked(values: list[str], grads: str) -> str:
    shown = values[0] if len(values) == 1 else f"({', '.join(values)})"
    return f"{shown}, {grads} = {{value}}"
