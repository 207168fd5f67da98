"""What the counter of a legacy module says at every place that takes a number.

Legacy has one counter for each run of a module method.  A module class called
in it takes a number, also in the plain functions and methods that it calls; so
does an unnamed `.shared()`.  A frame follows one such run through all of them.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from linenify.facts.arguments import splat_keys, text
from linenify.facts.counts import Count, Number, joined
from linenify.facts.kinds import (
    Atom,
    Bound,
    Class,
    External,
    Function,
    Instance,
    Module,
    ModuleApi,
    Parameter,
    Partial,
    Self,
    Static,
    SuperMethod,
    Transformed,
    Value,
    modules,
)
from linenify.facts.plan import Plan
from linenify.facts.rendering import rendered
from linenify.facts.transforms import INERT
from linenify.project.scopes import FunctionNode, all_arguments, defaults_by_name

_NOTHING: Value = frozenset()
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_INDICES = ("i", "j", "k", "index")
_READERS = frozenset({"items", "values", "keys", "get", "index", "count", "copy", "shape"})


@dataclass(slots=True)
class Passed:
    """A call of a function that can be told the name of the one module it makes.

        def conv(x, width, name=None):
          return nn.Conv(x, width, (3, 3), name=name)
    """

    parameter: str
    maker: ast.Call
    numbers: set[Number] = field(default_factory=set)


class _Unreachable:
    """No run gets here."""


_DEAD = _Unreachable()
_State = Count | None | _Unreachable


@dataclass(slots=True)
class Record:
    """What a frame learned.

    Attributes:
        numbers: by the call that takes them.
        passed: likewise, for calls of functions that take a name.
        idle: calls that take none: the module has a name, or no run gets there.
        before: by each statement of the method itself, the count in front of it.
        behind: likewise, the count after it.
        callers: by function, the calls that run it in this frame.
        loops: loops without an index, and what theirs is to be called; whether it takes the
            place of a variable that nobody reads.
        obstacles: places where the count cannot be followed, and why.
        doubts: calls of something unknown, which may take numbers.
    """

    numbers: dict[ast.Call, set[Number]] = field(default_factory=dict)
    passed: dict[ast.Call, Passed] = field(default_factory=dict)
    idle: set[ast.Call] = field(default_factory=set)
    before: dict[ast.stmt, Number] = field(default_factory=dict)
    behind: dict[ast.stmt, Number] = field(default_factory=dict)
    callers: dict[FunctionNode, set[ast.Call]] = field(default_factory=dict)
    loops: dict[ast.For, tuple[str, bool]] = field(default_factory=dict)
    obstacles: dict[ast.AST, str] = field(default_factory=dict)
    doubts: dict[ast.AST, str] = field(default_factory=dict)


def follow(plan: Plan, owner: ast.ClassDef | None, method: ast.FunctionDef) -> Record:
    """Runs a method of a module class, or an `@nn.module` function."""
    frame = _Frame(plan, owner)
    frame.run(method)
    return frame.record


def takers(plan: Plan, function: FunctionNode) -> Iterator[ast.Call]:
    """The calls in a function's own body that may take a number."""
    for node in own_nodes(function):
        if isinstance(node, ast.Call) and takes(plan, node):
            yield node


def takes(plan: Plan, call: ast.Call) -> bool:
    """Whether a call may take a number: a new module, or one to be shared."""
    for atom in plan.flow.values.get(call.func, _NOTHING):
        match atom:
            case Module(shared=False, receiver=""):
                return True
            case ModuleApi(name="shared"):
                return True
    return False


def is_named(plan: Plan, call: ast.Call) -> bool:
    """Whether a call takes no number, since the module has a name."""
    if any(k.arg == "name" and not _is_none(k.value) for k in call.keywords):
        return True
    value = plan.flow.values.get(call.func, _NOTHING)
    found = [a.module if isinstance(a, ModuleApi) else a for a in value]
    return all(a.named for a in found if isinstance(a, Module))


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def own_nodes(function: FunctionNode) -> Iterator[ast.AST]:
    """What runs when a function does: all but the functions defined in it."""
    body = [function.body] if isinstance(function, ast.Lambda) else function.body
    queue: list[ast.AST] = [*body]
    while queue:
        node = queue.pop(0)
        yield node
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                defaults = [*node.args.defaults, *node.args.kw_defaults]
                queue[:0] = [*node.decorator_list, *(d for d in defaults if d is not None)]
            case ast.Lambda():
                defaults = [*node.args.defaults, *node.args.kw_defaults]
                queue[:0] = [d for d in defaults if d is not None]
            case ast.ClassDef():
                continue
            case _:
                queue[:0] = ast.iter_child_nodes(node)


@dataclass(slots=True)
class _Run:
    """One function while it runs: how its parameters were named, and where it can end."""

    function: FunctionNode
    call: ast.Call | None
    named: Mapping[str, bool | None]
    ends: list[_State] = field(default_factory=list)
    breaks: list[list[_State]] = field(default_factory=list)
    nexts: list[list[_State]] = field(default_factory=list)


class _Frame:
    """One run of a module method."""

    def __init__(self, plan: Plan, owner: ast.ClassDef | None) -> None:
        self.plan = plan
        self.owner = owner
        self.record = Record()
        self._runs: list[_Run] = []
        self._numbers = self.record.numbers
        self._recording = 1  # less than that: a trial
        self._active: dict[FunctionNode, bool] = {}

    def run(self, method: ast.FunctionDef) -> None:
        """Follows the whole run, statement by statement."""
        self._runs.append(_Run(method, None, {}))
        state: _State = Count()
        for statement in method.body:
            self.record.before[statement] = _number(state)
            state = self._statement(statement, state)
            self.record.behind[statement] = _number(state)
        self._runs.pop()

    # --- statements ------------------------------------------------------------------------

    def _block(self, statements: Sequence[ast.stmt], state: _State) -> _State:
        for statement in statements:
            state = self._statement(statement, state)
        return state

    def _statement(self, node: ast.stmt, state: _State) -> _State:
        run = self._runs[-1]
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return state
            case ast.Return():
                run.ends.append(self._parts(node, state))
                return _DEAD
            case ast.Raise():
                self._parts(node, state)
                return _DEAD
            case ast.Break():
                run.breaks[-1].append(state)
                return _DEAD
            case ast.Continue():
                run.nexts[-1].append(state)
                return _DEAD
            case ast.If(test=test):
                state = self._expression(test, state)
                return _met(self._block(node.body, state), self._block(node.orelse, state))
            case ast.For() | ast.AsyncFor():
                return self._for(node, self._expression(node.iter, state))
            case ast.While(test=test):

                def once(start: _State) -> _State:
                    return self._block(node.body, self._expression(test, start))

                return self._block(node.orelse, self._loop(once, state, None, None))
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    state = self._expression(item.context_expr, state)
                return self._block(node.body, state)
            case ast.Try() | ast.TryStar():
                done = self._block(node.orelse, self._block(node.body, state))
                for handler in node.handlers:
                    start = state if _met(state, done) == state else None
                    done = _met(done, self._block(handler.body, start))
                return self._block(node.finalbody, done)
            case ast.Match():
                state = self._expression(node.subject, state)
                ends = [state]
                for case_ in node.cases:
                    start = state if case_.guard is None else self._expression(case_.guard, state)
                    ends.append(self._block(case_.body, start))
                return _met(*ends)
            case _:
                return self._parts(node, state)

    # --- loops -----------------------------------------------------------------------------

    def _for(self, node: ast.For | ast.AsyncFor, state: _State) -> _State:
        def once(start: _State) -> _State:
            return self._block(node.body, start)

        index = _index(self.plan, node.target, node.iter)
        named = index is not None and not index[0].startswith("_")
        if index is not None and (not named or _stored(node.body, index[0])):
            idle = isinstance(node.target, ast.Name) and not _mentioned(node, index[0])
            index = self._fresh_index(node, index[1], idle=idle)
        elif index is None:
            index = self._fresh_index(node, 0, idle=False)
        state = self._loop(once, state, index, self._trips(node.iter))
        return self._block(node.orelse, state)

    def _fresh_index(
        self, node: ast.For | ast.AsyncFor, first: int, *, idle: bool
    ) -> tuple[str, int] | None:
        """An index of its own for a loop, in the place of its variable where that is idle."""
        if isinstance(node, ast.AsyncFor):
            return None
        function = self._runs[-1].function
        used = {n.id for n in ast.walk(function) if isinstance(n, ast.Name)}
        used |= {n.arg for n in ast.walk(function) if isinstance(n, ast.arg)}
        around = [a for a in self.plan.ancestors(node) if isinstance(a, ast.For)]
        outer = {self.record.loops[a][0] for a in around if a in self.record.loops}
        name = next((name for name in _INDICES if name not in used | outer), None)
        if name is None:
            return None
        self.record.loops[node] = (name, idle)
        return name, first if idle else 0

    def _loop(
        self,
        once: Callable[[_State], _State],
        state: _State,
        index: tuple[str, int] | None,
        trips: int | str | None,
    ) -> _State:
        """A body that runs any number of times, in step where each run takes as many."""
        if isinstance(state, _Unreachable):
            self._body(once, state)
            return state
        end, _ = self._body(once, Count(), record=False)
        step = end.constant if isinstance(end, Count) and end.is_constant else None
        if isinstance(end, _Unreachable):
            step = 0  # it leaves in its first round
        if step == 0:
            _, left = self._body(once, state)
            return _met(state, *left)
        if step is None or index is None or state is None:
            self._body(once, None)
            _, left = self._body(once, Count(), record=False)
            return None if left else _after(state, step, trips)
        name, first = index
        _, left = self._body(once, state.plus(-step * first).along(name, step))
        return None if left else _after(state, step, trips)

    def _body(
        self, once: Callable[[_State], _State], state: _State, *, record: bool = True
    ) -> tuple[_State, list[_State]]:
        """Runs a body once: how a round ends that goes on, and how those that leave."""
        run = self._runs[-1]
        kept = self._numbers
        if not record:
            self._numbers, self._recording = {}, self._recording - 1
        run.breaks.append([])
        run.nexts.append([])
        ends = list(run.ends)
        end = _met(once(state), *run.nexts.pop())
        left = run.breaks.pop()
        if not record:
            self._numbers, self._recording = kept, self._recording + 1
            run.ends[:] = ends
        return end, left

    def _comprehension(self, node: ast.expr, state: _State) -> _State:
        assert isinstance(node, _COMPREHENSIONS)
        generators: list[ast.comprehension] = node.generators
        first, *rest = generators
        state = self._expression(first.iter, state)

        def once(start: _State) -> _State:
            for place, generator in enumerate(generators):
                if place:
                    start = self._expression(generator.iter, start)
                for test in generator.ifs:
                    start = self._expression(test, start)
            if isinstance(node, ast.DictComp):
                return self._expression(node.value, self._expression(node.key, start))
            return self._expression(node.elt, start)

        plain = not rest and not first.ifs
        if not plain:
            inner, _ = self._body(once, Count(), record=False)
            if inner == Count():
                return self._loop(once, state, None, None)
            self._body(once, None)
            return None
        index = _index(self.plan, first.target, first.iter)
        trips = self._trips(first.iter)
        if index is not None and index[0].startswith("_"):
            index = None
        if isinstance(node, ast.GeneratorExp) and not self._at_once(node):
            index, trips = None, None
        return self._loop(once, state, index, trips)

    def _trips(self, iterated: ast.expr) -> int | str | None:
        """How many rounds a loop makes: a number, or an expression that is free to repeat."""
        written = _trips(self.plan, iterated)
        if written is not None:
            return written
        match _external(self.plan, iterated):
            case "builtins.range", [ast.Name() as count]:
                return self._repeated(count)
            case "builtins.enumerate" | "builtins.reversed", [inner, *_]:
                return self._trips(inner)
        if isinstance(iterated, ast.Name):
            text_ = self._repeated(iterated)
            return f"len({text_})" if text_ is not None else None
        return None

    def _repeated(self, node: ast.Name) -> str | None:
        """A variable as the migrated code spells it, where it means the same to the end."""
        function = self._runs[-1].function
        stores = 0
        for each in ast.walk(function):
            if not isinstance(each, ast.Name) or each.id != node.id:
                continue
            stores += not isinstance(each.ctx, ast.Load)
            parent = self.plan.parents.get(each)
            if isinstance(parent, ast.Attribute) and parent.attr not in _READERS:
                return None
            if stores and (len(self._runs) > 1 or not _once(self.plan, each, function)):
                return None
        if stores > 1 or (stores and node.id in {a.arg for a in all_arguments(function.args)}):
            return None
        try:
            return rendered(self.plan, self.plan.source(node), node)
        except LookupError:
            return None

    def _at_once(self, node: ast.GeneratorExp) -> bool:
        """Whether a generator is used up where it stands."""
        parent = self.plan.parents.get(node)
        if not isinstance(parent, ast.Call) or node not in parent.args:
            return False
        callee = self.plan.flow.values.get(parent.func, _NOTHING)
        eager = {"builtins.list", "builtins.tuple", "builtins.sum", "builtins.dict"}
        return bool(callee) and all(isinstance(a, External) and a.path in eager for a in callee)

    # --- expressions -----------------------------------------------------------------------

    def _parts(self, node: ast.AST, state: _State) -> _State:
        """The expressions below a node, in the order in which they run."""
        match node:
            case ast.Assign(targets=targets, value=value):
                order: list[ast.AST] = [value, *targets]
            case ast.AugAssign(target=target, value=value):
                order = [target, value]
            case ast.AnnAssign(target=target, value=value):
                order = [target] if value is None else [value, target]
            case ast.Dict(keys=keys, values=values):
                pairs = zip(keys, values, strict=True)
                order = [part for pair in pairs for part in pair if part is not None]
            case _:
                order = [*ast.iter_child_nodes(node)]
        for child in order:
            if isinstance(child, ast.expr):
                state = self._expression(child, state)
            elif isinstance(child, ast.keyword):
                state = self._expression(child.value, state)
        return state

    def _expression(self, node: ast.expr, state: _State) -> _State:
        match node:
            case ast.Lambda():
                return state
            case ast.Call():
                state = self._expression(node.func, state)
                for argument in in_order(node):
                    state = self._expression(argument, state)
                return self._call(node, state)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                state = self._expression(test, state)
                return _met(self._expression(body, state), self._expression(orelse, state))
            case ast.BoolOp(values=values):
                state = self._expression(values[0], state)
                ends = [state]
                for value in values[1:]:
                    ends.append(self._expression(value, ends[-1]))
                return _met(*ends)
            case ast.Compare(ops=[_, _, *_], left=left, comparators=[first, *others]):
                ends = [self._expression(first, self._expression(left, state))]
                for value in others:
                    ends.append(self._expression(value, ends[-1]))
                return _met(*ends)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                return self._comprehension(node, state)
            case ast.Attribute(value=value, attr=name):
                self._property(node, value, name)
                return self._expression(value, state)
            case ast.Yield() | ast.YieldFrom():
                return self._parts(node, state)
            case _:
                return self._parts(node, state)

    def _property(self, node: ast.Attribute, value: ast.expr, name: str) -> None:
        if self.owner is None or not self._is_self(value):
            return
        found = self.plan.flow.hierarchy.find(self.owner, name)
        if found is None or not self.plan.flow.is_property(found[1]):
            return
        if self._is_active(found[1]):
            self._stop(node, f"the property `{name}` makes submodules")

    def _is_self(self, node: ast.expr) -> bool:
        return any(isinstance(a, Self) for a in self.plan.flow.values.get(node, _NOTHING))

    def _stop(self, node: ast.AST, why: str) -> None:
        self.record.obstacles.setdefault(node, why)

    # --- calls -----------------------------------------------------------------------------

    def _call(self, call: ast.Call, state: _State) -> _State:
        callee = self.plan.flow.values.get(call.func, _NOTHING)
        found = modules(callee)
        new = [m for m in found if not m.shared]
        shares = [a.module for a in callee if isinstance(a, ModuleApi) and a.name == "shared"]
        if any(m.receiver == "self" for m in new):
            self._stop(call, f"`{text(call.func)}` is a module method that is called on the module")
            return None
        if new or shares:
            return self._taken(call, callee, [*new, *shares], state)
        self._check_handed(call, callee)
        functions = self._functions(call, callee)
        active = [f for f in functions if self._is_active(f)]
        if not active:
            return _DEAD if functions and all(map(_only_raises, functions)) else state
        if len(functions) > 1 or any(isinstance(a, Transformed | External) for a in callee):
            self._stop(call, f"`{text(call.func)}` may be one of several functions")
            return None
        return self._enter(functions[0], call, state)

    def _taken(
        self, call: ast.Call, callee: Value, found: Sequence[Module], state: _State
    ) -> _State:
        others = [a for a in callee if not isinstance(a, Module | ModuleApi | Parameter | Static)]
        others = [a for a in others if a != External("builtins.None")]
        shared = [a for a in callee if isinstance(a, Module) and a.shared]
        if others or shared:
            self._stop(call, f"`{text(call.func)}` makes a submodule only at times")
            return None
        if any(m.origin is not None and m.origin in self.plan.promoted for m in found):
            self._stop(call, f"`{text(call.func)}` is made in another place than it is called")
            return None
        if isinstance(state, _Unreachable):
            self.record.idle.add(call)
            return state
        told = self._told(call)
        if told is not None and not any(m.named for m in found):
            run = self._runs[-1]
            assert run.call is not None
            passed = self.record.passed.setdefault(run.call, Passed(told, call))
            if self._recording == 1:
                passed.numbers.add(_number(state))
            return state.plus(1) if isinstance(state, Count) else state
        kinds = {self._is_named(call, module) for module in found}
        if kinds == {True}:
            self.record.idle.add(call)
            return state
        if kinds != {False}:
            self._stop(call, f"`{text(call.func)}` may or may not be given a name")
            return None
        self._numbers.setdefault(call, set()).add(_number(state))
        return state.plus(1) if isinstance(state, Count) else state

    def _told(self, call: ast.Call) -> str | None:
        """The parameter by which the caller could name a module, and does not."""
        run = self._runs[-1]
        kwarg = run.function.args.kwarg
        if run.call is None or isinstance(run.function, ast.Lambda):
            return None
        for keyword in call.keywords:
            value = keyword.value
            if not isinstance(value, ast.Name) or _loads(run.function, value.id) != 1:
                continue
            given = {k.arg for k in run.call.keywords}
            if keyword.arg == "name" and value.id not in given and run.named.get(value.id) is False:
                names = [a.arg for a in all_arguments(run.function.args)]
                index = names.index(value.id) - (self.plan.flow.code[run.function].owner is not None)
                return value.id if len(run.call.args) <= index else None
            splat = keyword.arg is None and kwarg is not None and kwarg.arg == value.id
            if splat and run.named.get("**") is False:
                return "name"
        return None

    def _is_named(self, call: ast.Call, module: Module) -> bool | None:
        """Whether a module is given a name; None where that is open."""
        for keyword in call.keywords:
            if keyword.arg == "name":
                given = self._is_name(keyword.value)
                constant = isinstance(keyword.value, ast.Constant)
                return given if given or constant else None
            if keyword.arg is None:
                inner = self._runs[-1].function.args.kwarg
                own = isinstance(keyword.value, ast.Name) and inner is not None
                if own and keyword.value.id == inner.arg and self._runs[-1].named.get("**"):
                    return True
                keys = splat_keys(self.plan, keyword.value)
                if keys is None or "name" in keys:
                    return None
        if not module.named:
            return False
        origin: ast.Call | None = module.origin
        while origin is not None:
            for keyword in origin.keywords:
                if keyword.arg == "name":
                    return True if self._is_name(keyword.value) else None
            func = origin.func.value if isinstance(origin.func, ast.Attribute) else origin.func
            inner = modules(self.plan.flow.values.get(func, _NOTHING))
            origin = inner[0].origin if len(inner) == 1 else None
        return None

    def _is_name(self, node: ast.expr) -> bool | None:
        """Whether an expression gives a name: True, None for open, False for `None`."""
        match node:
            case ast.Constant(value=value):
                return isinstance(value, str)
            case ast.JoinedStr():
                return True
            case ast.BinOp(left=ast.Constant(value=str()) | ast.JoinedStr()):
                return True
            case ast.BinOp(right=ast.Constant(value=str()) | ast.JoinedStr()):
                return True
            case ast.Call(func=ast.Attribute(value=ast.Constant(value=str()))):
                return True
            case ast.Name(id=name) if name in self._runs[-1].named:
                return self._runs[-1].named[name]
        value = self.plan.flow.values.get(node, _NOTHING)
        kinds = {a.type for a in value if isinstance(a, Static)}
        plain = all(isinstance(a, Static | Parameter) for a in value)
        return True if plain and kinds == {"str"} else None

    def _check_handed(self, call: ast.Call, callee: Value) -> None:
        """Functions that make submodules must not run where nobody sees it."""
        foreign = [a for a in callee if isinstance(a, External | Transformed)]
        unknown = not callee or all(isinstance(a, Parameter) for a in callee)
        if not foreign and not unknown:
            return
        for argument in in_order(call):
            for atom in self.plan.flow.values.get(argument, _NOTHING):
                if isinstance(atom, Module) and not atom.shared and _calls_back(foreign):
                    self._stop(call, f"`{text(call.func)}` is handed a module class")
                inner = self._node(atom)
                if inner is not None and self._is_active(inner):
                    self._stop(call, f"`{text(call.func)}` runs code that makes submodules")
        lost = isinstance(call.func, ast.Name) or self._may_take(call.func)
        if unknown and lost:
            self.record.doubts[call] = f"`{text(call.func)}` is not known: it may make submodules"

    def _may_take(self, node: ast.expr) -> bool:
        """Whether an attribute of something unknown may be a function that takes numbers."""
        if not isinstance(node, ast.Attribute):
            return False
        return any(
            isinstance(function, ast.FunctionDef)
            and function.name == node.attr
            and self._is_active(function)
            for function in self.plan.flow.code
        )

    def _functions(self, call: ast.Call, callee: Value) -> list[FunctionNode]:
        """The functions of the project that a call may run in this frame."""
        if isinstance(call.func, ast.Attribute) and self._is_self(call.func.value):
            assert self.owner is not None or not callee
            found = self._method(call.func.attr)
            return [found] if found is not None else []
        nodes = [self._node(atom) for atom in callee]
        return [node for node in dict.fromkeys(nodes) if node is not None]

    def _method(self, name: str) -> ast.FunctionDef | None:
        if self.owner is None:
            return None
        found = self.plan.flow.hierarchy.find(self.owner, name)
        return found[1] if found is not None else None

    def _node(self, atom: Atom) -> FunctionNode | None:
        """The code that runs when something is called."""
        match atom:
            case Function(node=node) | Bound(node=node):
                return node
            case Partial(function=inner) | Transformed(function=inner):
                return self._node(inner)
            case SuperMethod(owner=owner, name=name):
                after = self.plan.flow.hierarchy.find_after(owner, name)
                return after[1] if after is not None else None
            case Class(node=made) | Instance(node=made):
                name = "__init__" if isinstance(atom, Class) else "__call__"
                found = self.plan.flow.hierarchy.find(made, name)
                return found[1] if found is not None else None
        return None

    def _is_active(self, function: FunctionNode) -> bool:
        """Whether a function takes numbers, itself or through others."""
        if function in self._active:
            return self._active[function]
        self._active[function] = False  # while it is being looked at
        result = False
        for node in own_nodes(function):
            if not isinstance(node, ast.Call):
                continue
            callee = self.plan.flow.values.get(node.func, _NOTHING)
            if takes(self.plan, node) or any(map(self._is_active, self._functions(node, callee))):
                result = True
                break
        self._active[function] = result
        return result

    def _enter(self, function: FunctionNode, call: ast.Call, state: _State) -> _State:
        """Runs a function of the project that takes numbers."""
        if any(run.function is function for run in self._runs):
            self._stop(call, f"`{text(call.func)}` calls itself")
            return None
        if _is_special(self.plan, function):
            self._stop(call, f"`{text(call.func)}` is decorated, or runs later")
            return None
        self.record.callers.setdefault(function, set()).add(call)
        if isinstance(state, Count) and not state.is_constant:
            # The variables of the loop are not known over there.
            delta = self._inside(function, call, Count(), record=False)
            self._inside(function, call, None)
            constant = isinstance(delta, Count) and delta.is_constant
            return state.plus(delta.constant) if constant and isinstance(delta, Count) else None
        delta = None
        if state is None:
            self._inside(function, call, None)
            return None
        return self._inside(function, call, state)

    def _inside(
        self, function: FunctionNode, call: ast.Call, state: _State, *, record: bool = True
    ) -> _State:
        kept = self._numbers
        if not record:
            self._numbers, self._recording = {}, self._recording - 1
        run = _Run(function, call, self._named_arguments(function, call))
        self._runs.append(run)
        if isinstance(function, ast.Lambda):
            end = self._expression(function.body, state)
        else:
            end = self._block(function.body, state)
        self._runs.pop()
        self._numbers = kept
        self._recording += not record
        end = _met(end, *run.ends)
        if isinstance(end, Count) and not end.is_constant:
            return None  # its expressions mean nothing outside
        return end

    def _named_arguments(self, function: FunctionNode, call: ast.Call) -> dict[str, bool | None]:
        """For every parameter, whether this call gives it a string: a name."""
        arguments = function.args
        names = [a.arg for a in [*arguments.posonlyargs, *arguments.args]]
        code = self.plan.flow.code[function]
        if code.owner is not None and self.plan.flow.receiver(code) != "static":
            names = names[1:]
        if any(isinstance(a, ast.Starred) for a in call.args):
            return {}
        if any(k.arg is None for k in call.keywords):
            return {}
        stored = {
            n.id
            for n in ast.walk(function)
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
        given: dict[str, ast.expr] = defaults_by_name(arguments)
        given |= dict(zip(names, call.args, strict=False))
        given |= {k.arg: k.value for k in call.keywords if k.arg is not None}
        named = {name: self._is_name(value) for name, value in given.items() if name not in stored}
        own = {a.arg for a in all_arguments(arguments)}
        named["**"] = self._is_name(given["name"]) if "name" in given.keys() - own else False
        return named


def in_order(call: ast.Call) -> list[ast.expr]:
    """The arguments of a call in the order in which they are evaluated."""
    given = [*call.args, *(k.value for k in call.keywords)]
    return sorted(given, key=lambda node: (node.lineno, node.col_offset))


def _met(*states: _State) -> _State:
    alive = [state for state in states if not isinstance(state, _Unreachable)]
    if not alive:
        return _DEAD
    result: Number = alive[0]
    for state in alive[1:]:
        result = joined(result, state)
    return result


def _number(state: _State) -> Number:
    return None if isinstance(state, _Unreachable) else state


def _only_raises(function: FunctionNode) -> bool:
    """Whether a method is there to be overridden."""
    if isinstance(function, ast.Lambda):
        return False
    first, *_ = [s for s in function.body if not _is_docstring(s)] or [ast.Pass()]
    return isinstance(first, ast.Raise)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _after(state: _State, step: int | None, trips: int | str | None) -> _State:
    """The count behind a loop."""
    if step is None or trips is None or not isinstance(state, Count):
        return None
    if isinstance(trips, int):
        return state.plus(step * trips)
    return state.along(trips, step)


def _once(plan: Plan, store: ast.Name, function: FunctionNode) -> bool:
    """Whether a variable gets its value in one plain assignment of the function."""
    statement = plan.statement(store)
    return isinstance(statement, ast.Assign) and plan.parents.get(statement) is function


def _loads(function: FunctionNode, name: str) -> int:
    """How often a function reads a variable."""
    names = [n for n in ast.walk(function) if isinstance(n, ast.Name) and n.id == name]
    return sum(isinstance(n.ctx, ast.Load) for n in names)


def _mentioned(node: ast.For | ast.AsyncFor, name: str) -> bool:
    return any(
        isinstance(each, ast.Name) and each.id == name
        for statement in node.body
        for each in ast.walk(statement)
    )


def _stored(body: Sequence[ast.stmt], name: str) -> bool:
    return any(
        isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)
        for statement in body
        for node in ast.walk(statement)
    )


def _external(plan: Plan, node: ast.expr) -> tuple[str, list[ast.expr]] | None:
    """A plain call of a builtin, and its positional arguments."""
    if not isinstance(node, ast.Call) or node.keywords:
        return None
    callee = plan.flow.values.get(node.func, _NOTHING)
    paths = {a.path for a in callee if isinstance(a, External)}
    if len(callee) != 1 or len(paths) != 1 or any(isinstance(a, ast.Starred) for a in node.args):
        return None
    return paths.pop(), node.args


def _index(plan: Plan, target: ast.expr, iterated: ast.expr) -> tuple[str, int] | None:
    """The variable that counts the rounds of a loop, and what it starts from."""
    match _external(plan, iterated), target:
        case ("builtins.range", [_]), ast.Name(id=name):
            return name, 0
        case ("builtins.range", [ast.Constant(value=int(first)), _]), ast.Name(id=name):
            return name, first
        case ("builtins.enumerate", [_]), ast.Tuple(elts=[ast.Name(id=name), _]):
            return name, 0
        case (
            ("builtins.enumerate", [_, ast.Constant(value=int(first))]),
            ast.Tuple(elts=[ast.Name(id=name), _]),
        ):
            return name, first
    return None


def _trips(plan: Plan, iterated: ast.expr) -> int | None:
    """How many rounds a loop makes, where that is written down."""
    match iterated:
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            return None if any(isinstance(e, ast.Starred) for e in elements) else len(elements)
    match _external(plan, iterated):
        case "builtins.range", [ast.Constant(value=int(last))]:
            return max(last, 0)
        case "builtins.range", [ast.Constant(value=int(first)), ast.Constant(value=int(last))]:
            return max(last - first, 0)
        case "builtins.enumerate" | "builtins.reversed", [inner, *_]:
            return _trips(plan, inner)
        case "builtins.zip", [*inners] if inners:
            counts = [_trips(plan, inner) for inner in inners]
            known = [count for count in counts if count is not None]
            return min(known) if len(known) == len(counts) else None
    return None


def _calls_back(foreign: Sequence[Atom]) -> bool:
    return any(not isinstance(a, External) or a.path not in INERT for a in foreign)


def _is_special(plan: Plan, function: FunctionNode) -> bool:
    """Whether a function runs otherwise than where it is called, and once."""
    if isinstance(function, ast.AsyncFunctionDef):
        return True
    if any(isinstance(n, ast.Yield | ast.YieldFrom) for n in own_nodes(function)):
        return True
    plain = {External("builtins.staticmethod"), External("builtins.classmethod")}
    decorators = plan.flow.decorators.get(function, _NOTHING)
    return bool(decorators - plain - {External("flax.nn.module_method")}) or bool(
        isinstance(function, ast.FunctionDef)
        and function.decorator_list
        and not decorators
    )
