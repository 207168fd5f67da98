"""The comments above statements that were refused."""

from __future__ import annotations

import re
from collections.abc import Sequence

from linenify.facts.sites import FileFacts, Finding

_TODO = re.compile(r"#\s*TODO\(linenify\):\s*(LN\d+)")
LINES = re.compile(r"\r\n|\r|\n")


def todo_text(finding: Finding) -> str:
    """What stands above a refused statement, without the `#`."""
    return f"TODO(linenify): {finding.code} {finding.message}; {finding.remedy}"


def waiting_todos(text: str, facts: FileFacts) -> dict[int, list[Finding]]:
    """Refusals that the text does not mark yet, by statement; one for each code."""
    found: dict[int, list[Finding]] = {}
    lines = LINES.split(text)
    for finding in facts.refusals:
        here = found.setdefault(finding.statement, [])
        if any(other.code == finding.code for other in here):
            continue
        if finding.code not in _marked(lines, finding.statement):
            here.append(finding)
    return {line: here for line, here in found.items() if here}


def _marked(lines: Sequence[str], line: int) -> set[str]:
    """The codes that the comments above a statement name already.

    Decorators stand between a definition and its comments.
    """
    codes: set[str] = set()
    place = line - 2
    while 0 <= place < len(lines):
        text = lines[place].strip()
        if not text.startswith(("#", "@", ")")) and not _in_decorator(lines, place):
            break
        codes.update(_TODO.findall(text))
        place -= 1
    return codes


def _in_decorator(lines: Sequence[str], place: int) -> bool:
    return (
        not lines[place].strip().endswith(":")
        and lines[place].strip().endswith(",")
        and any(text.lstrip().startswith("@") for text in lines[max(place - 8, 0) : place])
    )
