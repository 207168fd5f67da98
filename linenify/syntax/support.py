"""Definitions that a file gets once, behind its imports."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

import libcst as cst

from linenify.project.nodes import walk
from linenify.syntax.blocks import is_docstring, is_tombstone
from linenify.syntax.comments import split_blanks

_BLANK = cst.EmptyLine(indent=False)
_WIDTH = 4  # of one level in the texts that come in


def with_definitions(module: cst.Module, texts: Iterable[str]) -> cst.Module:
    """Puts functions and classes behind the imports at the top of a file.

    They stand before the first statement that names one of them, two blank
    lines apart, and take over the indentation and the line ends of the file.

    Args:
        module: the file.
        texts: one definition each, indented by four spaces.
    """
    made = [_definition(text, module) for text in texts]
    if not made:
        return module
    body: list[cst.BaseStatement | cst.SimpleStatementLine] = list(module.body)
    place = _behind_imports(body, {_name(each) for each in made})
    new: list[cst.BaseStatement] = [each.with_changes(leading_lines=[_BLANK] * 2) for each in made]
    if place == 0:
        new[0] = new[0].with_changes(leading_lines=[_BLANK] * 2 if module.header else [])
    following = body[place:]
    if following:
        blanks, rest = split_blanks(getattr(following[0], "leading_lines", ()))
        apart = [*blanks, *[_BLANK] * (2 - len(blanks))]
        following[0] = following[0].with_changes(leading_lines=[*apart, *rest])
    return module.with_changes(body=[*body[:place], *new, *following])


def _definition(text: str, module: cst.Module) -> cst.FunctionDef | cst.ClassDef:
    text = reindented(text.strip("\n") + "\n", module.default_indent)
    parsed = cst.parse_module(text.replace("\n", module.default_newline))
    (statement,) = parsed.body
    assert isinstance(statement, cst.FunctionDef | cst.ClassDef)
    return statement


def _name(node: cst.FunctionDef | cst.ClassDef) -> str:
    return node.name.value


def _behind_imports(body: Sequence[cst.CSTNode], names: set[str]) -> int:
    """Where the imports end; at the first statement that uses a name at the latest."""
    place = 0
    for index, statement in enumerate(body):
        if is_tombstone(statement):
            continue
        if _imports(statement) or (index == 0 and is_docstring(statement)):
            place = index + 1
        elif _names(statement, names):
            break
    return place


def _imports(statement: cst.CSTNode) -> bool:
    """Whether a statement imports, be it after a question or with a second try."""
    match statement:
        case cst.SimpleStatementLine(body=body):
            return any(isinstance(each, cst.Import | cst.ImportFrom) for each in body)
        case cst.Try(body=block):
            return any(_imports(each) for each in block.body)
        case cst.If(test=test, body=block) if not _names(test, {"__name__"}):
            return any(_imports(each) for each in block.body)
    return False


def _names(node: cst.CSTNode, names: set[str]) -> bool:
    if isinstance(node, cst.Name):
        return node.value in names
    return any(_names(child, names) for child in node.children)


def reindented(text: str, step: str) -> str:
    """A text of four-space levels with levels of `step`.

    What hangs further to the right inside of a statement keeps its distance.
    """
    if step == " " * _WIDTH:
        return text
    columns: dict[int, int] = {}
    for node in walk(ast.parse(text)):
        if isinstance(node, ast.stmt):
            columns[node.lineno] = min(columns.get(node.lineno, node.col_offset), node.col_offset)
            for decorator in getattr(node, "decorator_list", ()):
                columns[decorator.lineno] = node.col_offset
    lines: list[str] = []
    base = 0
    for number, line in enumerate(text.split("\n"), 1):
        bare = line.lstrip(" ")
        if not bare:
            lines.append("")
            continue
        width = len(line) - len(bare)
        base = width if bare.startswith("#") else min(columns.get(number, base), width)
        levels, rest = divmod(base, _WIDTH)
        lines.append(step * levels + " " * (rest + width - base) + bare)
    return "\n".join(lines)
