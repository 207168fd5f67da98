"""Numbers that are known before a program runs: constants, and lines in loop variables."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Count:
    """`constant` plus a multiple of each loop variable: `2 * i + 1`."""

    constant: int = 0
    terms: tuple[tuple[str, int], ...] = ()

    def plus(self, number: int) -> Count:
        """A constant more."""
        return Count(self.constant + number, self.terms)

    def along(self, variable: str, step: int) -> Count:
        """`step` more for each one that a loop variable counts."""
        return Count(self.constant, (*self.terms, (variable, step)))

    @property
    def is_constant(self) -> bool:
        """Whether no loop has a say in it."""
        return not self.terms

    @property
    def text(self) -> str:
        """As people write it."""
        parts = [name if step == 1 else f"{step} * {name}" for name, step in self.terms]
        text = " + ".join(parts)
        if not parts:
            return str(self.constant)
        if self.constant > 0:
            return f"{text} + {self.constant}"
        return f"{text} - {-self.constant}" if self.constant else text


Number = Count | None  # None: not known


def joined(one: Number, other: Number) -> Number:
    """Where two paths meet."""
    return one if one == other else None
