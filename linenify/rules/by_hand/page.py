"""What a page of a refusal or notice shows: the code, what an expert makes of it, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ByHand:
    """One refusal or notice, worked through by hand.

    Attributes:
        why: why linenify does not decide it.
        before: a legacy program at which the code is reported.
        after: the program that takes its place.
        check: an expression that has to hold of the program afterwards.
        option: the option without which the code is not reported.
        file: what the file is called.
        beside: other files of the same project.
        by_accident: whether the code is reported of a bug only, and not of this program.
    """

    why: str
    before: str
    after: str
    check: str = ""
    option: str = ""
    file: str = "example.py"
    beside: Mapping[str, str] = field(default_factory=dict)
    by_accident: bool = False
