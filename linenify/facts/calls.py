"""What every call of a module class, layer or legacy function becomes."""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from dataclasses import replace

from linenify.facts import (
    attention,
    caches,
    catalogue,
    jaxcalls,
    layerlists,
    localmodels,
    narrow,
    recurrent,
    reductions,
    runs,
    selfcalls,
    toplevel,
    trainstates,
    transforms,
)
from linenify.facts.arguments import (
    Unclear,
    fill,
    in_module_code,
    repeated,
    text,
)
from linenify.facts.binding import fits
from linenify.facts.binds import emit_bind, emit_functools
from linenify.facts.catalogue import Slot
from linenify.facts.changed import changed_behaviour
from linenify.facts.classes import MODULE_BASES
from linenify.facts.contexts import run_modules
from linenify.facts.externals import LEGACY, MODULE_API
from linenify.facts.forwarding import keeps_kwargs
from linenify.facts.instances import promote_partials
from linenify.facts.kinds import (
    Api,
    Atom,
    Bound,
    Class,
    External,
    Function,
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
    modules,
)
from linenify.facts.layers import (
    check_carry,
    check_initializers,
    check_migrated,
    layer_of,
    layer_split,
    notices_of,
    slot_of,
)
from linenify.facts.members import member_split, own_method, runnable, same_field, travelling
from linenify.facts.models import known
from linenify.facts.parameters import Role
from linenify.facts.places import in_block
from linenify.facts.plan import Plan
from linenify.facts.sites import (
    Added,
    Argument,
    Curried,
    Given,
    ModuleCall,
    Reordered,
    Reshaped,
    StatementSite,
)
from linenify.facts.stated import context_key, splits
from linenify.facts.training import Training
from linenify.project.source import Source

# A call is split by asking, for every argument, which parameter of the legacy
# callee it fills and what became of that parameter.


def emit_calls(plan: Plan) -> None:
    """Decides every call of the project."""
    _promote(plan)
    promote_partials(plan)
    localmodels.emit_models(plan, _split)
    training = Training(plan)
    plan.training = training
    training.prepare()
    training.contexts.emit_threads()
    runs.emit_functions(training)
    for call, scope in list(plan.flow.where.items()):
        assert isinstance(call, ast.Call)
        if plan.site_at(scope.source, call) is not None:
            continue
        callee = plan.flow.values.get(call.func, frozenset())
        try:
            _emit(plan, scope.source, call, callee)
        except Unclear as unclear:
            why = unclear.why + _was_bound(plan, call, callee)
            plan.refuse(scope.source, call, unclear.code, why)
            training.contexts.fail(call, unclear.why)
        except (AssertionError, LookupError, AttributeError, TypeError, ValueError) as problem:
            # Our bug: this one call stays as it was, and says so.
            why = f"linenify failed here: {type(problem).__name__}: {problem}"
            plan.refuse(scope.source, call, "LN299", why)
        if plan.in_text(call) is not None and plan.site_at(scope.source, call) is not None:
            plan.forget(scope.source, call)
            plan.refuse(scope.source, call, "LN390", f"`{text(call.func)}` inside an f-string")
            training.contexts.fail(call, "a run inside an f-string")
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
                f"`{argument.keyword}={argument.code}`"
                for argument in travelling(plan, function, module, given)
                if isinstance(argument, Added)
            }
    return f"; {' and '.join(sorted(found))} was bound to it" if found else ""


def _emit(plan: Plan, source: Source, call: ast.Call, callee: Value) -> None:
    found = [_normal(plan, module) for module in modules(callee)]
    if found and any(isinstance(a, Model) for a in callee):
        raise Unclear("LN392", f"`{text(call.func)}` may be a module class or a Model")
    if found:
        _emit_module_call(plan, source, call, callee, found)
        return
    if caches.is_method(call, callee):
        caches.emit_method(plan, source, call)
        return
    _check_unmixed(call, callee)
    for atom in sorted(callee, key=_order):
        match atom:
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
                every = [a for a in callee if isinstance(a, ModuleApi)]
                if len(known(callee)) > len(every) or len({a.name for a in every}) > 1:
                    raise Unclear("LN690", f"`{text(call.func)}(...)` belongs to training code")
                found = [a.module for a in every]
                toplevel.emit(plan, source, call, found, name, _split)
                return
            case SelfApi(name=name):
                selfcalls.emit(plan, source, call, name)
                return
            case SuperMethod(owner=owner, name=name):
                _emit_super(plan, source, call, owner, name)
                return
            case Model():
                runs.emit_call(_training(plan), source, call, _split)
                return
            case Api(receiver=Model()):
                runs.emit_api(_training(plan), source, call, callee)
                return
            case Class(node=node) if plan.flow.hierarchy.is_optimizer(node):
                trainstates.emit_own_definition(_training(plan), source, call, node)
                return
            case Api(receiver=Optimizer() | OptimizerDef()):
                trainstates.emit(_training(plan), source, call, callee)
                return
            case Api(receiver=Legacy(type="Collection" | "Outputs"), name="as_dict"):
                plan.at(source, call, Reshaped("{owner}", "LN403"))
                _drop_idle(plan, source, call)
                return
            case Api(receiver=Legacy(type="Outputs"), name="items" | "keys" | "values" | "get"):
                return  # a dict, as in legacy
            case Api(receiver=Legacy(type="Collection" | "Outputs")):
                raise Unclear("LN491", f"`{text(call.func)}` changes a Collection")
            case External(path=path) if path.endswith(".DynamicScale"):
                return  # the same class elsewhere: `names` spells it
            case External(path=path) if path.endswith("ModelParamTraversal"):
                trainstates.emit_traversal(_training(plan), source, call)
                return
            case External(path=path) if path.startswith("flax.optim."):
                trainstates.emit_definition(_training(plan), source, call)
                return
            case External(path=path) if path.startswith(LEGACY + "."):
                _emit_function(plan, source, call, path[len(LEGACY) + 1 :])
                return
            case External(path="functools.partial"):
                emit_functools(plan, source, call)
                return
            case External(path="builtins.getattr") if _of_namespace(plan, call):
                raise Unclear("LN391", "a name of flax.nn is looked up at run time")
            case External(path="builtins.type") if _makes_class(plan, call):
                raise Unclear("LN290", "a module class is made at run time")
            case External(path=path) if jaxcalls.is_gone(path):
                jaxcalls.emit(plan, source, call, path)
                return
            case External(path=path):
                said = changed_behaviour(path)
                if said is not None:
                    plan.notice(source, call, "LN808", said)
                jaxcalls.emit_keywords(plan, source, call, path)
                reductions.emit(plan, source, call, path)
                narrow.check_cast(plan, source, call, path)
                if _may_be_module(plan, call, path):
                    raise Unclear("LN391", f"`{text(call.func)}` may be a module class")
                transforms.emit(plan, source, call, path)
                return
    _emit_unknown(plan, source, call, callee)


def _drop_idle(plan: Plan, source: Source, call: ast.Call) -> None:
    """`state = state.as_dict()` has nothing left to do."""
    match plan.parents.get(call), call.func:
        case (
            ast.Assign(targets=[ast.Name(id=name)]) as statement,
            ast.Attribute(value=ast.Name(id=owner)),
        ) if name == owner and in_block(plan, statement):
            plan.files[source.name].statements[statement.lineno] = StatementSite("LN403")


def _training(plan: Plan) -> Training:
    assert plan.training is not None
    return plan.training


def _order(atom: Atom) -> tuple[str, str]:
    return type(atom).__name__, atom.path if isinstance(atom, External) else ""


def _check_unmixed(call: ast.Call, callee: Value) -> None:
    """What needs a rewrite of its own must not share its call with anything else."""
    rest = [a for a in callee if not isinstance(a, Parameter | Static)]
    special = [a for a in rest if _is_special(a)]
    kinds = {(type(a), getattr(a, "name", "") or getattr(a, "path", "")) for a in rest}
    if special and len(kinds) > 1:
        raise Unclear("LN392", f"`{text(call.func)}` may be one of several legacy functions")


def _is_special(atom: Atom) -> bool:
    match atom:
        case SelfApi() | SuperMethod():
            return True
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
    if module.origin in plan.promoted and not module.shared:
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


# --- module calls ----------------------------------------------------------------------------


def _emit_module_call(
    plan: Plan, source: Source, call: ast.Call, callee: Value, found: Sequence[Module]
) -> None:
    others = [
        a
        for a in callee
        if isinstance(a, Function | Bound | Partial | Class)
        or (isinstance(a, External) and not a.path.startswith("builtins.None"))
    ]
    found = possible(plan, call, runnable(plan, found))
    splits = {_split(plan, source, call, module) for module in found}
    if len(splits) != 1:
        raise Unclear("LN390", f"`{text(call.func)}` may be classes with different arguments")
    site = splits.pop()
    if others:
        instances = layerlists.as_instances(plan, source, call, found, site)
        if instances is None:
            _curry(plan, call, others, site)
        site = instances or site
    plan.at(source, call, site)
    for module in found:
        check_initializers(plan, call, module)
        notices_of(plan, source, call, module)


def possible(plan: Plan, call: ast.Call, found: Sequence[Module]) -> Sequence[Module]:
    """The candidates that could take these arguments: a correct program calls no other."""
    fitting = [m for m in found if fits(plan.flow, m, call)]
    return fitting or found


def _curry(plan: Plan, call: ast.Call, others: Sequence[Atom], site: ModuleCall) -> None:
    """Lambdas beside module classes take the same two steps: fields, then inputs."""
    if site.construct is None and _as_it_was(call, site):  # instances are called as functions are
        return
    for atom in others:
        if not isinstance(atom, Function) or not isinstance(atom.node, ast.Lambda):
            raise Unclear("LN392", f"`{text(call.func)}` may be a module class or a plain function")
        arguments = atom.node.args
        known_names = [a.arg for a in arguments.args]
        inputs = [
            known_names[a.index]
            if a.index < len(call.args) and a.index < len(known_names)
            else a.keyword
            for a in site.call
            if isinstance(a, Given)
        ]
        beside = all(
            modules(plan.flow.values.get(other.func, frozenset()))
            for other in plan.flow.where
            if isinstance(other, ast.Call) and atom in plan.flow.values.get(other.func, frozenset())
        )
        known = [n for n in inputs if n is not None and n in known_names]
        plain = not (arguments.vararg or arguments.posonlyargs)
        if not beside or not plain or len(known) != len(inputs) or site.construct is None:
            raise Unclear("LN392", f"`{text(call.func)}` may be a module class or a plain function")
        source = plan.flow.code[atom.node].source
        plan.define(source, atom.node, Curried(tuple(known)))


def _as_it_was(call: ast.Call, site: ModuleCall) -> bool:
    """Whether a call keeps all its arguments, in their order."""
    count = len(call.args) + len(call.keywords)
    kept = [a.index for a in site.call if isinstance(a, Given) and a.keyword is None]
    plain = not any(isinstance(a, ast.Starred) for a in call.args)
    return plain and not call.keywords and kept == [*range(count)] and len(site.call) == count


def _split(plan: Plan, source: Source, call: ast.Call, module: Module) -> ModuleCall:
    check_migrated(plan, call, module)
    if isinstance(module.definition, str) or plan.flow.function_of(module) is None:
        layer = layer_of(plan, module)
        filled = fill(plan, call, module)
        special = {
            f.name
            for f in filled
            if f.name is not None and slot_of(layer, f.name, module) is Slot.SPECIAL
        }
        if layer.name in attention.LAYERS and module.method == "apply":
            return attention.split(plan, source, call, module, layer, filled)
        if special:
            raise Unclear("LN491", f"`{min(special)}=` has no counterpart in Linen")
        return layer_split(plan, call, module, layer, filled)
    if module.receiver == "self":
        return own_method(plan, call, module)
    return member_split(plan, call, module)


def _emit_super(plan: Plan, source: Source, call: ast.Call, owner: ast.ClassDef, name: str) -> None:
    if name != "apply":
        selfcalls.emit_super(plan, source, call, name)
        return
    found = plan.flow.hierarchy.find_after(owner, "apply")
    if found is None:
        raise Unclear("LN295", "`super().apply` reaches a built-in layer")
    base, function = found
    class_plan = plan.classes.get(base)
    if class_plan is None or class_plan.refused is not None:
        raise Unclear("LN398", f"the base class `{base.name}` was not migrated")
    module = Module(base)
    arguments: list[Argument] = []
    filled = fill(plan, call, module)
    code = plan.code(call)
    for entry in filled:
        own_kwargs = (
            entry.splat == "**"
            and code is not None
            and isinstance(code.node, ast.FunctionDef)
            and code.node.args.kwarg is not None
            and isinstance(entry.node, ast.Name)
            and entry.node.id == code.node.args.kwarg.arg
        )
        if own_kwargs:
            assert code is not None
            assert isinstance(code.node, ast.FunctionDef)
            if code.node in plan.classes[owner].open:
                raise Unclear("LN295", "`super().apply` is called with an open-ended splat")
            if keeps_kwargs(plan, code.node):
                arguments.append(Given(entry.index))
            continue
        if entry.splat or entry.name is None:
            raise Unclear("LN295", "`super().apply` is called with a splat")
        role = plan.role(function, entry.name)
        if role is Role.INPUT:
            arguments.append(Given(entry.index, None if entry.positional else entry.name))
        elif not same_field(plan, entry):
            raise Unclear("LN295", f"`super().apply` gets `{entry.name}` different from the field")
    given = {f.name for f in filled}
    own = plan.classes[owner]
    for name_, decision in plan.decisions[function].items():
        if decision.role is Role.FIELD and name_ not in given and name_ in own.own:
            raise Unclear("LN295", f"`super().apply` relies on the base's default of `{name_}`")
    plan.at(source, call, Reordered(tuple(arguments), "LN206", "__call__"))


# --- functions of flax.nn --------------------------------------------------------------------


def _emit_function(plan: Plan, source: Source, call: ast.Call, path: str) -> None:
    entry = catalogue.function(path)
    if entry is None:
        return
    match entry.name:
        case "dropout":
            if not in_module_code(plan, call):
                raise Unclear("LN590", "nn.dropout outside any module")
            _emit_dropout(plan, source, call, entry)
        case "make_rng" if not in_module_code(plan, call):
            _emit_key(plan, source, call)
        case "make_rng" | "is_stochastic" | "is_stateful":
            selfcalls.emit_random(plan, source, call, entry.name)
        case "dot_product_attention":
            attention.emit_function(plan, source, call, entry)
        case "make_padding_mask" | "_make_causal_mask":
            attention.emit_mask(plan, source, call, entry)
        case "scan_in_dim":
            transforms.emit(plan, source, call, "flax.jax_utils.scan_in_dim")
        case "Model":
            runs.emit_model(_training(plan), source, call)
        case "capture_module_outputs" if _training(plan).captures.opens(call):
            return  # judged with the run inside
        case "Cache" if _training(plan).caches.opens(call):
            return  # judged with the runs inside
        case "Collection" if not call.args and not call.keywords:
            plan.at(source, call, Reshaped("{}", "LN403"))
        case "Cache" if caches.is_empty(plan, call):
            plan.at(source, call, Reshaped("{}", "LN403"))
        case "stateful" | "stochastic" if _training(plan).contexts.opens(call):
            return  # judged with the runs inside
        case _ if entry.kind == "toplevel":
            raise Unclear("LN690", f"`{text(call.func)}` belongs to training code")
        case _ if entry.kind == "gone":
            why = f"`{text(call.func)}` has no counterpart"
            raise Unclear("LN190", f"{why}: {entry.note}" if entry.note else why)


def _emit_key(plan: Plan, source: Source, call: ast.Call) -> None:
    """`nn.make_rng()` outside of any module: a key of its own, from that of the context."""
    around = _training(plan).contexts.around(call)
    if around.rng is None and not around.threaded:
        raise Unclear("LN590", f"`{text(call.func)}()` outside any module")
    key = context_key(plan, source, around)
    plan.at(source, call, Reshaped(key or "", "LN502", before=splits(around)))


def _emit_dropout(plan: Plan, source: Source, call: ast.Call, entry: catalogue.Function) -> None:
    construct: list[Argument] = []
    inputs: list[Argument] = []
    given: set[str] = set()
    names = [a.name for a in entry.arguments]
    for place, argument in enumerate(call.args):
        if isinstance(argument, ast.Starred) or place >= len(names):
            raise Unclear("LN390", "nn.dropout is called with a splat")
        name = names[place]
        given.add(name)
        if name == "rate":
            construct.append(Given(place))
        elif name == "inputs":
            inputs.append(Given(place))
        else:
            inputs.append(Given(place, name))
    for place, keyword in enumerate(call.keywords, len(call.args)):
        if keyword.arg is None:
            raise Unclear("LN390", "nn.dropout is called with a splat")
        given.add(keyword.arg)
        (construct if keyword.arg == "rate" else inputs).append(Given(place, keyword.arg))
    if "deterministic" not in given:
        inputs.append(Added("deterministic", "False"))
    plan.at(source, call, ModuleCall(tuple(construct), tuple(inputs), rule="LN501"))
