"""`migrate(project)`: the pure function at the centre."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from linenify import between, second_look
from linenify.errors import reason
from linenify.facts.collect import Facts, collect
from linenify.facts.legacy.catalogue import means_the_same
from linenify.facts.legacy.refusals import NOTICES
from linenify.facts.sites import FileFacts, Finding, ImportSite
from linenify.given import only_given
from linenify.outcome import Change, Diagnostic, Fate, Migration, Reference, Severity
from linenify.project.lineends import lines_of
from linenify.project.source import Project, Source, Span
from linenify.residue import residue
from linenify.residue.left import left
from linenify.rewrite.promises import BrokenPromise
from linenify.withheld import imports_of, spread

OUR_BUG = "LN000"
WAITS = "LN821"
_REMEDY = "this is a bug of linenify: please report the file; it was left as it was"
_TOP = Span(1, 0, 1, 0)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What came of one file: a change, nothing, or a promise that was broken."""

    source: Source
    facts: FileFacts
    change: Change | None = None
    broken: str | None = None
    waits: Path | None = None  # the withheld file that it works with
    told: tuple[Finding, ...] = ()  # what a second look found


def migrate(project: Project, progress: Callable[[Source], None] | None = None) -> Migration:
    """Migrates every file of `project`; calls `progress` after each file."""
    facts, failed = _collected(project)
    facts = _with_left(facts, project)
    attempts: list[_Attempt] = []
    for source in project.sources:
        if source.name in failed:
            attempts.append(_Attempt(source, FileFacts(), broken=failed[source.name]))
        else:
            attempts.append(_attempt(source, facts.get(source.name, FileFacts())))
        if progress is not None:
            progress(source)
    attempts = _agreed(project, attempts)
    attempts = _settled(project, [_accounted(each) for each in attempts])
    changes = tuple(each.change for each in attempts if each.change is not None)
    found = [diagnostic for each in attempts for diagnostic in _diagnostics(each)]
    migration = Migration(
        changes,
        (*found, *residue(project, changes, found)),
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
            return {}, {source.name: reason(problem) for source in project.sources}
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


def _with_left(facts: Mapping[str, FileFacts], project: Project) -> Mapping[str, FileFacts]:
    """Refuses legacy code that is left in files whose imports name Linen already."""
    known = dict(facts)
    for name, findings in left(project).items():
        file = known.setdefault(name, FileFacts())
        told = {finding.statement for finding in file.refusals}
        done = {line for _, place in file.expressions for line in (place.line, place.end_line)}
        file.refusals.extend(
            f
            for f in findings
            if f.statement not in told and done.isdisjoint((f.span.line, f.span.end_line))
        )
    return known


# --- one file --------------------------------------------------------------------------------


def _attempt(source: Source, facts: FileFacts) -> _Attempt:
    if facts.broken is not None:
        return _Attempt(source, facts, broken=facts.broken)
    sites = facts.expressions or facts.definitions or facts.statements
    idle = not (sites or facts.refusals or facts.support)
    if idle and not facts.unlisted:
        return _Attempt(source, facts)
    from linenify.rewrite import rewrite  # brings in libcst

    try:
        result = rewrite(source, facts)
        if result.text == source.text:
            return _Attempt(source, facts)
        _check(source, facts, result.text)
    except BrokenPromise as broken:
        return _Attempt(source, facts, broken=str(broken))
    except Exception as problem:  # noqa: BLE001 - our own bug must not cost the other files
        return _Attempt(source, facts, broken=reason(problem))
    return _Attempt(source, facts, Change(source.path, source.text, result.text, result.rules))


def _check(source: Source, facts: FileFacts, after: str) -> None:
    """What must hold before a file may change.

    Raises:
        BrokenPromise: it does not.
    """
    from linenify.rewrite.marks import waiting_todos
    from linenify.syntax.comments import tally

    try:
        ast.parse(after)
    except SyntaxError as problem:
        line = lines_of(after)[max((problem.lineno or 1) - 1, 0)].strip()
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


# --- all files together ----------------------------------------------------------------------

_LOOKS = 3  # second looks that may add marks
_ROUNDS = 5  # names travel through a few files at most


def _agreed(project: Project, attempts: list[_Attempt]) -> list[_Attempt]:
    """Has every import between files find what it takes, and every name at import its value."""
    for _ in range(_ROUNDS):
        facts = {each.source.name: each.facts for each in attempts}
        again = between.settle(project, facts, _trees(attempts))
        if not again:
            break
        attempts = [
            _attempt(each.source, each.facts) if each.source.name in again else each
            for each in attempts
        ]
    facts = {each.source.name: each.facts for each in attempts}
    broken = between.breaches(project, facts, _trees(attempts))
    return [
        _Attempt(each.source, each.facts, broken=broken[each.source.name])
        if each.source.name in broken and each.change is not None
        else each
        for each in attempts
    ]


def _trees(attempts: list[_Attempt]) -> dict[str, ast.Module]:
    return {
        each.source.name: each.source.tree if each.change is None else _after(each).tree
        for each in attempts
    }


def _settled(project: Project, attempts: list[_Attempt]) -> list[_Attempt]:
    """Withholds files that a second run would change again, and those that they work with."""
    imports: Mapping[Path, frozenset[Path]] | None = None
    looks = 0
    while any(each.change for each in attempts):
        looks += 1
        if any(each.broken for each in attempts):
            imports = imports or imports_of(project)
            attempts = _without_companions(attempts, imports)
        refused = _refused(attempts) if dict(project.options).get("strict") is True else set()
        if refused:
            imports = imports or imports_of(project)
            changed = {each.source.path for each in attempts if each.change is not None}
            refused = spread(refused, changed, imports)
        found = _changed_again(project, attempts, refused, marking=looks <= _LOOKS)
        if not found:
            break
        attempts = [found.get(each.source.name, each) for each in attempts]
    return attempts


def _refused(attempts: list[_Attempt]) -> set[Path]:
    return {each.source.path for each in attempts if each.facts.refusals}


def _without_companions(
    attempts: list[_Attempt], imports: Mapping[Path, frozenset[Path]]
) -> list[_Attempt]:
    """Withholds what works with a file that is withheld: one world for all of them."""
    broken = [each.source.path for each in attempts if each.broken is not None]
    crossing = {each.source.path for each in attempts if each.change and _crosses(each.change)}
    waiting: dict[Path, Path] = {}
    for path in broken:
        for other in spread([path], crossing, imports) - {path}:
            waiting.setdefault(other, path)
    return [
        replace(each, change=None, waits=waiting[each.source.path])
        if each.change is not None and each.source.path in waiting
        else each
        for each in attempts
    ]


def _crosses(change: Change) -> bool:
    """Whether a file speaks to others in another way now; names alone (LN1xx) are its own."""
    return any(not code.startswith("LN1") for code in change.rules)


def _changed_again(
    project: Project, attempts: list[_Attempt], held: Collection[Path], *, marking: bool
) -> dict[str, _Attempt]:
    """The files that a second run would change, `held` ones left as they were.

    With `marking`, they get marks there, if marks can stop it; they are withheld otherwise.
    """
    after = tuple(each.source if each.source.path in held else _after(each) for each in attempts)
    facts, failed = _collected(replace(project, sources=after))
    found: dict[str, _Attempt] = {}
    for attempt, source in zip(attempts, after, strict=True):
        if source.path in held:
            continue
        if attempt.change is None:
            late = _late(attempt, facts.get(source.name, FileFacts())) if marking else None
            if late is not None:
                found[source.name] = late
            continue
        broken = failed.get(source.name)
        if broken is None:
            second = _attempt(source, facts.get(source.name, FileFacts()))
            broken = second.broken
            if second.change is not None:
                if marking and not _crosses(second.change):
                    found[source.name] = _once_more(attempt, second.change)
                    continue
                marked = _with_marks(attempt, source, second.facts, second.change)
                if marking and marked is not None:
                    found[source.name] = marked
                    continue
                difference = _difference(second.change)
                broken = f"a second run would change the file again: {difference}"
        if broken is not None:
            found[source.name] = _Attempt(attempt.source, attempt.facts, broken=broken)
    return found


def _late(attempt: _Attempt, facts: FileFacts) -> _Attempt | None:
    """A file that stayed as it was, and that the other files, once migrated, tell more of."""
    if attempt.broken is not None or attempt.waits is not None:
        return None
    made = _attempt(attempt.source, facts)
    return made if made.change is not None and made.broken is None else None


def _once_more(attempt: _Attempt, change: Change) -> _Attempt:
    """An attempt with the names of JAX that a second run spells anew: they are right as they are.

    More is known of migrated code at times: what a step returns, say.
    """
    assert attempt.change is not None
    rules = Counter(attempt.change.rules) + Counter(change.rules)
    return replace(attempt, change=replace(attempt.change, after=change.after, rules=rules))


def _with_marks(
    attempt: _Attempt, after: Source, again: FileFacts, change: Change
) -> _Attempt | None:
    """An attempt whose text carries marks where a second run would do something."""
    from linenify.rewrite import rewrite
    from linenify.rewrite.marks import waiting_todos

    found = second_look.marks(after, again, change)
    if found is None or attempt.change is None:
        return None
    text = rewrite(after, found).text
    waiting = [f for todos in waiting_todos(after.text, found).values() for f in todos]
    told = [second_look.at_home(attempt.source, after, finding) for finding in waiting]
    made = replace(attempt.change, after=text)
    return replace(attempt, change=made, told=(*attempt.told, *told)) if told else None


def _after(attempt: _Attempt) -> Source:
    if attempt.change is None:
        return attempt.source
    text = attempt.change.after
    return replace(attempt.source, text=text, tree=ast.parse(text))


def _difference(change: Change) -> str:
    pairs = zip(lines_of(change.before), lines_of(change.after), strict=False)
    return next((f"`{a.strip()}` -> `{b.strip()}`" for a, b in pairs if a != b), "its end")


# --- what is said about it -------------------------------------------------------------------


def _diagnostics(attempt: _Attempt) -> list[Diagnostic]:
    path = attempt.source.path
    found = [
        _diagnostic(path, finding, severity)
        for findings, severity in (
            ([*attempt.facts.refusals, *attempt.told], Severity.REFUSAL),
            (attempt.facts.notices, Severity.NOTICE),
        )
        for finding in findings
        if severity is Severity.REFUSAL or (attempt.broken is None and attempt.waits is None)
    ]
    if attempt.waits is not None:
        why = f"it works with {attempt.waits}, which is left as it was: LN000 there"
        remedy = NOTICES[WAITS].remedy
        found.append(Diagnostic(WAITS, path, _TOP, why, remedy, Severity.NOTICE))
    if attempt.broken is not None:
        found.append(Diagnostic(OUR_BUG, path, _TOP, attempt.broken, _REMEDY, Severity.ERROR))
    return sorted(found, key=lambda each: (each.span, each.code))


def _diagnostic(path: Path, finding: Finding, severity: Severity) -> Diagnostic:
    return Diagnostic(
        finding.code,
        path,
        finding.span,
        finding.message,
        finding.remedy,
        severity,
        finding.statement,
        because=finding.because,
    )


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
    codes.discard("")
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
