"""One pass over the text of a scope, in the order in which it runs."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from linenify.facts.flow.conditions import Condition, Narrowed, Version, condition_of
from linenify.facts.flow.states import Closure, Loop, State, Watched, join
from linenify.project.nodes import walk
from linenify.project.scopes import FunctionNode, Scope, defaults_by_name

Reaching = dict[ast.Name, frozenset[Version]]


class Order:
    """One pass over the text of a scope, in the order in which it runs."""

    def __init__(
        self,
        scope: Scope,
        names: set[str],
        own: set[ast.Name],
        later: dict[ast.AST, Closure],
        harmless: Callable[[ast.expr, Scope], bool],
    ) -> None:
        self._scope = scope
        self._names = names
        self._own = own
        self._later = later
        self._lazy: dict[ast.AST, Closure] = {}
        self._harmless = harmless
        self._state: State | None = State({}, frozenset())
        self._classes = 0  # whose bodies are being walked: they keep their names to themselves
        self._around: list[Loop | Watched] = []
        self._positive: dict[ast.expr, ast.Compare] = {}  # `x is None` for each `x is not None`
        self._narrowed: dict[tuple[ast.expr, str, bool], Narrowed] = {}
        self._found: dict[ast.Name, set[Version]] = defaultdict(set)

    def run(self) -> Reaching:
        """The versions that each read can see."""
        node = self._scope.node
        if isinstance(node, FunctionNode):
            assert self._state is not None
            for argument in _parameters(node.args):
                if argument.arg in self._names:
                    self._state.live[argument.arg] = frozenset({node})
        if isinstance(node, ast.Lambda):
            self._expression(node.body)
        else:
            assert isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef)
            self._block(node.body)
        for closure in (*self._later.values(), *self._lazy.values()):
            for name, reads in closure.reads.items():
                for read in reads:
                    self._found[read] |= closure.seen[name]
        return {read: frozenset(seen) for read, seen in self._found.items() if seen}

    # --- states ------------------------------------------------------------------------

    def _bind(self, name: str, version: ast.AST, *, surely: bool = True) -> None:
        state = self._state
        if state is None or name not in self._names:
            return
        if self._classes and not isinstance(version, ast.Name):
            return
        known = frozenset() if surely else state.live.get(name, frozenset())
        state.live[name] = known | {version}
        for closure in state.later:
            if name in closure.reads:
                closure.seen[name].add(version)
        self._may_raise()

    def _unbind(self, name: str) -> None:
        if self._state is not None and name in self._names:
            self._state.live[name] = frozenset()
            self._may_raise()

    def _may_raise(self) -> None:
        """An exception may come after what has just happened."""
        watched = next((w for w in reversed(self._around) if isinstance(w, Watched)), None)
        if watched is not None:
            watched.state = join(watched.state, self._state)

    def _define(self, closure: Closure | None) -> None:
        """From here on, some code may run at any time."""
        if closure is None or self._state is None:
            return
        for name in closure.reads:
            closure.seen[name] |= self._state.live.get(name, frozenset())
        self._state.later |= {closure}
        self._may_raise()

    def _jump(self, kind: str) -> None:
        """`break` and `continue`, which pass through every `finally` on their way."""
        for place in reversed(self._around):
            if isinstance(place, Watched):
                if place.final:
                    place.state = join(place.state, self._state)
                    place.jumps.add(kind)
                    break
            elif kind == "break":
                place.left = join(place.left, self._state)
                break
            else:
                place.again = join(place.again, self._state)
                break
        self._state = None

    def _copy(self) -> State | None:
        return self._state.copy() if self._state is not None else None

    # --- statements --------------------------------------------------------------------

    def _block(self, body: Iterable[ast.stmt]) -> None:
        for statement in body:
            if self._state is None:
                break
            self._statement(statement)

    def _statement(self, node: ast.stmt) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                for outer in [*node.decorator_list, *defaults_by_name(node.args).values()]:
                    self._expression(outer)
                self._define(self._later.get(node))
                self._bind(node.name, node)
            case ast.ClassDef():
                outside = [*node.decorator_list, *node.bases, *(k.value for k in node.keywords)]
                for outer in outside:
                    self._expression(outer)
                self._classes += 1
                self._block(node.body)
                self._classes -= 1
                self._bind(node.name, node)
            case ast.Import() | ast.ImportFrom():
                for alias in node.names:
                    if alias.name == "*":
                        for name in self._names:
                            self._bind(name, alias, surely=False)
                        continue
                    self._bind(alias.asname or alias.name.split(".")[0], alias)
            case ast.Assign(targets=targets, value=value):
                self._expression(value)
                for target in targets:
                    self._target(target)
            case ast.AnnAssign(target=target, value=value):
                if value is not None:
                    self._expression(value)
                    self._target(target)
            case ast.AugAssign(target=target, value=value):
                self._expression(value)
                if isinstance(target, ast.Name):
                    self._read(target)
                self._target(target)
            case ast.Delete(targets=targets):
                for target in targets:
                    if isinstance(target, ast.Name) and target in self._own:
                        self._unbind(target.id)
                    else:
                        self._expression(target)
            case ast.Return(value=value):
                if value is not None:
                    self._expression(value)
                self._state = None
            case ast.Raise():
                self._children(node)
                self._state = None
            case ast.Break():
                self._jump("break")
            case ast.Continue():
                self._jump("continue")
            case ast.If(test=test):
                true, false = self._test(test)
                self._state = true
                self._block(node.body)
                after, self._state = self._state, false
                self._block(node.orelse)
                self._state = join(after, self._state)
            case ast.Assert(test=test, msg=msg):
                true, self._state = self._test(test)
                if msg is not None and self._state is not None:
                    self._expression(msg)
                self._state = true
            case ast.For() | ast.AsyncFor():
                self._expression(node.iter)
                self._for(node)
            case ast.While():
                self._while(node)
            case ast.With() | ast.AsyncWith():
                self._with(node)
            case ast.Try() | ast.TryStar():
                self._try(node)
            case ast.Match():
                self._match(node)
            case _:
                self._children(node)

    def _for(self, node: ast.For | ast.AsyncFor) -> None:
        def body() -> None:
            self._target(node.target)
            self._block(node.body)

        def head() -> tuple[State | None, State | None]:
            return self._copy(), self._copy()

        self._loop(head, body, node.orelse)

    def _while(self, node: ast.While) -> None:
        self._loop(lambda: self._test(node.test), lambda: self._block(node.body), node.orelse)

    def _loop(
        self,
        head: Callable[[], tuple[State | None, State | None]],
        body: Callable[[], None],
        orelse: list[ast.stmt],
    ) -> None:
        loop = Loop()
        start = self._copy()
        while True:
            self._state = start.copy() if start is not None else None
            inside, outside = head() if self._state is not None else (None, None)
            self._around.append(loop)
            self._state = inside
            if inside is not None:
                body()
            self._around.pop()
            end = join(start, join(self._state, loop.again))
            if end == start:
                break
            start = end
        self._state = outside
        self._block(orelse)
        self._state = join(self._state, loop.left)

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        swallows = False
        for item in node.items:
            self._expression(item.context_expr)
            swallows = swallows or not self._harmless(item.context_expr, self._scope)
        watched = Watched(self._copy()) if swallows else None
        if watched is not None:
            self._around.append(watched)
        for item in node.items:
            if item.optional_vars is not None:
                self._target(item.optional_vars)
        self._block(node.body)
        if watched is not None:
            self._around.pop()
            self._state, after = watched.state, self._state
            self._may_raise()
            self._state = join(self._state, after)

    def _try(self, node: ast.Try | ast.TryStar) -> None:
        final = Watched(self._copy(), final=True)
        if node.finalbody:
            self._around.append(final)
        watched = Watched(self._copy())
        self._around.append(watched)
        self._block(node.body)
        self._around.pop()
        after = self._state
        self._state = watched.state
        self._may_raise()  # what no handler takes
        self._state = after
        self._block(node.orelse)
        after = self._state
        for handler in node.handlers:
            self._state = watched.state.copy() if watched.state is not None else None
            if handler.type is not None:
                self._expression(handler.type)
            if handler.name is not None:
                self._bind(handler.name, handler)
            self._block(handler.body)
            if handler.name is not None and not self._classes:
                self._unbind(handler.name)
            after = join(after, self._state)
        self._state = after
        if not node.finalbody:
            return
        self._around.pop()
        self._block(node.finalbody)
        after, self._state = self._state, final.state
        self._block(node.finalbody)
        self._may_raise()
        left = self._copy()
        for kind in sorted(final.jumps):
            self._state = left.copy() if left is not None else None
            self._jump(kind)
        self._state = after

    def _match(self, node: ast.Match) -> None:
        self._expression(node.subject)
        after: State | None = None
        for case in node.cases:
            before = self._copy()
            self._pattern(case.pattern)
            tried = self._copy()
            passed: State | None = tried
            if case.guard is not None and self._state is not None:
                self._state, passed = self._test(case.guard)
            self._block(case.body)
            after = join(after, self._state)
            always = isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None
            if always and case.guard is None:
                self._state = None
            else:
                self._state = join(before, join(tried, passed))
        self._state = join(after, self._state)

    def _pattern(self, pattern: ast.pattern) -> None:
        for node in walk(pattern):
            match node:
                case (
                    ast.MatchAs(name=str(name))
                    | ast.MatchStar(name=str(name))
                    | ast.MatchMapping(rest=str(name))
                ):
                    self._bind(name, node)
                case ast.expr():
                    self._expression(node)

    def _target(self, target: ast.expr) -> None:
        match target:
            case ast.Name():
                if target in self._own:
                    self._bind(target.id, target)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                for part in parts:
                    self._target(part)
            case ast.Starred(value=inner):
                self._target(inner)
            case _:
                self._children(target)

    # --- expressions -------------------------------------------------------------------

    def _children(self, node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self._expression(child)
            elif isinstance(child, ast.keyword):
                self._expression(child.value)

    def _read(self, node: ast.Name) -> None:
        if self._state is not None and node in self._own:
            self._found[node] |= self._state.live.get(node.id, frozenset())

    def _expression(self, node: ast.expr) -> None:
        match node:
            case ast.Constant():
                pass
            case ast.Name():
                self._read(node)
            case ast.NamedExpr(target=target, value=value):
                self._expression(value)
                self._target(target)
            case ast.BoolOp():
                true, false = self._test(node)
                self._state = join(true, false)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                true, false = self._test(test)
                self._state = true
                if true is not None:
                    self._expression(body)
                after, self._state = self._state, false
                if false is not None:
                    self._expression(orelse)
                self._state = join(after, self._state)
            case ast.Lambda():
                for default in defaults_by_name(node.args).values():
                    self._expression(default)
                self._define(self._later.get(node))
            case ast.ListComp() | ast.SetComp() | ast.DictComp():
                self._comprehension(node)
            case ast.GeneratorExp():
                self._expression(node.generators[0].iter)
                self._define(self._delayed(node))
            case ast.Call(func=ast.Name(id=name), args=[ast.GeneratorExp() as items]) if (
                name in _CONSUMERS and self._scope.lookup(name) is None
            ):
                self._comprehension(items)
            case _:
                self._children(node)

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
    ) -> None:
        self._expression(node.generators[0].iter)
        while self._state is not None:
            before = self._state.copy()
            for index, generator in enumerate(node.generators):
                if index:
                    self._expression(generator.iter)
                self._target(generator.target)
                for condition in generator.ifs:
                    self._state, _ = self._test(condition)
            if self._state is not None:
                if isinstance(node, ast.DictComp):
                    self._expression(node.key)
                    self._expression(node.value)
                else:
                    self._expression(node.elt)
            self._state = join(before, self._state)
            if self._state == before:
                break

    def _delayed(self, node: ast.GeneratorExp) -> Closure:
        """What a generator reads: it runs when somebody asks for its elements."""
        if node not in self._lazy:
            closure = self._lazy[node] = Closure()
            first = {*walk(node.generators[0].iter)}
            for inner in walk(node):
                if isinstance(inner, ast.Name) and inner in self._own and inner not in first:
                    closure.reads[inner.id].append(inner)
                elif inner in self._later and inner not in first:
                    for name, reads in self._later[inner].reads.items():
                        closure.reads[name] += reads
        return self._lazy[node]

    # --- tests -------------------------------------------------------------------------

    def _test(self, node: ast.expr) -> tuple[State | None, State | None]:
        """Runs a condition: what is live where it holds, and where it does not."""
        match node:
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                true, false = self._test(operand)
                return false, true
            case ast.BoolOp(op=op, values=values):
                decided: State | None = None
                going: State | None = self._state
                for value in values:
                    self._state = going
                    if going is None:
                        break
                    true, false = self._test(value)
                    going, done = (true, false) if isinstance(op, ast.And) else (false, true)
                    decided = join(decided, done)
                return (going, decided) if isinstance(op, ast.And) else (decided, going)
            case ast.Constant(value=value):
                return (self._state, None) if value else (None, self._state)
            case ast.Compare(left=left, ops=[ast.IsNot()], comparators=[ast.Constant() as none]):
                if none.value is None:
                    equal = ast.copy_location(ast.Compare(left, [ast.Is()], [none]), node)
                    true, false = self._test(self._positive.setdefault(node, equal))
                    return false, true
        self._expression(node)
        test = condition_of(node, lambda name: self._scope.lookup(name) is None)
        if test is None or self._state is None or not self._is_own(test.name):
            return self._copy(), self._copy()
        return self._under(node, test, True), self._under(node, test, False)

    def _is_own(self, name: ast.Name) -> bool:
        return name in self._own and name.id in self._names

    def _under(self, node: ast.expr, test: Condition, holds: bool) -> State | None:
        state = self._copy()
        assert state is not None
        name = test.name.id
        before = state.live.get(name, frozenset())
        if before:
            key = (node, name, holds)
            version = self._narrowed.setdefault(key, Narrowed(test, holds))
            version.of |= before - {version}
            state.live[name] = frozenset({version})
        return state


# They have taken all elements before they give anything back.
_CONSUMERS = frozenset(
    {"all", "any", "dict", "list", "max", "min", "set", "sorted", "sum", "tuple"}
)


def _parameters(arguments: ast.arguments) -> Iterator[ast.arg]:
    yield from (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    yield from (a for a in (arguments.vararg, arguments.kwarg) if a is not None)
