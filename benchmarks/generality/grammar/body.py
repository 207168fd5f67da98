"""A method of a module class that is being written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from generality.grammar.draw import Draw


@dataclass
class Body:
    """What a method has so far.

    Attributes:
        kind: what `x` is: vec (batch, dim), seq (batch, time, dim), image, tokens.
        dim: the last axis of `x`.
        hypers: hyper-parameters by name, each with its value here and its default, if any.
        before: definitions of the file, in front of the class.
        flag: the argument that says whether this is training, such as `train`.
        imports: what the file has to import.
        plain: whether only literals are within reach, and no arguments.
        state: whether it keeps statistics.
        random: whether it draws random numbers.
        methods: other methods of the class.
    """

    draw: Draw
    kind: str
    dim: int
    lines: list[str] = field(default_factory=list)
    hypers: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    before: list[list[str]] = field(default_factory=list)
    imports: set[str] = field(default_factory=set)
    flag: str = ""
    receiver: str = "self"
    state: bool = False
    random: bool = False
    plain: bool = False
    depth: int = 0
    named_so_far: int = 0
    methods: list[list[str]] = field(default_factory=list)

    def add(self, *lines: str) -> None:
        """Writes lines."""
        self.lines += lines

    def hyper(self, stem: str, value: str, likely: float = 0.3) -> str:
        """A literal, or a hyper-parameter with that value."""
        if self.plain or not self.draw.chance(likely):
            return value
        name = f"{stem}_{len(self.hypers)}" if stem in self.hypers else stem
        default = value if self.draw.chance(0.7) else None
        if default is None:
            self.draw.has("class: required hyper-parameter")
        self.hypers[name] = (value, default)
        return name

    def resting(self) -> str:
        """An expression that says that this is not training."""
        if self.plain:
            return "False"
        self.flag = self.flag or self.draw.one("train", "deterministic", "is_training")
        return self.flag if self.flag == "deterministic" else f"not {self.flag}"

    def training(self) -> str:
        """An expression that says that this is training."""
        if self.plain:
            return "True"
        self.resting()
        return self.flag if self.flag != "deterministic" else "not deterministic"

    def named(self, stem: str) -> tuple[str, ...]:
        """A `name=`, now and then."""
        if not self.draw.chance(0.2):
            return ()
        self.named_so_far += 1
        self.draw.has("layer: named")
        return (f"name='{stem}_{self.named_so_far}{self.draw.one('a', '_x')}'",)

    def reads(self, text: str) -> bool:
        """Whether an expression reads an argument of this method."""
        words = set(re.findall(r"(?<![.\w'])[A-Za-z_]\w*", text))
        return bool(words & {*self.hypers, self.flag, "x", "lengths"})


def joined(parts: Sequence[str]) -> str:
    """Arguments, or elements."""
    return ", ".join(parts)


def pairs(given: Mapping[str, str], sign: str = "=") -> str:
    """Arguments by keyword, or with other signs between names and values."""
    if sign == "=":
        return joined([f"{name}={value}" for name, value in given.items()])
    return joined([f"'{name}'{sign} {value}" for name, value in given.items()])
