"""Modules under JAX transforms: what is safe as it stands, and what is lifted."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from linenify.facts import recurrent
from linenify.facts.arguments import Unclear, as_given, text
from linenify.facts.externals import transparent
from linenify.facts.kinds import (
    Atom,
    Bound,
    External,
    Function,
    Module,
    ModuleApi,
    Partial,
    SelfApi,
    Value,
    modules,
)
from linenify.facts.plan import Plan
from linenify.facts.selfcalls import reachable_receiver
from linenify.facts.sites import Added, Given, ParameterSite, Renamed, Reordered, Reshaped
from linenify.project.scopes import FunctionNode
from linenify.project.source import Source

# A raw transform is safe around modules whose parameters exist already: when
# the body also runs outside (the usual `if self.is_initializing(): body(...)`),
# or when nothing of it is traced anew (`vmap`).  Otherwise Linen's lifted
# transform takes its place and hands the module to the body: `lax.scan(step, carry,
# xs)` becomes `nn.scan(step, variable_broadcast='params', ...)(self, carry, xs)`.

_SCANS = {
    "jax.lax.scan": ("f", "init", "xs", "length", "reverse", "unroll"),
    "flax.jax_utils.scan_in_dim": ("body_fn", "init", "xs", "axis", "keepdims"),
}
_BROADCAST = "variable_broadcast='params', split_rngs={'params': False}"
INERT = frozenset(
    {
        *("builtins.isinstance", "builtins.issubclass", "builtins.print", "builtins.repr"),
        *("builtins.str", "builtins.type", "builtins.getattr", "builtins.hasattr"),
        *("builtins.setattr", "builtins.callable", "builtins.dict", "builtins.list"),
        *("builtins.tuple", "builtins.zip", "builtins.enumerate", "builtins.len", "builtins.id"),
        *("builtins.reversed", "builtins.super", "builtins.sorted", "functools.partial"),
    }
)


def emit(plan: Plan, source: Source, call: ast.Call, path: str) -> None:
    """Judges a call that hands a module to a function of another library."""
    values = [plan.flow.values.get(argument, frozenset()) for argument in call.args]
    values += [plan.flow.values.get(k.value, frozenset()) for k in call.keywords]
    if path == "flax.jax_utils.scan_in_dim":
        _keepdims_by_keyword(plan, source, call)
    kind = transparent(path)
    handed = [m for value in values for m in modules(value)]
    if handed and kind == "vmap" and modules(values[0]):
        _emit_mapped(plan, source, call, handed[0])
        return
    if path in _SCANS:
        _emit_scan(plan, source, call, path)
        return
    if handed and path not in INERT and not path.startswith("builtins."):
        code = "LN394" if kind not in {None, "cond", "while"} else "LN395"
        raise Unclear(code, f"`{text(call.func)}` is handed a module class")
    if any(isinstance(a, ModuleApi) and a not in plan.functions for v in values for a in v):
        raise Unclear("LN395", f"`{text(call.func)}` is handed a method of a module class")
    if not values:
        return
    match kind:
        case "checkpoint":
            _emit_checkpoint(plan, source, call, values[0])
        case "map" if path == "jax.lax.map":
            _emit_map(plan, source, call, values[0])
        case "fori" | "grad" | "jit":
            body = values[-2] if kind == "fori" and len(values) > 1 else values[0]
            if _needs_lifting(plan, call, body):
                raise Unclear("LN394", f"`{text(call.func)}` runs a module for the first time")


def emit_decorated(plan: Plan) -> None:
    """`@jax.checkpoint` on a function inside a module method."""
    for node, code in plan.flow.code.items():
        if not isinstance(node, ast.FunctionDef) or code.owner is not None:
            continue
        receiver = reachable_receiver(plan, node)
        for decorator in node.decorator_list:
            kinds = plan.flow.values.get(decorator, frozenset())
            path = next((a.path for a in kinds if isinstance(a, External)), "")
            if transparent(path) != "checkpoint" or receiver is None:
                continue
            if not _module_calls(plan, node, set()):
                continue
            calls = _calls_of(plan, node)
            if calls is None:
                plan.refuse(
                    code.source, node, "LN394", "a checkpointed function travels as a value"
                )
                continue
            plan.at(code.source, decorator, Renamed("flax.linen.checkpoint", "LN308"))
            plan.define(code.source, node, ParameterSite(receiver, "LN308", first=True))
            for call in calls:
                plan.at(code.source, call, _with_first(call, receiver))


def _with_first(call: ast.Call, receiver: str) -> Reordered:
    return Reordered((Added(None, receiver), *as_given(call)), "LN308")


def _calls_of(plan: Plan, function: FunctionNode) -> list[ast.Call] | None:
    """The direct calls of a local function; None when it travels as a value."""
    calls: list[ast.Call] = []
    for node, value in plan.flow.values.items():
        if not isinstance(node, ast.Name) or Function(function) not in value:
            continue
        parent = plan.parents.get(node)
        if isinstance(parent, ast.Call) and parent.func is node:
            calls.append(parent)
        elif isinstance(node.ctx, ast.Load):
            return None
    return calls


# --- vmap, checkpoint, map -------------------------------------------------------------------


def _emit_mapped(plan: Plan, source: Source, call: ast.Call, module: Module) -> None:
    """`jax.vmap(layer)`: Linen instances are no functions for JAX, a lambda is."""
    if call.keywords and any(k.arg is None for k in call.keywords):
        raise Unclear("LN394", f"`{text(call.func)}` is called with a splat")
    outer = plan.parents.get(call)
    count = 1
    if isinstance(outer, ast.Call) and outer.func is call:
        if outer.keywords or any(isinstance(a, ast.Starred) for a in outer.args):
            raise Unclear("LN394", "the mapped module is called with keywords")
        count = len(outer.args)
    names = ["x"] if count == 1 else [f"x{i}" for i in range(1, count + 1)]
    shared = module.shared or module.origin in plan.promoted
    function = plan.flow.function_of(module)
    if function is not None and plan.classes[module.definition].refused is not None:  # type: ignore[index]
        raise Unclear("LN398", "the mapped module class was not migrated")
    made = "{0}" if shared else "{0}()"
    inner = f"lambda {', '.join(names)}: {made}({', '.join(names)})"
    rest = "".join(
        f", {k.arg}={{{i}}}" for i, k in enumerate(call.keywords, len(call.args))
    ) + "".join(f", {{{i}}}" for i in range(1, len(call.args)))
    plan.at(source, call, Reshaped("{func}(%s%s)" % (inner, rest), "LN308"))


def _emit_checkpoint(plan: Plan, source: Source, call: ast.Call, value: Value) -> None:
    """`jax.checkpoint(f)(x)` with modules in `f`: `nn.checkpoint(f)(self, x)`."""
    body = _body(plan, value)
    if body is None or not _needs_lifting(plan, call, value):
        return
    outer = plan.parents.get(call)
    receiver = reachable_receiver(plan, call)
    if (
        receiver is None
        or len(call.args) != 1
        or call.keywords
        or not (isinstance(outer, ast.Call) and outer.func is call)
    ):
        raise Unclear("LN394", f"`{text(call.func)}` runs a module for the first time")
    module = _hand_over(plan, call, body, receiver)
    plan.at(source, call, Reshaped("{linen}.checkpoint({0})", "LN308"))
    plan.at(source, outer, _with_first(outer, module))


def _emit_map(plan: Plan, source: Source, call: ast.Call, value: Value) -> None:
    if not _needs_lifting(plan, call, value):
        return
    receiver = reachable_receiver(plan, call)
    if receiver is None or len(call.args) != 2 or call.keywords:
        raise Unclear("LN394", f"`{text(call.func)}` runs a module for the first time")
    module = _instance(plan, _body(plan, value)) or receiver
    body = call.args[0]
    inner = "({0})(x)" if isinstance(body, ast.Lambda) else "{0}(x)"
    template = "{linen}.scan(lambda %s, _, x: (None, %s), %s)(%s, None, {1})[1]" % (
        module,
        inner,
        _BROADCAST,
        module,
    )
    plan.at(source, call, Reshaped(template, "LN308"))


# --- scan ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Scan:
    body: ast.expr
    places: dict[str, int]
    options: str


def _emit_scan(plan: Plan, source: Source, call: ast.Call, path: str) -> None:
    scan = _read_scan(plan, call, path)
    body = scan.body if scan is not None else (call.args[0] if call.args else None)
    if body is None:
        return
    value = plan.flow.values.get(body, frozenset())
    found = modules(value)
    if not found and not _needs_lifting(plan, call, value):
        return
    receiver = reachable_receiver(plan, call)
    if scan is None or receiver is None:
        raise Unclear("LN394", f"`{text(call.func)}` runs a module")
    init, xs = scan.places["init"], scan.places["xs"]
    head = "{linen}.scan(%s, " + _BROADCAST + scan.options + ")"
    tail = "({%d}, {%d})"
    if found:
        if len(found) != 1:
            raise Unclear("LN394", f"`{text(call.func)}` runs one of several modules")
        place = scan.places["body"]
        module = found[0]
        if module.shared:
            if not isinstance(body, ast.Name):
                raise Unclear("LN394", "the scanned module has no name")
            inner = "lambda %s, carry, x: %s(carry, x)" % (body.id, body.id)
            template = head % inner + "({%d}, {%d}, {%d})" % (place, init, xs)
        else:
            made = "{%d}(%s)" % (place, recurrent.scanned_features(plan, call, module, init))
            inner = "lambda %s, carry, x: %s(carry, x)" % (receiver, made)
            template = head % inner + "(%s, {%d}, {%d})" % (receiver, init, xs)
        plan.at(source, call, Reshaped(template, "LN308"))
        return
    function = _body(plan, value)
    if function is None:
        raise Unclear("LN394", f"`{text(call.func)}` runs a module for the first time")
    module_name = _hand_over(plan, call, function, receiver)
    del tail
    template = head % ("{%d}" % scan.places["body"]) + "(%s, {%d}, {%d})" % (module_name, init, xs)
    plan.at(source, call, Reshaped(template, "LN308"))


def _read_scan(plan: Plan, call: ast.Call, path: str) -> _Scan | None:
    names = _SCANS[path]
    places: dict[str, int] = {}
    nodes: dict[str, ast.expr] = {}
    for index, argument in enumerate(call.args):
        if isinstance(argument, ast.Starred) or index >= len(names):
            return None
        places[names[index]], nodes[names[index]] = index, argument
    for index, keyword in enumerate(call.keywords, len(call.args)):
        if keyword.arg not in names:
            return None
        places[keyword.arg], nodes[keyword.arg] = index, keyword.value
    first = names[0]
    if not {first, "init", "xs"} <= set(places):
        return None
    options = ""
    for name in ("length", "reverse", "unroll"):
        if name in places:
            options += ", %s={%d}" % (name, places[name])
    if "axis" in nodes:
        match nodes["axis"]:
            case ast.Constant(value=int(axis)):
                pass
            case ast.Tuple(elts=[ast.Constant(value=int(axis))]):
                pass
            case _:
                return None
        options += f", in_axes={axis}, out_axes={axis}"
    match nodes.get("keepdims"):
        case None | ast.Constant(value=False):
            pass
        case _:
            return None
    del plan
    return _Scan(nodes[first], {**places, "body": places[first]}, options)


def _keepdims_by_keyword(plan: Plan, source: Source, call: ast.Call) -> None:
    names = _SCANS["flax.jax_utils.scan_in_dim"]
    if len(call.args) <= 4 or any(isinstance(a, ast.Starred) for a in call.args):
        return
    arguments = [
        Given(i, names[i] if i >= 4 else None) for i in range(min(len(call.args), len(names)))
    ]
    arguments += [
        Given(i, k.arg) for i, k in enumerate(call.keywords, len(call.args)) if k.arg is not None
    ]
    plan.at(source, call, Reordered(tuple(arguments), "LN308"))


# --- bodies ----------------------------------------------------------------------------------


def _body(plan: Plan, value: Value) -> FunctionNode | None:
    del plan
    found = {a.node for a in value if isinstance(a, Function)}
    return found.pop() if len(found) == 1 else None


def _hand_over(plan: Plan, call: ast.Call, body: FunctionNode, receiver: str) -> str:
    """Gives the body the module as its first argument; returns the module's name."""
    if draws(plan, body, set()):
        raise Unclear("LN394", f"`{text(call.func)}` runs a module that draws keys or keeps state")
    if isinstance(body, ast.FunctionDef):
        uses = [
            n
            for n, v in plan.flow.values.items()
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load) and Function(body) in v
        ]
        if len(uses) != 1 or body.decorator_list:
            raise Unclear("LN394", f"`{body.name}` is also used elsewhere")
    names = {a.arg for a in body.args.args}
    if plan.code(body) is not plan.code(call):
        raise Unclear("LN394", f"`{text(call.func)}` runs a function that is defined elsewhere")
    module = receiver
    instance = _instance(plan, body)
    fresh = _constructs(plan, body)
    if instance is not None and not fresh:
        module = instance
    elif instance is not None and not _all_warm(plan, body):
        raise Unclear("LN394", f"`{text(call.func)}` runs several modules for the first time")
    if module in names:
        raise Unclear("LN394", f"the body has an argument called `{module}` already")
    plan.define(plan.flow.code[body].source, body, ParameterSite(module, "LN308", first=True))
    return module


def _instance(plan: Plan, body: FunctionNode | None) -> str | None:
    """The one shared instance that the body calls for the first time, if it has a name."""
    if body is None:
        return None
    names = set()
    for call in _module_calls(plan, body, set()):
        found = modules(plan.flow.values.get(call.func, frozenset()))
        if any(m.shared for m in found) and not _warmed(plan, call, body):
            node = call.func.value if isinstance(call.func, ast.Attribute) else call.func
            names.add(node.id if isinstance(node, ast.Name) else "")
    return names.pop() if len(names) == 1 and "" not in names else None


def _constructs(plan: Plan, body: FunctionNode) -> bool:
    return any(
        not m.shared
        for call in _module_calls(plan, body, set())
        for m in modules(plan.flow.values.get(call.func, frozenset()))
    )


def _all_warm(plan: Plan, body: FunctionNode) -> bool:
    return all(
        _warmed(plan, call, body)
        for call in _module_calls(plan, body, set())
        if any(m.shared for m in modules(plan.flow.values.get(call.func, frozenset())))
    )


def _needs_lifting(plan: Plan, call: ast.Call, value: Value) -> bool:
    """Whether the body runs modules whose parameters do not exist yet."""
    for body in map(_innermost, value):
        if not isinstance(body, Function | Bound):
            continue
        called = _module_calls(plan, body.node, set())
        if not called or _runs_elsewhere(plan, body.node, call):
            continue
        if any(not _warmed(plan, c, body.node) for c in called):
            return True
    return False


def _innermost(atom: Atom) -> Atom:
    while isinstance(atom, Partial):
        atom = atom.function
    return atom


def draws(plan: Plan, function: FunctionNode, seen: set[FunctionNode]) -> bool:
    """Whether running a function draws random keys or touches state."""
    if function in seen:
        return False
    seen.add(function)
    for node in ast.walk(function):
        if not isinstance(node, ast.Call):
            continue
        for atom in plan.flow.values.get(node.func, frozenset()):
            match atom:
                case External(path="flax.nn.dropout" | "flax.nn.make_rng"):
                    return True
                case SelfApi(name="state"):
                    return True
                case Module(definition="BatchNorm"):
                    return True
                case Module():
                    inner = plan.flow.function_of(atom)
                    if inner is not None and draws(plan, inner, seen):
                        return True
                case Function(node=inner) | Bound(node=inner):
                    if draws(plan, inner, seen):
                        return True
    return False


def _module_calls(plan: Plan, function: FunctionNode, seen: set[FunctionNode]) -> list[ast.Call]:
    if function in seen:
        return []
    seen.add(function)
    found = []
    body = function.body if isinstance(function.body, list) else [function.body]
    for statement in body:
        for node in ast.walk(statement):
            if not isinstance(node, ast.Call):
                continue
            callee = plan.flow.values.get(node.func, frozenset())
            if modules(callee):
                found.append(node)
            for atom in callee:
                if isinstance(atom, Function | Bound) and not isinstance(atom.node, ast.Lambda):
                    found.extend(_module_calls(plan, atom.node, seen))
    return found


def _runs_elsewhere(plan: Plan, function: FunctionNode, transform: ast.Call) -> bool:
    for call in plan.flow.where:
        if call is transform or not isinstance(call, ast.Call):
            continue
        callee = plan.flow.values.get(call.func, frozenset())
        if any(isinstance(a, Function | Bound) and a.node is function for a in callee):
            return True
    return False


def _warmed(plan: Plan, call: ast.Call, function: FunctionNode) -> bool:
    """Whether the instance that `call` runs also runs outside `function`."""
    callee = modules(plan.flow.values.get(call.func, frozenset()))
    inside = set(ast.walk(function))
    for module in callee:
        if not module.shared or module.origin is None:
            return False
        others = [
            other
            for other in plan.flow.where
            if isinstance(other, ast.Call)
            and other not in inside
            and any(
                m.origin is module.origin
                for m in modules(plan.flow.values.get(other.func, frozenset()))
            )
        ]
        if not others:
            return False
    return bool(callee)
