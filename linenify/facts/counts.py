"""Numbers that are known before a module runs: constants, and multiples of what loops count."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Count:
    """`constant` plus multiples of expressions: `2 * i + 1`, `3 * len(self.widths)`."""

    constant: int = 0
    terms: tuple[tuple[str, int], ...] = ()

    def plus(self, number: int) -> Count:
        """A constant more."""
        return Count(self.constant + number, self.terms)

    def along(self, counted: str, step: int) -> Count:
        """`step` more for each one that an expression counts."""
        return Count(self.constant, (*self.terms, (counted, step)))

    @property
    def is_constant(self) -> bool:
        """Whether it is written down."""
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
