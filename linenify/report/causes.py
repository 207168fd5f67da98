"""Findings that stem from one place are one finding, with all that waits for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from linenify.outcome import Diagnostic
from linenify.project.source import Span
from linenify.report.run import by_place


@dataclass(frozen=True, slots=True)
class Cause:
    """What was found, and where else it was found.

    Attributes:
        first: what was found at the place itself; where nothing was, the first
            of what waits for it, which then says `because`.
        waiting: the others, in their order.
    """

    first: Diagnostic
    waiting: tuple[Diagnostic, ...] = ()


def causes(diagnostics: Iterable[Diagnostic]) -> list[Cause]:
    """Groups findings by what they stem from, in the order of their first places.

    That is the place that facts name (`Diagnostic.because`); where they name none,
    findings of one file that say the same, word for word.  Marks of earlier runs
    stay apart: each is to be deleted on its own.
    """
    every = sorted(diagnostics, key=by_place)
    stems = {(d.because.path, d.because.span) for d in every if d.because is not None}
    groups: dict[object, list[Diagnostic]] = {}
    for each in every:
        groups.setdefault(_key(each, stems), []).append(each)
    found = []
    for group in groups.values():
        group.sort(key=lambda each: each.because is not None)  # keeps their order otherwise
        found.append(Cause(group[0], tuple(group[1:])))
    return sorted(found, key=lambda cause: by_place(cause.first))


def _key(each: Diagnostic, stems: set[tuple[Path, Span]]) -> object:
    if each.is_open:
        return each.path, each.span
    if each.because is not None:
        return "stem", each.because.path, each.because.span
    if (each.path, each.span) in stems:
        return "stem", each.path, each.span
    return each.code, each.severity, each.path, each.message, each.remedy
