"""How many dimensions an array has, where the code around it says so."""

from __future__ import annotations

import ast

from linenify.facts.ask.program import Program
from linenify.facts.flow.kinds import External, Module
from linenify.facts.legacy import catalogue
from linenify.facts.legacy.externals import LEGACY
from linenify.project.nodes import walk

_KEEPS = frozenset(
    {"relu", "gelu", "dropout", "tanh", "sigmoid", "swish", "silu", "elu", "softmax", "leaky_relu"}
)


def rank(program: Program, node: ast.expr, depth: int = 8) -> int | None:
    """The number of dimensions of `node`; None when nothing says it."""
    if depth == 0:
        return None
    match node:
        case ast.Name(id=name):
            return _of_name(program, node, name, depth)
        case ast.Call():
            return _of_call(program, node, depth)
        case ast.BinOp(left=left, right=right):
            found = {rank(program, left, depth - 1), rank(program, right, depth - 1)} - {None}
            return max(r for r in found if r is not None) if found else None
    return None


def _of_name(program: Program, node: ast.expr, name: str, depth: int) -> int | None:
    code = program.code(node)
    if code is None or isinstance(code.node, ast.Lambda):
        return None
    found: set[int] = set()
    for statement in walk(code.node):
        match statement:
            case ast.Assert(test=test):
                said = _asserted(test, name)
                if said is not None:
                    found.add(said)
            case ast.Assign(
                targets=[ast.Tuple(elts=elements)],
                value=ast.Attribute(value=ast.Name(id=other), attr="shape"),
            ) if other == name and not any(isinstance(e, ast.Starred) for e in elements):
                found.add(len(elements))
            case ast.Assign(targets=[ast.Name(id=other)], value=value) if other == name:
                if not _mentions(value, name):
                    said = rank(program, value, depth - 1)
                    if said is not None:
                        found.add(said)
                elif isinstance(value, ast.Call):
                    said = _fixed(program, value)
                    if said is not None:
                        found.add(said)
    return found.pop() if len(found) == 1 else None


def _mentions(node: ast.expr, name: str) -> bool:
    return any(isinstance(n, ast.Name) and n.id == name for n in walk(node))


def _asserted(test: ast.expr, name: str) -> int | None:
    match test:
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[ast.Constant(value=int(count))]):
            match left:
                case ast.Attribute(value=ast.Name(id=other), attr="ndim") if other == name:
                    return count
                case ast.Call(
                    func=ast.Name(id="len"),
                    args=[ast.Attribute(value=ast.Name(id=other), attr="shape")],
                ) if other == name:
                    return count
    return None


def _of_call(program: Program, call: ast.Call, depth: int) -> int | None:
    fixed = _fixed(program, call)
    if fixed is not None:
        return fixed
    callee = program.flow.values.get(call.func, frozenset())
    argument = call.args[0] if call.args else None
    for atom in callee:
        match atom:
            case Module(definition="Embed") if argument is not None:
                inner = rank(program, argument, depth - 1)
                return inner + 1 if inner is not None else None
            case Module(definition=str(name)) if argument is not None:
                if name in {"Dense", "LayerNorm", "BatchNorm", "GroupNorm", "SelfAttention"}:
                    return rank(program, argument, depth - 1)
            case External(path=path) if path.startswith(LEGACY) and argument is not None:
                if path.rpartition(".")[2] in _KEEPS:
                    return rank(program, argument, depth - 1)
    if isinstance(call.func, ast.Attribute) and call.func.attr == "astype":
        return rank(program, call.func.value, depth - 1)
    return None


def _fixed(program: Program, call: ast.Call) -> int | None:
    """The rank that a convolution or pooling works on."""
    for atom in program.flow.values.get(call.func, frozenset()):
        window: ast.expr | None = None
        match atom:
            case Module(definition="Conv" | "ConvTranspose"):
                window = _argument(call, 2, "kernel_size")
            case External(path=path) if path.startswith(LEGACY):
                entry = catalogue.function(path[len(LEGACY) + 1 :])
                if entry is not None and entry.name in {"avg_pool", "max_pool"}:
                    window = _argument(call, 1, "window_shape")
        if isinstance(window, ast.Tuple) and not any(
            isinstance(e, ast.Starred) for e in window.elts
        ):
            return len(window.elts) + 2
    return None


def _argument(call: ast.Call, place: int, name: str) -> ast.expr | None:
    if place < len(call.args):
        return call.args[place]
    return next((k.value for k in call.keywords if k.arg == name), None)
