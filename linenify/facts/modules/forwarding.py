"""`**kwargs` that a module method only passes on: fields in its stead."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace

from linenify.facts.ask.arguments import fill, text
from linenify.facts.ask.parameters import Decision, Role
from linenify.facts.deciding.plan import ClassPlan, Plan
from linenify.facts.flow.kinds import Module, ModuleApi, SuperMethod, modules
from linenify.facts.legacy import catalogue
from linenify.facts.legacy.catalogue import Slot
from linenify.facts.sites import Unclear
from linenify.project.nodes import walk

# In `def apply(self, x, depth, **kwargs): return Block(x, depth, **kwargs)` the
# callers could give `kwargs` whatever `Block` takes besides `x` and `depth`, so
# these become fields here, with the defaults that they have there.


@dataclass(frozen=True, slots=True)
class Use:
    """One place that reads the open-ended dict.

    `key` is set for `kwargs.get('key', default)` and `kwargs['key']`; otherwise
    the dict is handed on to `call`.
    """

    node: ast.Name
    place: ast.Call | ast.Subscript
    key: str | None

    @property
    def call(self) -> ast.Call:
        """The call that the dict is handed on to."""
        assert isinstance(self.place, ast.Call)
        return self.place


def forwarded(plan: Plan, method: ast.FunctionDef, own: ClassPlan) -> dict[str, Decision] | None:
    """The fields that stand for `**kwargs`; None when it is used in another way."""
    if method.args.kwarg is None:
        return {}
    found: dict[str, Decision] = {}
    for use in uses(plan, method):
        if use is None:
            return None
        if use.key is not None or to_super(plan, use.call):
            continue
        try:
            fields = _remaining(plan, use.call)
        except Unclear:
            return None
        for name, decision in fields.items():
            if name in own.own or name in plan.decisions[method]:
                continue
            if name in found and not _same(found[name], decision):
                return None
            found.setdefault(name, decision)
    for use in uses(plan, method):
        assert use is not None
        if use.key is None:
            continue
        if isinstance(use.place, ast.Subscript):
            if use.key not in plan.decisions[method]:
                found.setdefault(use.key, Decision(use.key, Role.FIELD, "read", "Any", None, None))
        elif not _agrees(use, found):
            return None
    return found


def to_super(plan: Plan, call: ast.Call) -> bool:
    """Whether a call is `super().apply(...)`: the base's fields are inherited anyway."""
    callee = plan.flow.values.get(call.func, frozenset())
    return any(isinstance(a, SuperMethod) and a.name == "apply" for a in callee)


def keeps_kwargs(plan: Plan, method: ast.FunctionDef) -> bool:
    """Whether `**kwargs` still has call arguments to carry, to the base."""
    owner = plan.flow.code[method].owner
    if method.args.kwarg is None or owner is None:
        return False
    if not any(
        use is not None and use.key is None and to_super(plan, use.call)
        for use in uses(plan, method)
    ):
        return False
    found = plan.flow.hierarchy.find_after(owner.node, "apply")
    if found is None:
        return False
    own = set(plan.decisions[method])
    return any(
        d.role is Role.INPUT and d.default is not None and n not in own
        for n, d in plan.decisions.of.get(found[1], {}).items()
    )


def uses(plan: Plan, method: ast.FunctionDef) -> list[Use | None]:
    """Every read of `**kwargs`; None for one that is not understood."""
    assert method.args.kwarg is not None
    name = method.args.kwarg.arg
    found: list[Use | None] = []
    for node in walk(method):
        if not (isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)):
            continue
        parent = plan.parents[node]
        if isinstance(parent, ast.keyword) and parent.arg is None:
            call = plan.parents[parent]
            assert isinstance(call, ast.Call)
            found.append(Use(node, call, None))
            continue
        grand = plan.parents.get(parent)
        match parent, grand:
            case ast.Attribute(attr="get"), ast.Call(args=[ast.Constant(value=str(key)), *_]) if (
                grand.func is parent
            ):
                found.append(Use(node, grand, key))
            case ast.Subscript(slice=ast.Constant(value=str(key)), ctx=ast.Load()), _ if (
                parent.value is node
            ):
                found.append(Use(node, parent, key))
            case _:
                found.append(None)
    return found


def _remaining(plan: Plan, call: ast.Call) -> dict[str, Decision]:
    """The fields of the callee that `call` does not give by itself."""
    found: dict[str, Decision] = {}
    value = plan.flow.values.get(call.func, frozenset())
    binds = [
        a.module for a in value if isinstance(a, ModuleApi) and a.name in {"partial", "shared"}
    ]
    callees = [*modules(value), *binds]
    if not callees:
        raise Unclear("LN293", f"`{text(call.func)}` is not a known module")
    for module in callees:
        if module in binds:
            given = {k.arg for k in call.keywords} | module.bound
        else:
            given = {f.name for f in fill(plan, call, module)} | module.bound
        for name, decision in _fields_of(plan, module).items():
            if name in given:
                continue
            if name in found and not _same(found[name], decision):
                raise Unclear("LN293", f"`{name}` has several defaults")
            found[name] = decision
    return found


def _fields_of(plan: Plan, module: Module) -> dict[str, Decision]:
    function = plan.flow.function_of(module)
    if function is None:
        assert isinstance(module.definition, str)
        layer = catalogue.layer(module.definition)
        assert layer is not None
        return {a.name: _of_layer(layer, a) for a in layer.arguments if _constant_field(a)}
    fields = {n: d for n, d in plan.decisions[function].items() if d.role is Role.FIELD}
    target = plan.classes.get(module.definition) if not isinstance(module.definition, str) else None
    if target is not None:
        fields.update({n: target.own[n] for ns in target.forwarded.values() for n in ns})
    return fields


def _constant_field(argument: catalogue.Argument) -> bool:
    if argument.slot is not Slot.FIELD:
        return False
    if argument.default is None or argument.linen_default is not None:
        return True
    try:
        ast.literal_eval(argument.default)
    except ValueError:
        return False
    return True


def _of_layer(layer: catalogue.Layer, argument: catalogue.Argument) -> Decision:
    default = argument.linen_default or argument.default
    if any(argument.linen == keyword for keyword, _ in layer.required):
        default = argument.default  # without a value Linen refuses to run
    node = ast.parse(default, mode="eval").body if default is not None else None
    kind = "Callable" if argument.type.startswith("Callable") else argument.type
    if default == "None" and kind != "Any":
        kind = f"Optional[{kind}]"
    return Decision(argument.name, Role.FIELD, "forwarded", kind, node, None)


def _same(first: Decision, second: Decision) -> bool:
    if first.default is None or second.default is None:
        return first.default is second.default
    return ast.dump(first.default) == ast.dump(second.default)


def _agrees(use: Use, fields: dict[str, Decision]) -> bool:
    """Whether `kwargs.get('key', default)` gives what the field gives."""
    decision = fields.get(use.key or "")
    if decision is None or decision.default is None:
        return False
    default = use.call.args[1] if len(use.call.args) > 1 else ast.Constant(None)
    return ast.unparse(default) == ast.unparse(decision.default)


def as_forwarded(decision: Decision) -> Decision:
    """The same field in the class that passes it on."""
    return replace(decision, why="forwarded", is_cache=False)
