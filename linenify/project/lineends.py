"""Line ends and form feeds: a plain text to work on, and the way back to the one on disk.

Python ends a line at a lone carriage return, and reads an indentation anew behind a
form feed.  Parsers and `splitlines` have other opinions, so that both are taken out of
the text that everybody works on, and put back into what is written.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Sequence

_END = re.compile(r"\r\n|\r|\n")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_ODD = re.compile(r"\r(?!\n)|^[ \t]*\f[ \t\f]*(?=[^\s#])", re.MULTILINE)
_FED = re.compile(r"[ \t]*\f[ \t\f]*?(?=[ \t]*[^\s#])")


def lines_of(text: str) -> list[str]:
    """The lines of a text as Python counts them, without their ends."""
    return _END.split(text)


def plain(text: str) -> tuple[str, tuple[str, ...]]:
    """A text whose lines everybody sees alike, and the lines that it had.

    There are none of these where the text is plain already.
    """
    if not _ODD.search(text):
        return text, ()
    lines = tuple(_LINE.findall(text))
    return "".join(map(_plain_line, lines)), lines


def restored(text: str, lines: Sequence[str]) -> str:
    """A text made from a plain one, written as `lines`, the ones on disk, are.

    A line that was there is the one on disk; a new one ends as those around it do.
    """
    if not lines:
        return text
    made = _LINE.findall(text)
    old = [_plain_line(line) for line in lines]
    if made == old:
        return "".join(lines)
    usual = Counter(_end(line) for line in lines if _end(line)).most_common(1)[0][0]
    return "".join(_pieces(made, old, lines, usual))


def _pieces(
    made: Sequence[str], old: Sequence[str], lines: Sequence[str], usual: str
) -> Iterator[str]:
    matcher = difflib.SequenceMatcher(None, old, made, autojunk=False)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            yield from lines[i1:i2]
            continue
        fed = _FED.match(lines[i1]) if i1 < i2 else None
        for j in range(j1, j2):
            near = lines[min(i1 + j - j1, i2 - 1)] if i1 < i2 else lines[max(i1 - 1, 0)]
            start = fed.group() if fed is not None and j == j1 else ""
            yield start + _with_end(made[j], _end(near) or usual)


def _plain_line(line: str) -> str:
    fed = _FED.match(line)
    return _with_end(line[fed.end() :] if fed is not None else line, "\n")


def _with_end(line: str, end: str) -> str:
    kept = line[: len(line) - len(_end(line))]
    return kept + end if kept != line else line


def _end(line: str) -> str:
    if line.endswith("\r\n"):
        return "\r\n"
    return line[-1:] if line[-1:] in ("\r", "\n") else ""
