"""What a run says: changes, diagnostics and the ledger of legacy references."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from linenify.project.source import Span, Unreadable


class Severity(enum.StrEnum):
    """How much a diagnostic asks of the reader.

    A refusal leaves its site as it was and needs a hand.  A notice accompanies
    a rewrite that a faulty program could tell from the original.
    """

    REFUSAL = "refusal"
    NOTICE = "notice"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Because:
    """The place that a finding stems from.

    Attributes:
        path: its file.
        span: the place in it.
        message: what it binds there.
    """

    path: Path
    span: Span
    message: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding at one place, under a permanent code.

    Attributes:
        code: permanent; `linenify explain` has its page.
        path: the file.
        span: the place in it.
        message: what was found.
        remedy: what to do about it; may be empty.
        severity: how much it asks of the reader.
        line: the first line of the statement around the place.
        is_open: whether a mark of an earlier run says so, and not this run.
        because: the place that it stems from, where that is another one.
    """

    code: str
    path: Path
    span: Span
    message: str
    remedy: str
    severity: Severity = Severity.REFUSAL
    line: int = 0
    is_open: bool = False
    because: Because | None = None


class Fate(enum.StrEnum):
    """What became of one legacy reference."""

    REWRITTEN = "rewritten"
    FLAGGED = "flagged"
    FOREIGN = "foreign"
    UNCHANGED = "unchanged"  # means the same in both worlds


@dataclass(frozen=True, slots=True)
class Reference:
    """One entry of the ledger: a name that resolves into legacy Flax."""

    path: Path
    span: Span
    target: str  # e.g. "flax.nn.Dense"
    fate: Fate
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """A file whose text changed.

    Attributes:
        path: the file.
        before: its text.
        after: its migrated text.
        rules: how many sites each rule rewrote, by code.
    """

    path: Path
    before: str
    after: str
    rules: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Migration:
    """The whole result of a run; nothing has been written yet."""

    changes: tuple[Change, ...]
    diagnostics: tuple[Diagnostic, ...]
    ledger: tuple[Reference, ...]
    unreadable: tuple[Unreadable, ...] = ()
    files: int = 0  # files looked at, changed or not
    beside: frozenset[Path] = frozenset()  # files not given that would change, too
    beside_refused: frozenset[Path] = frozenset()  # files not given that have refusals

    @property
    def migrated(self) -> int:
        """Number of sites that were rewritten."""
        return sum(sum(change.rules.values()) for change in self.changes)

    @property
    def refused(self) -> int:
        """Number of sites that need a hand, marks of earlier runs included."""
        return sum(d.severity is Severity.REFUSAL for d in self.diagnostics)

    @property
    def open(self) -> int:
        """How many of them are marks that an earlier run left."""
        return sum(d.is_open for d in self.diagnostics)

    @property
    def failed(self) -> int:
        """Number of files that were lost to a bug of linenify."""
        return sum(d.severity is Severity.ERROR for d in self.diagnostics)
