"""Statements that leave their block, and what they leave behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

import libcst as cst

from linenify.syntax.comments import own_line, split_blanks

Statement = cst.BaseStatement

# libcst drops lines that lose all their statements, with their comments.
_GONE = cst.Expr(cst.Name("linenify_gone"))


def tombstone(line: cst.SimpleStatementLine) -> cst.SimpleStatementLine:
    """Marks a line as gone; its comments wait for the next statement."""
    comment = line.trailing_whitespace.comment
    behind = [own_line(comment.value)] if comment is not None else []
    return cst.SimpleStatementLine([_GONE], [*line.leading_lines, *behind])


def is_docstring(statement: cst.CSTNode) -> bool:
    """Whether a statement is nothing but a string."""
    match statement:
        case cst.SimpleStatementLine(
            body=[cst.Expr(value=cst.SimpleString() | cst.ConcatenatedString())]
        ):
            return True
    return False


def is_tombstone(statement: cst.CSTNode) -> TypeGuard[cst.SimpleStatementLine]:
    """Whether `statement` marks a line that is gone."""
    return isinstance(statement, cst.SimpleStatementLine) and list(statement.body) == [_GONE]


def buried(
    statements: Sequence[Statement],
) -> tuple[list[Statement], tuple[cst.EmptyLine, ...]]:
    """Removes tombstones; their comments go to the next statement, or are returned.

    The next statement also takes over the distance to what stands above, so
    that no hole is left:

        a = 1                a = 1
                      ->
        del b                c = 2

        c = 2
    """
    kept: list[Statement] = []
    waiting: tuple[cst.EmptyLine, ...] | None = None
    for statement in statements:
        if is_tombstone(statement):
            lines = tuple(statement.leading_lines)
            waiting = lines if waiting is None else _joined(waiting, lines, first=False)
            continue
        if waiting is not None:
            own = getattr(statement, "leading_lines", ())
            lines = _joined(waiting, tuple(own), first=not kept)
            statement = statement.with_changes(leading_lines=lines)  # noqa: PLW2901
            waiting = None
        kept.append(statement)
    return kept, waiting or ()


def _joined(
    above: tuple[cst.EmptyLine, ...], own: tuple[cst.EmptyLine, ...], *, first: bool
) -> tuple[cst.EmptyLine, ...]:
    blanks, comments = split_blanks(above)
    space, rest = split_blanks(own)
    if comments:
        return (*above, *space, *rest)
    if first:
        return (*blanks, *rest)
    return (*max(blanks, space, key=len), *rest)


def settled(block: cst.IndentedBlock | cst.Module) -> cst.IndentedBlock | cst.Module:
    """A block without tombstones, with `pass` where nothing is left."""
    if not any(is_tombstone(each) for each in block.body):
        return block
    kept, comments = buried(block.body)
    if isinstance(block, cst.Module):
        return block.with_changes(body=kept, footer=[*comments, *block.footer])
    if not kept:
        return block.with_changes(body=[cst.SimpleStatementLine([cst.Pass()], comments)])
    return block.with_changes(body=kept, footer=[*comments, *block.footer])
