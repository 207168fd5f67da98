"""The marks that linenify leaves above statements, as a file has them already."""

from __future__ import annotations

import re
from collections.abc import Sequence

TODO = re.compile(r"#\s*TODO\(linenify\):\s*(LN\d+)")
LINES = re.compile(r"\r\n|\r|\n")


def marked(lines: Sequence[str], line: int) -> list[str]:
    """The codes that the comments above a statement name already.

    Decorators stand between a definition and its comments.
    """
    codes: list[str] = []
    place = line - 2
    while 0 <= place < len(lines):
        text = lines[place].strip()
        if not text.startswith(("#", "@", ")")) and not _in_decorator(lines, place):
            break
        codes += TODO.findall(text)
        place -= 1
    return codes


def _in_decorator(lines: Sequence[str], place: int) -> bool:
    return (
        not lines[place].strip().endswith(":")
        and lines[place].strip().endswith(",")
        and any(text.lstrip().startswith("@") for text in lines[max(place - 8, 0) : place])
    )
