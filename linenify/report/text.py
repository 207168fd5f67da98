"""What a person reads: findings, one for each cause, and the summary."""

from __future__ import annotations

from collections.abc import Iterator

from linenify.outcome import Diagnostic, Migration
from linenify.report.causes import Cause, causes
from linenify.report.run import Run


def findings(run: Run) -> Iterator[str]:
    """Yields a line for everything that needs a reader, in the order of the files."""
    for each in run.migration.unreadable:
        yield f"{each.path}:{each.line}:{each.column}: unreadable: {each.message}; {each.remedy}"
    for cause in causes(run.migration.diagnostics):
        yield finding(cause.first)
        if cause.first.because is not None:
            because = cause.first.because
            yield f"    because of {because.path}:{because.span}: {because.message}"
        yield from _waiting(cause)
    for failed in run.unwritten:
        if not failed.waits:
            yield f"{failed.path}: not written: {failed.message}; {failed.remedy}"
    waiting = sum(each.waits for each in run.unwritten)
    if waiting:
        others = f"the other {_count(waiting, 'file')} stayed as {'it' if waiting == 1 else 'they'}"
        yield f"nothing was written: {others} {'was' if waiting == 1 else 'were'}, too"
    for path in run.held_back:
        yield f"{path}: held back by --strict: it, or a file it works with, has a refusal"


def nothing_found(run: Run) -> str:
    """Says why there was nothing to look at, and what else was met."""
    notebooks = sum(each.path.suffix == ".ipynb" for each in run.project.documents)
    hint = "name a folder or file with code; what .gitignore or `exclude` names is left out"
    if notebooks:
        hint = (
            f"{_count(notebooks, 'notebook')} met, which linenify cannot migrate yet; export first"
        )
    return f"no Python file was found; {hint}"


def _waiting(cause: Cause) -> Iterator[str]:
    """What stems from the same place: one line for each thing that is said of it."""
    told: dict[tuple[str, str], list[Diagnostic]] = {}
    for each in cause.waiting:
        told.setdefault((each.code, each.message), []).append(each)
    for (code, message), group in told.items():
        places = ", ".join(_place(each, cause.first) for each in group)
        if (code, message) == (cause.first.code, cause.first.message):
            yield f"    also at {places}"
        else:
            yield f"    and {code} at {places}: {' '.join(message.split())}"


def _place(each: Diagnostic, first: Diagnostic) -> str:
    """Where else; the file is named only where it is another one."""
    return str(each.span) if each.path == first.path else f"{each.path}:{each.span}"


def finding(diagnostic: Diagnostic) -> str:
    """Renders one diagnostic: where, what, and what to do next."""
    remedy = f"; {diagnostic.remedy}" if diagnostic.remedy else ""
    said = " ".join(f"{diagnostic.message}{remedy}".split())
    place = f"{diagnostic.path}:{diagnostic.span}"
    return f"{place}: {diagnostic.code} {diagnostic.severity}: {said}"


def summary(run: Run) -> str:
    """Counts what happened in one line."""
    migration = run.migration
    verb = "migrated" if run.wrote else "would change"
    sites = "migrated" if run.wrote else "would be migrated"
    parts = [
        f"{_count(run.changed, 'file')} {verb}",
        f"{_count(migration.migrated, 'site')} {sites}",
        f"{migration.refused} refused",
    ]
    if migration.open:
        parts[-1] += f" ({migration.open} marked by an earlier run)"
    optional = (
        (migration.failed, f"{migration.failed} lost to a bug of linenify"),
        (run.notices, _count(run.notices, "notice")),
        (len(migration.unreadable), f"{len(migration.unreadable)} unreadable"),
        (len(run.unwritten), f"{len(run.unwritten)} not written"),
        (len(run.held_back), f"{len(run.held_back)} held back"),
    )
    parts += [text for number, text in optional if number]
    return f"{', '.join(parts)} ({_count(run.looked_at, 'file')} looked at)"


def pending(migration: Migration) -> Iterator[str]:
    """Yields a line for each file that would change."""
    for change in migration.changes:
        sites = _count(sum(change.rules.values()), "site")
        yield f"would change {change.path} ({sites})"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
