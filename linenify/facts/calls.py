"""What every call of a module class, layer or legacy function becomes."""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from dataclasses import replace

from linenify.facts import (
    attention,
    catalogue,
    jaxcalls,
    names,
    recurrent,
    selfcalls,
    splats,
    toplevel,
    transforms,
)
from linenify.facts.arguments import (
    Filled,
    Unclear,
    fill,
    in_module_code,
    repeated,
    splat_keys,
    text,
)
from linenify.facts.catalogue import Slot
from linenify.facts.classes import MODULE_BASES
from linenify.facts.definitions import needs_keywords
from linenify.facts.externals import LEGACY, MODULE_API
from linenify.facts.forwarding import keeps_kwargs
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
    Parameter,
    Partial,
    SelfApi,
    Static,
    SuperMethod,
    Value,
    modules,
)
from linenify.facts.parameters import Role
from linenify.facts.plan import ClassPlan, Plan
from linenify.facts.selfcalls import reachable_receiver
from linenify.facts.sites import (
    Added,
    Argument,
    Bind,
    Curried,
    Given,
    ModuleCall,
    ParameterSite,
    Reordered,
)
from linenify.project.source import Source

# A call is split by asking, for every argument, which parameter of the legacy
# callee it fills and what became of that parameter.


def emit_calls(plan: Plan) -> None:
    """Decides every call of the project."""
    _promote(plan)
    toplevel.emit_models(plan, _split)
    for call, scope in list(plan.flow.where.items()):
        assert isinstance(call, ast.Call)
        if plan.site_at(scope.source, call) is not None:
            continue
        callee = plan.flow.values.get(call.func, frozenset())
        try:
            _emit(plan, scope.source, call, callee)
        except Unclear as unclear:
            plan.refuse(scope.source, call, unclear.code, unclear.why)
        except (AssertionError, LookupError, AttributeError, TypeError, ValueError) as problem:
            # Our bug: this one call stays as it was, and says so.
            why = f"linenify failed here: {type(problem).__name__}: {problem}"
            plan.refuse(scope.source, call, "LN299", why)
        if plan.in_text(call) is not None and plan.site_at(scope.source, call) is not None:
            plan.forget(scope.source, call)
            plan.refuse(scope.source, call, "LN390", f"`{text(call.func)}` inside an f-string")


def _emit(plan: Plan, source: Source, call: ast.Call, callee: Value) -> None:
    found = [_normal(plan, module) for module in modules(callee)]
    if found:
        _emit_module_call(plan, source, call, callee, found)
        return
    _check_unmixed(call, callee)
    for atom in sorted(callee, key=_order):
        match atom:
            case ModuleApi(module=module, name="partial" | "shared" as name):
                _emit_bind(plan, source, call, callee, name)
                return
            case ModuleApi(module=module, name="initialize_carry"):
                recurrent.emit_carry(plan, source, call, module)
                return
            case ModuleApi(name=name) if name not in MODULE_API:
                raise Unclear("LN391", f"`{text(call.func)}` is not known to flax.nn")
            case ModuleApi(module=module, name=name) if len(callee) == 1:
                toplevel.emit(plan, source, call, module, name, _split)
                return
            case ModuleApi():
                raise Unclear("LN690", f"`{text(call.func)}(...)` belongs to training code")
            case SelfApi(name=name):
                selfcalls.emit(plan, source, call, name)
                return
            case SuperMethod(owner=owner, name=name):
                _emit_super(plan, source, call, owner, name)
                return
            case Model():
                raise Unclear("LN690", f"`{text(call.func)}` is a legacy Model")
            case Api(receiver=Legacy(type="Cache" | "CacheEntry")):
                raise Unclear("LN490", f"`{text(call.func)}(...)` uses the legacy cache")
            case External(path=path) if path.startswith(LEGACY + "."):
                _emit_function(plan, source, call, path[len(LEGACY) + 1 :])
                return
            case External(path="functools.partial"):
                _emit_functools(plan, source, call)
                return
            case External(path="builtins.getattr") if _of_namespace(plan, call):
                raise Unclear("LN391", "a name of flax.nn is looked up at run time")
            case External(path="builtins.type") if _makes_class(plan, call):
                raise Unclear("LN290", "a module class is made at run time")
            case External(path=path) if jaxcalls.is_gone(path):
                jaxcalls.emit(plan, source, call, path)
                return
            case External(path=path):
                if _may_be_module(plan, call, path):
                    raise Unclear("LN391", f"`{text(call.func)}` may be a module class")
                transforms.emit(plan, source, call, path)
                return
    _emit_unknown(plan, source, call, callee)


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
    found = _possible(plan, call, _runnable(plan, found))
    splits = {_split(plan, source, call, module) for module in found}
    if len(splits) != 1:
        raise Unclear("LN390", f"`{text(call.func)}` may be classes with different arguments")
    site = splits.pop()
    if others:
        _curry(plan, call, others, site)
    plan.at(source, call, site)
    for module in found:
        _check_initializers(plan, call, module)
        _notices(plan, source, call, module)


def _runnable(plan: Plan, found: Sequence[Module]) -> Sequence[Module]:
    """The candidates that can run at all: `cls` is never the base that lacks an `apply`."""
    complete = [
        m
        for m in found
        if not isinstance(m.definition, ast.ClassDef)
        or plan.flow.function_of(m) is not None
        or plan.flow.hierarchy.layer(m.definition) is not None
    ]
    return complete or found


def _possible(plan: Plan, call: ast.Call, found: Sequence[Module]) -> Sequence[Module]:
    """The candidates that could take these arguments: a correct program calls no other."""
    spelt = {k.arg for k in call.keywords if k.arg is not None} - {"name"}
    fitting = [m for m in found if spelt <= _parameters(plan, m) or _is_open(plan, m)]
    return fitting or found


def _parameters(plan: Plan, module: Module) -> set[str]:
    names = set(plan.flow.positional_names(module))
    function = plan.flow.function_of(module)
    return names | ({a.arg for a in function.args.kwonlyargs} if function is not None else set())


def _is_open(plan: Plan, module: Module) -> bool:
    function = plan.flow.function_of(module)
    return function is not None and function.args.kwarg is not None


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
    _check_migrated(plan, call, module)
    if isinstance(module.definition, str) or plan.flow.function_of(module) is None:
        layer = _layer(plan, module)
        filled = fill(plan, call, module)
        special = {
            f.name
            for f in filled
            if f.name is not None and _slot(layer, f.name, module) is Slot.SPECIAL
        }
        if layer.name in attention.LAYERS and module.method == "apply":
            return attention.split(plan, source, call, module, layer, filled)
        if special:
            raise Unclear("LN491", f"`{min(special)}=` has no counterpart in Linen")
        return layer_split(plan, call, module, layer, filled)
    if module.receiver == "self":
        return _own_method(plan, call, module)
    return _user_split(plan, call, module)


def _check_migrated(plan: Plan, call: ast.Call, module: Module) -> None:
    if isinstance(module.definition, str):
        return
    class_plan = plan.classes.get(module.definition)
    if class_plan is None or class_plan.refused is not None:
        raise Unclear("LN398", f"`{text(call.func)}` is a module class that was not migrated")


def _layer(plan: Plan, module: Module) -> catalogue.Layer:
    name = module.definition
    if not isinstance(name, str):
        assert isinstance(name, ast.ClassDef)
        found = plan.flow.hierarchy.layer(name)
        if found is None:
            raise Unclear("LN390", f"`{name.name}` has no `apply`")
        name = found
    layer = catalogue.layer(name)
    assert layer is not None
    return layer


# --- layers ----------------------------------------------------------------------------------


def _slot(layer: catalogue.Layer, name: str, module: Module) -> Slot | None:
    if module.method != "apply":
        method = next((m for m in layer.methods if m.name == module.method), None)
        known = {a.name: a for a in method.arguments} if method else {}
        return known[name].slot if name in known else None
    argument = layer.argument(name)
    return argument.slot if argument is not None else None


def layer_split(
    plan: Plan,
    call: ast.Call,
    module: Module,
    layer: catalogue.Layer,
    filled: Sequence[Filled],
    skip: frozenset[str] = frozenset(),
) -> ModuleCall:
    """Splits the call of a built-in layer."""
    construct: list[Argument] = []
    inputs: list[Argument] = []
    in_order = True
    position = 0
    given = {f.name for f in filled if f.name is not None}
    for entry in filled:
        if entry.splat:
            passed = _passed_on(plan, call, entry)
            if passed is not None:
                names = [n for n in passed if n not in given | module.bound]
                for name in names:
                    known = layer.argument(name)
                    if known is not None and known.linen is not None:
                        construct.append(Added(known.linen, f"{receiver_of(plan, call)}.{name}"))
                continue
            construct.append(_layer_splat(plan, call, module, layer, filled, entry))
            continue
        assert entry.name is not None
        if entry.name in skip:
            continue
        if entry.name == "name":
            construct.append(Given(entry.index, "name"))
            continue
        if module.method != "apply":
            inputs.append(Given(entry.index, None if entry.positional else entry.name))
            continue
        argument = layer.argument(entry.name)
        if argument is None or argument.linen is None:
            raise Unclear("LN390", f"`{entry.name}=` is not an argument of {layer.name}")
        at_call = argument.slot is Slot.INPUT or argument.linen not in layer.fields
        if module.shared and argument.linen in layer.inputs:
            at_call = True
        if at_call:
            keyword = None if entry.positional else argument.linen
            size = (
                _table_size(plan, module, filled) if plan.exact and entry.name == "inputs" else None
            )
            if size is not None:
                clipped = "{jnp}.clip({%d}, -(%s), %s - 1)" % (entry.index, size, size)
                inputs.append(Added(keyword, clipped))
                continue
            inputs.append(Given(entry.index, keyword))
        elif module.shared:
            raise Unclear("LN390", f"`{entry.name}=` is given per call to a shared layer")
        elif entry.positional and in_order and _at(layer.fields, position) == argument.linen:
            construct.append(Given(entry.index))
            position += 1
        else:
            in_order = in_order and not entry.positional
            construct.append(Given(entry.index, argument.linen))
    if module.shared:
        return ModuleCall(None, tuple(inputs), rule="LN304")
    construct.extend(_required(plan, call, layer, given, module))
    construct.extend(_exact(plan, layer, filled, module))
    if layer.derived:
        construct = recurrent.with_features(plan, call, module, layer, filled, construct)
    rule = "LN306" if layer.derived else "LN301"
    return ModuleCall(tuple(construct), tuple(inputs), rule=rule)


def _table_size(plan: Plan, module: Module, filled: Sequence[Filled]) -> str | None:
    """The number of embeddings of an Embed call, as a template."""
    if module.definition != "Embed":
        return None
    given = next((f for f in filled if f.name == "num_embeddings"), None)
    if given is not None:
        return "{%d}" % given.index
    bound = module.origin.keywords if module.origin is not None else []
    node = next((k.value for k in bound if k.arg == "num_embeddings"), None)
    return (
        recurrent.migrated_text(plan, node) if isinstance(node, ast.Name | ast.Constant) else None
    )


def _layer_splat(
    plan: Plan,
    call: ast.Call,
    module: Module,
    layer: catalogue.Layer,
    filled: Sequence[Filled],
    entry: Filled,
) -> Argument:
    inputs = [a.name for a in layer.arguments if a.slot is Slot.INPUT]
    given = {f.name for f in filled}
    if entry.splat == "*" or not all(name in given or name in module.bound for name in inputs):
        raise Unclear("LN390", f"`{text(call.func)}` gets its inputs through a splat")
    keys = splat_keys(plan, entry.node)
    if keys is None:
        raise Unclear("LN390", "the keys of the splat are not known")
    return _layer_splat_keys(plan, layer, entry, keys)


def _layer_splat_keys(
    plan: Plan, layer: catalogue.Layer, entry: Filled, keys: set[str]
) -> Argument:
    """A splat of fields; keys that Linen renames are renamed where the dict is made."""
    renames: dict[str, str] = {}
    for key in keys:
        argument = layer.argument(key)
        if key == "name":
            continue
        if argument is None or argument.linen is None or argument.linen not in layer.fields:
            raise Unclear("LN390", f"the splat carries `{key}`, which Linen takes otherwise")
        if argument.linen != key:
            renames[key] = argument.linen
    if renames:
        splats.rename_keys(plan, entry.node, renames)
    return Given(entry.index)


def _required(
    plan: Plan, call: ast.Call, layer: catalogue.Layer, given: set[str], module: Module
) -> list[Argument]:
    added: list[Argument] = []
    if module.origin is None:
        for keyword, value in layer.required:
            if keyword in given:
                continue
            if names.is_spelt(plan, call.func):
                added.append(Added(keyword, value))
            else:
                # The class came here as a value: it is bound where it is named.
                plan.wrapped.add(layer.name)
    for trigger, keyword, value in layer.required_with:
        asked = trigger in given or trigger in module.bound
        if asked and keyword not in given and keyword not in module.bound:
            added.append(Added(keyword, value))
    return added


def _exact(
    plan: Plan, layer: catalogue.Layer, filled: Sequence[Filled], module: Module
) -> list[Argument]:
    """What keeps a corner of the legacy numerics."""
    del plan
    given = {f.name: f.node for f in filled}
    if layer.linen in {"BatchNorm", "LayerNorm", "GroupNorm"} and "dtype" not in given:
        off = [
            isinstance(node, ast.Constant) and node.value is False
            for node in (given.get("bias"), given.get("scale"))
        ]
        if all(off) and "dtype" not in module.bound:
            # Without parameters Linen keeps half precision; legacy gave float32.
            return [Added("dtype", "{jnp}.float32")]
    return []


def _check_initializers(plan: Plan, call: ast.Call, module: Module) -> None:
    if not isinstance(module.definition, str):
        return
    layer = catalogue.layer(module.definition)
    assert layer is not None
    for entry in fill(plan, call, module):
        argument = layer.argument(entry.name) if entry.name else None
        if argument is not None and argument.role == "initializer":
            widen_initializers(plan, plan.flow.values.get(entry.node, frozenset()))


def widen_initializers(plan: Plan, value: Value) -> None:
    """Layers of Linen call an initialiser with a dtype as well."""
    for atom in value:
        if not isinstance(atom, Function):
            continue
        arguments = atom.node.args
        if arguments.vararg is not None or arguments.kwarg is not None:
            continue
        if len(arguments.posonlyargs) + len(arguments.args) == 2:
            code = plan.flow.code[atom.node]
            plan.define(code.source, atom.node, ParameterSite("dtype=jnp.float32"))


def _notices(plan: Plan, source: Source, call: ast.Call, module: Module) -> None:
    """What only a faulty program could tell from the original."""
    site = plan.site_at(source, call)
    imitated = isinstance(site, ModuleCall) and any(
        isinstance(a, Added) and ".clip(" in a.code for a in site.call
    )
    if module.definition == "Embed" and module.method == "apply" and not imitated:
        plan.notice(source, call, "LN801")
    if module.definition == "DenseGeneral":
        given = {f.name: f.node for f in fill(plan, call, module)}
        bias = given.get("bias")
        off = (isinstance(bias, ast.Constant) and bias.value is False) or "bias" in module.bound
        if not off and not _trailing(given.get("axis")):
            plan.notice(source, call, "LN805")
        batch = given.get("batch_dims")
        if batch is not None and ast.unparse(batch) != "()":
            plan.notice(source, call, "LN806")


def _trailing(axis: ast.expr | None) -> bool:
    """Whether the contracted axes are the last ones, in order."""
    match axis:
        case None:
            return True
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=1)):
            return True
        case ast.Tuple(elts=elements):
            expected = [f"-{place}" for place in range(len(elements), 0, -1)]
            return [ast.unparse(e) for e in elements] == expected
    return False


# --- user classes ----------------------------------------------------------------------------


def _user_split(plan: Plan, call: ast.Call, module: Module) -> ModuleCall:
    function = plan.flow.function_of(module)
    assert function is not None
    assert not isinstance(module.definition, str)
    class_plan = plan.classes[module.definition]
    construct: list[Argument] = []
    inputs: list[Argument] = []
    in_order = not _keyword_only(plan, module)
    position = 0
    keyword_inputs = False
    filled = fill(plan, call, module)
    given = {f.name for f in filled if f.name is not None} | module.bound
    extras: list[str] = []
    for entry in filled:
        if entry.splat:
            if _is_open_splat(plan, function, class_plan, entry):
                construct.append(Added(class_plan.open[function], "{%d}" % entry.index))
                continue
            passed = _passed_on(plan, call, entry)
            if passed is not None:
                order = set(class_plan.order)
                construct.extend(
                    Added(n, f"{receiver_of(plan, call)}.{n}")
                    for n in passed
                    if n not in given and n in order
                )
                continue
            where = _user_splat(plan, function, filled, entry, module)
            (construct if where is Role.FIELD else inputs).append(Given(entry.index))
            continue
        assert entry.name is not None
        if entry.name == "name":
            construct.append(Given(entry.index, "name"))
            continue
        role = plan.role(function, entry.name)
        if role is None:
            if function.args.vararg is not None and entry.name == function.args.vararg.arg:
                inputs.append(Given(entry.index))
                continue
            extra = _extra_keyword(plan, function, class_plan.order, entry.name)
            if extra is None and function in class_plan.open and not module.shared:
                extras.append(f"{entry.name}={{{entry.index}}}")
                continue
            if extra is None:
                raise Unclear("LN390", f"`{entry.name}=` is not an argument of `{text(call.func)}`")
            (construct if extra is Role.FIELD else inputs).append(Given(entry.index, entry.name))
            continue
        if role is Role.INPUT:
            keyword = None if entry.positional and not keyword_inputs else entry.name
            keyword_inputs = keyword_inputs or keyword is not None
            inputs.append(Given(entry.index, keyword))
            continue
        if module.shared:
            raise Unclear("LN390", f"`{entry.name}` is given per call to a shared module")
        field = plan.field(module.definition, entry.name)
        if entry.positional and in_order and _at(class_plan.order, position) == field:
            construct.append(Given(entry.index))
            position += 1
        else:
            in_order = in_order and not entry.positional
            construct.append(_field_argument(plan, function, entry, field))
    construct.extend(_extra_fields(plan, function, class_plan, module, extras))
    spelt = {f.name for f in filled if f.name is not None}
    inputs.extend(_travelling(plan, function, module, spelt))
    if module.shared:
        return ModuleCall(None, tuple(inputs), rule="LN304")
    method = module.method if module.method != "apply" else None
    if method is not None and not isinstance(call.func, ast.Attribute):
        raise Unclear("LN297", f"`{text(call.func)}` is a method that travels as a value")
    return ModuleCall(tuple(construct), tuple(inputs), method=method)


def _is_open_splat(
    plan: Plan, function: ast.FunctionDef, class_plan: ClassPlan, entry: Filled
) -> bool:
    """Whether `**more` carries nothing but what goes into an open-ended signature."""
    if function not in class_plan.open or entry.splat != "**":
        return False
    keys = splat_keys(plan, entry.node)
    return keys is not None and not keys & {"name", *plan.decisions[function]}


def _extra_fields(
    plan: Plan,
    function: ast.FunctionDef,
    class_plan: ClassPlan,
    module: Module,
    extras: Sequence[str],
) -> list[Argument]:
    """Arguments that legacy collected in `**kwargs`: one dict now."""
    if not extras:
        return []
    if module.bound - {"name", *plan.decisions[function], *class_plan.order}:
        raise Unclear("LN390", "`**kwargs` is filled in two places")
    return [Added(class_plan.open[function], f"dict({', '.join(extras)})")]


def _travelling(
    plan: Plan, function: ast.FunctionDef, module: Module, explicit: set[str]
) -> list[Argument]:
    """Call arguments that `.partial` had bound: they are given at every call now."""
    added: dict[str, Argument] = {}
    origin = module.origin
    while origin is not None:
        for keyword in origin.keywords:
            name = keyword.arg
            if name is None or name in added or name in explicit:
                continue
            if plan.role(function, name) is Role.INPUT:
                added[name] = Added(name, recurrent.migrated_text(plan, keyword.value))
        inner = origin.func.value if isinstance(origin.func, ast.Attribute) else None
        found = plan.flow.values.get(inner, frozenset()) if inner is not None else frozenset()
        origin = next((a.origin for a in found if isinstance(a, Module)), None)
    return list(added.values())


def _called_locally(plan: Plan, call: ast.Call) -> bool:
    """Whether what `call` makes is only called, and only in the function that makes it."""
    home = plan.code(call)
    calls = 0
    for other in plan.flow.where:
        assert isinstance(other, ast.Call)
        for value in [other.func, *other.args, *(k.value for k in other.keywords)]:
            if not any(
                isinstance(a, Module) and a.origin is call
                for a in plan.flow.values.get(value, frozenset())
            ):
                continue
            if value is not other.func or plan.code(other) is not home:
                return False
            calls += 1
    return calls > 0 and home is not None


def receiver_of(plan: Plan, call: ast.Call) -> str:
    """The receiver of the module method around `call`."""
    return reachable_receiver(plan, call) or "self"


def _passed_on(plan: Plan, call: ast.Call, entry: Filled) -> list[str] | None:
    """The fields that stand for a `**kwargs` of the method around `call`."""
    code = plan.code(call)
    if entry.splat != "**" or code is None or not isinstance(entry.node, ast.Name):
        return None
    if not isinstance(code.node, ast.FunctionDef):
        return None
    for class_plan in plan.classes.values():
        names = class_plan.forwarded.get(code.node)
        kwarg = code.node.args.kwarg
        if names is not None and kwarg is not None and kwarg.arg == entry.node.id:
            return list(names)
    return None


def _field_argument(plan: Plan, function: ast.FunctionDef, entry: Filled, field: str) -> Argument:
    decision = plan.decisions[function][entry.name or ""]
    if decision.is_cache:
        value = plan.flow.values.get(entry.node, frozenset())
        if any(isinstance(a, Parameter) for a in value) or (
            isinstance(entry.node, ast.Constant) and entry.node.value is None
        ):
            if isinstance(entry.node, ast.Constant):
                return Added(field, "False")
            return Given(entry.index, field)
        return Added(field, "True")
    return Given(entry.index, field)


def _keyword_only(plan: Plan, module: Module) -> bool:
    """Whether the fields of a class cannot be given by position."""
    definition = module.definition
    if not isinstance(definition, ast.ClassDef):
        return False
    return any(
        ancestor in plan.classes and needs_keywords(plan, ancestor)
        for ancestor in plan.flow.hierarchy.mro(definition)
    )


def _user_splat(
    plan: Plan,
    function: ast.FunctionDef,
    filled: Sequence[Filled],
    entry: Filled,
    module: Module,
) -> Role:
    decisions = plan.decisions[function]
    given = {f.name for f in filled if f.name is not None} | module.bound
    if entry.splat == "*":
        left = [n for n in decisions if n not in given]
        if all(decisions[n].role is Role.INPUT for n in left if decisions[n].default is None) and (
            function.args.vararg is not None or all(decisions[n].role is Role.INPUT for n in left)
        ):
            return Role.INPUT
        raise Unclear("LN390", f"`*{text(entry.node)}` may carry fields and inputs")
    keys = splat_keys(plan, entry.node)
    assert not isinstance(module.definition, str)
    extra = [n for ns in plan.classes[module.definition].forwarded.values() for n in ns]
    known = {**dict.fromkeys(extra, Role.FIELD), **{n: d.role for n, d in decisions.items()}}
    roles = {r for n, r in known.items() if n not in given and (keys is None or n in keys)}
    if keys is not None and not keys - {"name"}:
        roles = roles or {Role.FIELD}
    if keys is not None and any(k not in known and k != "name" for k in keys):
        raise Unclear("LN390", f"`**{text(entry.node)}` carries arguments that are not known")
    if len(roles) != 1:
        raise Unclear("LN390", f"`**{text(entry.node)}` may carry fields and inputs")
    if function.args.kwarg is not None and keys is None and not extra:
        raise Unclear("LN390", f"`**{text(entry.node)}` goes into an open-ended signature")
    role = roles.pop()
    if role is Role.FIELD and module.shared:
        raise Unclear("LN390", "fields are given per call to a shared module")
    return role


def _extra_keyword(
    plan: Plan, function: ast.FunctionDef, order: Sequence[str], name: str
) -> Role | None:
    """A keyword that `apply` takes through `**kwargs`."""
    if function.args.kwarg is None:
        return None
    if name in order:
        return Role.FIELD
    owner = plan.flow.code[function].owner
    found = plan.flow.hierarchy.find_after(owner.node, "apply") if owner is not None else None
    if found is not None and keeps_kwargs(plan, function):
        return plan.role(found[1], name)
    return None


def _own_method(plan: Plan, call: ast.Call, module: Module) -> ModuleCall:
    """`self.encode(x)`: legacy gave it a scope of its own, Linen shares the module's."""
    function = plan.flow.function_of(module)
    assert function is not None
    sites = {
        node
        for node in plan.flow.where
        if isinstance(node, ast.Call)
        and any(
            isinstance(a, Module) and a.receiver == "self" and plan.flow.function_of(a) is function
            for a in plan.flow.values.get(node.func, frozenset())
        )
    }
    if len(sites) != 1 or repeated(plan, call):
        raise Unclear("LN297", f"`{text(call.func)}` owned parameters of its own at every call")
    inputs: list[Argument] = []
    for entry in fill(plan, call, module):
        if entry.splat or entry.name is None:
            raise Unclear("LN390", f"`{text(call.func)}` is called with a splat")
        role = plan.role(function, entry.name)
        if role is Role.INPUT:
            inputs.append(Given(entry.index, None if entry.positional else entry.name))
        elif not _same_field(plan, entry):
            raise Unclear(
                "LN297", f"`{text(call.func)}` gets `{entry.name}` different from the field"
            )
    return ModuleCall(None, tuple(inputs), rule="LN304")


def _same_field(plan: Plan, entry: Filled) -> bool:
    value = plan.flow.values.get(entry.node, frozenset())
    return isinstance(entry.node, ast.Name) and any(
        isinstance(a, Parameter) and a.name == entry.name and not a.mixed and not a.part
        for a in value
    )


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
        elif not _same_field(plan, entry):
            raise Unclear("LN295", f"`super().apply` gets `{entry.name}` different from the field")
    given = {f.name for f in filled}
    own = plan.classes[owner]
    for name_, decision in plan.decisions[function].items():
        if decision.role is Role.FIELD and name_ not in given and name_ in own.own:
            raise Unclear("LN295", f"`super().apply` relies on the base's default of `{name_}`")
    plan.at(source, call, Reordered(tuple(arguments), "LN206", "__call__"))


# --- partial and shared ----------------------------------------------------------------------


def _emit_bind(plan: Plan, source: Source, call: ast.Call, callee: Value, operation: str) -> None:
    found = [a.module for a in callee if isinstance(a, ModuleApi)]
    others = [a for a in callee if isinstance(a, Function | Bound | Class)]
    if others:
        raise Unclear("LN392", f"`{text(call.func)}` may belong to something else")
    sites = {_bind(plan, call, module, operation) for module in _runnable(plan, found)}
    if len(sites) != 1:
        raise Unclear("LN390", f"`{text(call.func)}` may be classes with different arguments")
    plan.at(source, call, sites.pop())


def _bind(plan: Plan, call: ast.Call, module: Module, operation: str) -> Bind:
    _check_migrated(plan, call, module)
    instance = operation == "shared" or call in plan.promoted
    rule = "LN303" if instance else "LN302"
    arguments: list[Argument] = []
    function = plan.flow.function_of(module)
    layer = _layer(plan, module) if function is None else None
    given = {k.arg for k in call.keywords}
    extras: list[str] = []
    for index, keyword in enumerate(call.keywords):
        entry = Filled(index, keyword.arg, keyword.value, False, "" if keyword.arg else "**")
        if function is not None and _goes_open(plan, module, function, entry):
            extras.append(f"{entry.name}={{{index}}}")
            continue
        arguments.extend(_bound_argument(plan, call, module, layer, function, entry))
    if function is not None:
        assert not isinstance(module.definition, str)
        class_plan = plan.classes[module.definition]
        arguments.extend(_extra_fields(plan, function, class_plan, module, extras))
    if layer is not None and module.origin is None:
        for name, value in layer.required:
            if name in given or (instance and _passed_later(plan, call, name)):
                continue
            arguments.append(Added(name, value))
    if layer is not None:
        for trigger, name, value in layer.required_with:
            if trigger in given and name not in given and not _passed_later(plan, call, name):
                arguments.append(Added(name, value))
        if layer.derived and instance:
            arguments = recurrent.shared_features(plan, call, module, layer, arguments)
        for keyword in call.keywords:
            argument = layer.argument(keyword.arg) if keyword.arg else None
            if argument is not None and argument.role == "initializer":
                widen_initializers(plan, plan.flow.values.get(keyword.value, frozenset()))
    static = not instance and _in_module_class(plan, call)
    return Bind(tuple(arguments), instance, static=static, rule=rule)


def _in_module_class(plan: Plan, call: ast.Call) -> bool:
    """Whether a call is the value of an attribute in the body of a module class."""
    statement = plan.parents[call]
    owner = plan.parents.get(statement)
    return (
        isinstance(statement, ast.Assign | ast.AnnAssign)
        and isinstance(owner, ast.ClassDef)
        and plan.flow.hierarchy.is_module(owner)
    )


def _goes_open(plan: Plan, module: Module, function: ast.FunctionDef, entry: Filled) -> bool:
    assert not isinstance(module.definition, str)
    class_plan = plan.classes[module.definition]
    return (
        function in class_plan.open
        and entry.name is not None
        and entry.name not in {"name", *plan.decisions[function], *class_plan.order}
    )


def _bound_argument(
    plan: Plan,
    call: ast.Call,
    module: Module,
    layer: catalogue.Layer | None,
    function: ast.FunctionDef | None,
    entry: Filled,
) -> list[Argument]:
    if entry.name == "name":
        return [Given(entry.index, "name")]
    passed = _passed_on(plan, call, entry) if entry.name is None else None
    if passed is not None:
        given = {k.arg for k in call.keywords} | module.bound
        receiver = receiver_of(plan, call)
        left = [n for n in passed if n not in given]
        if layer is not None:
            fields = [(layer.argument(n), n) for n in left]
            return [Added(a.linen, f"{receiver}.{n}") for a, n in fields if a is not None]
        assert not isinstance(module.definition, str)
        order = plan.classes[module.definition].order
        return [Added(n, f"{receiver}.{n}") for n in left if n in order]
    if layer is not None:
        if entry.name is None:
            keys = splat_keys(plan, entry.node)
            if keys is None:
                raise Unclear("LN390", "the keys of the splat are not known")
            return [_layer_splat_keys(plan, layer, entry, keys)]
        argument = layer.argument(entry.name)
        if argument is None:
            raise Unclear("LN390", f"`{entry.name}=` is not an argument of {layer.name}")
        if argument.slot is Slot.SPECIAL:
            return attention.bound(plan, call, layer, entry.name, entry.index, entry.node)
        if argument.slot is Slot.INPUT:
            if layer.name in attention.LAYERS and isinstance(entry.node, ast.Constant):
                return []
            raise Unclear("LN393", f"`{text(call.func)}` binds the input `{entry.name}`")
        return [Given(entry.index, argument.linen)]
    assert function is not None
    assert not isinstance(module.definition, str)
    if entry.name is None:
        keys = splat_keys(plan, entry.node)
        decisions = plan.decisions[function]
        order = plan.classes[module.definition].order
        unknown = keys is None or any(
            k not in {"name", *order} and (k not in decisions or decisions[k].role is Role.INPUT)
            for k in keys
        )
        if unknown and any(
            d.role is Role.INPUT and d.default is not None for d in decisions.values()
        ):
            raise Unclear("LN390", f"`**{text(entry.node)}` may bind call arguments")
        return [Given(entry.index)]
    role = plan.role(function, entry.name)
    if role is None:
        extra = _extra_keyword(plan, function, plan.classes[module.definition].order, entry.name)
        if extra is Role.FIELD or function.args.kwarg is not None:
            return [Given(entry.index, entry.name)]
        raise Unclear("LN390", f"`{entry.name}=` is not an argument of `{text(call.func)}`")
    if role is Role.INPUT:
        if isinstance(entry.node, ast.Constant | ast.Name) and _called_locally(plan, call):
            return []  # travels to the calls
        raise Unclear("LN393", f"`{entry.name}` is bound here and taken per call in Linen")
    return [_field_argument(plan, function, entry, plan.field(module.definition, entry.name))]


def _passed_later(plan: Plan, call: ast.Call, name: str) -> bool:
    """Whether a call of what `call` made gives `name` itself."""
    return any(
        actual.parameter == name
        and isinstance(actual.callee, Module)
        and actual.callee.origin is call
        and actual.how in {"instance", "call"}
        for actual in plan.flow.actuals.values()
    )


def _emit_functools(plan: Plan, source: Source, call: ast.Call) -> None:
    if not call.args:
        return
    found = modules(plan.flow.values.get(call.args[0], frozenset()))
    if not found:
        return
    if len(call.args) > 1:
        raise Unclear("LN393", "functools.partial binds positional arguments of a module class")
    module = found[0]
    bind = _bind(plan, call, module, "partial")
    arguments: list[Argument] = [Given(0)]
    for argument in bind.arguments:
        if isinstance(argument, Given):
            arguments.append(Given(argument.index + 1, argument.keyword))
        else:
            arguments.append(argument)
    plan.at(source, call, Reordered(tuple(arguments), "LN302"))


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
        case "make_rng" | "is_stochastic" | "is_stateful":
            selfcalls.emit_random(plan, source, call, entry.name)
        case "dot_product_attention":
            attention.emit_function(plan, source, call, entry)
        case "make_padding_mask" | "_make_causal_mask":
            attention.emit_mask(plan, source, call, entry)
        case "scan_in_dim":
            transforms.emit(plan, source, call, "flax.jax_utils.scan_in_dim")
        case _ if entry.kind == "toplevel":
            raise Unclear("LN690", f"`{text(call.func)}` belongs to training code")
        case _ if entry.kind == "gone":
            why = f"`{text(call.func)}` has no counterpart"
            raise Unclear("LN190", f"{why}: {entry.note}" if entry.note else why)


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


# --- helpers ---------------------------------------------------------------------------------


def _at(sequence: Sequence[str], position: int) -> str | None:
    return sequence[position] if position < len(sequence) else None
