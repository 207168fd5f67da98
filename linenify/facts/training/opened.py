"""The legacy contexts of a project, and what their runs ask of them."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from linenify.facts.ask import places
from linenify.facts.ask.places import is_pure
from linenify.facts.deciding.placing import free_name
from linenify.facts.deciding.plan import Plan
from linenify.facts.sites import Stem, Unclear
from linenify.facts.training.withitems import Item, items_of
from linenify.project.nodes import walk
from linenify.project.scopes import FunctionNode, Scope

_NAMED = (ast.Name, ast.Attribute, ast.Subscript)
_HELD = {
    "rng": ("dropout_rng", "stochastic_rng", "context_rng"),
    "state": ("old_state", "given_state", "context_state"),
}


@dataclass(frozen=True, slots=True)
class StateHelper:
    """A function that takes the state of its callers, and gives the new one with its result."""

    run: ast.Call
    parameter: str
    returned: str
    result: str  # what it gave before, where that is a tuple
    calls: tuple[tuple[ast.Call, Item], ...]


@dataclass(slots=True)
class Use:
    """The runs that need a context, and why it has to stay."""

    runs: list[ast.Call] = field(default_factory=list)
    failed: str | None = None
    stem: Stem | None = None  # what that stems from, where it is another place


class Opened:
    """Every legacy context of the project: its items, and what becomes of them."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.items: dict[ast.With, list[Item]] = {}
        self.uses: dict[ast.With, Use] = defaultdict(Use)
        self._conditional: set[ast.With] = set()  # where a run may be skipped, or come late
        self.splits: dict[ast.With, tuple[str, str]] = {}
        self.held: dict[Item, str] = {}  # arguments that are computed once, in front: their names
        self.looped: set[ast.Call] = set()  # calls that pass a key on, in a loop of its context
        self.order: dict[ast.Call, int | None] = {}  # of calls that pass a key on
        self.helpers: dict[FunctionNode, StateHelper] = {}
        self.threads: dict[FunctionNode, list[tuple[ast.Call, Item | None]]] = {}
        for source in plan.project.sources:
            for node in walk(source.tree):
                if isinstance(node, ast.With):
                    found = [*items_of(plan, node)]
                    if found:
                        self.items[node] = found
                        self._check_opened(found)

    def _check_opened(self, items: Sequence[Item]) -> None:
        for item in items:
            target = item.statement.items[item.place].optional_vars
            lost = item.kind == "state" and target is not None and item.captured is None
            if lost or not item.spelt:
                self.uses[item.statement].failed = "how it is opened is not spelled out"

    def belongs(self, call: ast.Call, item: Item) -> None:
        """Notes that a call needs an item."""
        runs = self.uses[item.statement].runs
        if call not in runs:
            runs.append(call)

    def check(self, item: Item, run: ast.AST, *, deferred: bool, looped: bool) -> None:
        """What must hold for the argument of a context to be read where the run is."""
        statement = item.statement
        place = _position(run)
        if deferred:
            self._fail(statement, "a generator runs a module, perhaps after it has ended")
        if item.argument is None:
            return
        named = {ast.unparse(n) for n in walk(item.argument) if isinstance(n, _NAMED)}
        changed = {
            ast.unparse(n)
            for each in statement.body
            for n in walk(each)
            if isinstance(n, _NAMED) and isinstance(n.ctx, ast.Store)
            if looped or _position(n) < place
        }
        if named & changed:
            self._hold(item, "what it is opened with changes inside of it")
        for call in walk(item.argument):
            if isinstance(call, ast.Call) and not is_pure(self._plan, call):
                self._hold(item, "what it is opened with can be computed only once")
        if item.kind == "state" and item.captured is not None:
            for each in statement.body:
                for node in walk(each):
                    if (
                        isinstance(node, _NAMED)
                        and ast.unparse(node) == item.captured
                        and _position(node) < place
                    ):
                        self._conditional.add(statement)

    def split_key(self, item: Item) -> None:
        """A loop draws again and again: the key is split before each run."""
        if item.statement in self.splits:
            return
        home = places.home(self._plan, item.statement)
        used = {n.id for n in walk(home) if isinstance(n, ast.Name)}
        used |= {n.arg for n in walk(home) if isinstance(n, ast.arg)}
        names = [
            next((n for n in candidates if n not in used), None)
            for candidates in (("rng", "stream", "next_rng"), ("key", "subkey", "next_key"))
        ]
        if names[0] is None or names[1] is None or item.argument is None:
            self._fail(item.statement, "a loop inside of it runs a module")
        self.splits[item.statement] = (str(names[0]), str(names[1]))

    def is_visible(self, item: Item, function: FunctionNode) -> bool:
        """Whether a function reads the same variables as the header of the context."""
        if item.argument is None:
            return True
        if item in self.held:
            home = places.home(self._plan, item.statement)
            return home in self._plan.ancestors(function)
        inner = self._plan.flow.code[function].scope
        outer = self._scope(item.statement)
        for node in walk(item.argument):
            if isinstance(node, ast.Name) and inner.lookup(node.id) is not outer.lookup(node.id):
                return False
        names = {n.id for n in walk(item.argument) if isinstance(n, ast.Name)}
        return not names & _assigned(item.statement.body)

    def _hold(self, item: Item, why: str) -> None:
        """The argument of a context gets a name in front of what was its body."""
        if item in self.held:
            return
        place = item.statement
        home = places.home(self._plan, place)
        ours = {
            n: i.statement
            for i, n in self.held.items()
            if places.home(self._plan, i.statement) is home
        }
        around = {place, *self._plan.ancestors(place), *walk(place)}
        for name in _HELD[item.kind]:
            busy = [n for n in ours if n == name and ours[n] in around]
            if name in ours and not busy:
                self.held[item] = name  # the context that it stood for has ended
                return
        try:
            self.held[item] = free_name(self._plan, place.items[0].context_expr, _HELD[item.kind])
        except Unclear:
            self._fail(place, why)

    def _fail(self, statement: ast.With, why: str) -> None:
        use = self.uses[statement]
        use.failed = use.failed or why
        raise Unclear("LN590", why, because=(statement, why))

    def _scope(self, node: ast.AST) -> Scope:
        code = self._plan.code(node)
        if code is not None:
            return code.scope
        return self._plan.flow.scopes[self._plan.source(node).name].module


def _position(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


def _assigned(body: Sequence[ast.stmt]) -> set[str]:
    return {
        node.id
        for statement in body
        for node in walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
