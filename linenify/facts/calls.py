"""What every call of a module class, layer or legacy function becomes."""

from __future__ import annotations

import ast
import sys
from dataclasses import replace

from linenify.facts.ask.arguments import in_module_code, repeated, text
from linenify.facts.ask.effects import run_modules
from linenify.facts.ask.spelt import spelt
from linenify.facts.deciding.placing import in_block
from linenify.facts.deciding.plan import Plan
from linenify.facts.files import halfway
from linenify.facts.flow.classes import MODULE_BASES
from linenify.facts.flow.kinds import (
    Api,
    Array,
    Atom,
    Class,
    Container,
    External,
    Legacy,
    Model,
    Module,
    ModuleApi,
    Optimizer,
    OptimizerDef,
    Parameter,
    Partial,
    SelfApi,
    Static,
    SuperMethod,
    Value,
    known,
    modules,
    order_key,
)
from linenify.facts.flow.libraries import TRAVERSAL
from linenify.facts.jax import jaxarguments, jaxcalls, narrow, reductions
from linenify.facts.legacy import catalogue
from linenify.facts.legacy.changed import changed_behaviour
from linenify.facts.legacy.externals import LEGACY, MODULE_API
from linenify.facts.modules import (
    firstruns,
    modulecalls,
    recurrent,
    selfcalls,
    stateful,
    transforms,
)
from linenify.facts.modules.binds import emit_bind, emit_functools
from linenify.facts.modules.layers import check_carry
from linenify.facts.modules.members import bound_inputs
from linenify.facts.sites import Reshaped, StatementSite, Unclear
from linenify.facts.training import (
    caches,
    keyhelpers,
    localmodels,
    nnfunctions,
    runs,
    toplevel,
    trainstates,
    traversals,
)
from linenify.facts.training.instances import promote_partials
from linenify.facts.training.runvalues import emit_values, is_named
from linenify.facts.training.training import Training, training_of
from linenify.project.source import Source


def emit_calls(plan: Plan) -> None:
    """Decides every call of the project."""
    _promote(plan)
    promote_partials(plan)
    localmodels.emit_models(plan)
    training = Training(plan)
    plan.enter(training)
    training.prepare()
    keyhelpers.emit(training.contexts, plan)
    runs.emit_functions(training)
    through_values = emit_values(plan)
    for call, scope in list(plan.flow.where.items()):
        assert isinstance(call, ast.Call)
        if call in through_values or plan.site_at(scope.source, call) is not None:
            continue
        callee = plan.flow.values.get(call.func, frozenset())
        try:
            _emit(plan, scope.source, call, callee)
        except Unclear as unclear:
            bound = _was_bound(plan, call, callee)
            stem = plan.decline(scope.source, call, unclear, bound)
            training.contexts.fail(call, unclear.why, stem)
            training.models.fail(call, callee, unclear.why, stem)
        except Exception as problem:  # noqa: BLE001 - our own bug must not cost the other files
            plan.fail(scope.source, call, problem)
        if plan.in_text(call) is not None and plan.site_at(scope.source, call) is not None:
            plan.forget(scope.source, call)
            why = f"`{text(call.func)}` inside an f-string"
            stem = plan.refuse(scope.source, call, "LN390", why)
            training.contexts.fail(call, "a run inside an f-string", stem)
            training.models.fail(call, callee, "a run inside an f-string", stem)
    trainstates.check_parts(training)
    training.contexts.finish()
    training.caches.finish()
    training.captures.finish()


def _was_bound(plan: Plan, call: ast.Call, callee: Value) -> str:
    """What `.partial` had bound for this call, and binds no longer."""
    given = {k.arg for k in call.keywords if k.arg is not None}
    found: set[str] = set()
    for module in [*modules(callee), *run_modules(callee)]:
        function = plan.flow.function_of(module)
        if function is not None:
            found |= {
                f"`{argument.arg}={text(argument.value)}`"
                for argument in bound_inputs(plan, function, module, given)
            }
    return f"; {' and '.join(sorted(found))} was bound to it" if found else ""


def _emit(plan: Plan, source: Source, call: ast.Call, callee: Value) -> None:
    found = [_normal(plan, module) for module in modules(callee)]
    if halfway.settled(plan, call, callee, found):
        return
    if found and any(isinstance(a, Model) for a in callee):
        why = f"`{text(call.func)}` may be a module class or a Model"
        raise Unclear("LN392", why, about=call.func)
    if found:
        modulecalls.emit(plan, source, call, callee, found)
        return
    if caches.is_method(call, callee):
        caches.emit_method(plan, source, call)
        return
    _check_unmixed(call, callee)
    for atom in sorted(callee, key=_order):
        match atom:
            case ModuleApi(name="partial" | "shared" | "initialize_carry" as name) if not is_named(
                plan, call.func, name
            ):
                raise Unclear("LN699", f"`{text(call.func)}` is a method of a module class")
            case ModuleApi(module=module, name="partial" | "shared" as name):
                emit_bind(plan, source, call, callee, name)
                return
            case ModuleApi(module=module, name="initialize_carry"):
                recurrent.emit_carry(plan, source, call, module)
                check_carry(plan, call)
                return
            case ModuleApi(name=name) if name not in MODULE_API:
                raise Unclear("LN391", f"`{text(call.func)}` is not known to flax.nn")
            case ModuleApi(name=name):
                if not is_named(plan, call.func, name):
                    raise Unclear("LN699", f"`{text(call.func)}` is a method of a module class")
                every = [a for a in callee if isinstance(a, ModuleApi)]
                if len(known(callee)) > len(every) or len({a.name for a in every}) > 1:
                    why = f"`{text(call.func)}(...)` belongs to training code"
                    raise Unclear("LN690", why, about=call.func)
                found = [a.module for a in every]
                toplevel.emit(plan, source, call, found, name)
                return
            case SelfApi(name="is_stateful"):
                stateful.emit(plan, source, call)
                return
            case SelfApi(name=name):
                selfcalls.emit(plan, source, call, name)
                return
            case SuperMethod(owner=owner, name=name):
                modulecalls.emit_super(plan, source, call, owner, name)
                return
            case Model():
                runs.emit_call(training_of(plan), source, call)
                return
            case Api(receiver=Model()):
                runs.emit_api(training_of(plan), source, call, callee)
                return
            case Class(node=node) if plan.flow.hierarchy.is_optimizer(node):
                trainstates.emit_own_definition(training_of(plan), source, call, node)
                return
            case Api(receiver=Optimizer() | OptimizerDef()):
                trainstates.emit(training_of(plan), source, call, callee)
                return
            case Api(receiver=Legacy(type="Collection" | "Outputs"), name="as_dict"):
                plan.at(source, call, Reshaped("{owner}", "LN403"))
                _drop_idle(plan, source, call)
                return
            case Api(receiver=Legacy(type="Outputs"), name="items" | "keys" | "values" | "get"):
                return  # a dict, as in legacy
            case Api(receiver=Legacy(type="Collection" | "Outputs")):
                why = f"`{text(call.func)}` changes a Collection"
                raise Unclear("LN491", why, about=call.func)
            case External(path=path):
                _emit_external(plan, source, call, path)
                return
            case Partial() if kind := firstruns.transform_of(atom):
                transforms.emit_bound(plan, call, kind)
                return
            case Partial(function=External()):
                jaxarguments.emit(plan, source, call)
                return
    _emit_unknown(plan, source, call, callee)


def _emit_external(plan: Plan, source: Source, call: ast.Call, path: str) -> None:
    """A call of a function outside the project."""
    if path.endswith(".DynamicScale"):
        return  # the same class elsewhere: `names` spells it
    if path.endswith(TRAVERSAL):
        traversals.emit(training_of(plan), source, call)
    elif path.endswith((f"{TRAVERSAL}.iterate", f"{TRAVERSAL}.update")):
        traversals.emit_use(training_of(plan), source, call, path.rpartition(".")[2])
    elif path.startswith("flax.optim."):
        trainstates.emit_definition(training_of(plan), source, call)
    elif path.startswith(LEGACY + "."):
        nnfunctions.emit(plan, source, call, path[len(LEGACY) + 1 :])
    elif path == "functools.partial":
        _check_bound_module(plan, call)
        emit_functools(plan, source, call)
        jaxarguments.emit(plan, source, call)
    elif path == "builtins.getattr" and _of_namespace(plan, call):
        raise Unclear("LN391", "a name of flax.nn is looked up at run time")
    elif path == "builtins.type" and _makes_class(plan, call):
        raise Unclear("LN290", "a module class is made at run time")
    elif jaxcalls.is_gone(path) and spelt(plan, call.func) == path:
        jaxcalls.emit(plan, source, call, path)
    else:
        _emit_kept(plan, source, call, path)


def _check_bound_module(plan: Plan, call: ast.Call) -> None:
    """`functools.partial(lax.scan, cell)`: the transform is not seen where it runs."""
    values = [plan.flow.values.get(argument, frozenset()) for argument in call.args]
    transforms_it = bool(values) and any(firstruns.transform_of(a) for a in values[0])
    if transforms_it and any(modules(value) for value in values[1:]):
        raise Unclear("LN394", f"`{text(call.args[0])}` is bound to a module class")


def _emit_kept(plan: Plan, source: Source, call: ast.Call, path: str) -> None:
    """A call of a function that is still there, and may ask for something else today."""
    said = changed_behaviour(path)
    if said is not None:
        plan.notice(source, call, "LN808", said)
    jaxarguments.emit(plan, source, call)
    reductions.emit(plan, source, call, path)
    narrow.check_cast(plan, source, call, path)
    if _may_be_module(plan, call, path):
        raise Unclear("LN391", f"`{text(call.func)}` may be a module class")
    transforms.emit(plan, source, call, path)


def _drop_idle(plan: Plan, source: Source, call: ast.Call) -> None:
    """`state = state.as_dict()` has nothing left to do."""
    match plan.parents.get(call), call.func:
        case (
            ast.Assign(targets=[ast.Name(id=name)]) as statement,
            ast.Attribute(value=ast.Name(id=owner)),
        ) if name == owner and in_block(plan, statement):
            plan.files[source.name].statements[statement.lineno] = StatementSite("LN403")


def _order(atom: Atom) -> tuple[str, ...]:
    """By the kind, then by what is called."""
    path = atom.path if isinstance(atom, External) else ""
    return type(atom).__name__, path, *order_key(atom)


def _check_unmixed(call: ast.Call, callee: Value) -> None:
    """What needs a rewrite of its own must not share its call with anything else."""
    rest = [
        a
        for a in callee
        if not isinstance(a, Parameter | Static)
        and not (isinstance(a, Api) and isinstance(a.receiver, Array | Container))
    ]
    special = [a for a in rest if _is_special(a)]
    kinds = {_kind(a) for a in rest}
    if special and len(kinds) > 1:
        why = f"`{text(call.func)}` may be one of several legacy functions"
        raise Unclear("LN392", why, about=call.func)


def _kind(atom: Atom) -> tuple[object, ...]:
    """What two callees share that are rewritten in the same way."""
    receiver = getattr(atom, "receiver", None)
    of = (type(receiver), getattr(receiver, "type", "")) if receiver is not None else ()
    return type(atom), getattr(atom, "name", "") or getattr(atom, "path", ""), *of


def _is_special(atom: Atom) -> bool:
    match atom:
        case SelfApi() | SuperMethod():
            return True
        case Api(receiver=Legacy(type="Collection" | "Outputs"), name=name):
            return name in {"as_dict", "mutate"}
        case ModuleApi(name=name):
            return name in MODULE_API
        case External(path=path) if path.startswith(LEGACY + "."):
            entry = catalogue.function(path[len(LEGACY) + 1 :])
            return entry is not None and entry.kind not in {"same", "renamed"}
    return False


def _is_handle(plan: Plan, parameter: Parameter) -> bool:
    return (parameter.function, parameter.name) in plan.decisions.caches


def _of_namespace(plan: Plan, call: ast.Call) -> bool:
    """Whether `getattr` picks from flax.nn by a name that is not spelled out."""
    owner = plan.flow.values.get(call.args[0], frozenset()) if call.args else frozenset()
    picked = plan.flow.values.get(call, frozenset())
    return External(LEGACY) in owner and not picked


def _makes_class(plan: Plan, call: ast.Call) -> bool:
    """Whether `type(name, bases, namespace)` derives from a module class."""
    bases = plan.flow.values.get(call.args[1], frozenset()) if len(call.args) > 1 else frozenset()
    inside = plan.flow.iterate(bases)
    return bool(modules(inside)) or any(
        isinstance(a, External) and a.path in MODULE_BASES for a in inside
    )


def _may_be_module(plan: Plan, call: ast.Call, path: str) -> bool:
    """Whether a callable of a library that is not here is called as modules are."""
    root = path.partition(".")[0]
    if root in {"jax", "numpy", "flax", "builtins"} or root in sys.stdlib_module_names:
        return False
    return any(k.arg == "name" for k in call.keywords) and in_module_code(plan, call)


def _promote(plan: Plan) -> None:
    """Finds partials that are called where a shared instance may stand instead."""
    for call in plan.flow.where:
        assert isinstance(call, ast.Call)
        found = modules(plan.flow.values.get(call.func, frozenset()))
        if not any(m.shared for m in found) or repeated(plan, call):
            continue
        for module in found:
            if module.shared or module.origin is None or plan.code(module.origin) is None:
                continue
            calls = [
                other
                for other in plan.flow.where
                if isinstance(other, ast.Call)
                and any(
                    m.origin is module.origin and m.method == "apply"
                    for m in modules(plan.flow.values.get(other.func, frozenset()))
                )
            ]
            if len(calls) == 1 and plan.code(module.origin) is plan.code(call):
                plan.promoted.add(module.origin)


def _normal(plan: Plan, module: Module) -> Module:
    """A promoted partial counts as an instance."""
    if plan.is_instance(module) and not module.shared:
        return replace(module, shared=True)
    return module


def _emit_unknown(plan: Plan, source: Source, call: ast.Call, callee: Value) -> None:
    known = [a for a in callee if not isinstance(a, Parameter | Static)]
    open_ended = [a for a in callee if isinstance(a, Parameter) and not a.mixed]
    if known:
        return
    _check_method(plan, call)
    arguments = [*call.args, *(k.value for k in call.keywords)]
    if any(modules(plan.flow.values.get(a, frozenset())) for a in arguments):
        raise Unclear("LN395", f"`{text(call.func)}` is handed a module class")
    if (callee and not open_ended) or not in_module_code(plan, call):
        return
    if any(keyword.arg == "name" for keyword in call.keywords):
        raise Unclear("LN391", f"`{text(call.func)}` may be a module class")
    owner = plan.code(call)
    if any(_is_handle(plan, a) or _is_initializer(plan, a) for a in open_ended):
        return
    own = owner is not None and any(a.function is owner.node for a in open_ended)
    lost = not callee and not isinstance(call.func, ast.Attribute)
    if call.args and (own or lost):
        plan.notice(source, call, "LN804", f"`{text(call.func)}` is not known; left as it is")


# Methods that only legacy objects have, and what is said where nothing else is known.
_LEGACY_METHODS = {
    "apply_gradient": "LN692",
    "compute_gradient": "LN692",
    "create_by_shape": "LN690",
    "init_by_shape": "LN690",
}


def _check_method(plan: Plan, call: ast.Call) -> None:
    """A method of legacy objects, called on something unknown in a legacy project."""
    func = call.func
    if not isinstance(func, ast.Attribute) or func.attr not in _LEGACY_METHODS:
        return
    if any(getattr(function, "name", "") == func.attr for function in plan.flow.code):
        return  # the project has a method of its own by that name
    if any(
        isinstance(a, External) and a.path.startswith(("flax.nn", "flax.optim"))
        for value in plan.flow.values.values()
        for a in value
    ):
        raise Unclear(_LEGACY_METHODS[func.attr], f"it is not known what `{text(func.value)}` is")


def _is_initializer(plan: Plan, parameter: Parameter) -> bool:
    evidence = plan.flow.evidence.get((parameter.function, parameter.name), set())
    return ("initializer", "whole") in evidence
