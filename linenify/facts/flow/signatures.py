"""What the signature of a library function says of its arguments and its result."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from linenify.facts.flow import initkinds, operators
from linenify.facts.flow.kinds import ARRAY, KEY, NOTHING, Container, External, Value, static
from linenify.facts.legacy import arrays
from linenify.project.scopes import Scope

if TYPE_CHECKING:
    from linenify.facts.flow.machine import Machine


def by_signature(
    flow: Machine,
    roles: arrays.Signature,
    positional: list[Value],
    keywords: list[tuple[str | None, Value]],
    node: ast.Call,
    scope: Scope,
) -> Value:
    """Weighs arguments by the roles that a signature gives them."""
    for index, value in enumerate(positional):
        role(flow, roles.at(index), value, node, scope)
    for keyword, value in keywords:
        if keyword is not None:
            role(flow, roles.named(keyword), value, node, scope)
    match roles.result:
        case "array" | "arrays" | "tree":
            return ARRAY
        case "key" | "keys":
            return KEY
        case "same":
            return _same(flow, positional)
        case "initializer":
            path = next(
                (a.path for a in flow.values.get(node.func, NOTHING) if isinstance(a, External)), ""
            )
            return initkinds.made(flow, node, path)
        case "static":
            return static()
    return NOTHING


def _same(flow: Machine, values: list[Value]) -> Value:
    """The result of a function that works on arrays and plain values alike."""
    result = NOTHING
    for value in values:
        whole = frozenset(a for a in value if not isinstance(a, Container))
        result = operators.mix(result, whole | flow.iterate(value))
    return result or static()


def role(flow: Machine, role: str, value: Value, node: ast.Call, scope: Scope) -> None:
    """Evidence from one argument of a known function."""
    inside = flow.iterate(frozenset(a for a in value if isinstance(a, Container)))
    match role:
        case "array" | "arrays":
            flow.note(value | inside, "array")
        case "key":
            flow.note(value, "array")
        case "number":
            flow.note(value | inside, "operand")
        case "static":
            flow.note(value | inside, "static")
            if isinstance(node.func, ast.Name) and node.func.id == "range":
                flow.note(value, "range", "int")
        case "function":
            flow.call_value(value, [ARRAY] * 3, node, scope)
