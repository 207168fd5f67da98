"""How many leaves and numbers each side has, and which of them are its own."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator, Sequence

from linenify.verify.pairing import Place
from linenify.verify.verdict import Census, Gap


def census(what: str, legacy: Sequence[Place], linen: Sequence[Place]) -> Census:
    """The size of both sides."""
    return Census(what, len(legacy), _numbers(legacy), len(linen), _numbers(linen))


def _numbers(places: Iterable[Place]) -> int:
    return sum(math.prod(place.shape) for place in places)


def only_one_side(legacy: Sequence[Place], linen: Sequence[Place]) -> Iterator[Gap]:
    """What the sides, both in the order of creation, do not have in common."""
    matcher = difflib.SequenceMatcher(
        None, [_like(place) for place in legacy], [_like(place) for place in linen], autojunk=False
    )
    for tag, low, high, start, end in matcher.get_opcodes():
        if tag == "equal":
            continue
        olds, news = list(legacy[low:high]), list(linen[start:end])
        for old in list(olds):  # the same leaf in another shape
            new = next((each for each in news if each.name == old.name), None)
            if new is not None:
                olds.remove(old)
                news.remove(new)
                yield Gap(
                    "/".join(new.keypath),
                    f"shape {list(new.shape)}, where legacy {'/'.join(old.keypath)} "
                    f"has {list(old.shape)}",
                )
        yield from (
            Gap("/".join(each.keypath), f"only the legacy side has it: {list(each.shape)}")
            for each in olds
        )
        yield from (
            Gap("/".join(each.keypath), f"only the Linen side has it: {list(each.shape)}")
            for each in news
        )


def _like(place: Place) -> tuple[str, tuple[int, ...]]:
    """What a leaf has on both sides: its name, and its shape less sizes of one."""
    return place.name, tuple(size for size in place.shape if size != 1)
