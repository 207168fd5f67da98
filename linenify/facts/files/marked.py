"""Statements that an earlier run marked: they are the reader's until the mark is gone."""

from __future__ import annotations

import ast

from linenify.facts.deciding.plan import Plan
from linenify.facts.sites import FileFacts, ImportSite, Renamed
from linenify.project.nodes import walk
from linenify.syntax.todos import LINES, TODO, marked

_WHOLE = frozenset({"LN290", "LN291", "LN292", "LN293", "LN294", "LN295", "LN296", "LN298"})


def leave_marked(plan: Plan) -> None:
    """Takes back what would be rewritten in a statement under a `TODO(linenify)`."""
    for source in plan.project.sources:
        if not TODO.search(source.text):
            continue
        lines = LINES.split(source.text)
        facts = plan.files[source.name]
        for node in walk(source.tree):
            if not isinstance(node, ast.stmt):
                continue
            codes = marked(lines, node.lineno)
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and _WHOLE.intersection(codes):
                _leave_whole(facts, node, codes[0])
            elif codes and not isinstance(node, ast.ClassDef):
                _leave(facts, node, codes[0])


def _leave_whole(facts: FileFacts, node: ast.ClassDef | ast.FunctionDef, code: str) -> None:
    """Leaves a class that was not migrated, down to its last call."""
    first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    last = node.end_lineno or node.lineno
    for key in [key for key in facts.expressions if first <= key[1].line <= last]:
        del facts.expressions[key]
    for place in [place for place in facts.definitions if first <= place[1] <= last]:
        del facts.definitions[place]
    for table in (facts.statements, facts.comments, facts.inserted):
        for line in [line for line in table if first <= line <= last]:
            del table[line]
    for findings in (facts.refusals, facts.notices):
        findings[:] = [
            f for f in findings if not first <= f.statement <= last or f.statement == node.lineno
        ]
    facts.frozen.append((first, last, code))


def _leave(facts: FileFacts, node: ast.stmt, code: str) -> None:
    """Leaves a simple statement, or the head of another one."""
    first, last = node.lineno, node.end_lineno or node.lineno
    body = getattr(node, "body", None)
    if isinstance(body, list) and body:
        last = max(first, min(last, body[0].lineno - 1))
    for key, site in list(facts.expressions.items()):
        # A variable is called the same everywhere.
        if first <= key[1].line <= last and not (
            isinstance(site, Renamed) and "." not in site.target
        ):
            del facts.expressions[key]
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        for place, definition in list(facts.definitions.items()):
            if first <= place[1] <= last and not isinstance(definition, ImportSite):
                del facts.definitions[place]
        for line in [line for line in facts.statements if first <= line <= last]:
            del facts.statements[line]
    facts.frozen.append((first, last, code))
