"""What annotations and defaults say about the type of a hyper-parameter."""

from __future__ import annotations

import ast
import re

_MAPPINGS = frozenset({"Dict", "dict", "Mapping", "MutableMapping", "FrozenDict"})


def spelling(annotation: ast.expr | None) -> set[str]:
    """The words of an annotation that tell of the values."""
    if annotation is None:
        return set()
    if isinstance(annotation, ast.Constant):
        try:
            annotation = ast.parse(str(annotation.value), mode="eval").body
        except SyntaxError:
            return set()
    words = _words(annotation)
    if "Callable" in words:
        return {"Callable"}
    return words


def type_of(default: ast.expr | None) -> str | None:
    """The annotation for a field with this default; None where it does not tell."""
    match default:
        case ast.Constant(value=bool()):
            return "bool"
        case ast.Constant(value=int()):
            return "int"
        case ast.Constant(value=float()):
            return "float"
        case ast.Constant(value=str()):
            return "str"
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return type_of(operand)
        case ast.Tuple(elts=elements) | ast.List(elts=elements) if elements:
            kinds = {type_of(e) for e in elements}
            if kinds == {"int"}:
                return "Sequence[int]"
            return "Any"
        case ast.Lambda():
            return "Callable"
        case ast.BinOp(left=left, op=op, right=right):
            kinds = {type_of(left), type_of(right)}
            if kinds == {"int"} and not isinstance(op, ast.Div):
                return "int"
            if kinds <= {"int", "float"}:
                return "float"
    return None


def _words(annotation: ast.expr) -> set[str]:
    """The names in an annotation that tell of the values: not the keys of a mapping."""
    match annotation:
        case ast.Subscript(value=owner, slice=ast.Tuple(elts=[_, inside])) if (
            ast.unparse(owner).rpartition(".")[2] in _MAPPINGS
        ):
            return _words(inside)
    return set(re.findall(r"\w+", ast.unparse(annotation)))


def is_dtype(path: str) -> bool:
    """Whether a library path names a dtype."""
    from linenify.facts.legacy import arrays

    return arrays.constant(path) == "dtype"
