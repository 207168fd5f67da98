"""Finds the simplest program with the same verdict and cause."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from generality.bases import Base, Made, generated, mutated
from generality.judging import How, judge

TOGETHER = 8  # candidates that are judged at a time: workers are warm then
ROUNDS = 12


def shrink(each: Made, how: How) -> None:
    """Leaves out mutations one at a time, then makes the choices of a generated base simpler."""
    each.less = each.steps
    for step in each.steps:
        rest = tuple(s for s in each.less if s != step)
        files = mutated(each.base, rest) if rest or each.base.choices else None
        if files is None:
            continue
        smaller = Made(each.base, rest, files)
        judge([smaller], how)
        if smaller.cause == each.cause:
            _take(each, smaller)
    if each.base.choices:
        _simplify(each, replace(how, run=how.run and each.verdict == "silent"))


def _take(each: Made, smaller: Made) -> None:
    each.less = smaller.steps
    each.files, each.linen, each.why = smaller.files, smaller.linen, smaller.why


def _simplify(each: Made, how: How) -> None:
    each.simple = each.base
    size = max(1, len(each.base.choices) // 2)
    for _ in range(ROUNDS):
        found = None
        candidates = list(_simpler(each.simple, size))
        for start in range(0, len(candidates), TOGETHER):
            some = [
                Made(base, each.less, files)
                for base in candidates[start : start + TOGETHER]
                if (files := mutated(base, each.less) if each.less else base.files) is not None
            ]
            judge(some, how)
            alike = [one for one in some if one.cause == each.cause]
            found = min(alike, key=lambda one: sum(map(len, one.files.values())), default=None)
            if found is not None:
                break
        if found is not None:
            each.simple = found.base
            _take(each, found)
        elif size == 1:
            return
        size = size if found is not None else size // 2


def _simpler(base: Base, size: int) -> Iterator[Base]:
    """Programs with some choices in a row set to the simplest, or left out."""
    seen = {tuple(base.files.items())}
    length = sum(map(len, base.files.values()))
    for start in range(0, len(base.choices), size):
        before, after = base.choices[:start], base.choices[start + size :]
        for choices in ((*before, *after), (*before, *[0] * size, *after)):
            found = generated(base.name, choices)
            text = tuple(found.files.items())
            if text not in seen and sum(map(len, found.files.values())) <= length:
                seen.add(text)
                yield found
