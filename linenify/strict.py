"""`--strict`: only files without refusals change, and what they work with agrees."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from linenify.outcome import Migration, Severity
from linenify.project.relevance import Names, outline, reachable
from linenify.project.source import Project


def hold_back(migration: Migration, project: Project) -> tuple[Migration, tuple[Path, ...]]:
    """Drops the changes of files with refusals, and of those that depend on them.

    A file that keeps its legacy definitions would break users that moved to
    Linen, and the other way round.  So a change is also dropped when its file
    imports, or is imported by, a file that is held back.

    Returns:
        What remains, and the files whose changes were dropped.
    """
    changed = {change.path for change in migration.changes}
    refused = {d.path for d in migration.diagnostics if d.severity is Severity.REFUSAL}
    refused |= migration.beside_refused
    held = _spread(refused, changed, _imports(project)) & changed
    kept = tuple(change for change in migration.changes if change.path not in held)
    return replace(migration, changes=kept), tuple(sorted(held))


def _spread(
    refused: set[Path], changed: set[Path], imports: Mapping[Path, frozenset[Path]]
) -> set[Path]:
    importers: dict[Path, set[Path]] = {}
    for importer, imported in imports.items():
        for path in imported:
            importers.setdefault(path, set()).add(importer)
    return set(reachable(refused, _connected(changed, imports, importers)))


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


def _imports(project: Project) -> dict[Path, frozenset[Path]]:
    outlines = {
        source.path: outline(source.text.encode("utf-8"), source.name, is_package=source.is_package)
        for source in project.sources
    }
    names = Names(outlines)
    return {path: frozenset(names.possibly_imported(each)) for path, each in outlines.items()}
