"""What module classes become: fields, methods, and the reads of hyper-parameters."""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence

from linenify.facts.ask import mentions
from linenify.facts.ask.parameters import Role
from linenify.facts.deciding.plan import ClassPlan, Plan
from linenify.facts.flow.kinds import External, modules
from linenify.facts.modules import counters, decorated
from linenify.facts.modules.attributes import emit_attributes
from linenify.facts.modules.classplans import needs_keywords
from linenify.facts.modules.forwarding import keeps_kwargs, to_super, uses
from linenify.facts.modules.thawing import Conversions
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
from linenify.project.nodes import walk
from linenify.project.source import Source

_DECORATORS = {External("flax.nn.module"), External("flax.nn.module_method")}


def emit_definitions(plan: Plan, thawed: Conversions) -> None:
    """Turns class plans into sites; `thawed`: where a field is made again what it was."""
    for definition, class_plan in plan.classes.items():
        source = _source(plan, definition)
        if class_plan.refused is not None:
            code, _, why = class_plan.refused.partition(" ")
            plan.refuse(source, definition, code, why, because=plan.waits_for(definition))
            continue
        if isinstance(definition, ast.ClassDef):
            _emit_class(plan, source, definition, class_plan, thawed)
        else:
            fields = _fields(plan, source, class_plan)
            method = _method_site(plan, definition, class_plan, "__call__", thawed)
            plan.define(source, definition, FunctionModuleSite(fields, method))
            _emit_reads(plan, source, definition, class_plan, thawed)


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
        for table in (facts.statements, facts.comments, facts.inserted):
            for line in [k for k in table if not outside(k)]:
                del table[line]
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
        for node in walk(method)
    )


def _source(plan: Plan, definition: ast.ClassDef | ast.FunctionDef) -> Source:
    if isinstance(definition, ast.ClassDef):
        return plan.flow.hierarchy.infos[definition].source
    return plan.flow.code[definition].source


def _emit_class(
    plan: Plan, source: Source, node: ast.ClassDef, class_plan: ClassPlan, thawed: Conversions
) -> None:
    fields = _fields(plan, source, class_plan)
    keyword_only = needs_keywords(plan, node)
    moved = tuple(d for m in class_plan.methods for d in decorated.on_the_class(plan, m))
    plan.define(source, node, ModuleClassSite(fields, keyword_only, decorators=moved))
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
        plan.define(source, method, _method_site(plan, method, class_plan, name, thawed))
        _emit_reads(plan, source, method, class_plan, thawed)
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
    plan: Plan,
    method: ast.FunctionDef,
    class_plan: ClassPlan,
    name: str,
    thawed: Conversions,
) -> MethodSite:
    removed = [n for n, d in plan.decisions[method].items() if d.role is Role.FIELD]
    kwargs = method.args.kwarg
    drop = kwargs is not None and (
        not keeps_kwargs(plan, method)
        and (
            method in class_plan.forwarded
            or method in class_plan.open
            or not mentions.reads(plan, method, kwargs.arg)
            or all(
                u is not None and u.key is None and to_super(plan, u.call)
                for u in uses(plan, method)
            )
        )
    )
    rule = "LN201" if method.name == "apply" else "LN204"
    return MethodSite(
        name=name,
        receiver=mentions.receiver_name(plan, method),
        removed=tuple(removed),
        compact=True,
        locals=tuple(
            (n, class_plan.renamed.get(n, n), thawed.start(method, n))
            for n in [*removed, *([class_plan.open[method]] if method in class_plan.open else [])]
            if mentions.is_local(plan, method, n)
        ),
        removed_kwargs=drop,
        decorator=_legacy_decorator(plan, method),
        moved=decorated.on_the_class(plan, method),
        wrapped=decorated.is_wrapped(plan, method),
        rule=rule,
    )


def _legacy_decorator(plan: Plan, function: ast.FunctionDef) -> int | None:
    """Which decorator of a method or function Linen has no need for."""
    for place, decorator in enumerate(function.decorator_list):
        if _DECORATORS & plan.flow.values.get(decorator, frozenset()):
            return place
    return None


def _emit_reads(
    plan: Plan,
    source: Source,
    function: ast.FunctionDef,
    class_plan: ClassPlan,
    thawed: Conversions,
) -> None:
    receiver = mentions.receiver_name(plan, function)
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
        local = mentions.is_local(plan, function, name)
        field = class_plan.renamed.get(name, name)
        handled: Sequence[ast.Name] = ()
        if decision.is_cache and not local:
            reads = [node for node, _ in mentions.own_names(plan, function, name)]
            handled = counters.emit(plan, source, function, reads, receiver, field)
        for node, _ in mentions.own_names(plan, function, name):
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
            wrap = thawed.reads.get(node)
            if text is not None:
                read = f"{receiver}.{field}"
                texts.setdefault(text, {})[name] = (wrap or "{node}").replace("{node}", read)
                continue
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
    if function.args.kwarg is not None and not mentions.reads(
        plan, function, function.args.kwarg.arg
    ):
        fields.add(function.args.kwarg.arg)
    keep = tuple(
        ast.unparse(t) for t in targets if not (isinstance(t, ast.Name) and t.id in fields)
    )
    plan.files[source.name].statements[statement.lineno] = StatementSite("LN202", keep)
