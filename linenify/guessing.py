"""What someone who misspelt a word may have meant."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """The one of `known` that looks most like `word`; empty if none does."""
    from difflib import get_close_matches  # wanted only when something went wrong

    lowered = {name.lower(): name for name in known}
    found = get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)
    return lowered[found[0]] if found else ""


def hint(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """The end of a sentence that says so, or that lists what there is."""
    names = list(known)
    guess = nearest(word, names)
    if guess:
        return f"did you mean `{guess}`?"
    *most, last = (f"`{name}`" for name in names) if names else ("nothing",)
    listed = f"{', '.join(most)} and {last}" if most else last
    return otherwise or f"there is {listed}"
