"""How a counter fares along the statements and expressions of a function."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from linenify.facts.deciding.plan import Plan
from linenify.facts.naming.counts import DEAD, Count, Number, State, Unreachable, after, met
from linenify.facts.naming.looping import at_once, index_of, mentioned, rounds, stored
from linenify.facts.naming.takers import evaluated
from linenify.project.nodes import walk
from linenify.project.scopes import FunctionNode

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_INDICES = ("i", "j", "k", "index")


@dataclass(slots=True)
class Passed:
    """A call of a function that can be told the name of the one module it makes.

    def conv(x, width, name=None):
      return nn.Conv(x, width, (3, 3), name=name)
    """

    parameter: str
    maker: ast.Call
    numbers: set[Number] = field(default_factory=set)


@dataclass(slots=True)
class Record:
    """What a frame learned.

    Attributes:
        numbers: by the call that takes them.
        passed: likewise, for calls of functions that take a name.
        tellable: likewise, for calls of functions that make one module and could take its name.
        idle: calls that take none: the module has a name, or no run gets there.
        before: by each statement of the method itself, the count in front of it.
        callers: by function, the calls that run it in this frame.
        touched: functions that take numbers, and may run where nobody can follow.
        loops: loops without an index, and what theirs is to be called; whether it takes the
            place of a variable that nobody reads.
        obstacles: places where the count cannot be followed, and why.
        doubts: calls of something unknown, which may take numbers.
    """

    numbers: dict[ast.Call, set[Number]] = field(default_factory=dict)
    passed: dict[ast.Call, Passed] = field(default_factory=dict)
    tellable: dict[ast.Call, Passed] = field(default_factory=dict)
    idle: set[ast.Call] = field(default_factory=set)
    before: dict[ast.stmt, Number] = field(default_factory=dict)
    callers: dict[FunctionNode, set[ast.Call]] = field(default_factory=dict)
    touched: set[FunctionNode] = field(default_factory=set)
    loops: dict[ast.For, tuple[str, bool]] = field(default_factory=dict)
    obstacles: dict[ast.AST, str] = field(default_factory=dict)
    doubts: dict[ast.AST, str] = field(default_factory=dict)


@dataclass(slots=True)
class Run:
    """One function while it runs: how its parameters were named, and where it can end."""

    function: FunctionNode
    call: ast.Call | None
    named: Mapping[str, bool | None]
    ends: list[State] = field(default_factory=list)
    breaks: list[list[State]] = field(default_factory=list)
    nexts: list[list[State]] = field(default_factory=list)


class Walker(ABC):
    """Follows a counter; what calls do to it is for others to say."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.record = Record()
        self.runs: list[Run] = []
        self.numbers = self.record.numbers
        self.trials = 0  # how many bodies around are only tried, not recorded

    @abstractmethod
    def call(self, call: ast.Call, state: State) -> State:
        """The count after a call whose arguments are evaluated already."""

    @abstractmethod
    def attribute(self, node: ast.Attribute) -> None:
        """Looks at an attribute that is read."""

    # --- statements ------------------------------------------------------------------------

    def block(self, statements: Sequence[ast.stmt], state: State) -> State:
        """The count after statements."""
        for statement in statements:
            state = self.statement(statement, state)
        return state

    def statement(self, node: ast.stmt, state: State) -> State:
        """The count after one statement."""
        run = self.runs[-1]
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return state
            case ast.Return():
                run.ends.append(self._parts(node, state))
                return DEAD
            case ast.Raise():
                self._parts(node, state)
                return DEAD
            case ast.Break():
                run.breaks[-1].append(state)
                return DEAD
            case ast.Continue():
                run.nexts[-1].append(state)
                return DEAD
            case ast.If(test=test):
                state = self.expression(test, state)
                return met(self.block(node.body, state), self.block(node.orelse, state))
            case ast.For() | ast.AsyncFor():
                return self._for(node, self.expression(node.iter, state))
            case ast.While(test=test):

                def once(start: State) -> State:
                    return self.block(node.body, self.expression(test, start))

                return self._otherwise(node, *self._loop(once, state, None, None))
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    state = self.expression(item.context_expr, state)
                return self.block(node.body, state)
            case ast.Try() | ast.TryStar():
                start = None if self._takes(node.body) else state
                done = self.block(node.orelse, self.block(node.body, state))
                for handler in node.handlers:
                    done = met(done, self.block(handler.body, start))
                return self.block(node.finalbody, done)
            case ast.Match():
                state = self.expression(node.subject, state)
                ends = [state]
                for case_ in node.cases:
                    start = state if case_.guard is None else self.expression(case_.guard, state)
                    ends.append(self.block(case_.body, start))
                return met(*ends)
            case _:
                return self._parts(node, state)

    def _takes(self, statements: Sequence[ast.stmt]) -> bool:
        """Whether statements take any number."""
        kept, self.numbers = self.numbers, {}
        self.trials += 1
        ends = list(self.runs[-1].ends)
        self.block(statements, Count())
        taken = bool(self.numbers)
        self.runs[-1].ends[:] = ends
        self.trials -= 1
        self.numbers = kept
        return taken

    # --- loops -----------------------------------------------------------------------------

    def _for(self, node: ast.For | ast.AsyncFor, state: State) -> State:
        def once(start: State) -> State:
            return self.block(node.body, start)

        index = index_of(self.plan, node.target, node.iter)
        named = index is not None and not index[0].startswith("_")
        if index is not None and (not named or stored(node.body, index[0])):
            idle = isinstance(node.target, ast.Name) and not mentioned(node, index[0])
            index = self._fresh_index(node, index[1], idle=idle)
        elif index is None:
            index = self._fresh_index(node, 0, idle=False)
        return self._otherwise(node, *self._loop(once, state, index, self._rounds(node.iter)))

    def _otherwise(
        self, node: ast.For | ast.AsyncFor | ast.While, end: State, left: list[State]
    ) -> State:
        """The count behind a loop: its `else` runs unless a `break` has left it."""
        return met(self.block(node.orelse, end), *left)

    def _fresh_index(
        self, node: ast.For | ast.AsyncFor, first: int, *, idle: bool
    ) -> tuple[str, int] | None:
        """An index of its own for a loop, in the place of its variable where that is idle."""
        if isinstance(node, ast.AsyncFor):
            return None
        function = self.runs[-1].function
        used = {n.id for n in walk(function) if isinstance(n, ast.Name)}
        used |= {n.arg for n in walk(function) if isinstance(n, ast.arg)}
        around = [a for a in self.plan.ancestors(node) if isinstance(a, ast.For)]
        outer = {self.record.loops[a][0] for a in around if a in self.record.loops}
        name = next((name for name in _INDICES if name not in used | outer), None)
        if name is None:
            return None
        self.record.loops[node] = (name, idle)
        return name, first if idle else 0

    def _rounds(self, iterated: ast.expr) -> int | str | None:
        inlined = len(self.runs) > 1
        return rounds(self.plan, iterated, self.runs[-1].function, inlined=inlined)

    def _loop(
        self,
        once: Callable[[State], State],
        state: State,
        index: tuple[str, int] | None,
        trips: int | str | None,
    ) -> tuple[State, list[State]]:
        """A body that runs any number of times: how it ends, and where a `break` leaves it.

        The counter keeps step where each run takes as many numbers.
        """
        if isinstance(state, Unreachable):
            self._body(once, state)
            return state, []
        end, _ = self._body(once, Count(), record=False)
        step = end.constant if isinstance(end, Count) and end.is_constant else None
        if isinstance(end, Unreachable):
            step = 0  # it leaves in its first round
        if step == 0:
            return state, self._body(once, state)[1]
        if step is None or index is None or state is None:
            return after(state, step, trips), self._body(once, None)[1]
        name, first = index
        start = state.plus(-step * first).along(name, step)
        return after(state, step, trips), self._body(once, start)[1]

    def _body(
        self, once: Callable[[State], State], state: State, *, record: bool = True
    ) -> tuple[State, list[State]]:
        """Runs a body once: how a round ends that goes on, and how those that leave."""
        run = self.runs[-1]
        kept = self.numbers
        if not record:
            self.numbers, self.trials = {}, self.trials + 1
        run.breaks.append([])
        run.nexts.append([])
        ends = list(run.ends)
        end = met(once(state), *run.nexts.pop())
        left = run.breaks.pop()
        if not record:
            self.numbers, self.trials = kept, self.trials - 1
            run.ends[:] = ends
        return end, left

    def _comprehension(self, node: ast.expr, state: State) -> State:
        assert isinstance(node, _COMPREHENSIONS)
        generators: list[ast.comprehension] = node.generators
        first, *rest = generators
        state = self.expression(first.iter, state)

        def once(start: State) -> State:
            for place, generator in enumerate(generators):
                if place:
                    start = self.expression(generator.iter, start)
                for test in generator.ifs:
                    start = self.expression(test, start)
            if isinstance(node, ast.DictComp):
                return self.expression(node.value, self.expression(node.key, start))
            return self.expression(node.elt, start)

        plain = not rest and not first.ifs
        if not plain:
            inner, _ = self._body(once, Count(), record=False)
            if inner == Count():
                return self._loop(once, state, None, None)[0]
            self._body(once, None)
            return None
        index = index_of(self.plan, first.target, first.iter)
        trips = self._rounds(first.iter)
        if index is not None and index[0].startswith("_"):
            index = None
        if isinstance(node, ast.GeneratorExp) and not at_once(self.plan, node):
            index, trips = None, None
        return self._loop(once, state, index, trips)[0]

    # --- expressions -----------------------------------------------------------------------

    def _parts(self, node: ast.AST, state: State) -> State:
        """The expressions below a node, in the order in which they run."""
        for child in evaluated(node):
            if isinstance(child, ast.expr):
                state = self.expression(child, state)
            elif isinstance(child, ast.keyword):
                state = self.expression(child.value, state)
        return state

    def expression(self, node: ast.expr, state: State) -> State:
        """The count after an expression."""
        match node:
            case ast.Lambda():
                return state
            case ast.Call():
                return self.call(node, self._parts(node, state))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                state = self.expression(test, state)
                return met(self.expression(body, state), self.expression(orelse, state))
            case ast.BoolOp(values=values):
                state = self.expression(values[0], state)
                ends = [state]
                for value in values[1:]:
                    ends.append(self.expression(value, ends[-1]))
                return met(*ends)
            case ast.Compare(ops=[_, _, *_], left=left, comparators=[first, *others]):
                ends = [self.expression(first, self.expression(left, state))]
                for value in others:
                    ends.append(self.expression(value, ends[-1]))
                return met(*ends)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                return self._comprehension(node, state)
            case ast.Attribute(value=value):
                self.attribute(node)
                return self.expression(value, state)
            case _:
                return self._parts(node, state)
