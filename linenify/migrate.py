"""`migrate(project)`: the pure function at the centre."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from linenify.facts.catalogue import means_the_same
from linenify.facts.collect import Facts, collect
from linenify.facts.sites import FileFacts, Finding, ImportSite
from linenify.given import only_given
from linenify.outcome import Change, Diagnostic, Fate, Migration, Reference, Severity
from linenify.project.source import Project, Source, Span

OUR_BUG = "LN000"
_REMEDY = "this is a bug of linenify: please report the file; it was left as it was"
_TOP = Span(1, 0, 1, 0)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What came of one file: a change, nothing, or a promise that was broken."""

    source: Source
    facts: FileFacts
    change: Change | None = None
    broken: str | None = None


def migrate(project: Project, progress: Callable[[Source], None] | None = None) -> Migration:
    """Migrates every file of `project`; calls `progress` after each file."""
    facts, failed = _collected(project)
    attempts: list[_Attempt] = []
    strict = dict(project.options).get("strict") is True
    for source in project.sources:
        if source.name in failed:
            attempts.append(_Attempt(source, FileFacts(), broken=failed[source.name]))
        else:
            attempts.append(_attempt(source, facts.get(source.name, FileFacts()), strict=strict))
        if progress is not None:
            progress(source)
    attempts = [_accounted(each) for each in _settled(project, attempts)]
    migration = Migration(
        tuple(each.change for each in attempts if each.change is not None),
        tuple(diagnostic for each in attempts for diagnostic in _diagnostics(each)),
        tuple(reference for each in attempts for reference in _ledger(each)),
        project.unreadable,
        len(project.sources),
    )
    return only_given(migration, project)


def _collected(project: Project) -> tuple[Mapping[str, FileFacts], dict[str, str]]:
    """Facts by file; when they cannot be had for all files at once, for each alone."""
    try:
        return collect(project).files, {}
    except Exception as problem:  # noqa: BLE001 - our own bug must not cost the whole run
        if len(project.sources) <= 1:
            return {}, {source.name: _reason(problem) for source in project.sources}
    files: dict[str, FileFacts] = {}
    failed: dict[str, str] = {}
    for source in project.sources:
        found, broken = _collected(replace(project, sources=(source,)))
        files.update(found)
        failed.update(broken)
    # Files that can only be understood together are not guessed at one by one.
    for name, file in files.items():
        if file.expressions or file.definitions or file.refusals:
            failed.setdefault(name, "facts could not be collected for the whole project")
    return files, failed


def _reason(problem: BaseException) -> str:
    frames = problem.__traceback__
    while frames is not None and frames.tb_next is not None:
        frames = frames.tb_next
    place = ""
    if frames is not None:
        place = f" ({Path(frames.tb_frame.f_code.co_filename).name}:{frames.tb_lineno})"
    return f"{type(problem).__name__}: {problem}{place}"


# --- one file --------------------------------------------------------------------------------


def _attempt(source: Source, facts: FileFacts, *, strict: bool) -> _Attempt:
    idle = not (facts.expressions or facts.definitions or facts.statements or facts.refusals)
    if idle or (strict and facts.refusals):
        return _Attempt(source, facts)
    from linenify.rewrite import BrokenPromise, rewrite  # brings in libcst

    try:
        result = rewrite(source, facts)
        if result.text == source.text:
            return _Attempt(source, facts)
        _check(source, facts, result.text)
    except BrokenPromise as broken:
        return _Attempt(source, facts, broken=str(broken))
    except Exception as problem:  # noqa: BLE001 - our own bug must not cost the other files
        return _Attempt(source, facts, broken=_reason(problem))
    return _Attempt(source, facts, Change(source.path, source.text, result.text, result.rules))


def _check(source: Source, facts: FileFacts, after: str) -> None:
    """What must hold before a file may change.

    Raises:
        BrokenPromise: it does not.
    """
    from linenify.rewrite import BrokenPromise
    from linenify.rewrite.marks import waiting_todos
    from linenify.syntax.comments import tally

    try:
        ast.parse(after)
    except SyntaxError as problem:
        line = (after.splitlines() or [""])[max((problem.lineno or 1) - 1, 0)].strip()
        message = f"the result would not parse: {problem.msg} in `{line}`"
        raise BrokenPromise(message) from problem
    lost = tally(source.text) - tally(after)
    if lost:
        raise BrokenPromise(f"a comment would be lost: `{next(iter(lost))}`")
    wanted = {
        code
        for found in waiting_todos(source.text, facts).values()
        for code in (finding.code for finding in found)
    }
    for code in wanted:
        if not re.search(rf"#\s*TODO\(linenify\): {code}\b", after):
            raise BrokenPromise(f"a refusal would not be marked: {code}")


# --- the whole project, a second time --------------------------------------------------------


def _settled(project: Project, attempts: list[_Attempt]) -> list[_Attempt]:
    """Withholds files that a second run would change again."""
    if not any(each.change for each in attempts):
        return attempts
    after = tuple(_after(each) for each in attempts)
    facts, failed = _collected(replace(project, sources=after))
    settled: list[_Attempt] = []
    for attempt, source in zip(attempts, after, strict=True):
        again = facts.get(source.name, FileFacts())
        broken = failed.get(source.name)
        if attempt.change is not None and broken is None:
            second = _attempt(source, again, strict=False)
            broken = second.broken
            if second.change is not None:
                broken = f"a second run would change the file again: {_difference(second.change)}"
        if attempt.change is not None and broken is not None:
            settled.append(_Attempt(attempt.source, attempt.facts, broken=broken))
        else:
            settled.append(attempt)
    return settled


def _after(attempt: _Attempt) -> Source:
    if attempt.change is None:
        return attempt.source
    text = attempt.change.after
    return replace(attempt.source, text=text, tree=ast.parse(text))


def _difference(change: Change) -> str:
    pairs = zip(change.before.splitlines(), change.after.splitlines(), strict=False)
    return next((f"`{a.strip()}` -> `{b.strip()}`" for a, b in pairs if a != b), "its end")


# --- what is said about it -------------------------------------------------------------------


def _diagnostics(attempt: _Attempt) -> list[Diagnostic]:
    path = attempt.source.path
    found = [
        _diagnostic(path, finding, severity)
        for findings, severity in (
            (attempt.facts.refusals, Severity.REFUSAL),
            (attempt.facts.notices, Severity.NOTICE),
        )
        for finding in findings
        if severity is Severity.REFUSAL or attempt.broken is None
    ]
    if attempt.broken is not None:
        found.append(Diagnostic(OUR_BUG, path, _TOP, attempt.broken, _REMEDY, Severity.ERROR))
    return sorted(found, key=lambda each: (each.span, each.code))


def _diagnostic(path: Path, finding: Finding, severity: Severity) -> Diagnostic:
    return Diagnostic(finding.code, path, finding.span, finding.message, finding.remedy, severity)


def _ledger(attempt: _Attempt) -> list[Reference]:
    """What became of every legacy name of a file."""
    if not attempt.facts.references:
        return []
    homes = _Homes(attempt.source.tree)
    return [
        Reference(attempt.source.path, span, target, *_fate(attempt, homes, span))
        for span, target in attempt.facts.references
    ]


def _accounted(attempt: _Attempt) -> _Attempt:
    """Withholds a file in which a legacy name was neither rewritten nor flagged."""
    if attempt.change is None:
        return attempt
    for reference in _ledger(attempt):
        if reference.fate is Fate.UNCHANGED and not means_the_same(reference.target):
            broken = f"`{reference.target}` on line {reference.span.line} is not accounted for"
            return _Attempt(attempt.source, attempt.facts, broken=broken)
    return attempt


def _fate(attempt: _Attempt, homes: _Homes, span: Span) -> tuple[Fate, tuple[str, ...]]:
    facts = attempt.facts
    for first, last, code in facts.frozen:
        if first <= span.line <= last:
            return Fate.FLAGGED, (code,)
    home = homes.statement(span)
    refused = {
        finding.code
        for finding in facts.refusals
        if finding.statement == home and _touches(finding.span, span)
    }
    if refused:
        return Fate.FLAGGED, tuple(sorted(refused))
    if attempt.change is None:
        flagged = {finding.code for finding in facts.refusals if finding.statement == home}
        return (Fate.FLAGGED, tuple(sorted(flagged))) if flagged else (Fate.UNCHANGED, ())
    frozen = {code for first, last, code in facts.frozen if first <= span.line <= last}
    if frozen:
        return Fate.FLAGGED, tuple(sorted(frozen))
    codes = {
        site.rule
        for (_, place), site in facts.expressions.items()
        if (place.line, place.column) == (span.line, span.column)
    }
    codes |= {
        site.rule
        for (_, line, column), site in facts.definitions.items()
        if line == home and (isinstance(site, ImportSite) or column <= span.column)
    }
    return (Fate.REWRITTEN, tuple(sorted(codes))) if codes else (Fate.UNCHANGED, ())


def _touches(one: Span, other: Span) -> bool:
    starts_before = (one.line, one.column) <= (other.end_line, other.end_column)
    return starts_before and (other.line, other.column) <= (one.end_line, one.end_column)


class _Homes:
    """The innermost statement around each place."""

    def __init__(self, tree: ast.Module) -> None:
        self._lines: dict[int, int] = {}
        self._enter(tree.body)

    def statement(self, span: Span) -> int:
        """The first line of the statement around `span`."""
        return self._lines.get(span.line, span.line)

    def _enter(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            start = statement.lineno
            decorators = getattr(statement, "decorator_list", [])
            for line in range(
                min([start, *(d.lineno for d in decorators)]), (statement.end_lineno or start) + 1
            ):
                self._lines[line] = start
            for name in ("body", "orelse", "finalbody"):
                self._enter(getattr(statement, name, []))
            for handler in [*getattr(statement, "handlers", []), *getattr(statement, "cases", [])]:
                self._enter(handler.body)


__all__ = ["OUR_BUG", "Facts", "migrate"]
