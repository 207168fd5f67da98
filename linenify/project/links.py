"""Links in a project: other names for its files, and ways to files that lie elsewhere.

A file is read once and written once, where it really lies; links give it more names.
What lies outside the project is read where an import names the way to it, and never
changed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from linenify.project.walk import python_files

_LIMIT = 1000  # a folder with more files is none that somebody imports as a package


@dataclass(frozen=True, slots=True)
class Link:
    """A link to a folder or a Python file, and where it leads."""

    path: Path
    target: Path  # real


def followed(links: Iterable[Path], imported: Collection[str]) -> list[Link]:
    """The links whose names stand in an import.

    Args:
        links: all of them.
        imported: dotted names.
    """
    words = {word for name in imported for word in name.split(".")}
    return [
        Link(path, Path(os.path.realpath(path)))
        for path in sorted(set(links))
        if path.stem in words
    ]


def aliases(
    links: Iterable[Link], top: Path, named: Callable[[Path], str]
) -> dict[str, tuple[str, ...]]:
    """The other names of files and folders of the project, by their own.

    Args:
        links: the links that count.
        top: the top of the project.
        named: gives the dotted name of a path.
    """
    found: dict[str, tuple[str, ...]] = {}
    real_top = Path(os.path.realpath(top))
    for link in links:
        if link.target.is_relative_to(real_top) and link.target != real_top:
            name = named(top / link.target.relative_to(real_top))
            found[name] = (*found.get(name, ()), named(link.path))
    return found


def aliases_of(name: str, table: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """What else a file with this dotted name is called."""
    parts = name.split(".") if table else []
    found = (
        ".".join([alias, *parts[end:]])
        for end in range(1, len(parts) + 1)
        for alias in table.get(".".join(parts[:end]), ())
    )
    return tuple(dict.fromkeys(found))


def outside(links: Iterable[Link], top: Path) -> Iterator[Path]:
    """The files outside the project that links lead to, by the way through the link."""
    real_top = Path(os.path.realpath(top))
    seen: set[Path] = set()
    for link in links:
        inside = link.target.is_relative_to(real_top)
        if inside or real_top.is_relative_to(link.target) or link.target in seen:
            continue
        seen.add(link.target)
        if not link.target.is_dir():
            yield link.path
            continue
        found = list(islice(python_files(link.target), _LIMIT + 1))
        if len(found) <= _LIMIT:
            yield from (link.path / each.relative_to(link.target) for each in found)
