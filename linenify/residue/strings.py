"""Names of legacy Flax in strings and docstrings, which no rewrite reaches."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from linenify.outcome import Diagnostic, Severity
from linenify.project.nodes import walk
from linenify.project.source import Source, Span
from linenify.project.spans import Spans

IN_TEXT = "LN823"

# A dotted name below the packages that are gone.
LEGACY_NAME = re.compile(r"(?<![\w.])flax\.(?:deprecated\.)?(?:nn|optim)(?:\.\w+)*\b(?!\.\w)")
_REMEDY = "nothing in a text is rewritten; change it by hand where it matters"
_LINES = re.compile(r"\r\n|\r|\n")


def in_strings(source: Source) -> Iterator[Diagnostic]:
    """Yields a notice for each text of a file that names what is gone; one for each name in it."""
    if not LEGACY_NAME.search(source.text):
        return
    spans = Spans(source.text)
    documented = set(_docstrings(source.tree))
    for node in walk(source.tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        where = "a docstring" if node in documented else "a string"
        for name in dict.fromkeys(LEGACY_NAME.findall(node.value)):
            message = f"`{name}` is named in {where}"
            span = _place(source.text, spans.of(node), name)
            yield Diagnostic(IN_TEXT, source.path, span, message, _REMEDY, Severity.NOTICE)


def _docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    for node in walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        match node.body:
            case [ast.Expr(value=ast.Constant(value=str()) as text), *_]:
                yield text


def _place(text: str, whole: Span, name: str) -> Span:
    """Where the name stands inside of a literal; its start, where it is spelt with escapes."""
    lines = _LINES.split(text)
    for line in range(whole.line, whole.end_line + 1):
        start = whole.column if line == whole.line else 0
        column = lines[line - 1].find(name, start)
        if column >= 0:
            return Span(line, column, line, column + len(name))
    return whole
