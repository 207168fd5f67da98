"""Module classes: fields, methods, and the reads of hyper-parameters."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence

from linenify.facts import arrays, counters
from linenify.facts.attributes import emit_attributes
from linenify.facts.forwarding import as_forwarded, forwarded, keeps_kwargs, to_super, uses
from linenify.facts.kinds import (
    Container,
    External,
    Module,
    ModuleApi,
    Parameter,
    Partial,
    Static,
    Transformed,
    modules,
)
from linenify.facts.parameters import Decision, Role
from linenify.facts.plan import ClassPlan, Plan
from linenify.facts.sites import (
    ClassVariable,
    Field,
    FieldRead,
    FieldsInText,
    FunctionModuleSite,
    MethodSite,
    ModuleClassSite,
    ParamOverride,
    Renamed,
    Reshaped,
    StatementSite,
)
from linenify.project.scopes import Scope, all_arguments
from linenify.project.source import Source

# Names that a dataclass field of a Linen module must not take.
RESERVED = frozenset(
    {
        *("apply", "bind", "clone", "get_variable", "has_rng", "has_variable", "init"),
        *("init_with_output", "is_initializing", "is_mutable_collection", "lazy_init"),
        *("make_rng", "module_paths", "name", "param", "parent", "path", "perturb"),
        *("put_variable", "scope", "setup", "sow", "tabulate", "unbind", "variable"),
        "variables",
    }
)
_INTROSPECTION = frozenset({"locals", "vars", "eval", "exec", "globals"})
_CHANGES = frozenset(
    {
        *("append", "clear", "extend", "insert", "pop", "popitem", "remove", "reverse"),
        *("setdefault", "sort", "update"),
    }
)


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


def emit_definitions(plan: Plan) -> None:
    """Turns class plans into sites."""
    for definition, class_plan in plan.classes.items():
        source = _source(plan, definition)
        if class_plan.refused is not None:
            code, _, why = class_plan.refused.partition(" ")
            plan.refuse(source, definition, code, why)
            continue
        if isinstance(definition, ast.ClassDef):
            _emit_class(plan, source, definition, class_plan)
        else:
            fields = _fields(plan, source, class_plan)
            method = _method_site(plan, definition, class_plan, "__call__")
            plan.define(source, definition, FunctionModuleSite(fields, method))
            _emit_reads(plan, source, definition, class_plan)


def freeze_refused(plan: Plan) -> None:
    """A class that is not migrated stays as it was, down to its last call."""
    for definition, class_plan in plan.classes.items():
        if class_plan.refused is None:
            continue
        source = _source(plan, definition)
        first = min([definition.lineno, *(d.lineno for d in definition.decorator_list)])
        last = definition.end_lineno or definition.lineno
        facts = plan.files[source.name]
        facts.frozen.append((first, last, class_plan.refused.partition(" ")[0]))

        def outside(line: int, first: int = first, last: int = last) -> bool:
            return not first <= line <= last

        for expression in [k for k in facts.expressions if not outside(k[1].line)]:
            del facts.expressions[expression]
        for place in [k for k in facts.definitions if not outside(k[1])]:
            del facts.definitions[place]
        for line in [k for k in facts.statements if not outside(k)]:
            del facts.statements[line]
        own = definition.lineno
        facts.refusals[:] = [
            f for f in facts.refusals if outside(f.statement) or f.statement == own
        ]
        facts.notices[:] = [f for f in facts.notices if outside(f.statement)]


def flag_strangers(plan: Plan) -> None:
    """Classes of unknown ancestry whose methods work as module methods do."""
    flow = plan.flow
    for node, info in flow.hierarchy.infos.items():
        if flow.hierarchy.is_module(node):
            continue
        for name, method in info.methods.items():
            if flow.hierarchy.is_module_method(node, name):
                why = f"`{node.name}.{name}` belongs to a class that is no module"
                plan.refuse(info.source, method.decorator_list[0], "LN290", why)
        if not node.bases:
            continue
        strange = [
            base
            for base, value in zip(node.bases, info.bases, strict=False)
            if not value or any(isinstance(a, External) and _strange(a.path) for a in value)
        ]
        if strange and "apply" in info.methods and _uses_layers(plan, info.methods["apply"]):
            why = f"`{ast.unparse(strange[0])}` may be a legacy module class"
            plan.refuse(info.source, node, "LN290", why)


def _strange(path: str) -> bool:
    root = path.partition(".")[0]
    return root != "builtins" and root not in sys.stdlib_module_names


def _uses_layers(plan: Plan, method: ast.FunctionDef) -> bool:
    return any(
        isinstance(node, ast.Call) and modules(plan.flow.values.get(node.func, frozenset()))
        for node in ast.walk(method)
    )


def receiver_name(plan: Plan, function: ast.FunctionDef) -> str:
    """What a method calls its instance."""
    positional = [*function.args.posonlyargs, *function.args.args]
    if plan.flow.code[function].owner is None:
        taken = {a.arg for a in all_arguments(function.args)}
        return "self" if "self" not in taken else "module"
    return positional[0].arg if positional else "self"


# --- planning --------------------------------------------------------------------------------


def _source(plan: Plan, definition: ast.ClassDef | ast.FunctionDef) -> Source:
    if isinstance(definition, ast.ClassDef):
        return plan.flow.hierarchy.infos[definition].source
    return plan.flow.code[definition].source


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
        result.order.extend(name for name in inherited.order if name not in result.order)
        result.defaulted |= inherited.defaulted
        result.renamed.update(inherited.renamed)
    result.refused = result.refused or _class_refusal(plan, node, result)
    _add_fields(plan, node, result)
    return result


def _function_plan(plan: Plan, function: ast.FunctionDef) -> ClassPlan:
    result = ClassPlan(function, methods=[function])
    kinds = plan.flow.decorators.get(function, frozenset())
    known = {a.path for a in kinds if isinstance(a, External)}
    if len(function.decorator_list) > 1 or known != {"flax.nn.module"}:
        result.refused = f"LN291 `{function.name}` has decorators besides nn.module"
    result.refused = result.refused or _method_refusal(plan, function)
    _add_fields(plan, function, result)
    return result


def _add_fields(plan: Plan, node: ast.ClassDef | ast.FunctionDef, result: ClassPlan) -> None:
    inherited = set(result.order)
    for method in result.methods:
        for name, decision in plan.decisions[method].items():
            if decision.role is not Role.FIELD:
                continue
            if name in result.own:
                result.own[name] = _merge(result, result.own[name], decision)
            else:
                result.own[name] = decision
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
    if name in RESERVED:
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
        if method.decorator_list and not _plain_decorators(plan, method):
            return f"LN291 `{method.name}` has a decorator that linenify does not know"
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


def _plain_decorators(plan: Plan, method: ast.FunctionDef) -> bool:
    kinds = plan.flow.decorators.get(method, frozenset())
    paths = {a.path for a in kinds if isinstance(a, External)}
    plain = {"flax.nn.module_method", "abc.abstractmethod"}
    return paths <= plain and len(method.decorator_list) == len(paths)


def _method_refusal(plan: Plan, method: ast.FunctionDef) -> str | None:
    fields = {n for n, d in plan.decisions[method].items() if d.role is Role.FIELD}
    for name in sorted(fields):
        if _changes(plan, method, name) and not _is_variadic(method, name):
            return f"LN290 `{method.name}` changes its caller's `{name}` in place"
    variadic = method.args.vararg.arg if method.args.vararg is not None else None
    for node in ast.walk(method):
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


# --- emitting --------------------------------------------------------------------------------


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


def _emit_class(plan: Plan, source: Source, node: ast.ClassDef, class_plan: ClassPlan) -> None:
    fields = _fields(plan, source, class_plan)
    keyword_only = needs_keywords(plan, node)
    plan.define(source, node, ModuleClassSite(fields, keyword_only))
    for statement in node.body:
        match statement:
            case ast.AnnAssign(target=ast.Name(), annotation=annotation) if (
                "ClassVar" not in ast.unparse(annotation)
            ):
                plan.define(source, statement, ClassVariable())
            case ast.FunctionDef(name="param"):
                _emit_param_override(plan, source, statement)
    for method in class_plan.methods:
        name = "__call__" if method.name == "apply" else method.name
        plan.define(source, method, _method_site(plan, method, class_plan, name))
        _emit_reads(plan, source, method, class_plan)
    emit_attributes(plan, source, class_plan)


def _emit_param_override(plan: Plan, source: Source, method: ast.FunctionDef) -> None:
    arguments = method.args
    names = [a.arg for a in arguments.args]
    plain = not (arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.defaults)
    if len(names) == len(("self", "name", "shape", "initializer")) and plain:
        plan.define(source, method, ParamOverride())
    else:
        plan.refuse(source, method, "LN290", "`param` is overridden with another signature")


def _fields(plan: Plan, source: Source, class_plan: ClassPlan) -> tuple[Field, ...]:
    ordered = sorted(class_plan.own.items(), key=lambda item: item[1].default is not None)
    result = []
    for name, decision in ordered:
        if decision.why in {"forwarded", "open-ended"}:
            default = decision.default
            result.append(
                Field(
                    name=name,
                    parameter=name,
                    method=plan.span(source, class_plan.methods[0]),
                    annotation=decision.type,
                    default=ast.unparse(default) if default is not None else None,
                    required=default is None,
                )
            )
            continue
        method = next(
            m
            for m in class_plan.methods
            if name in plan.decisions[m] and plan.decisions[m][name] is decision
        )
        cache = decision.is_cache
        result.append(
            Field(
                name=class_plan.renamed.get(name, name),
                parameter=name,
                method=plan.span(source, method),
                annotation="bool" if cache else decision.type,
                default="False" if cache else None,
                required=decision.default is None and not cache,
            )
        )
    return tuple(result)


def _method_site(
    plan: Plan, method: ast.FunctionDef, class_plan: ClassPlan, name: str
) -> MethodSite:
    removed = [n for n, d in plan.decisions[method].items() if d.role is Role.FIELD]
    kwargs = method.args.kwarg
    drop = kwargs is not None and (
        not keeps_kwargs(plan, method)
        and (
            method in class_plan.forwarded
            or method in class_plan.open
            or not _reads(plan, method, kwargs.arg)
            or all(
                u is not None and u.key is None and to_super(plan, u.call)
                for u in uses(plan, method)
            )
        )
    )
    rule = "LN201" if method.name == "apply" else "LN204"
    return MethodSite(
        name=name,
        receiver=receiver_name(plan, method),
        removed=tuple(removed),
        compact=True,
        locals=tuple(
            (n, class_plan.renamed.get(n, n), _changes(plan, method, n))
            for n in [*removed, *([class_plan.open[method]] if method in class_plan.open else [])]
            if _is_local(plan, method, n)
        ),
        removed_kwargs=drop,
        rule=rule,
    )


def _own_names(
    plan: Plan, function: ast.FunctionDef, name: str
) -> Iterator[tuple[ast.Name, Scope]]:
    """Every mention of a parameter in its function, with the scope it stands in."""
    home = plan.flow.code[function].scope
    scopes = plan.flow.scopes[home.source.name]

    def visit(node: ast.AST, scope: Scope) -> Iterator[tuple[ast.Name, Scope]]:
        if isinstance(node, ast.Name):
            if node.id == name and scope.lookup(name) is home:
                yield node, scope
            return
        if node in scopes.by_node and node is not function:
            inner = scopes[node]
            outside: list[ast.AST] = []
            inside: list[ast.AST] = []
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    outside = [*node.decorator_list, *node.args.defaults]
                    outside += [d for d in node.args.kw_defaults if d is not None]
                    outside += [a.annotation for a in all_arguments(node.args) if a.annotation]
                    inside = list(node.body)
                case ast.Lambda():
                    outside = [*node.args.defaults]
                    outside += [d for d in node.args.kw_defaults if d is not None]
                    inside = [node.body]
                case ast.ClassDef():
                    outside = [*node.decorator_list, *node.bases, *node.keywords]
                    inside = list(node.body)
                case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                    outside = [node.generators[0].iter]
                    inside = [
                        child
                        for child in ast.walk(node)
                        if child in plan.parents
                        and plan.parents[child] in (node, *node.generators)
                        and child is not node.generators[0].iter
                        and not isinstance(child, ast.comprehension)
                    ]
            for child in outside:
                yield from visit(child, scope)
            for child in inside:
                yield from visit(child, inner)
            return
        for child in ast.iter_child_nodes(node):
            yield from visit(child, scope)

    for statement in function.body:
        yield from visit(statement, home)


def _reads(plan: Plan, function: ast.FunctionDef, name: str) -> bool:
    return any(isinstance(n.ctx, ast.Load) for n, _ in _own_names(plan, function, name))


def _is_local(plan: Plan, function: ast.FunctionDef, name: str) -> bool:
    """Whether a field has to be copied into a local variable."""
    if _changes(plan, function, name):
        return True
    receiver = receiver_name(plan, function)
    home = plan.flow.code[function].scope
    for node, scope in _own_names(plan, function, name):
        if isinstance(node.ctx, ast.Store):
            return True
        between = [s for s in scope.ancestors() if _inside(s, home)]
        if isinstance(node.ctx, ast.Load) and any(
            s.kind == "class" or receiver in s.names or s.node in plan.decisions.of for s in between
        ):
            return True
    return False


def _changes(plan: Plan, function: ast.FunctionDef, name: str) -> bool:
    """Whether the body changes a dict or a list in place: as a field, it would be frozen."""
    for node, _ in _own_names(plan, function, name):
        if isinstance(node.ctx, ast.Store):
            return False
        value = plan.flow.values.get(node, frozenset())
        if not all(isinstance(a, Parameter | Static | Container) for a in value):
            continue
        match plan.parents[node]:
            case ast.Attribute(attr=attribute) as method if attribute in _CHANGES and isinstance(
                plan.parents[method], ast.Call
            ):
                return True
            case ast.Subscript(value=owner, ctx=ast.Store() | ast.Del()) if owner is node:
                return True
    return False


def _is_variadic(function: ast.FunctionDef, name: str) -> bool:
    return function.args.kwarg is not None and function.args.kwarg.arg == name


def _inside(scope: Scope, home: Scope) -> bool:
    return scope is not home and any(s is home for s in scope.ancestors())


def _emit_reads(
    plan: Plan, source: Source, function: ast.FunctionDef, class_plan: ClassPlan
) -> None:
    receiver = receiver_name(plan, function)
    texts: dict[ast.JoinedStr, dict[str, str]] = {}
    if function in class_plan.forwarded:
        for use in uses(plan, function):
            if use is None or use.key is None:
                continue
            read = f"{receiver}.{use.key}"
            site = Reshaped(read, "LN202") if isinstance(use.place, ast.Call) else Renamed(read)
            plan.at(source, use.place, site)
    named = dict(plan.decisions[function])
    if function in class_plan.open:
        named[class_plan.open[function]] = class_plan.own[class_plan.open[function]]
    for name, decision in named.items():
        if decision.role is not Role.FIELD:
            continue
        local = _is_local(plan, function, name)
        field = class_plan.renamed.get(name, name)
        handled: Sequence[ast.Name] = ()
        if decision.is_cache and not local:
            reads = [node for node, _ in _own_names(plan, function, name)]
            handled = counters.emit(plan, source, function, reads, receiver, field)
        for node, _ in _own_names(plan, function, name):
            if isinstance(node.ctx, ast.Del):
                if not local:
                    _emit_deletion(plan, source, function, node)
                continue
            if local or not isinstance(node.ctx, ast.Load):
                continue
            if node in handled:
                continue
            if decision.is_cache and not counters.is_plain(plan, node):
                why = f"`{ast.unparse(plan.parents[node])}` uses the legacy cache itself"
                plan.refuse(source, plan.statement(node), "LN490", why)
                continue
            text = plan.in_text(node)
            if text is not None:
                texts.setdefault(text, {})[name] = f"{receiver}.{field}"
                continue
            wrap = "list" if _needs_list(plan, node, decision) else None
            plan.at(source, node, FieldRead(receiver, field, wrap))
    for text, names in texts.items():
        plan.at(source, text, FieldsInText(tuple(sorted(names.items()))))


def _emit_deletion(plan: Plan, source: Source, function: ast.FunctionDef, node: ast.Name) -> None:
    statement = plan.statement(node)
    if not isinstance(statement, ast.Delete):
        return
    targets: list[ast.expr] = []
    for target in statement.targets:
        targets.extend(target.elts if isinstance(target, ast.Tuple | ast.List) else [target])
    fields = {n for n, d in plan.decisions[function].items() if d.role is Role.FIELD}
    if function.args.kwarg is not None and not _reads(plan, function, function.args.kwarg.arg):
        fields.add(function.args.kwarg.arg)
    keep = tuple(
        ast.unparse(t) for t in targets if not (isinstance(t, ast.Name) and t.id in fields)
    )
    plan.files[source.name].statements[statement.lineno] = StatementSite("LN202", keep)


def _needs_list(plan: Plan, node: ast.Name, decision: Decision) -> bool:
    value = plan.flow.values.get(node, frozenset())
    may_be_list = isinstance(decision.default, ast.List) or any(
        isinstance(a, Container) and a.type == "list" for a in value
    )
    if not may_be_list:
        return False
    match plan.parents[node]:
        case ast.BinOp(op=ast.Add()) | ast.Compare():
            return True
        case ast.Attribute(attr=name):
            return name == "copy"
    return False
