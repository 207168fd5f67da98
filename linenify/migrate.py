"""`migrate(project)`: the pure function at the centre."""

from __future__ import annotations

from collections.abc import Callable

from linenify.outcome import Migration
from linenify.project.source import Project, Source


def migrate(project: Project, progress: Callable[[Source], None] | None = None) -> Migration:
    """Migrates every file of `project`; calls `progress` after each file."""
    for source in project.sources:
        if progress is not None:
            progress(source)
    return Migration((), (), (), project.unreadable, len(project.sources))
