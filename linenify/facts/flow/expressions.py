"""Expressions: what they may be."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from linenify.facts.flow import calling, lookup, operators
from linenify.facts.flow.kinds import NOTHING, Container, Function, Value, static
from linenify.project.nodes import below
from linenify.project.scopes import Scope, defaults_by_name

if TYPE_CHECKING:
    from linenify.facts.flow.machine import Machine


def evaluate(flow: Machine, node: ast.expr, scope: Scope) -> Value:
    """What `node` may be."""
    match node:
        case ast.Constant(value=constant):
            kind = type(constant).__name__.replace("NoneType", "None")
            return flow.values.get(node) or static(kind, ast.unparse(node))
        case ast.JoinedStr(values=parts):
            for text in parts:
                flow.note(flow.eval(text, scope), "static")
            return static("str")
        case ast.FormattedValue(value=inner):
            return flow.eval(inner, scope)
        case ast.Name():
            return flow.read(node, scope)
        case ast.Attribute(value=owner, attr=name):
            return lookup.attribute(flow, flow.eval(owner, scope), name)
        case ast.Call():
            flow.where[node] = scope
            return calling.call_expression(flow, node, scope)
        case ast.Subscript(value=owner, slice=index):
            return operators.subscript(flow, flow.eval(owner, scope), index, scope)
        case ast.BinOp(left=left, op=op, right=right):
            first, second = flow.eval(left, scope), flow.eval(right, scope)
            return operators.binary(flow, first, op, second)
        case ast.UnaryOp(op=op, operand=operand):
            result = flow.eval(operand, scope)
            if isinstance(op, ast.Not):
                flow.note(result, "test")
                return static("bool")
            return result
        case ast.BoolOp(values=parts):
            return frozenset().union(*(flow.eval(part, scope) for part in parts))
        case ast.Compare(left=left, comparators=others, ops=ops):
            values = [flow.eval(left, scope), *(flow.eval(other, scope) for other in others)]
            return operators.compare(flow, ops, values)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            flow.test(test, scope)
            return flow.eval(body, scope) | flow.eval(orelse, scope)
        case ast.Lambda():
            for name, default in defaults_by_name(node.args).items():
                flow.assign(flow.code[node].scope, name, flow.eval(default, scope))
            return frozenset({Function(node)})
        case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
            kind = type(node).__name__.lower()
            return operators.make(
                flow, node, kind, [operators.element(flow, e, scope) for e in elements]
            )
        case ast.Dict(keys=keys, values=values_):
            for key, expression in zip(keys, values_, strict=True):
                item = flow.eval(expression, scope)
                if key is None:
                    operators.spread(flow, node, item)
                else:
                    flow.eval(key, scope)
                    flow.join(flow.items, (node, operators.literal(key)), item)
            return frozenset({Container(node, "dict")})
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
            return operators.comprehension(flow, node, scope)
        case ast.Starred(value=inner):
            return flow.eval(inner, scope)
        case ast.NamedExpr(target=target, value=inner):
            result = flow.eval(inner, scope)
            flow.bind(target, result, scope)
            return result
        case ast.Await(value=inner):
            return flow.eval(inner, scope)
        case ast.Yield(value=ast.expr() as inner) if flow.running is not None:
            made = operators.make(flow, flow.running, "list", [flow.eval(inner, scope)])
            flow.join(flow.returns, flow.running, made)
            return NOTHING
        case ast.YieldFrom(value=inner) if flow.running is not None:
            items = [flow.iterate(flow.eval(inner, scope))]
            flow.join(flow.returns, flow.running, operators.make(flow, flow.running, "list", items))
            return NOTHING
        case ast.Slice():
            for bound in (node.lower, node.upper, node.step):
                if bound is not None:
                    flow.note(flow.eval(bound, scope), "static")
            return static("slice")
        case _:
            for child in below(node):
                if isinstance(child, ast.expr):
                    flow.eval(child, scope)
            return NOTHING
