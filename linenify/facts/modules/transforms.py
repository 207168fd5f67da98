"""Modules under JAX transforms: what is safe as it stands, and what is lifted."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from linenify.facts.ask.arguments import as_given, text
from linenify.facts.ask.parameters import Role
from linenify.facts.deciding.plan import Handed, Plan
from linenify.facts.flow.kinds import (
    Bound,
    Container,
    External,
    Function,
    Module,
    ModuleApi,
    Partial,
    SelfApi,
    Transformed,
    Value,
    modules,
)
from linenify.facts.flow.libraries import NAMESPACES
from linenify.facts.legacy.externals import transparent
from linenify.facts.modules import mapped, recurrent
from linenify.facts.modules.firstruns import TRACING, decorators, first_runs
from linenify.facts.modules.selfcalls import reachable_receiver
from linenify.facts.sites import (
    Added,
    Given,
    ParameterSite,
    Renamed,
    Reordered,
    Reshaped,
    Site,
    Unclear,
)
from linenify.project.nodes import walk
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
        *("inspect.isclass", "collections.OrderedDict"),
    }
    | NAMESPACES
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
        mapped.emit(plan, source, call, values[0])
        return
    if path in _SCANS:
        _emit_scan(plan, source, call, path)
        return
    if kind == "tree_map" and handed and _maps_instance(plan, call, values):
        return  # called for each leaf, here and now
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
        case _ if kind in TRACING and any(_runs_first(plan, call, value) for value in values):
            raise Unclear("LN394", f"`{text(call.func)}` runs a module for the first time")


def _maps_instance(plan: Plan, call: ast.Call, values: Sequence[Value]) -> bool:
    """Whether a tree is mapped by shared modules alone that have names of their own."""
    found = modules(values[0]) if values else []
    if len(found) != len(values[0]) or any(modules(value) for value in values[1:]):
        return False
    if call.keywords or any(isinstance(a, ast.Starred) for a in call.args):
        return False
    return all(
        module.shared
        and module.origin is not None
        and any(k.arg == "name" for k in module.origin.keywords)
        and _takes_inputs(plan, module, len(call.args) - 1)
        for module in found
    )


def _takes_inputs(plan: Plan, module: Module, count: int) -> bool:
    """Whether a module can be called with so many inputs and nothing else."""
    function = plan.flow.function_of(module)
    if function is None:
        return count == 1
    names = plan.flow.positional_names(module)[:count]
    return len(names) == count and all(plan.role(function, n) is Role.INPUT for n in names)


def emit_bound(plan: Plan, call: ast.Call, kind: str) -> None:
    """Judges a call of `functools.partial(jax.vmap, in_axes=1)` and the like."""
    arguments = [*call.args, *(k.value for k in call.keywords)]
    values = [plan.flow.values.get(argument, frozenset()) for argument in arguments]
    if any(modules(value) for value in values):
        raise Unclear("LN394", f"`{text(call.func)}` is handed a module class")
    if kind in TRACING and any(_runs_first(plan, call, value) for value in values):
        raise Unclear("LN394", f"`{text(call.func)}` runs a module for the first time")


def emit_decorated(plan: Plan) -> None:
    """`@jax.checkpoint` on a function inside a module method."""
    for node, code in plan.flow.code.items():
        if not isinstance(node, ast.FunctionDef) or code.owner is not None:
            continue
        receiver = reachable_receiver(plan, node)
        traced = [path for path in decorators(plan, node) if transparent(path) in TRACING]
        if any(transparent(path) != "checkpoint" for path in traced):
            if first_runs(plan).new_in(node, node):
                why = f"`{node.name}` runs a module for the first time"
                plan.refuse(code.source, node, "LN394", why)
            continue
        for decorator in node.decorator_list:
            kinds = plan.flow.values.get(decorator, frozenset())
            path = next((a.path for a in kinds if isinstance(a, External)), "")
            if transparent(path) != "checkpoint" or receiver is None:
                continue
            if not any(True for _ in first_runs(plan).runs_in(node)):
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


# --- checkpoint, map -------------------------------------------------------------------------


def _emit_checkpoint(plan: Plan, source: Source, call: ast.Call, value: Value) -> None:
    """`jax.checkpoint(f)(x)` with modules in `f`: `nn.checkpoint(f)(self, x)`."""
    body = _body(value)
    if not _runs_first(plan, call, value):
        return
    outer = plan.parents.get(call)
    receiver = reachable_receiver(plan, call)
    if (
        receiver is None
        or body is None
        or len(call.args) != 1
        or call.keywords
        or not (isinstance(outer, ast.Call) and outer.func is call)
    ):
        raise Unclear("LN394", f"`{text(call.func)}` runs a module for the first time")
    handed = _hand_over(plan, call, body, receiver)
    plan.at(source, call, Reshaped("{linen}.checkpoint({0})", "LN308"))
    _emit_with(plan, source, outer, handed, lambda name: _with_first(outer, name))


def _emit_map(plan: Plan, source: Source, call: ast.Call, value: Value) -> None:
    if not _runs_first(plan, call, value):
        return
    receiver = reachable_receiver(plan, call)
    function = _body(value)
    if receiver is None or function is None or len(call.args) != 2 or call.keywords:
        raise Unclear("LN394", f"`{text(call.func)}` runs a module for the first time")
    named = not isinstance(call.args[0], ast.Lambda)
    handed = _hand_over(plan, call, function, receiver, named=named)

    def made(name: str) -> Reshaped:
        return Reshaped(f"{head}({name}, None, {{1}})[1]", "LN308")

    inner = "{0}(%s, x)" % handed.name if named else "({0})(x)"
    head = "{linen}.scan(lambda %s, _, x: (None, %s), %s)" % (handed.name, inner, _BROADCAST)
    _emit_with(plan, source, call, handed, made)


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
    if not found and not _runs_first(plan, call, value):
        return
    receiver = reachable_receiver(plan, call)
    if scan is None or receiver is None:
        raise Unclear("LN394", f"`{text(call.func)}` runs a module")
    init, xs = scan.places["init"], scan.places["xs"]
    head = "{linen}.scan(%s, " + _BROADCAST + scan.options + ")"
    place = scan.places["body"]
    if not found:
        function = _body(value)
        if function is None:
            raise Unclear("LN394", f"`{text(call.func)}` runs a module for the first time")
        handed = _hand_over(plan, call, function, receiver)
        inner = "{%d}" % place
    elif len(found) != 1:
        raise Unclear("LN394", f"`{text(call.func)}` runs one of several modules")
    elif found[0].shared:
        if not isinstance(body, ast.Name):
            raise Unclear("LN394", "the scanned module has no name")
        handed = _Handed(body.id, found[0].origin)
        inner = f"lambda {body.id}, carry, x: {body.id}(carry, x)"
    else:
        handed = _Handed(receiver)
        made = "{%d}(%s)" % (place, recurrent.scanned_features(plan, call, found[0], init))
        inner = f"lambda {receiver}, carry, x: {made}(carry, x)"

    def lifted(name: str) -> Reshaped:
        return Reshaped(head % inner + "(%s, {%d}, {%d})" % (name, init, xs), "LN308")

    _emit_with(plan, source, call, handed, lifted)


def _emit_with(
    plan: Plan, source: Source, call: ast.Call, handed: _Handed, made: Callable[[str], Site]
) -> None:
    """What becomes of a call that hands a module over; `setup` may call it differently."""
    plan.at(source, call, made(handed.name))
    if handed.origin is not None:
        again = Handed(handed.body, lambda name: plan.at(source, call, made(name)))
        plan.handed[handed.origin].append(again)


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


def _body(value: Value) -> FunctionNode | None:
    found = {a.node for a in value if isinstance(a, Function)}
    return found.pop() if len(found) == 1 else None


def _bodies(plan: Plan, value: Value) -> Iterator[FunctionNode]:
    """The functions of the project that a transform is given, or that it is given a list of."""
    waiting, seen = list(value), set(value)
    while waiting:
        inner = waiting.pop()
        while isinstance(inner, Partial | Transformed):
            inner = inner.function
        if isinstance(inner, Function | Bound):
            yield inner.node
        elif isinstance(inner, Container):  # which may hold itself
            fresh = plan.flow.iterate(frozenset({inner})) - seen
            seen |= fresh
            waiting += fresh


def _runs_first(plan: Plan, transform: ast.AST, value: Value) -> bool:
    """Whether a transform would have modules make their params inside of it."""
    return any(first_runs(plan).new_in(body, transform) for body in _bodies(plan, value))


@dataclass(frozen=True, slots=True)
class _Handed:
    """The module that a lifted transform is given, and its body as first argument.

    Attributes:
        name: what it is called there.
        origin: what makes it, where it is an instance.
        body: the function that gets it; None where a lambda is made for it.
    """

    name: str
    origin: ast.Call | None = None
    body: FunctionNode | None = None


def _hand_over(
    plan: Plan, call: ast.Call, body: FunctionNode, receiver: str, *, named: bool = True
) -> _Handed:
    """Gives the body the module as its first argument."""
    if draws(plan, body, set()):
        raise Unclear("LN394", f"`{text(call.func)}` runs a module that draws keys or keeps state")
    names = {a.arg for a in body.args.args}
    if plan.code(body) is not plan.code(call):
        raise Unclear("LN394", f"`{text(call.func)}` runs a function that is defined elsewhere")
    if first_runs(plan).is_transformed(call):
        raise Unclear("LN394", f"`{text(call.func)}` stands in another transform")
    handed = _handed(plan, call, body, receiver)
    if isinstance(body, ast.FunctionDef):
        _check_uses(plan, call, body, handed)
    if handed.name in names:
        raise Unclear("LN394", f"the body has an argument called `{handed.name}` already")
    if named:
        site = ParameterSite(handed.name, "LN308", first=True)
        plan.define(plan.flow.code[body].source, body, site)
    return handed


def _check_uses(plan: Plan, call: ast.Call, body: ast.FunctionDef, handed: _Handed) -> None:
    """The body takes one more argument, so whatever runs it has to give that."""
    uses = [n for n in plan.mentions(body) if isinstance(n, ast.Name)]
    for use in uses:
        scan = plan.parents.get(use)
        if scan is call:
            continue
        callee = plan.flow.values.get(scan.func, frozenset()) if isinstance(scan, ast.Call) else ()
        path = next((a.path for a in callee if isinstance(a, External)), "")
        if (
            not isinstance(scan, ast.Call)
            or path not in _SCANS
            or _read_scan(plan, scan, path) is None
            or plan.code(scan) is not plan.code(call)
            or _handed(plan, scan, body, handed.name if handed.origin is None else "") != handed
        ):
            raise Unclear("LN394", f"`{body.name}` is also used elsewhere")
    if body.decorator_list or not uses:
        raise Unclear("LN394", f"`{body.name}` is also used elsewhere")


def _handed(plan: Plan, call: ast.Call, body: FunctionNode, receiver: str) -> _Handed:
    """The shared instance that the body runs for the first time, or else the module around."""
    inside = set(walk(body))
    found: set[_Handed] = set()
    for run in first_runs(plan).new_in(body, call):
        callee = modules(plan.flow.values.get(run.func, frozenset()))
        shared = [m for m in callee if m.shared or m.origin in plan.promoted]
        if not shared:
            found.add(_Handed(receiver))
            continue
        node = run.func.value if isinstance(run.func, ast.Attribute) else run.func
        if run not in inside or not isinstance(node, ast.Name) or len(callee) != 1:
            raise Unclear("LN394", f"`{text(call.func)}` runs `{text(node)}` for the first time")
        found.add(_Handed(node.id, shared[0].origin, body))
    if len(found) != 1:
        raise Unclear("LN394", f"`{text(call.func)}` runs several modules for the first time")
    handed = found.pop()
    if handed.origin is None:
        _check_captures(plan, call, body, receiver)
    return handed


def _check_captures(plan: Plan, call: ast.Call, body: FunctionNode, receiver: str) -> None:
    """Functions beside the body that reach the module by a closure reach the one outside."""
    home = plan.code(body)
    for function in first_runs(plan).reached(body):
        if function is body or home is None or plan.code(function) is not home:
            continue
        for node in walk(function):
            if not isinstance(node, ast.Name) or node.id != receiver:
                continue
            parent = plan.parents[node]
            value = plan.flow.values.get(parent, frozenset())
            if not isinstance(parent, ast.Attribute) or any(
                isinstance(a, SelfApi | Bound | Module) for a in value
            ):
                why = f"`{text(call.func)}` runs a function that uses `{receiver}` from outside"
                raise Unclear("LN394", why)


def draws(plan: Plan, function: FunctionNode, seen: set[FunctionNode]) -> bool:
    """Whether running a function draws random keys or touches state."""
    if function in seen:
        return False
    seen.add(function)
    for node in walk(function):
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
