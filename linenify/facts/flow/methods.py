"""Methods of arrays, containers and legacy objects."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from linenify.facts.flow import lookup, operators, optimizing
from linenify.facts.flow.kinds import (
    ARRAY,
    NOTHING,
    Array,
    Atom,
    Bound,
    Container,
    Function,
    Instance,
    Legacy,
    Model,
    Optimizer,
    OptimizerDef,
    Partial,
    Transformed,
    Value,
    static,
)
from linenify.facts.flow.signatures import role

if TYPE_CHECKING:
    from linenify.facts.flow.machine import Machine


def call_api(
    flow: Machine,
    receiver: Atom,
    name: str,
    node: ast.Call,
    positional: list[Value],
    keywords: list[tuple[str | None, Value]],
) -> Value:
    """A method of an array, a container or a legacy object."""
    match receiver, name:
        case Container(), _:
            return _of_container(flow, receiver, name, node, positional, keywords)
        case Array(), _:
            for value in [*positional, *(v for _, v in keywords)]:
                if name in {"reshape", "transpose", "astype", "swapaxes", "mean", "sum", "max"}:
                    role(flow, "static", value, node, flow.where[node])
            return ARRAY
        case OptimizerDef(), "create":
            flow.join(flow.items, (node, "target"), positional[0] if positional else NOTHING)
            flow.join(flow.items, (node, "definition"), frozenset({receiver}))
            return frozenset({Optimizer(node)})
        case Model(), "replace":
            return frozenset({receiver})
        case Optimizer(created=created), _:
            return optimizing.call(flow, receiver, created, name, node, positional, keywords)
        case Legacy(type="DynamicScale"), "value_and_grad" | "grad" if positional:
            aux = dict(keywords).get("has_aux", NOTHING)
            scaled = "scaled" if name == "value_and_grad" else "scaled_grad"
            return frozenset(
                Transformed(a, scaled, 0, bool(aux))
                for a in positional[0]
                if isinstance(a, Function | Bound | Partial)
            )
        case Legacy(type="DynamicScale"), "replace":
            return frozenset({receiver})
        case Legacy(type="Collection" | "Outputs"), "as_dict":
            return frozenset({receiver})
        case Legacy(type="Collection"), "mutate":
            return frozenset({Legacy("context")})
        case Legacy(type="Cache"), _:
            return frozenset({Legacy("Cache")})
        case Instance(), "replace" | "_replace":
            for keyword, value in keywords:
                if keyword is None:
                    held = frozenset(a for a in value if isinstance(a, Container))
                    for field in lookup.fields(receiver.node):
                        flow.join(flow.attributes, (receiver.node, field), flow.item(held, field))
                else:
                    flow.join(flow.attributes, (receiver.node, keyword), value)
            return frozenset({receiver})
    return NOTHING


def _of_container(
    flow: Machine,
    receiver: Container,
    name: str,
    node: ast.Call,
    positional: list[Value],
    keywords: list[tuple[str | None, Value]],
) -> Value:
    """A method of a list, a dict or another container."""
    match name:
        case "append" | "add" | "insert":
            flow.join(flow.items, (receiver.node, "*"), positional[-1] if positional else NOTHING)
            return NOTHING
        case "setdefault":
            if len(positional) > 1:
                flow.join(
                    flow.items, (receiver.node, operators.literal(node.args[0])), positional[1]
                )
            return flow.iterate(frozenset({receiver}))
        case "update":
            for value in positional:
                operators.spread(flow, receiver.node, value)
            for keyword, value in keywords:
                if keyword is None:
                    operators.spread(flow, receiver.node, value)
                else:
                    flow.join(flow.items, (receiver.node, keyword), value)
            return NOTHING
        case "extend":
            value = positional[0] if positional else NOTHING
            flow.join(flow.items, (receiver.node, "*"), flow.iterate(value))
            return NOTHING
        case "pop" | "values" | "copy" | "get":
            inner = frozenset({receiver})
            if name == "copy":
                return inner
            if name in {"get", "pop"} and node.args:
                found = flow.item(inner, operators.literal(node.args[0]))
                return found | (positional[1] if len(positional) > 1 else NOTHING)
            if name == "pop":
                return flow.iterate(inner)
            return operators.make(flow, node, "list", [flow.iterate(inner)])
        case "items":
            pair = operators.make(
                flow, node.func, "tuple", [static("str"), flow.iterate(frozenset({receiver}))]
            )
            flow.join(flow.items, (node, "*"), pair)
            return frozenset({Container(node, "list")})
    return NOTHING
