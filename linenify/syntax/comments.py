"""Comments: which there are, and how to carry them on."""

from __future__ import annotations

import io
import textwrap
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator

import libcst as cst

WIDTH = 88


def comments_of(node: cst.CSTNode) -> Iterator[str]:
    """Yields the text of every comment inside of `node`, in order."""
    if isinstance(node, cst.Comment):
        yield node.value
        return
    for child in node.children:
        yield from comments_of(child)


def stranded(before: Iterable[str], after: Iterable[str]) -> tuple[str, ...]:
    """The comments of `before` that `after` lacks."""
    left = Counter(after)
    found: list[str] = []
    for comment in before:
        if left[comment]:
            left[comment] -= 1
        else:
            found.append(comment)
    return tuple(found)


def own_line(comment: str) -> cst.EmptyLine:
    """A comment on a line of its own, indented like the block."""
    return cst.EmptyLine(comment=cst.Comment(comment))


def wrapped(text: str, column: int) -> list[str]:
    """A text as comment lines that fit the page."""
    width = max(WIDTH - column - len("# "), 40)
    first, *rest = textwrap.wrap(
        text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    return [f"# {first}", *(f"# {line}" for line in rest)]


def is_blank(line: cst.EmptyLine) -> bool:
    """Whether a line holds no comment."""
    return line.comment is None


def split_blanks(
    lines: Iterable[cst.EmptyLine],
) -> tuple[tuple[cst.EmptyLine, ...], tuple[cst.EmptyLine, ...]]:
    """Separates the blank lines at the top from the rest."""
    every = tuple(lines)
    count = next((i for i, line in enumerate(every) if not is_blank(line)), len(every))
    return every[:count], every[count:]


def tally(text: str) -> Counter[str]:
    """How often each comment occurs in a file."""
    tokens = tokenize.generate_tokens(io.StringIO(text, newline="").readline)
    return Counter(t.string.rstrip() for t in tokens if t.type == tokenize.COMMENT)
