"""Calls of plain functions of the project, and partials of them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from linenify.facts.flow import binding
from linenify.facts.flow.kinds import (
    NOTHING,
    Atom,
    Bound,
    Container,
    External,
    Function,
    Module,
    Parameter,
    Partial,
    Static,
    Value,
    changed,
)
from linenify.project.scopes import FunctionNode

if TYPE_CHECKING:
    from linenify.facts.flow.machine import Code, Machine


def call_function(
    flow: Machine,
    function: FunctionNode,
    node: ast.Call,
    positional: list[Value],
    keywords: list[tuple[str | None, Value]],
    skip: int,
) -> Value:
    """Hands arguments to a plain function of the project."""
    code = flow.code[function]
    code.callers.add(flow.running)
    arguments = function.args
    names = [a.arg for a in [*arguments.posonlyargs, *arguments.args]][skip:]
    placed, anywhere = _placed(flow, node, positional)
    for index, value in enumerate(placed):
        if index < len(names):
            flow.hand(function, names[index], value)
        elif arguments.vararg is not None:
            flow.join(flow.items, (arguments.vararg, index - len(names)), value)
    if anywhere is not None:
        for name in names[len(placed) :]:
            flow.hand(function, name, anywhere)
        if arguments.vararg is not None:
            flow.join(flow.items, (arguments.vararg, "*"), anywhere)
    known = {a.arg for a in [*arguments.args, *arguments.kwonlyargs]}
    for keyword, value in keywords:
        if keyword is None:
            _call_spread(flow, code, value, known)
        elif keyword in known:
            flow.hand(function, keyword, value)
        elif arguments.kwarg is not None:
            flow.join(flow.items, (arguments, keyword), value)
    return flow.returns.get(function, NOTHING)


def _placed(
    flow: Machine, node: ast.Call, positional: list[Value]
) -> tuple[list[Value], Value | None]:
    """Arguments by place, as far as places are known, and what may stand behind them."""
    placed: list[Value] = []
    for index, value in enumerate(positional):
        if index >= len(node.args) or not isinstance(node.args[index], ast.Starred):
            placed.append(value)
            continue
        exact = binding.spelt_out(flow, value)
        last = index == len(positional) - 1
        if exact is None and last:
            exact = _passed_on(flow, value)
        if exact is None:
            behind = positional[index + 1 :] if value else []
            return placed, flow.iterate(value).union(*behind)
        placed += exact
    return placed, None


def _passed_on(flow: Machine, value: Value) -> list[Value] | None:
    """What `*args` of one function holds, by place."""
    match [*value]:
        case [Container(node=ast.arg() as taken, type="tuple")]:
            flow.readers.read((id(flow.keys), taken))
            places = [key for key in flow.keys[taken] if isinstance(key, int)]
            if len(places) == len(flow.keys[taken]) == max(places, default=-1) + 1:
                return [flow.items.get((taken, place), NOTHING) for place in range(len(places))]
    return None


def _call_spread(flow: Machine, code: Code, value: Value, known: set[str]) -> None:
    """Hands `**value` to a plain function."""
    for atom in value:
        if isinstance(atom, Container):
            for key, item in flow.held(atom.node):
                if key in known:
                    assert isinstance(key, str)
                    flow.hand(code.node, key, item)
                elif code.node.args.kwarg is not None:
                    flow.join(flow.items, (code.node.args, key), item)


def functools_partial(
    flow: Machine,
    node: ast.Call,
    positional: list[Value],
    keywords: list[tuple[str | None, Value]],
) -> Value:
    """`functools.partial` of a module class or a function."""
    result: set[Atom] = set()
    names = frozenset(k for k, _ in keywords if k is not None)
    for atom in positional[0]:
        match atom:
            case Module():
                for keyword, value in keywords:
                    if keyword is not None:
                        binding.actual(flow, atom, atom, keyword, value, "bind", node)
                result.add(
                    changed(
                        atom,
                        bound=atom.bound | (names - {"name"}),
                        named=atom.named or "name" in names,
                        origin=node,
                    )
                )
            case Function(node=function) | Bound(node=function):
                skip = int(isinstance(atom, Bound) and atom.drops_first)
                call_function(flow, function, node, positional[1:], keywords, skip)
                result.add(Partial(atom, len(positional) - 1, names))
            case External() | Parameter() | Static(type="initializer"):
                result.add(Partial(atom, len(positional) - 1, names))
    return frozenset(result)
