"""`--strict`: only files without refusals change, and what they work with agrees."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from linenify.outcome import Migration, Severity
from linenify.project.source import Project
from linenify.withheld import imports_of, spread


def hold_back(migration: Migration, project: Project) -> tuple[Migration, tuple[Path, ...]]:
    """Drops the changes of files with refusals, and of those that depend on them.

    Returns:
        What remains, and the files whose changes were dropped.
    """
    changed = {change.path for change in migration.changes}
    refused = {d.path for d in migration.diagnostics if d.severity is Severity.REFUSAL}
    refused |= migration.beside_refused
    held = spread(refused, changed, imports_of(project)) & changed
    kept = tuple(change for change in migration.changes if change.path not in held)
    return replace(migration, changes=kept), tuple(sorted(held))
