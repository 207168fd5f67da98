"""One finished run: all that a report may speak of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from linenify.errors import ExitCode
from linenify.outcome import Change, Diagnostic, Migration, Severity
from linenify.project.lineends import restored
from linenify.project.source import Project
from linenify.report.diff import base_of, unified
from linenify.write import Unwritten


@dataclass(frozen=True, slots=True)
class Run:
    """A migration together with what was done about it.

    Attributes:
        project: what was read.
        migration: what came out; changes that `--strict` held back are gone.
        wrote: whether the changes were to be written.
        unwritten: files that should have been written and were not.
        held_back: files that would have changed without `--strict`.
    """

    project: Project
    migration: Migration
    wrote: bool = False
    unwritten: tuple[Unwritten, ...] = ()
    held_back: tuple[Path, ...] = ()

    @property
    def notices(self) -> int:
        """Number of rewrites that a faulty program could tell from the original."""
        return sum(d.severity is Severity.NOTICE for d in self.migration.diagnostics)

    @property
    def looked_at(self) -> int:
        """Number of Python files that were met, relevant or not."""
        unreadable = {each.path for each in self.migration.unreadable}
        return self.migration.files + self.project.skipped + len(unreadable)

    @property
    def changed(self) -> int:
        """Number of files that were changed, or would be: all, or none."""
        return 0 if self.unwritten else len(self.migration.changes)

    @property
    def pending(self) -> bool:
        """Whether anything would change or is refused."""
        return bool(self.migration.changes or self.migration.refused or self.held_back)

    def exit_code(self, *, check: bool) -> ExitCode:
        """How the run ends: a bug of ours outweighs bad input, and that the rest."""
        if self.migration.failed:
            return ExitCode.BUG
        broken = any(not each.is_folder for each in self.migration.unreadable)
        if broken or self.unwritten or not self.looked_at:
            return ExitCode.UNUSABLE
        return ExitCode.PENDING if check and self.pending else ExitCode.DONE

    def diffs(self) -> dict[Path, str]:
        """Renders each change as it applies to the file on disk, by path."""
        with_bom = {source.path for source in self.project.sources if source.bom}
        lines = {source.path: source.lines for source in self.project.sources}
        changes = [_on_disk(each, lines.get(each.path, ())) for each in self.migration.changes]
        base = base_of([each.path for each in changes])
        return {each.path: unified(each, bom=each.path in with_bom, base=base) for each in changes}


def _on_disk(change: Change, lines: Sequence[str]) -> Change:
    before, after = restored(change.before, lines), restored(change.after, lines)
    return replace(change, before=before, after=after)


def by_place(diagnostic: Diagnostic) -> tuple[Path, int, int, str]:
    """Sorts diagnostics by file, then place."""
    return diagnostic.path, diagnostic.span.line, diagnostic.span.column, diagnostic.code
