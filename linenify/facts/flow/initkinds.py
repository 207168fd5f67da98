"""The dtype that an initialiser is made with."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from linenify.facts.flow.kinds import External, Static, Value, static

if TYPE_CHECKING:
    from linenify.facts.flow.machine import Machine

_PLACES = {"normal": 1, "truncated_normal": 1, "uniform": 1, "constant": 1, "orthogonal": 2}


def made(flow: Machine, node: ast.Call, name: str) -> Value:
    """The initialiser that a factory such as `lecun_normal(dtype=d)` gives."""
    place = _PLACES.get(name.rpartition(".")[2])
    dtype = next((k.value for k in node.keywords if k.arg == "dtype"), None)
    if dtype is None and place is not None and place < len(node.args):
        dtype = node.args[place]
    said = dtype_of(flow.values.get(dtype, frozenset()), dtype) if dtype is not None else ""
    return static("initializer", repr(said)) if said else static("initializer")


def dtype_of(value: Value, node: ast.expr) -> str:
    """A dtype as it is written; empty where it is what layers of Linen pass anyway."""
    for atom in value:
        if isinstance(atom, External) and atom.path.rpartition(".")[2] == "float32":
            return ""
        if isinstance(atom, Static) and atom.type == "None":
            return ""
    return "" if isinstance(node, ast.Constant) and node.value == "float32" else ast.unparse(node)
