"""Changes as a unified diff that `patch` and `git apply` accept."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path

from linenify.outcome import Change


def unified(change: Change, *, bom: bool = False) -> str:
    """Renders one change; `bom` says that the file starts with a byte order mark."""
    mark = "\ufeff" if bom else ""
    before, after = _lines(mark + change.before), _lines(mark + change.after)
    old, new = _headings(change.path)
    return "".join(_marked(difflib.unified_diff(before, after, old, new)))


def _lines(text: str) -> list[str]:
    # Only "\n" ends a line for `patch`; a "\r" before it is part of the line.
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _marked(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _headings(path: Path) -> tuple[str, str]:
    if path.is_absolute():
        return str(path), str(path)
    return f"a/{path.as_posix()}", f"b/{path.as_posix()}"
