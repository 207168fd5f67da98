"""What is printed of many programs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import combinations

from generality.bases import Made
from generality.judging import KINDS

FAULTS = {"silent", "internal", "flagged"}
PAIRS = 12


def told(each: Made) -> str:
    """One line about a program that is not equal."""
    steps = ", ".join(f"{mutation} [{seed}]" for mutation, seed in each.less or each.steps)
    return f"{each.verdict:8} {each.code:6} {each.base.name}: {steps}: {each.why[:200]}"


def table(done: Sequence[Made]) -> str:
    """Counts by mutation and feature, by pairs of features, and by cause with an example."""
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    twos: dict[str, Counter[str]] = defaultdict(Counter)
    for each in done:
        for mutation, _ in each.less or each.steps:
            rows[mutation][each.verdict] += 1
        for feature in each.base.features:
            rows[feature][each.verdict] += 1
        for pair in combinations(sorted(each.base.features), 2):
            twos[" + ".join(pair)][each.verdict] += 1
    whole = Counter(each.verdict for each in done)
    lines = [f"{'':44}" + "".join(f"{kind:>9}" for kind in KINDS)]
    lines += [_row(what, counts) for what, counts in sorted(rows.items())]
    if twos:
        lines.append("the pairs of features with most faults:")
        worst = sorted(twos.items(), key=lambda row: -sum(row[1][kind] for kind in FAULTS))
        lines += [_row(what, counts) for what, counts in worst[:PAIRS]]
    lines.append(_row("all programs", whole))
    causes: dict[tuple[str, str, str], list[Made]] = defaultdict(list)
    for each in done:
        if each.verdict in FAULTS | {"invalid"}:
            causes[each.cause].append(each)
    for alike in sorted(causes.values(), key=lambda alike: (_rank(alike[0]), -len(alike))):
        lines.append(f"{len(alike):5} {told(alike[0])}")
    return "\n".join(lines)


def _rank(each: Made) -> int:
    return ("silent", "internal", "flagged", "invalid").index(each.verdict)


def _row(what: str, counts: Counter[str]) -> str:
    return f"{what:44}" + "".join(f"{counts[kind]:9}" for kind in KINDS)
