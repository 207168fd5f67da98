"""Which modules run for the first time inside a JAX transform, and so make their params there.

Params that are made while JAX traces a function leave it as leaked tracers.  A
module is safe inside when it has run before: in the open, wherever the call stands.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator

from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import (
    Atom,
    Bound,
    External,
    Function,
    Module,
    Partial,
    SelfApi,
    Transformed,
    Value,
    modules,
)
from linenify.facts.legacy.externals import transparent
from linenify.project.nodes import below, walk
from linenify.project.scopes import FunctionNode

# Transforms that run a function with tracers for everything that is computed in it.
# `vmap` and `grad` do not: what depends on no argument stays an array.
TRACING = frozenset(
    {
        *("jit", "pmap", "checkpoint", "scan", "map", "fori", "while", "eval_shape"),
        *("cond", "switch"),
    }
)
_DEPTH = 4  # through how many functions a call is followed


def first_runs(plan: Plan) -> FirstRuns:
    """The runs of a project, looked up once."""
    known = plan.part(FirstRuns)
    if known is None:
        known = FirstRuns(plan)
        plan.enter(known)
    return known


class FirstRuns:
    """The runs of module classes in a project, by what they run and by where they are.

    Attributes:
        calls: the calls of each function that JAX does not trace.
        runs: the calls of what each `.shared` or `.partial` makes.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.calls: dict[FunctionNode, list[ast.Call]] = defaultdict(list)
        self.runs: dict[ast.Call, list[ast.Call]] = defaultdict(list)
        self._mentions: dict[FunctionNode, list[ast.expr]] = defaultdict(list)
        self._handed: set[FunctionNode] = set()  # to a transform that traces
        self._reached: dict[FunctionNode, frozenset[FunctionNode]] = {}
        self._inside: dict[FunctionNode, list[ast.Call]] = {}
        self._running: dict[FunctionNode, list[ast.Call]] = {}
        flow = plan.flow
        for call in flow.where:
            assert isinstance(call, ast.Call)
            callee = flow.values.get(call.func, frozenset())
            for atom in callee:
                match atom:
                    case Function(node=node) | Bound(node=node) if not self._is_traced(node):
                        self.calls[node].append(call)
                    case Module(origin=ast.Call() as origin):
                        self.runs[origin].append(call)
                    case External() | Partial() if transform_of(atom) in TRACING:
                        arguments = [*call.args, *(k.value for k in call.keywords)]
                        values = [flow.values.get(a, frozenset()) for a in arguments]
                        self._handed |= {f for v in values for a in v for f in _functions(a)}
        for name, value in flow.values.items():
            if isinstance(name, ast.Name):
                for atom in value:
                    if isinstance(atom, Function):
                        self._mentions[atom.node].append(name)

    def _is_traced(self, function: FunctionNode) -> bool:
        """Whether a decorator has every call of a function traced."""
        return any(transparent(path) in TRACING for path in decorators(self._plan, function))

    # --- what runs in a function -----------------------------------------------------------

    def reached(self, function: FunctionNode) -> frozenset[FunctionNode]:
        """The functions that run when `function` does, itself among them."""
        if function not in self._reached:
            found: set[FunctionNode] = set()
            queue = [function]
            while queue:
                here = queue.pop()
                if here in found:
                    continue
                found.add(here)
                for call in self._calls_in(here):
                    values = [self._plan.flow.values.get(call.func, frozenset())]
                    if _hands_on(values[0]):
                        arguments = [*call.args, *(k.value for k in call.keywords)]
                        values += [self._plan.flow.values.get(a, frozenset()) for a in arguments]
                    queue += [f for value in values for atom in value for f in _functions(atom)]
            self._reached[function] = frozenset(found)
        return self._reached[function]

    def runs_in(self, function: FunctionNode) -> list[ast.Call]:
        """The calls that run modules or make params when `function` runs."""
        if function not in self._running:
            self._running[function] = [
                call
                for inner in self.reached(function)
                for call in self._calls_in(inner)
                if self._runs(self._plan.flow.values.get(call.func, frozenset()))
            ]
        return self._running[function]

    def _runs(self, callee: Value) -> bool:
        return any(isinstance(a, Module) or _makes_params(a) for a in callee)

    def _calls_in(self, function: FunctionNode) -> list[ast.Call]:
        if function not in self._inside:
            self._inside[function] = [*_calls_in(function)]
        return self._inside[function]

    def is_transformed(self, node: ast.AST) -> bool:
        """Whether a place lies in a function that is itself traced by a transform."""
        return any(f in self._handed or self._is_traced(f) for f in self._around(node))

    # --- what is new there -------------------------------------------------------------------

    def new_in(self, body: FunctionNode, transform: ast.AST) -> list[ast.Call]:
        """The runs in a transformed function that may make params, in the order of the text."""
        if not self._at_initialization(transform, set()):
            return []
        found = [c for c in self.runs_in(body) if not self.is_warm(c, body, transform)]
        return sorted(found, key=_place)

    def is_warm(self, call: ast.Call, body: FunctionNode, transform: ast.AST) -> bool:
        """Whether what `call` runs has run before the transform, and not in one."""
        callee = self._plan.flow.values.get(call.func, frozenset())
        found = modules(callee)
        return bool(found) and all(self._has_run(m, body, transform) for m in found)

    def _has_run(self, module: Module, body: FunctionNode, transform: ast.AST) -> bool:
        origin = module.origin
        if origin is None or not (module.shared or origin in self._plan.promoted):
            return False  # each call makes a module of its own
        made_in = self._plan.code(origin)
        if made_in is not None and made_in.node in self.reached(body):
            return False
        return any(
            self._is_before(run, transform, _DEPTH)
            for run in self.runs[origin]
            if any(
                m.origin is origin and m.method == module.method
                for m in modules(self._plan.flow.values.get(run.func, frozenset()))
            )
        )

    def _is_before(self, node: ast.AST, place: ast.AST, depth: int) -> bool:
        """Whether `node` runs, untraced, in each initialization that comes to `place`."""
        code = self._plan.code(node)
        if code is None or depth == 0:
            return False
        around = list(self._around(place))
        if code.node in around:
            if code.node in self._handed:
                return False
            below = around[: around.index(code.node)]
            anchors: list[ast.AST] = [place]
            if below:
                inside = set(walk(below[-1]))
                anchors = [n for n in self._mentions[below[-1]] if n not in inside]
                if isinstance(below[-1], ast.Lambda):
                    anchors = [below[-1]]
            return bool(anchors) and all(
                _place(node) < _place(anchor) and self._is_certain(node, anchor, code.node)
                for anchor in anchors
            )
        if any(self._is_before(c, place, depth - 1) for c in self.calls[code.node]):
            return True
        callers = self.calls[around[-1]] if around else []
        return bool(callers) and all(self._is_before(node, c, depth - 1) for c in callers)

    def _around(self, node: ast.AST) -> Iterator[FunctionNode]:
        code = self._plan.code(node)
        while code is not None:
            yield code.node
            code = self._plan.code(code.node)

    # --- branches ----------------------------------------------------------------------------

    def _is_certain(self, node: ast.AST, anchor: ast.AST, function: FunctionNode) -> bool:
        """Whether `node` runs in an initialization that comes to `anchor`."""
        shared = {anchor, *self._plan.ancestors(anchor)}
        inner = node
        for ancestor in self._plan.ancestors(node):
            if ancestor is function:
                return True
            if ancestor in shared:
                if not isinstance(ancestor, ast.If | ast.IfExp):
                    return True
                branches = {"test", _branch_of(ancestor, anchor, self._plan)}
                return _branch(ancestor, inner) in branches
            if isinstance(ancestor, ast.If | ast.IfExp):
                said = self._says(ancestor.test)
                branch = _branch(ancestor, inner)
                if branch != "test" and said != (branch == "body"):
                    return False
            elif _may_be_skipped(ancestor, inner):
                return False
            inner = ancestor
        return True

    def _at_initialization(self, place: ast.AST, seen: set[ast.AST]) -> bool:
        """Whether a place may be reached while params are made."""
        if place in seen:
            return True
        seen.add(place)
        inner = place
        for ancestor in self._plan.ancestors(place):
            if any(self._leaves(s) for s in _before(ancestor, inner)):
                return False
            if isinstance(ancestor, FunctionNode):
                within = set(walk(ancestor))
                mentions = [n for n in self._mentions[ancestor] if n not in within]
                return not mentions or any(self._at_initialization(n, seen) for n in mentions)
            if isinstance(ancestor, ast.If | ast.IfExp):
                said, branch = self._says(ancestor.test), _branch(ancestor, inner)
                if said is not None and branch != "test" and said != (branch == "body"):
                    return False
            inner = ancestor
        return True

    def _leaves(self, statement: ast.stmt) -> bool:
        """`if self.is_initializing(): ... return`: what follows runs later only."""
        return (
            isinstance(statement, ast.If)
            and self._says(statement.test) is True
            and isinstance(statement.body[-1], ast.Return | ast.Raise | ast.Continue)
        )

    def _says(self, test: ast.expr) -> bool | None:
        """What a condition is during an initialization; None when that is not known."""
        match test:
            case ast.Call():
                callee = self._plan.flow.values.get(test.func, frozenset())
                if callee and all(
                    isinstance(a, SelfApi) and a.name == "is_initializing" for a in callee
                ):
                    return True
            case ast.Name(id=name):
                return self._held(test, name)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                said = self._says(operand)
                return None if said is None else not said
            case ast.BoolOp(op=operator, values=values):
                decisive = isinstance(operator, ast.Or)
                found = {self._says(value) for value in values}
                if decisive in found:
                    return decisive
                return (not decisive) if found == {not decisive} else None
        return None

    def _held(self, node: ast.Name, name: str) -> bool | None:
        """What a variable holds that is assigned once, in the function around."""
        for function in self._around(node):
            stores = [
                self._plan.parents[n]
                for n in walk(function)
                if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Store)
            ]
            match stores:
                case []:
                    continue
                case [ast.Assign(value=ast.Call() | ast.UnaryOp() as value)]:
                    return self._says(value)
                case _:
                    return None
        return None


def _may_be_skipped(node: ast.AST, inner: ast.AST) -> bool:
    match node:
        case ast.BoolOp(values=[first, *_]):
            return inner is not first
        case ast.Try(handlers=handlers):
            return inner in handlers
    return False


def _branch(node: ast.If | ast.IfExp, inner: ast.AST) -> str:
    if inner is node.test:
        return "test"
    body = node.body if isinstance(node.body, list) else [node.body]
    return "body" if inner in body else "orelse"


def _branch_of(node: ast.If | ast.IfExp, place: ast.AST, plan: Plan) -> str:
    inner = place
    for ancestor in plan.ancestors(place):
        if ancestor is node:
            return _branch(node, inner)
        inner = ancestor
    return ""


def _before(parent: ast.AST, inner: ast.AST) -> Iterable[ast.stmt]:
    """The statements of the same block that come before one."""
    for name in ("body", "orelse", "finalbody"):
        block = getattr(parent, name, None)
        if isinstance(block, list) and inner in block:
            return [s for s in block[: block.index(inner)] if isinstance(s, ast.stmt)]
    return ()


def _place(node: ast.AST) -> tuple[int, int]:
    return (getattr(node, "lineno", 0), getattr(node, "col_offset", 0))


def _calls_in(function: FunctionNode) -> Iterator[ast.Call]:
    """The calls in a function, but not those in the functions that it defines."""
    queue: list[ast.AST] = [*function.body] if isinstance(function.body, list) else [function.body]
    while queue:
        node = queue.pop()
        if isinstance(node, ast.Call):
            yield node
        if not isinstance(node, FunctionNode):
            queue.extend(below(node))


def _functions(atom: Atom) -> Iterator[FunctionNode]:
    while isinstance(atom, Partial | Transformed):
        atom = atom.function
    if isinstance(atom, Function | Bound):
        yield atom.node


def _hands_on(callee: Value) -> bool:
    """Whether a call may run the functions that it is given."""
    return any(transform_of(atom) for atom in callee)


def transform_of(atom: Atom) -> str | None:
    """What a function of JAX does with the functions it is given, also bound by `partial`."""
    while isinstance(atom, Partial):
        atom = atom.function
    return transparent(atom.path) if isinstance(atom, External) else None


def _makes_params(atom: Atom) -> bool:
    return isinstance(atom, SelfApi) and atom.name in {"param", "state"}


def decorators(plan: Plan, function: FunctionNode) -> Iterator[str]:
    """The functions of libraries that decorate a function, directly or as `partial(jit, ...)`."""
    for decorator in getattr(function, "decorator_list", []):
        for atom in plan.flow.values.get(decorator, frozenset()):
            inner = atom
            while isinstance(inner, Partial | Transformed):
                inner = inner.function
            if isinstance(inner, External):
                yield inner.path
