"""Files that were given, and files that were only read: what is said of which."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from linenify.facts.legacy.refusals import NOTICES
from linenify.outcome import Diagnostic, Migration, Severity
from linenify.project.relevance import Names, outline_of
from linenify.project.source import Project, Span

NOT_GIVEN = "LN822"
_TOP = Span(1, 0, 1, 0)
_SHOWN = 3


def only_given(migration: Migration, project: Project) -> Migration:
    """Leaves out what was only read, and says where that makes a difference."""
    context = project.context
    if not context:
        return migration
    beside = frozenset(c.path for c in migration.changes if c.path in context)
    refused = frozenset(
        d.path
        for d in migration.diagnostics
        if d.path in context and d.severity is not Severity.NOTICE
    )
    changes = tuple(c for c in migration.changes if c.path not in context)
    own = tuple(d for d in migration.diagnostics if d.path not in context)
    said = _said({c.path for c in changes}, beside, project) if beside else ()
    return replace(
        migration,
        changes=changes,
        diagnostics=(*own, *said),
        ledger=tuple(r for r in migration.ledger if r.path not in context),
        files=len(project.given),
        beside=beside,
        beside_refused=refused,
    )


def _said(changed: set[Path], beside: frozenset[Path], project: Project) -> Iterator[Diagnostic]:
    outlines = {source.path: outline_of(source) for source in project.sources}
    names = Names(outlines)
    for path in sorted(changed):
        imported = set(names.possibly_imported(outlines[path])) & beside
        importing = {
            other for other in beside if path in set(names.possibly_imported(outlines[other]))
        }
        for others, how in ((imported, "imports"), (importing - imported, "is imported by")):
            if others:
                why = f"{how} {_listed(others)}, not given, which would change as well"
                remedy = NOTICES[NOT_GIVEN].remedy
                yield Diagnostic(NOT_GIVEN, path, _TOP, why, remedy, Severity.NOTICE)


def _listed(paths: set[Path]) -> str:
    shown = [str(path) for path in sorted(paths)]
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more
