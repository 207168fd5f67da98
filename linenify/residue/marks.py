"""Marks that an earlier run left and nobody has worked through yet."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from linenify.outcome import Diagnostic, Severity
from linenify.project.nodes import below
from linenify.project.source import Source, Span

SIGN = "TODO(linenify)"
OPEN_MARK = "LN826"

_MARK = re.compile(r"#\s*TODO\(linenify\)\s*:?\s*(?P<code>LN\d{3})?\s*(?P<text>.*)")
_MORE = re.compile(r"#   \s*(?P<text>\S.*)")  # how a wrapped mark goes on
_REMEDY = "an earlier run left this mark; migrate the code below it, then delete the mark"


@dataclass(frozen=True, slots=True)
class Mark:
    """One `# TODO(linenify): LNxxx ...`, wherever its lines were broken.

    Attributes:
        span: the first line of the comment, from the `#` on.
        last: its last line.
        code: the code that it names, if any.
        text: what it says behind the code.
    """

    span: Span
    last: int
    code: str
    text: str


def marks(text: str) -> list[Mark]:
    """Every mark among the comments of a file; none that only stands in a string."""
    if SIGN not in text:
        return []
    comments = list(_comments(text))
    found: list[Mark] = []
    for index, (line, column, comment, alone) in enumerate(comments):
        start = _MARK.match(comment)
        if start is None:
            continue
        said, last = [start["text"]], line
        if alone:
            for below, beside, more, _ in comments[index + 1 :]:
                goes_on = _MORE.match(more)
                if (below, beside) != (last + 1, column) or goes_on is None:
                    break
                said.append(goes_on["text"])
                last = below
        span = Span(line, column, line, column + len(comment))
        found.append(Mark(span, last, start["code"] or "", " ".join(" ".join(said).split())))
    return found


def open_marks(source: Source, known: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    """Yields a refusal for each mark that no refusal of this run speaks of already."""
    found = marks(source.text)
    if not found:
        return
    answered = {(each.code, each.line) for each in known}
    for mark in found:
        if (mark.code, _below(source.text, mark)) in answered:
            continue
        message = mark.text or "a mark that says nothing"
        yield Diagnostic(
            mark.code or OPEN_MARK,
            source.path,
            mark.span,
            f"still open: {message}",
            _REMEDY,
            Severity.REFUSAL,
            is_open=True,
        )


def covered(text: str, tree: ast.Module) -> set[int]:
    """The first lines of all statements that stand below a mark, or in such a one."""
    found = marks(text)
    if not found:
        return set()
    starts = {_below(text, mark) for mark in found} | {mark.span.line for mark in found}
    lines: set[int] = set()
    pending: list[tuple[ast.AST, bool]] = [(tree, False)]
    while pending:
        node, inside = pending.pop()
        if isinstance(node, ast.stmt):
            inside = inside or node.lineno in starts
            if inside:
                lines.add(node.lineno)
        pending.extend((child, inside) for child in below(node))
    return lines


def _below(text: str, mark: Mark) -> int:
    """The line of the statement that a mark stands above; its own, where it stands behind it."""
    lines = re.split(r"\r\n|\r|\n", text)
    line = mark.last + 1
    while line <= len(lines) and lines[line - 1].strip().startswith(("#", "@")):
        line += 1
    return line


def _comments(text: str) -> Iterator[tuple[int, int, str, bool]]:
    try:
        for token in tokenize.generate_tokens(io.StringIO(text, newline="").readline):
            if token.type == tokenize.COMMENT:
                alone = not token.line[: token.start[1]].strip()
                yield *token.start, token.string, alone
    except (tokenize.TokenError, IndentationError):  # `ast` takes what `tokenize` does not
        return
