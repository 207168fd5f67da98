"""Which fields every module class gets, and which classes cannot be migrated."""

from __future__ import annotations

import ast

from linenify.facts.ask import mentions
from linenify.facts.ask.parameters import Decision, Role
from linenify.facts.deciding.plan import ClassPlan, Plan
from linenify.facts.flow.kinds import External, Module, ModuleApi, Partial, Transformed, modules
from linenify.facts.legacy import arrays
from linenify.facts.modules import decorated
from linenify.facts.modules.forwarding import as_forwarded, forwarded, to_super, uses
from linenify.project.nodes import walk

# Names that a dataclass field of a Linen module must not take.
_RESERVED = frozenset(
    {
        *("apply", "bind", "clone", "get_variable", "has_rng", "has_variable", "init"),
        *("init_with_output", "is_initializing", "is_mutable_collection", "lazy_init"),
        *("make_rng", "module_paths", "name", "param", "parent", "path", "perturb"),
        *("put_variable", "scope", "setup", "sow", "tabulate", "unbind", "variable"),
        "variables",
    }
)
_INTROSPECTION = frozenset({"locals", "vars", "eval", "exec", "globals"})


def plan_classes(plan: Plan) -> None:
    """Decides the fields of every module class, bases first."""
    flow = plan.flow
    done: set[ast.ClassDef] = set()

    def visit(node: ast.ClassDef) -> None:
        if node in done or not flow.hierarchy.is_module(node):
            return
        done.add(node)
        for parent in flow.hierarchy.parents(node):
            visit(parent)
        for method in flow.hierarchy.infos[node].methods.values():
            visit_targets(method)
        plan.classes[node] = _class_plan(plan, node)

    def visit_function(node: ast.FunctionDef) -> None:
        if node in plan.classes or node in planning:
            return
        planning.add(node)
        visit_targets(node)
        plan.classes[node] = _function_plan(plan, node)

    def visit_targets(method: ast.FunctionDef) -> None:
        # What `**kwargs` is passed on to comes first.
        if method.args.kwarg is None or method not in plan.decisions.of:
            return
        for use in uses(plan, method):
            if use is None or use.key is not None:
                continue
            callee = flow.values.get(use.call.func, frozenset())
            bound = [a.module for a in callee if isinstance(a, ModuleApi)]
            for module in [*modules(callee), *bound]:
                if isinstance(module.definition, ast.ClassDef):
                    visit(module.definition)
                elif isinstance(module.definition, ast.FunctionDef):
                    visit_function(module.definition)

    planning: set[ast.FunctionDef] = set()
    for node in flow.hierarchy.infos:
        visit(node)
    for function in plan.decisions.of:
        if flow.code[function].owner is None and isinstance(function, ast.FunctionDef):
            visit_function(function)


def needs_keywords(plan: Plan, node: ast.ClassDef) -> bool:
    """Whether a required field comes after an inherited one that has a default."""
    flow = plan.flow
    defaulted: set[str] = set()
    inherited: set[str] = set()
    for parent in flow.hierarchy.parents(node):
        base = plan.classes.get(parent)
        if base is not None:
            defaulted |= base.defaulted
            inherited |= set(base.order)
    own = plan.classes[node].own
    return bool(defaulted) and any(
        d.default is None and plan.classes[node].renamed.get(n, n) not in inherited
        for n, d in own.items()
    )


def _class_plan(plan: Plan, node: ast.ClassDef) -> ClassPlan:
    flow = plan.flow
    info = flow.hierarchy.infos[node]
    result = ClassPlan(node)
    result.methods = [m for m in info.methods.values() if m in plan.decisions.of]
    result.methods.sort(key=lambda m: (m.name != "apply", m.lineno))
    for parent in flow.hierarchy.parents(node):
        inherited = plan.classes.get(parent)
        if inherited is None:
            continue
        if inherited.refused is not None:
            result.refused = f"LN290 the base class `{parent.name}` was not migrated"
            result.waits_for = parent
        result.order.extend(name for name in inherited.order if name not in result.order)
        result.defaulted |= inherited.defaulted
        result.renamed.update(inherited.renamed)
    result.refused = result.refused or _class_refusal(plan, node, result)
    _add_fields(plan, node, result)
    return result


def _function_plan(plan: Plan, function: ast.FunctionDef) -> ClassPlan:
    result = ClassPlan(function, methods=[function])
    unclear = decorated.refusal(plan, function, result)
    result.refused = f"LN291 {unclear}" if unclear is not None else None
    result.refused = result.refused or _method_refusal(plan, function)
    _add_fields(plan, function, result)
    return result


def _add_fields(plan: Plan, node: ast.ClassDef | ast.FunctionDef, result: ClassPlan) -> None:
    inherited = set(result.order)
    unread: set[str] = set()  # fields that only methods have which do not read them
    for method in result.methods:
        for name, decision in plan.decisions[method].items():
            if decision.role is not Role.FIELD:
                continue
            if name not in result.own or name in unread:
                result.own[name] = decision
            elif mentions.reads(plan, method, name):
                result.own[name] = _merge(result, result.own[name], decision)
            unread.discard(name)
            if result.own[name] is decision and not mentions.reads(plan, method, name):
                unread.add(name)
        extra = forwarded(plan, method, result)
        if extra is None:
            # Whatever else happens to it: the dict itself is a field.
            assert method.args.kwarg is not None
            name = method.args.kwarg.arg
            result.open[method] = name
            empty = ast.parse("{}", mode="eval").body
            result.own[name] = Decision(name, Role.FIELD, "open-ended", "Any", empty, None)
        elif extra:
            result.forwarded[method] = list(extra)
            result.own.update({n: as_forwarded(d) for n, d in extra.items()})
    taken = set(result.own)
    result.given = set(taken)
    for name, decision in list(result.own.items()):
        wanted = ["decode", "decoding"] if decision.is_cache else [name]
        found = next((n for n in wanted if _is_free(plan, node, n, own=name)), None)
        if found is None:
            found = f"{wanted[-1]}_"
            while found in taken or not _is_free(plan, node, found, own=name):
                found += "_"
        if found != name:
            result.renamed[name] = found
    same = {
        name
        for name, decision in result.own.items()
        if name in inherited and _inherits(plan, node, name, decision)
    }
    for name in same:
        del result.own[name]
    required = [n for n, d in result.own.items() if d.default is None]
    optional = [n for n, d in result.own.items() if d.default is not None]
    for name in [*required, *optional]:
        field = result.renamed.get(name, name)
        if field not in result.order:
            result.order.append(field)
        if name in optional:
            result.defaulted.add(field)
        else:
            result.defaulted.discard(field)


def _is_free(plan: Plan, node: ast.ClassDef | ast.FunctionDef, name: str, *, own: str) -> bool:
    """Whether a field may be called `name` in a class."""
    if name in _RESERVED:
        return False
    if not isinstance(node, ast.ClassDef):
        return True
    if plan.flow.hierarchy.find(node, name) is not None:
        return False
    info = plan.flow.hierarchy.infos[node]
    parameters = {
        n for m in info.methods.values() if m in plan.decisions.of for n in plan.decisions[m]
    }
    return name not in info.scope.names and (name == own or name not in parameters)


def _merge(result: ClassPlan, first: Decision, second: Decision) -> Decision:
    if first.default is None or second.default is None:
        return first if first.default is not None else second
    if ast.dump(first.default) != ast.dump(second.default):
        result.refused = result.refused or (f"LN292 methods give `{first.name}` different defaults")
    return first


def _inherits(
    plan: Plan, node: ast.ClassDef | ast.FunctionDef, name: str, decision: Decision
) -> bool:
    assert isinstance(node, ast.ClassDef)
    for ancestor in plan.flow.hierarchy.mro(node)[1:]:
        base = plan.classes.get(ancestor)
        if base is not None and name in base.own:
            other = base.own[name]
            if (other.default is None) != (decision.default is None):
                return False
            if other.default is None or decision.default is None:
                return True
            return ast.dump(other.default) == ast.dump(decision.default)
    return False


def _class_refusal(plan: Plan, node: ast.ClassDef, result: ClassPlan) -> str | None:
    flow = plan.flow
    info = flow.hierarchy.infos[node]
    if any(keyword.arg == "metaclass" for keyword in node.keywords):
        return "LN290 the class has a metaclass of its own"
    for name in ("__init__", "__new__", "__call__", "__getattr__", "__setattr__", "setup"):
        if name in info.methods:
            return f"LN290 the class defines `{name}`"
    foreign = [
        base
        for base, value in zip(node.bases, info.bases, strict=False)
        if not value
        or any(
            isinstance(a, External)
            and not a.path.startswith("flax.nn")
            and a.path not in {"abc.ABC", "builtins.object", "typing.Generic"}
            for a in value
        )
    ]
    if foreign:
        return f"LN290 the base class `{ast.unparse(foreign[0])}` is unknown"
    for base, value in zip(node.bases, info.bases, strict=False):
        if any(isinstance(a, Module) and a.origin is not None for a in value):
            return f"LN290 the base class `{ast.unparse(base)}` is a partial"
    for ancestor in flow.hierarchy.mro(node):
        if not flow.hierarchy.is_module(ancestor):
            for name in flow.hierarchy.infos[ancestor].methods:
                if name == "apply" or flow.hierarchy.is_module_method(ancestor, name):
                    return f"LN290 `{ancestor.name}.{name}` belongs to a class that is no module"
    for statement in node.body:
        held = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
        if held is not None and _becomes_method(plan, held):
            return f"LN290 `{ast.unparse(held)}` in the class body would become a method in Linen"
    for method in result.methods:
        unclear = decorated.refusal(plan, method, result)
        if unclear is not None:
            return f"LN291 {unclear}"
        refusal = _method_refusal(plan, method)
        if refusal is not None:
            return refusal
    return None


def _becomes_method(plan: Plan, held: ast.expr) -> bool:
    """Whether Linen would take a class attribute for a method, and hand it `self`.

    It wraps what is callable and neither a class nor a descriptor; Python
    itself binds plain functions alone, as it did for `flax.nn`.
    """
    for atom in plan.flow.values.get(held, frozenset()):
        match atom:
            case Module(origin=origin) if origin is not None and origin is not held:
                return True
            case Partial() | Transformed():
                return True
            case External(path=path) if (
                path.startswith("flax.nn.") or arrays.signature(path) is not None
            ):
                return True
    return False


def _method_refusal(plan: Plan, method: ast.FunctionDef) -> str | None:
    fields = {n for n, d in plan.decisions[method].items() if d.role is Role.FIELD}
    variadic = method.args.vararg.arg if method.args.vararg is not None else None
    for node in walk(method):
        if isinstance(node, ast.Call):
            if variadic is not None and to_super(plan, node) and _spreads(node, variadic):
                return f"LN293 `*{variadic}` of `{method.name}` goes to the base"
            value = plan.flow.values.get(node.func, frozenset())
            for atom in value:
                if (
                    fields
                    and isinstance(atom, External)
                    and atom.path.removeprefix("builtins.") in _INTROSPECTION
                    and not node.args
                ):
                    return f"LN296 `{method.name}` calls `{ast.unparse(node.func)}()`"
    return None


def _spreads(call: ast.Call, name: str) -> bool:
    return any(
        isinstance(a, ast.Starred) and isinstance(a.value, ast.Name) and a.value.id == name
        for a in call.args
    )
