"""Which assignments of a variable a read can see.

A variable that is assigned more than once has a version for each assignment.  The text
alone tells which of them reach a read: a later one takes the place of an earlier one,
branches and loops join them, an exception may come after any of them.  A function or
lambda runs at any time after it was defined, so it sees what is live there and all
that is assigned later.  Where a test tells what a variable is, a branch under it has a
version of its own, which stands for those that came there.

This is worked out once for each scope, before anything is inferred.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable

from linenify.facts.flow.conditions import told
from linenify.facts.flow.ordering import Order, Reaching
from linenify.facts.flow.states import Closure
from linenify.project.scopes import Scope, Scopes


class Versions:
    """The reads of all files for which the order of assignments matters."""

    def __init__(self) -> None:
        self.reaching: Reaching = {}
        self.tracked: dict[Scope, set[str]] = {}

    def add(self, scopes: Scopes, harmless: Callable[[ast.expr, Scope], bool]) -> None:
        """Works out the scopes of one file.

        Args:
            scopes: of the file.
            harmless: whether a context manager is known to let exceptions through.
        """
        tracked: dict[Scope, set[str]] = {}
        for scope in scopes.by_node.values():
            if scope.kind in {"module", "function"} and (names := scope.rebound - scope.shared):
                tracked[scope] = names & scope.names
        for node, scope in scopes.tests:
            for name in told(node):
                home = scope.lookup(name)
                if home is None or home.kind not in {"module", "function"}:
                    continue
                if name not in home.shared:
                    tracked.setdefault(home, set()).add(name)
        if not tracked:
            return
        self.tracked |= tracked
        every = set().union(*tracked.values())
        own: dict[Scope, set[ast.Name]] = defaultdict(set)
        later: dict[Scope, dict[ast.AST, Closure]] = defaultdict(lambda: defaultdict(Closure))
        for mention, scope in scopes.mentions:
            if not isinstance(mention, ast.Name) or mention.id not in every:
                continue
            home = scope.lookup(mention.id)
            if home is None or mention.id not in tracked.get(home, ()):
                continue
            function = _function_between(scope, home)
            if function is None:
                own[home].add(mention)
            elif isinstance(mention.ctx, ast.Load):
                later[home][function].reads[mention.id].append(mention)
        for scope, names in tracked.items():
            walk = Order(scope, names, own[scope], later[scope], harmless)
            self.reaching |= walk.run()


def _function_between(scope: Scope, home: Scope) -> ast.AST | None:
    """The outermost function below `home` that a place stands in."""
    found = None
    inner: Scope | None = scope
    while inner is not None and inner is not home:
        if inner.kind == "function":
            found = inner.node
        inner = inner.parent
    return found
