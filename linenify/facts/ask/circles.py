"""Questions whose answers need each other: what a function gives that calls itself, say."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Question = TypeVar("Question", bound=Hashable)
Answer = TypeVar("Answer")

_ROUNDS = 8  # after these an answer that keeps changing is taken as it is
_NONE = 1 << 60  # no guess was needed


class Circles(Generic[Question, Answer]):
    """Answers every question once; those in a circle together, until none changes any more.

    Args:
        nothing: the answer to begin with, where a question needs itself.
    """

    def __init__(self, nothing: Answer) -> None:
        self._nothing = nothing
        self._known: dict[Question, Answer] = {}
        self._running: dict[Question, int] = {}  # by how many questions are around it
        self._guessed: dict[Question, Answer] = {}  # of what stands at the head of a circle
        # Answers that rest on a guess, and the outermost question that was guessed for them.
        self._open: dict[Question, tuple[Answer, int]] = {}
        self._needs = _NONE

    def ask(self, question: Question, answer: Callable[[], Answer]) -> Answer:
        """The answer to a question; `answer` finds it, and may ask others."""
        if question in self._known:
            return self._known[question]
        if question in self._running:
            self._needs = min(self._needs, self._running[question])
            return self._guessed.get(question, self._nothing)
        if question in self._open:
            found, needs = self._open[question]
            self._needs = min(self._needs, needs)
            return found
        return self._find(question, answer)

    def _find(self, question: Question, answer: Callable[[], Answer]) -> Answer:
        place = self._running[question] = len(self._running)
        around, before = self._needs, len(self._open)
        for _ in range(_ROUNDS):
            self._needs = _NONE
            found = answer()
            if self._needs != place or found == self._guessed.get(question, self._nothing):
                break
            self._guessed[question] = found
            self._close(before)
        needs = self._needs
        del self._running[question]
        if needs < place:
            self._open[question] = (found, needs)
        else:
            self._known |= self._close(before)
            self._known[question] = found
            self._guessed.pop(question, None)
            needs = _NONE
        self._needs = min(around, needs)
        return found

    def _close(self, before: int) -> dict[Question, Answer]:
        """Ends all that has been open since; gives the answers."""
        ended: dict[Question, Answer] = {}
        while len(self._open) > before:
            question, (found, _) = self._open.popitem()
            ended[question] = found
        return ended
