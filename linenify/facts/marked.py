"""Statements that an earlier run marked: they are the reader's until the mark is gone."""

from __future__ import annotations

import ast

from linenify.facts.plan import Plan
from linenify.facts.sites import FileFacts, ImportSite, Renamed
from linenify.syntax.todos import LINES, TODO, marked


def leave_marked(plan: Plan) -> None:
    """Takes back what would be rewritten in a statement under a `TODO(linenify)`."""
    for source in plan.project.sources:
        if not TODO.search(source.text):
            continue
        lines = LINES.split(source.text)
        facts = plan.files[source.name]
        for node in ast.walk(source.tree):
            if isinstance(node, ast.stmt) and not isinstance(node, ast.ClassDef):
                codes = marked(lines, node.lineno)
                if codes:
                    _leave(facts, node, codes[0])


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
