"""The comments above statements that were refused."""

from __future__ import annotations

from linenify.facts.sites import FileFacts, Finding
from linenify.syntax.todos import LINES, marked


def todo_text(finding: Finding) -> str:
    """What stands above a refused statement, without the `#`."""
    return f"TODO(linenify): {finding.code} {finding.message}; {finding.remedy}"


def waiting_todos(text: str, facts: FileFacts) -> dict[int, list[Finding]]:
    """Refusals of statements that the text does not mark yet; one for each code.

    What an earlier run marked is left to the reader: another reason adds nothing.
    """
    found: dict[int, list[Finding]] = {}
    lines = LINES.split(text)
    for finding in facts.refusals:
        here = found.setdefault(finding.statement, [])
        if any(other.code == finding.code for other in here):
            continue
        if not marked(lines, finding.statement):
            here.append(finding)
    return {line: here for line, here in found.items() if here}
