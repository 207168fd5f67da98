"""Conditions that tell what a variable is: `x is None`, `isinstance(x, T)` and the like."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, eq=False, slots=True)
class Condition:
    """What a condition asks of a variable.

    Attributes:
        name: the variable, where it is asked.
        kind: "none", "true", "isinstance", "issubclass", "callable" or "hasattr".
        among: the classes that are asked for, or the name of the attribute.
    """

    name: ast.Name
    kind: str
    among: ast.expr | None = None


@dataclass(eq=False, slots=True)
class Narrowed:
    """The versions of a variable that reach a branch, as far as its test lets them through."""

    test: Condition
    holds: bool
    of: set[Version] = field(default_factory=set)


Version = ast.AST | Narrowed  # what binds it; the scope's own node for what a call passes


def assignments(versions: Iterable[Version]) -> set[ast.AST]:
    """The assignments behind versions that tests have narrowed."""
    found: set[ast.AST] = set()
    met: set[Version] = set()
    waiting = list(versions)
    while waiting:
        version = waiting.pop()
        if not isinstance(version, Narrowed):
            found.add(version)
        elif version not in met:
            met.add(version)
            waiting += version.of
    return found


def condition_of(node: ast.expr, is_builtin: Callable[[str], bool]) -> Condition | None:
    """What a condition asks; None where it tells nothing of one variable."""
    match node:
        case ast.Name():
            return Condition(node, "true")
        case ast.NamedExpr(target=target):
            return Condition(target, "true")
        case ast.Call(func=ast.Name(id=function), args=[asked, *rest], keywords=[]) if (
            function in _FUNCTIONS and is_builtin(function)
        ):
            name = _variable(asked)
            if name is None or len(rest) != _FUNCTIONS[function]:
                return None
            return Condition(name, function, rest[0] if rest else None)
        case ast.Compare(left=left, ops=[ast.Is()], comparators=[ast.Constant(value=None)]):
            name = _variable(left)
            return Condition(name, "none") if name is not None else None
    return None


def told(node: ast.expr) -> Iterator[str]:
    """The variables that a condition tells something of."""
    match node:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield from told(operand)
        case ast.BoolOp(values=values):
            for value in values:
                yield from told(value)
        case ast.Compare(left=left, ops=[ast.IsNot()], comparators=[ast.Constant(value=None)]):
            name = _variable(left)
            if name is not None:
                yield name.id
        case _:
            test = condition_of(node, lambda _: True)
            if test is not None:
                yield test.name.id


_FUNCTIONS = {"isinstance": 1, "issubclass": 1, "callable": 0, "hasattr": 1}


def _variable(node: ast.expr) -> ast.Name | None:
    if isinstance(node, ast.NamedExpr):
        return node.target
    return node if isinstance(node, ast.Name) else None
