"""What a second run would do to a migrated file: it is marked there, and left to the reader."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator, Sequence
from dataclasses import replace

from linenify.facts.legacy.refusals import REFUSALS
from linenify.facts.sites import FileFacts, Finding
from linenify.outcome import Change
from linenify.project.lineends import lines_of
from linenify.project.nodes import walk
from linenify.project.source import Source, Span

CODE = "LN299"  # linenify itself failed at this place
_DEFINITIONS = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def marks(after: Source, again: FileFacts, change: Change) -> FileFacts | None:
    """Facts that put marks where a second run would refuse or rewrite something.

    Args:
        after: the migrated file.
        again: what a second run decides about it.
        change: what a second run makes of it.

    Returns:
        The facts; None where a definition or an import would change, or appear, which no mark
        can stop.
    """
    findings = [*again.refusals]
    before, then = lines_of(change.before), lines_of(change.after)
    changed = list(_changed(before, then))
    if not changed and _code(before) != _code(then):
        return None  # something new appears, and no line is at fault
    for line, shown in changed:
        statement = _statement(after.tree, line)
        if statement is None or isinstance(statement, _DEFINITIONS):
            return None
        span = Span(statement.lineno, statement.col_offset, statement.lineno, len(before[line - 1]))
        why = f"a second run would make `{shown}` of it"
        findings.append(Finding(CODE, span, statement.lineno, why, REFUSALS[CODE].remedy))
    return replace(FileFacts(), refusals=findings, linen=again.linen)


def at_home(source: Source, after: Source, finding: Finding) -> Finding:
    """A finding about the migrated file, at its place in the file as it was."""
    old, new = lines_of(source.text), lines_of(after.text)
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    line = 1
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if j1 < finding.statement <= j2:
            line = i1 + (finding.statement - j1 if tag == "equal" else 1)
            line = max(1, min(line, max(i1, i2)))
    statement = _statement(source.tree, line)
    line = statement.lineno if statement is not None else line
    column = statement.col_offset if statement is not None else 0
    return replace(finding, span=Span(line, column, line, column + 1), statement=line)


def _code(lines: Sequence[str]) -> list[str]:
    """Lines without marks and other comments."""
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _changed(before: Sequence[str], after: Sequence[str]) -> Iterator[tuple[int, str]]:
    """The lines that change, and what takes their place.

    New lines are no fault of those that they stand between: what calls for them changes, too.
    """
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        made = [line.strip() for line in after[j1:j2] if not line.lstrip().startswith("#")]
        if tag in ("replace", "delete"):
            yield from ((i + 1, made[0] if made else "nothing") for i in range(i1, i2))


def _statement(tree: ast.Module, line: int) -> ast.stmt | None:
    """The innermost statement on a line, by its head if it has a body."""
    found: ast.stmt | None = None
    for node in walk(tree):
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno):
            body = getattr(node, "body", None)
            inside = isinstance(body, list) and body and line >= body[0].lineno
            if not inside and (found is None or node.lineno >= found.lineno):
                found = node
    return found
