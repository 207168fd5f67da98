"""What a run leaves to be done by hand beside its refusals.

Marks of earlier runs that still stand, legacy names in code that was migrated,
in strings, in notebooks and in configurations.  Nothing here is rewritten, and
nothing is passed over in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from linenify.outcome import Change, Diagnostic
from linenify.project.source import Project
from linenify.residue.documents import in_documents
from linenify.residue.marks import open_marks
from linenify.residue.strings import in_strings


def residue(
    project: Project, changes: Iterable[Change], known: Iterable[Diagnostic]
) -> Iterator[Diagnostic]:
    """Yields what is left in each file.

    Args:
        project: what was read.
        changes: what becomes of it.
        known: what is reported already; nothing is said twice.
    """
    said: dict[object, list[Diagnostic]] = {}
    for each in known:
        said.setdefault(each.path, []).append(each)
    for source in project.sources:
        yield from open_marks(source, said.get(source.path, ()))
        yield from in_strings(source)
    yield from in_documents(project, tuple(changes))
