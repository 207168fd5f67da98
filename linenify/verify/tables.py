"""What people read of a verification."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from linenify.verify.document import WORDS
from linenify.verify.reaching import Unreached, unreached
from linenify.verify.rules_of import rules_of
from linenify.verify.service import Verified
from linenify.verify.verdict import (
    VANISHES,
    Census,
    Comparison,
    Departure,
    Gap,
    Outcome,
    RunResult,
    worst_outcome,
)

_SHOWN = 12


def table(done: Sequence[Verified], causes: Mapping[str, str]) -> Iterator[str]:
    """The verdicts, the worst case first, and a line that sums them up."""
    order = list(Outcome)
    for each in sorted(done, key=lambda each: -order.index(each.result.outcome)):
        result = each.result
        known = "  (as verified before)" if each.from_cache else ""
        yield f"{WORDS[result.outcome]:18}  {each.target.name}{known}"
        if result.message:
            yield f"    {result.message}"
        for run in result.runs:
            yield from _run(run, each)
        if each.sides.migrated and not result.outcome.passed:
            refused = each.sides.migrated.refused
            yield from (f"    refused by linenify: {line}" for line in refused[:_SHOWN])
            noticed = each.sides.migrated.noticed
            yield from (f"    noticed by linenify: {line}" for line in noticed[:_SHOWN])
        if cause := causes.get(each.target.name):
            yield f"    cause: {cause}"
    yield from _unreached(unreached(done))
    yield from _summary(done)


def _unreached(found: Sequence[Unreached]) -> Iterator[str]:
    """What the verdict says nothing about."""
    if not found:
        return
    yield "not proved, since no case runs them:"
    for each in [each for each in found if each.called][:_SHOWN]:
        lines = ", ".join(f"{low}" if low == high else f"{low}-{high}" for low, high in each.spans)
        yield f"    {each.path}:{lines} in {each.function}"
    never = [f"{each.path}:{each.function}" for each in found if each.function and not each.called]
    files = [each.path for each in found if not each.function]
    for what, names in (("never called", never), ("never imported", files)):
        if names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            yield f"    {what}: {', '.join(names[:_SHOWN])}{more}"


def _run(run: RunResult, each: Verified) -> Iterator[str]:
    yield f"  {WORDS[run.outcome]:18}  {run.name}  ({run.seconds:.1f} s)"
    yield from (f"    {_size(each)}" for each in run.sizes if each.legacy_leaves or not each.equal)
    for comparison in run.comparisons:
        yield from _comparison(comparison)
    if run.remark:
        yield f"    {run.remark}"
    if run.first is not None:
        yield from _departure(run.first, each)
    if failure := run.failure:
        yield f"    the {failure.side} side raises ({failure.stage}): {failure.message}"
        yield from (f"        {frame}" for frame in failure.frames)


def _size(size: Census) -> str:
    legacy = f"{size.legacy_numbers:,} in {size.legacy_leaves} leaves"
    if size.equal:
        return f"{size.what}: {legacy}, on both sides"
    linen = f"{size.linen_numbers:,} in {size.linen_leaves} leaves"
    return f"{size.what}: legacy {legacy}; Linen {linen}"


def _comparison(comparison: Comparison) -> Iterator[str]:
    head = f"    {WORDS[comparison.outcome]:18}  {comparison.what} ({comparison.leaves} leaves)"
    gaps = [gap for gap in comparison.every if gap.outcome is not Outcome.IDENTICAL]
    if not gaps:
        yield head
        return
    numeric = [gap for gap in gaps if gap.absolute]
    if comparison.outcome.passed and numeric:
        worst = numeric[0]
        noise = "" if worst.floor is None else f", noise {worst.floor:.1e}"
        if worst.double is not None:
            noise += f", in double precision {worst.double:.1e}"
        note = f" ({worst.note})" if worst.note else ""
        yield f"{head}: worst {worst.keypath} {worst.absolute:.1e}{noise}{note}"
        return
    yield head
    others = [gap for gap in gaps if not gap.absolute]
    yield from (f"        {gap.keypath}: {gap.message}" for gap in others[:_SHOWN])
    if numeric:
        width = max(len(gap.keypath) for gap in numeric[:_SHOWN])
        titles = ("max |Δ|", "relative", "noise", "allowed")
        yield f"        {'leaf':{width}}  {'  '.join(f'{title:>9}' for title in titles)}"
        for gap in numeric[:_SHOWN]:
            yield f"        {_row(gap, width)}"
    if hidden := max(len(numeric) - _SHOWN, 0) + max(len(others) - _SHOWN, 0):
        yield f"        ... and {hidden} more"


def _row(gap: Gap, width: int) -> str:
    noise = "-" if gap.floor is None else f"{gap.floor:.1e}"
    note = f"  {gap.note}" if gap.note else ""
    return (
        f"{gap.keypath:{width}}  {gap.absolute:9.1e}  {gap.relative:9.1e}  {noise:>9}  "
        f"{gap.allowed:9.1e}{note}"
    )


def _departure(first: Departure, each: Verified) -> Iterator[str]:
    name = first.linen or "the module itself"
    yield f"    first difference: {name} ({first.what}: {first.message})"
    if not first.inputs_equal:
        yield "        its inputs differ already: look at what stands before it"
    if not first.params_equal:
        yield "        its parameters differ already: look at what makes and updates them"
    for side, path, line in (
        ("linen", first.linen, first.linen_line),
        ("legacy", first.legacy, first.legacy_line),
    ):
        if line:
            yield f"        {side:6}  {line}  {path}  {_text(each, side, line)}".rstrip()
    if codes := rules_of(first, each.sides):
        yield f"        rules   {', '.join(codes)}  (linenify explain CODE)"


def _text(each: Verified, side: str, place: str) -> str:
    """The source line itself."""
    file, _, line = place.rpartition(":")
    root = each.sides.linen if side == "linen" else each.sides.legacy
    home = root if root.is_dir() else root.parent
    try:
        return (home / file).read_text().splitlines()[int(line) - 1].strip()
    except (OSError, ValueError, IndexError):
        return ""


def _summary(done: Sequence[Verified]) -> Iterator[str]:
    counts = dict.fromkeys(Outcome, 0)
    for each in done:
        counts[each.result.outcome] += 1
    parts = [f"{count} {WORDS[outcome]}" for outcome, count in counts.items() if count]
    largest = max(
        (
            gap.relative
            for each in done
            for run in each.result.runs
            for comparison in run.comparisons
            for gap in comparison.every
            if gap.outcome is Outcome.CLOSE and gap.note != VANISHES
        ),
        default=0.0,
    )
    error = f"; largest error within the noise {largest:.1e} of its leaf" if largest else ""
    verdict = WORDS[worst_outcome(each.result.outcome for each in done)]
    yield f"{verdict}: {', '.join(parts)}{error}"
