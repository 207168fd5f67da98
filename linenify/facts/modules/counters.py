"""Positions that a module counts in a decoding cache by hand.

Legacy classes that embed positions store an entry in the attention cache, of
which they use the index only.  In Linen that is a variable of the `cache`
collection.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from linenify.facts.deciding.placing import in_block
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import SelfApi
from linenify.facts.sites import AttributeSite, Reshaped, StatementSite, Wrapped
from linenify.project.nodes import walk
from linenify.project.source import Source

_RULE = "LN406"


def emit(
    plan: Plan,
    source: Source,
    function: ast.FunctionDef,
    reads: Sequence[ast.Name],
    receiver: str,
    field: str,
) -> list[ast.Name]:
    """Decides what a method does with its cache besides testing it and handing it on.

    Args:
        plan: where sites are put.
        source: the file of `function`.
        function: a module method.
        reads: every mention of the cache in it.
        receiver: the name of the module in `function`.
        field: the flag that stands for the cache.

    Returns:
        Those of `reads` that nothing is left to do for.
    """
    handled = [node for node in reads if _compared(plan, node) is not None]
    for node in handled:
        test = _compared(plan, node)
        assert test is not None
        absent = isinstance(test.ops[0], ast.Is | ast.Eq)
        plan.at(source, test, Wrapped(f"{'not ' if absent else ''}{receiver}.{field}", "LN202"))
    others = [node for node in reads if node not in handled and not is_plain(plan, node)]
    counter = _Counter(plan, function)
    if others and all(counter.reads(node) for node in others) and counter.is_sound():
        counter.emit(source, receiver)
        handled += others
    return handled


def is_plain(plan: Plan, node: ast.Name) -> bool:
    """Whether a cache handle is only tested or passed on, so that a flag can replace it."""
    parent = plan.parents[node]
    match parent:
        case ast.keyword() | ast.If() | ast.IfExp() | ast.BoolOp() | ast.UnaryOp():
            return True
        case ast.Call():
            return node in parent.args
    return False


def _compared(plan: Plan, node: ast.Name) -> ast.Compare | None:
    """The comparison with None that a cache handle stands in."""
    match plan.parents[node]:
        case ast.Compare(left=left, ops=[op], comparators=[ast.Constant(value=None)]) as test:
            known = isinstance(op, ast.Is | ast.IsNot | ast.Eq | ast.NotEq)
            return test if left is node and known else None
    return None


class _Counter:
    """What one method does with its entries."""

    def __init__(self, plan: Plan, function: ast.FunctionDef) -> None:
        self._plan = plan
        self._function = function
        self._created: list[ast.Call] = []
        self._retrieved: list[tuple[ast.Call, str]] = []
        self._stored: list[tuple[ast.Expr, ast.Call, str]] = []  # store(entry.replace(i=...))
        self._kept: list[tuple[ast.Expr, ast.Call, str]] = []  # store(entry)

    def reads(self, node: ast.Name) -> bool:
        """Takes down one use of the cache, if it is known."""
        method = self._plan.parents[node]
        call = self._plan.parents[method]
        if not isinstance(method, ast.Attribute) or not isinstance(call, ast.Call):
            return False
        statement = self._plan.parents[call]
        if call.func is not method or call.keywords or not isinstance(statement, ast.stmt):
            return False
        if not in_block(self._plan, statement):
            return False
        match method.attr, call.args, statement:
            case "store", [argument], ast.Expr():
                match argument:
                    case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="replace")):
                        self._stored.append((statement, call, name))
                    case ast.Name(id=name):
                        self._kept.append((statement, call, name))
                    case ast.Call(func=ast.Attribute(attr="array" | "asarray")):
                        self._created.append(call)
                    case _:
                        return False
                return True
            case (
                "retrieve",
                [] | [ast.Constant(value=None)],
                ast.Assign(targets=[ast.Name(id=name)]),
            ):
                self._retrieved.append((call, name))
                return True
        return False

    def is_sound(self) -> bool:
        """Whether one variable can do the same."""
        names = {name for _, name in self._retrieved}
        if len(names) != 1 or not self._created or not (self._stored or self._kept):
            return False
        if {name for _, _, name in [*self._stored, *self._kept]} != names:
            return False
        (self._entry,) = names
        if not all(self._initialises(call) is True for call in self._created):
            return False
        later = [call for call, _ in self._retrieved]
        later += [call for _, call, _ in [*self._stored, *self._kept]]
        if not all(self._initialises(call) is False for call in later):
            return False
        return self._only_counts()

    def _only_counts(self) -> bool:
        """Whether nothing but the index of the entry is used, and always the latest."""
        self._reads: list[ast.Attribute] = []
        self._replaced: list[ast.Call] = []
        for node in walk(self._function):
            if not isinstance(node, ast.Name) or node.id != self._entry:
                continue
            parent = self._plan.parents[node]
            if isinstance(node.ctx, ast.Store):
                if not isinstance(parent, ast.Assign) or not self._assigns(parent):
                    return False
            elif isinstance(parent, ast.Attribute) and parent.attr == "i":
                self._reads.append(parent)
            elif isinstance(parent, ast.Attribute) and parent.attr == "replace":
                call = self._plan.parents[parent]
                if not isinstance(call, ast.Call) or [k.arg for k in call.keywords] != ["i"]:
                    return False
                if call.args:
                    return False
                self._replaced.append(call)
            elif not any(parent is call for _, call, _ in self._kept):
                return False
        return self._is_ordered()

    def _assigns(self, statement: ast.Assign) -> bool:
        """Whether an entry comes from the cache, or from itself with another index."""
        if any(statement.value is call for call, _ in self._retrieved):
            return True
        match statement.value:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="replace")):
                return name == self._entry and in_block(self._plan, statement)
        return False

    def _is_ordered(self) -> bool:
        """Whether legacy, where an entry never changes, would read the same index."""
        for statement, _, _ in [*self._stored, *self._kept]:
            if any(isinstance(a, ast.For | ast.While) for a in self._plan.ancestors(statement)):
                return False
        ends = [statement.end_lineno or statement.lineno for statement, _, _ in self._stored]
        if any(read.lineno > end for read in self._reads for end in ends):
            return False
        inside = [call.args[0] for _, call, _ in self._stored]
        for call in self._replaced:
            if call in inside:
                continue
            assigned = self._plan.parents[call]
            block = self._plan.parents[assigned]
            if not isinstance(assigned, ast.Assign) or not any(
                self._plan.parents[kept] is block and kept.lineno > assigned.lineno
                for kept, _, _ in self._kept
            ):
                return False
        return True

    def _initialises(self, node: ast.AST) -> bool | None:
        """Whether a place is reached while initialising only; None: it may be either."""
        inner = node
        for ancestor in self._plan.ancestors(node):
            asked = self._asked(ancestor)
            if asked is not None and isinstance(ancestor, ast.If):
                return (inner in ancestor.body) is asked
            for before in _before(ancestor, inner):
                asked = self._asked(before)
                if asked is not None and isinstance(before, ast.If) and _leaves(before.body):
                    return not asked
            if ancestor is self._function:
                return None
            inner = ancestor
        return None

    def _asked(self, statement: ast.AST) -> bool | None:
        """What a condition asks for: True for initialising, False for the contrary."""
        if not isinstance(statement, ast.If):
            return None
        test, negated = statement.test, False
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            test, negated = test.operand, True
        if not isinstance(test, ast.Call):
            return None
        callee = self._plan.flow.values.get(test.func, frozenset())
        asks = any(isinstance(a, SelfApi) and a.name == "is_initializing" for a in callee)
        return not negated if asks else None

    def emit(self, source: Source, receiver: str) -> None:
        """Puts the sites of a counter that is understood."""
        plan = self._plan
        variable = (
            f"{receiver}.variable('cache', 'cache_index', "
            "lambda: {jnp}.array(0, dtype={jnp}.uint32))"
        )
        for call in [*self._created, *(call for call, _ in self._retrieved)]:
            plan.at(source, call, Reshaped(variable, _RULE))
        for read in self._reads:
            plan.at(source, read, AttributeSite(1, "value", _RULE))
        moved = StatementSite(_RULE, lines=(f"{self._entry}.value = {{value}}",))
        for call in self._replaced:
            plan.at(source, call, Reshaped("{0}", _RULE))
            parent = plan.parents[call]
            if isinstance(parent, ast.Assign):
                plan.files[source.name].statements[parent.lineno] = moved
        for statement, call, _ in self._stored:
            plan.at(source, call, Reshaped("{0}", _RULE))
            plan.files[source.name].statements[statement.lineno] = moved
        for statement, call, _ in self._kept:
            plan.at(source, call, Reshaped("{0}", _RULE))
            plan.files[source.name].statements[statement.lineno] = StatementSite(_RULE)


def _before(parent: ast.AST, child: ast.AST) -> list[ast.stmt]:
    """The statements of a block that stand before one of them."""
    for name in ("body", "orelse", "finalbody"):
        block = getattr(parent, name, None)
        if isinstance(block, list) and child in block:
            return block[: block.index(child)]
    return []


def _leaves(block: list[ast.stmt]) -> bool:
    return isinstance(block[-1], ast.Return | ast.Raise)
