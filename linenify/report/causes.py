"""Findings that stem from one place are one finding, with all that waits for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from linenify.outcome import Diagnostic
from linenify.report.run import by_place


@dataclass(frozen=True, slots=True)
class Cause:
    """What was found, and where else it was found.

    Attributes:
        first: the first of its places.
        waiting: the others, in their order.
    """

    first: Diagnostic
    waiting: tuple[Diagnostic, ...] = ()


def causes(diagnostics: Iterable[Diagnostic]) -> list[Cause]:
    """Groups findings by what they stem from.

    That is the place that facts name (`Diagnostic.because`); where they name none,
    findings of one file that say the same, word for word.  Marks of earlier runs
    stay apart: each is to be deleted on its own.
    """
    groups: dict[object, list[Diagnostic]] = {}
    for each in sorted(diagnostics, key=by_place):
        groups.setdefault(_key(each), []).append(each)
    return [Cause(first, tuple(rest)) for first, *rest in groups.values()]


def _key(each: Diagnostic) -> object:
    if each.is_open:
        return each.path, each.span
    if each.because is not None:
        return each.code, each.because.path, each.because.span
    return each.code, each.severity, each.path, each.message, each.remedy
