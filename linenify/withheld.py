"""Files that belong together: what is withheld in one is withheld in all that work with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from linenify.project.relevance import Names, outline_of, reachable
from linenify.project.source import Project


def spread(
    held: Iterable[Path], changed: set[Path], imports: Mapping[Path, frozenset[Path]]
) -> set[Path]:
    """`held`, and the changed files that work with them.

    A file that keeps its legacy definitions would break users that moved to
    Linen, and the other way round.  So a file is also held when it imports, or
    is imported by, a file that is held.
    """
    importers: dict[Path, set[Path]] = {}
    for importer, imported in imports.items():
        for path in imported:
            importers.setdefault(path, set()).add(importer)
    return set(reachable(held, _connected(changed, imports, importers)))


def _connected(
    changed: set[Path],
    imports: Mapping[Path, frozenset[Path]],
    importers: Mapping[Path, set[Path]],
) -> Callable[[Path], Iterable[Path]]:
    # Unchanged files between two changed ones only pass names on:
    #     changed -> unchanged -> changed        counts
    #     changed -> unchanged <- changed        does not
    def connected(path: Path) -> Iterable[Path]:
        down = reachable({path}, lambda each: imports.get(each, ()))
        up = reachable({path}, lambda each: importers.get(each, ()))
        return (down | up) & changed

    return connected


def imports_of(project: Project) -> dict[Path, frozenset[Path]]:
    """The files of the project that each of its files may import."""
    outlines = {source.path: outline_of(source) for source in project.sources}
    names = Names(outlines)
    return {path: frozenset(names.possibly_imported(each)) for path, each in outlines.items()}
