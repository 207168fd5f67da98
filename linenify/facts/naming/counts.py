"""Numbers that are known before a module runs: constants, and multiples of what loops count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final


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
        terms = dict(self.terms)
        terms[counted] = terms.get(counted, 0) + step
        return Count(self.constant, tuple(terms.items()))

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


@final
class Unreachable:
    """No run gets here."""


DEAD = Unreachable()
State = Count | None | Unreachable
"""What the counter says at a place in a program."""


def met(*states: State) -> State:
    """Where paths meet."""
    alive = [state for state in states if not isinstance(state, Unreachable)]
    if not alive:
        return DEAD
    first, *others = alive
    return first if all(state == first for state in others) else None


def number(state: State) -> Number:
    """What a module that is called here takes."""
    return None if isinstance(state, Unreachable) else state


def after(state: State, step: int | None, trips: int | str | None) -> State:
    """The count behind a loop."""
    if step is None or trips is None or not isinstance(state, Count):
        return None
    if isinstance(trips, int):
        return state.plus(step * trips)
    return state.along(trips, step)
