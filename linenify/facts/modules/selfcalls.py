"""Calls on the module itself: parameters, state and random streams."""

from __future__ import annotations

import ast

from linenify.facts.ask.arguments import fill_plain, in_module_code, text
from linenify.facts.ask.statistics import collection_of
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import Bound, External, Parameter, Static
from linenify.facts.jax import narrow
from linenify.facts.sites import Given, ParameterSite, Reordered, Reshaped, Unclear
from linenify.project.source import Source


def emit(plan: Plan, source: Source, call: ast.Call, name: str) -> None:
    """`self.param(...)` and its kin."""
    match name:
        case "param":
            _emit_param(plan, source, call)
        case "get_param":
            plan.at(source, call, Reshaped("{owner}.get_variable('params', {0})", "LN203"))
        case "state":
            _emit_state(plan, source, call)
        case "get_state":
            raise Unclear("LN491", "`get_state()` hands out the whole collection")


def emit_super(plan: Plan, source: Source, call: ast.Call, name: str) -> None:
    """`super().param(...)` inside an override of `param`."""
    if name == "param":
        places = _bound(call, ("name", "shape", "initializer"))
        if len(places) == len(("name", "shape", "initializer")):
            order = (places["name"], places["initializer"], places["shape"])
            plan.at(source, call, Reshaped("{func}({%d}, {%d}, {%d}, *args)" % order, "LN203"))
            return
    raise Unclear("LN295", f"`super().{name}` is not known")


def _bound(call: ast.Call, names: tuple[str, ...]) -> dict[str, int]:
    """Indices of the arguments by parameter; raises when a splat hides some."""
    places: dict[str, int] = {}
    for index, argument in enumerate(call.args):
        if isinstance(argument, ast.Starred) or index >= len(names):
            raise Unclear("LN390", f"the arguments of `{text(call.func)}` are not spelled out")
        places[names[index]] = index
    for index, keyword in enumerate(call.keywords, len(call.args)):
        if keyword.arg not in names:
            raise Unclear("LN390", f"the arguments of `{text(call.func)}` are not spelled out")
        places[keyword.arg] = index
    return places


def argument(call: ast.Call, index: int) -> ast.expr:
    """The expression of the argument at a place."""
    if index < len(call.args):
        return call.args[index]
    return call.keywords[index - len(call.args)].value


def _emit_param(plan: Plan, source: Source, call: ast.Call) -> None:
    places = _bound(call, ("name", "shape", "initializer"))
    if len(places) != 3:
        raise Unclear("LN390", f"the arguments of `{text(call.func)}` are not spelled out")
    narrow.check_initializer(plan, source, call, argument(call, places["initializer"]))
    shape = argument(call, places["shape"])
    if isinstance(shape, ast.Constant) and shape.value is None:
        template = "{owner}.param({%d}, lambda key: {%d}(key, None))" % (
            places["name"],
            places["initializer"],
        )
        plan.at(source, call, Reshaped(template, "LN203"))
        return
    order = ("name", "initializer", "shape")
    plan.at(source, call, Reordered(tuple(Given(places[n]) for n in order), "LN203"))


# --- state -----------------------------------------------------------------------------------


def _emit_state(plan: Plan, source: Source, call: ast.Call) -> None:
    places = _bound(call, ("name", "shape", "initializer", "collection"))
    if "collection" in places and not _is_none(plan, argument(call, places["collection"])):
        raise Unclear("LN491", "`self.state` names a Collection of its own")
    collection = collection_of(plan, call)
    if "initializer" not in places:
        template = "{owner}.variable('%s', {%d}, lambda: None)" % (collection, places["name"])
        plan.at(source, call, Reshaped(template, "LN401"))
        return
    template = "{owner}.variable('%s', {%d}, lambda: {%d}({owner}.make_rng('params'), {%d}))" % (
        collection,
        places["name"],
        places["initializer"],
        places["shape"],
    )
    if "shape" not in places:
        raise Unclear("LN390", "`self.state` without a shape")
    plan.at(source, call, Reshaped(template, "LN401"))


def _is_none(plan: Plan, node: ast.expr) -> bool:
    """Whether a Collection is an argument that nobody gives: None, then."""
    value = plan.flow.values.get(node, frozenset())
    given = [a for a in value if not isinstance(a, Parameter)]
    return bool(given) and all(isinstance(a, Static) and a.type == "None" for a in given)


# --- randomness ------------------------------------------------------------------------------


def emit_random(plan: Plan, source: Source, call: ast.Call, name: str) -> None:
    """`nn.make_rng()` and `nn.is_stochastic()` inside modules."""
    receiver = reachable_receiver(plan, call)
    if receiver is None:
        if name == "make_rng" and _through_callers(plan, call):
            return
        if in_module_code(plan, call):
            raise Unclear("LN590", f"`{text(call.func)}()` in a function that has no module")
        raise Unclear("LN590", f"`{text(call.func)}()` outside any module")
    match name:
        case "make_rng":
            plan.at(source, call, Reshaped(f"{receiver}.make_rng('dropout')", "LN502"))
        case "is_stochastic":
            plan.at(source, call, Reshaped(f"{receiver}.has_rng('dropout')", "LN503"))


def _through_callers(plan: Plan, call: ast.Call) -> bool:
    """A plain function that draws a key gets the module's `make_rng` from its callers."""
    chain: dict[ast.FunctionDef, list[ast.Call]] = {}
    queue = [plan.code(call)]
    while queue:
        code = queue.pop()
        if code is None or not isinstance(code.node, ast.FunctionDef):
            return False
        function = code.node
        if function in chain:
            continue
        if function.args.vararg or function.args.kwarg or function.args.kwonlyargs:
            return False
        if any(a.arg == "make_rng" for a in function.args.args) or code.owner is not None:
            return False
        calls = plain_calls(plan, function)
        if not calls:
            return False
        chain[function] = calls
        queue.extend(plan.code(c) for c in calls if reachable_receiver(plan, c) is None)
    for function, calls in chain.items():
        home = plan.flow.code[function]
        spelt = "*, make_rng" if function.args.defaults else "make_rng"
        plan.define(home.source, function, ParameterSite(spelt, "LN502"))
        for caller in calls:
            receiver = reachable_receiver(plan, caller)
            passed = f"{receiver}.make_rng" if receiver is not None else "make_rng"
            where = plan.flow.where[caller].source
            plan.at(where, caller, fill_plain(caller, "make_rng", passed, "LN502"))
    for other in plan.flow.where:
        assert isinstance(other, ast.Call)
        drawn = plan.code(other)
        if drawn is None or drawn.node not in chain:
            continue
        callee = plan.flow.values.get(other.func, frozenset())
        if External("flax.nn.make_rng") in callee:
            plan.at(drawn.source, other, Reshaped("make_rng('dropout')", "LN502"))
    return True


def plain_calls(plan: Plan, function: ast.FunctionDef) -> list[ast.Call]:
    """Every call of a function or method; none when it also travels as a value."""
    if plan.flow.code[function].owner is not None:
        return _method_calls(plan, function)
    calls: list[ast.Call] = []
    for node in plan.mentions(function):
        parent = plan.parents.get(node)
        if isinstance(parent, ast.Call) and parent.func is node:
            calls.append(parent)
        elif not isinstance(parent, ast.Attribute):
            return []
    return calls


def _method_calls(plan: Plan, function: ast.FunctionDef) -> list[ast.Call]:
    """Every call of a method that no other one overrides, and that nothing else calls."""
    if function.decorator_list or function.name.startswith("__"):
        return []
    calls: list[ast.Call] = []
    for node, value in plan.flow.values.items():
        if not any(isinstance(a, Bound) and a.node is function for a in value):
            continue
        parent = plan.parents.get(node)
        same = all(isinstance(a, Bound) and a.node is function for a in value)
        if not same or not isinstance(parent, ast.Call) or parent.func is not node:
            return []
        calls.append(parent)
    return calls


def reachable_receiver(plan: Plan, node: ast.AST) -> str | None:
    """The name that means the module where `node` stands, or None."""
    code = plan.code(node)
    while code is not None:
        if code.owner is not None and plan.flow.hierarchy.runs_in_module(code.owner.node):
            positional = [*code.node.args.posonlyargs, *code.node.args.args]
            if positional and plan.flow.receiver(code) == "instance":
                return positional[0].arg
            return None
        if code.node in plan.decisions.of:
            return "self"
        code = plan.code(code.node)
    return None
