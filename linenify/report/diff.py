"""Changes as a unified diff that `patch` and `git apply` accept."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from linenify.outcome import Change


def unified(change: Change, *, bom: bool = False, base: Path | None = None) -> str:
    """Renders one change.

    Args:
        change: the two texts of a file.
        bom: whether the file starts with a byte order mark.
        base: the folder that the path in the heading is relative to, if not
            the current one.
    """
    mark = "\ufeff" if bom else ""
    before, after = _lines(mark + change.before), _lines(mark + change.after)
    old, new = _headings(change.path if base is None else _below(base, change.path))
    return "".join(_marked(difflib.unified_diff(before, after, old, new)))


def base_of(paths: Sequence[Path]) -> Path | None:
    """The folder in which the diff of these files applies; None for the current one.

    Where a path is absolute or goes up, that is the top of their repository, as
    with `git diff`; without a repository the current folder or, for files that
    lie elsewhere, the innermost one around them.
    """
    if not any(path.is_absolute() or ".." in path.parts for path in paths):
        return None
    folders = [path.resolve().parent for path in paths]
    inner = Path(os.path.commonpath(folders))
    top = next((each for each in (inner, *inner.parents) if (each / ".git").exists()), None)
    here = Path.cwd()
    return top or (here if inner.is_relative_to(here) else inner)


def _below(base: Path, path: Path) -> Path:
    return path.resolve().relative_to(base)


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
