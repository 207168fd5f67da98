"""Choices of one program: made from a seed, written down, and replayed with simpler ones."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


class Draw:
    """Where every choice of a program comes from.

    The first option of each choice is the simplest: a replay that runs out of given
    choices, and a shrinker that sets one to 0, get a plainer program that is valid too.

    Attributes:
        made: the number of the option of each choice, in order.
        features: what the program has, in order of appearance.
    """

    def __init__(self, seed: str, given: Sequence[int] | None = None) -> None:
        self.made: list[int] = []
        self.features: dict[str, None] = {}
        self._random = random.Random(seed)
        self._given = given
        self._names: set[str] = set()

    def index(self, weights: Sequence[float]) -> int:
        """The number of one of several options."""
        if self._given is None:
            chosen = self._random.choices(range(len(weights)), weights)[0]
        else:
            place = len(self.made)
            chosen = self._given[place] % len(weights) if place < len(self._given) else 0
        self.made.append(chosen)
        return chosen

    def one(self, *options: T) -> T:
        """One of several options, each as likely."""
        return options[self.index([1.0] * len(options))]

    def chance(self, likely: float) -> bool:
        """Whether something is done; not, where it is to be simple."""
        return self.index([1.0 - likely, likely]) == 1

    def feature(self, subject: str, weights: Mapping[str, float]) -> str:
        """One of several ways, which becomes a feature of the program."""
        chosen = list(weights)[self.index(list(weights.values()))]
        self.has(f"{subject}: {chosen}")
        return chosen

    def has(self, feature: str) -> None:
        """Writes down what the program has."""
        self.features[feature] = None

    def name(self, *stems: str) -> str:
        """A name for a new variable, function or class of the program."""
        stem = self.one(*stems)
        numbered = (stem, *(f"{stem}{number}" for number in range(2, 100)))
        found = next(each for each in numbered if each not in self._names)
        self._names.add(found)
        return found


def indented(lines: Sequence[str], by: int = 1) -> list[str]:
    """Lines further to the right."""
    return [("  " * by + line if line else line) for line in lines]
