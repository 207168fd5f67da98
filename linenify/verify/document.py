"""What programs read of a verification: JSON, written down in docs/verify.md.

Keys are added, never renamed; `version` changes when a meaning does.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from linenify.verify.reaching import unreached
from linenify.verify.rules_of import rules_of
from linenify.verify.service import Verified
from linenify.verify.verdict import (
    VANISHES,
    Comparison,
    Departure,
    Gap,
    Outcome,
    RunResult,
    worst_outcome,
)

JSON_VERSION = 1

WORDS = {
    Outcome.SKIPPED: "nothing compared",
    Outcome.IDENTICAL: "equal",
    Outcome.CLOSE: "equal within noise",
    Outcome.DIFFERENT: "different",
    Outcome.ERROR: "error",
}


def as_json(done: Sequence[Verified], causes: Mapping[str, str]) -> str:
    """Renders verdicts; `causes` are what `--bisect` found, by the name of the target."""
    return json.dumps(document(done, causes), indent=2, ensure_ascii=False, allow_nan=False)


def document(done: Sequence[Verified], causes: Mapping[str, str]) -> dict[str, Any]:
    """The document that docs/verify.md describes."""
    cases = [_case(each, causes) for each in done]
    outcome = worst_outcome(each.result.outcome for each in done)
    departed = [case["first_difference"] for case in cases if case["first_difference"] is not None]
    return {
        "version": JSON_VERSION,
        "verdict": WORDS[outcome],
        "equal": outcome.passed and outcome is not Outcome.SKIPPED,
        "first_difference": departed[0] if departed else None,
        "unreached": [
            {
                "path": each.path,
                "function": each.function,
                "called": each.called,
                "lines": [list(span) for span in each.spans],
            }
            for each in unreached(done)
        ],
        "largest_error": _number(max((_largest(case) for case in cases), default=0.0)),
        "cases": cases,
    }


def _case(each: Verified, causes: Mapping[str, str]) -> dict[str, Any]:
    runs = [_run(run, each) for run in each.result.runs]
    departed = [run["first_difference"] for run in runs if run["first_difference"] is not None]
    return {
        "case": each.target.name,
        "verdict": WORDS[each.result.outcome],
        "first_difference": departed[0] if departed else None,
        "message": each.result.message,
        "cause": causes.get(each.target.name, ""),
        "refused": list(each.sides.migrated.refused) if each.sides.migrated else [],
        "noticed": list(each.sides.migrated.noticed) if each.sides.migrated else [],
        "from_cache": each.from_cache,
        "runs": runs,
    }


def _run(run: RunResult, each: Verified) -> dict[str, Any]:
    return {
        "name": run.name,
        "verdict": WORDS[run.outcome],
        "first_difference": run.first.linen if run.first else None,
        "departure": _departure(run.first, each) if run.first else None,
        "seconds": round(run.seconds, 3),
        "sizes": {
            size.what: {
                "legacy": {"leaves": size.legacy_leaves, "numbers": size.legacy_numbers},
                "linen": {"leaves": size.linen_leaves, "numbers": size.linen_numbers},
            }
            for size in run.sizes
        },
        "remark": run.remark,
        "failure": None
        if run.failure is None
        else {
            "side": run.failure.side,
            "stage": run.failure.stage,
            "message": run.failure.message,
            "frames": list(run.failure.frames),
        },
        "comparisons": [_comparison(comparison) for comparison in run.comparisons],
        "curves": [
            {
                "keypath": curve.keypath,
                "legacy": list(map(_number, curve.legacy)),
                "linen": list(map(_number, curve.linen)),
            }
            for curve in run.curves
        ],
    }


def _departure(first: Departure, each: Verified) -> dict[str, Any]:
    return {
        "linen": first.linen,
        "legacy": first.legacy,
        "what": first.what,
        "message": first.message,
        "linen_line": first.linen_line,
        "legacy_line": first.legacy_line,
        "inputs_equal": first.inputs_equal,
        "params_equal": first.params_equal,
        "rules": list(rules_of(first, each.sides)),
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {
        "what": comparison.what,
        "verdict": WORDS[comparison.outcome],
        "leaves": [_leaf(gap) for gap in comparison.every or comparison.worst],
    }


def _leaf(gap: Gap) -> dict[str, Any]:
    return {
        "keypath": gap.keypath,
        "verdict": WORDS[gap.outcome],
        "shape": None if gap.shape is None else list(gap.shape),
        "dtype": gap.dtype or None,
        "absolute": _number(gap.absolute),
        "relative": _number(gap.relative),
        "allowed": _number(gap.allowed),
        "noise": _number(gap.floor),
        "double": _number(gap.double),
        "message": gap.message,
        "note": gap.note,
    }


def _number(value: float | None) -> float | str | None:
    """JSON has no word for what is not finite."""
    return value if value is None or math.isfinite(value) else str(value)


def _largest(case: Mapping[str, Any]) -> float:
    errors = [
        float(leaf["relative"])
        for run in case["runs"]
        for comparison in run["comparisons"]
        for leaf in comparison["leaves"]
        if leaf["note"] != VANISHES
    ]
    return max((error for error in errors if math.isfinite(error)), default=0.0)
