"""What a comparison of the two sides says."""

from __future__ import annotations

import dataclasses
import enum
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


class Outcome(enum.StrEnum):
    """How equal two results are, the best first."""

    SKIPPED = "skipped"  # nothing to compare
    IDENTICAL = "identical"  # to the last bit
    CLOSE = "close"  # within the tolerance
    DIFFERENT = "different"
    ERROR = "error"  # a side did not run

    @property
    def passed(self) -> bool:
        """Whether the two sides count as equal."""
        return self in (Outcome.SKIPPED, Outcome.IDENTICAL, Outcome.CLOSE)


def worst_outcome(outcomes: typing.Iterable[Outcome]) -> Outcome:
    """The one that decides about the whole."""
    order = list(Outcome)
    return max(outcomes, key=order.index, default=Outcome.SKIPPED)


VANISHES = "zero in exact arithmetic: this is its rounding noise"


@dataclass(frozen=True, slots=True)
class Gap:
    """How far one leaf is off."""

    keypath: str
    message: str
    absolute: float = 0.0
    relative: float = 0.0  # to the largest element of the leaf
    allowed: float = 0.0
    outcome: Outcome = Outcome.DIFFERENT
    floor: float | None = None  # the measured noise, in units of the leaf
    double: float | None = None  # the distance in double precision
    note: str = ""
    shape: tuple[int, ...] | None = None  # on the legacy side, in Linen's layout
    dtype: str = ""


def worst_first(gap: Gap) -> tuple[int, float]:
    """What to sort leaves by: other shapes and dtypes come before other numbers."""
    structure = gap.outcome is Outcome.DIFFERENT and not gap.absolute
    error = float("inf") if structure or math.isnan(gap.relative) else gap.relative
    return -list(Outcome).index(gap.outcome), -error


@dataclass(frozen=True, slots=True)
class Comparison:
    """One kind of result (outputs, gradients, ...), leaf by leaf."""

    what: str
    outcome: Outcome
    leaves: int = 0
    worst: tuple[Gap, ...] = ()  # the worst first, the first one even when equal
    every: tuple[Gap, ...] = ()  # all leaves, the worst first


@dataclass(frozen=True, slots=True)
class Failure:
    """User code that raised."""

    side: str
    stage: str
    message: str
    frames: tuple[
        str, ...
    ] = ()  # `model.py:12 in apply`, of user code if in any, the innermost last


@dataclass(frozen=True, slots=True)
class Departure:
    """The first submodule, in the order of execution, that does something else.

    Attributes:
        linen: its path on the Linen side, "" for the module itself.
        legacy: its path on the legacy side.
        what: "outputs", "gradients", "collections", "initial" or "parameters".
        message: how far off it is.
        linen_line, legacy_line: `file.py:12` where it is called; "" if unknown.
        inputs_equal: whether what it was given was still equal.
        params_equal: whether the parameters that it owns were.
    """

    linen: str
    legacy: str
    what: str
    message: str
    linen_line: str = ""
    legacy_line: str = ""
    inputs_equal: bool = True
    params_equal: bool = True


@dataclass(frozen=True, slots=True)
class Census:
    """How many leaves and numbers each side has: of "parameters", "collections" or "variables"."""

    what: str
    legacy_leaves: int
    legacy_numbers: int
    linen_leaves: int
    linen_numbers: int

    @property
    def equal(self) -> bool:
        """Whether both sides have as many."""
        return (self.legacy_leaves, self.legacy_numbers) == (self.linen_leaves, self.linen_numbers)


@dataclass(frozen=True, slots=True)
class Curve:
    """A row of numbers that a program returned on both sides, such as its losses."""

    keypath: str
    legacy: tuple[float, ...]
    linen: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class RunResult:
    """The verdict on one `[[run]]`."""

    name: str
    outcome: Outcome
    comparisons: tuple[Comparison, ...] = ()
    failure: Failure | None = None
    seconds: float = 0.0
    first: Departure | None = None
    curves: tuple[Curve, ...] = ()
    sizes: tuple[Census, ...] = ()
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Reached:
    """The lines of one file that ran; `path` is relative to the folder of its side."""

    path: str
    lines: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CaseResult:
    """The verdict on one case; `message` is set when no run could start."""

    case: str
    outcome: Outcome
    runs: tuple[RunResult, ...] = ()
    message: str = ""
    misused: bool = False  # the case itself is at fault: it says what cannot be done
    reached: tuple[Reached, ...] = ()  # on the Linen side


def failed_case(case: str, message: str, *, misused: bool = False) -> CaseResult:
    """A case that could not be run at all."""
    return CaseResult(case, Outcome.ERROR, message=message, misused=misused)


def to_json(record: Any) -> dict[str, Any]:
    """A record as plain data."""
    return dataclasses.asdict(record)


def from_json(record: type[T], data: Mapping[str, Any]) -> T:
    """The inverse of `to_json`."""
    hints = typing.get_type_hints(record)
    return record(**{name: _decoded(hints[name], value) for name, value in data.items()})


def _decoded(hint: Any, value: Any) -> Any:
    if isinstance(hint, types.UnionType):  # only `Record | None`
        return None if value is None else _decoded(typing.get_args(hint)[0], value)
    if typing.get_origin(hint) is tuple:
        return tuple(_decoded(typing.get_args(hint)[0], item) for item in value)
    if dataclasses.is_dataclass(hint):
        return from_json(typing.cast("type[Any]", hint), value)
    return hint(value) if isinstance(hint, type) else value


def lines(result: CaseResult) -> list[str]:
    """A case as a small table for people."""
    table = [f"{result.outcome.value:9}  {result.case}"]
    if result.message:
        table.append(f"    {result.message}")
    for run in result.runs:
        table.append(f"  {run.outcome.value:9}  {run.name}  ({run.seconds:.1f} s)")
        for comparison in run.comparisons:
            table += _comparison_lines(comparison)
        if failure := run.failure:
            table.append(f"      {failure.side} {failure.stage}: {failure.message}")
            table += [f"        {frame}" for frame in failure.frames]
    return table


def _comparison_lines(comparison: Comparison) -> list[str]:
    head = f"      {comparison.outcome.value:9}  {comparison.what} ({comparison.leaves} leaves)"
    if comparison.outcome is Outcome.IDENTICAL or not comparison.worst:
        return [head]
    if comparison.outcome.passed:
        return [f"{head}: worst {_gap(comparison.worst[0])}"]
    return [head, *(f"        {_gap(gap)}" for gap in comparison.worst)]


def _gap(gap: Gap) -> str:
    return f"{gap.keypath}: {gap.message}"
