"""What programs start from: fixtures, and programs from the grammar."""

from __future__ import annotations

import ast
import random
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from generality.code import Program
from generality.grammar.program import CASE, program
from generality.mutations import MUTATIONS

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
TRIES = 8  # for a mutation that a program has a place for
Step = tuple[str, str]  # a mutation, and the seed of its choices


@dataclass(frozen=True)
class Base:
    """A program as it is before mutations.

    Attributes:
        name: of the fixture, or the seed of a generated program.
        files: texts by path.
        case: how it is run.
        features: what a generated program has.
        choices: how a generated program came about; none for a fixture.
    """

    name: str
    files: Mapping[str, str]
    case: str
    features: tuple[str, ...] = ()
    choices: tuple[int, ...] = ()

    @property
    def kept(self) -> frozenset[str]:
        """Every name that its case may mean."""
        return frozenset(re.findall(r"\w+", self.case))


@dataclass
class Made:
    """A program, how it came about, and what became of it.

    Attributes:
        steps: the mutations, each with the seed of its choices.
        verdict: one of `KINDS`.
        code: for a flagged program, the code of the first mark.
        why: what was said, or how the sides part.
        linen: what it was migrated to, by path.
        less: the steps that suffice for the verdict.
        simple: the simplest base that was found with the same verdict and cause.
    """

    base: Base
    steps: tuple[Step, ...]
    files: Mapping[str, str]
    verdict: str = ""
    code: str = ""
    why: str = ""
    linen: Mapping[str, str] = field(default_factory=dict)
    less: tuple[Step, ...] = ()
    simple: Base | None = None

    @property
    def cause(self) -> tuple[str, str, str]:
        """What programs with the same fault have in common."""
        what = re.sub(r"`[^`]*`|'[^']*'|\[[^]]*\]|\d+|\blinen/\S+", "_", self.why)
        return self.verdict, self.code, what[:90]


def usable() -> list[Base]:
    """Fixtures of one file that are run and migrated without a mark."""
    found = []
    for case in sorted(FIXTURES.glob("*/case.toml")):
        document = tomllib.loads(case.read_text())
        legacy = case.parent / "legacy.py"
        whole = document.get("run") and not document["refusals"] and not document.get("options")
        if legacy.exists() and whole:
            files = {"legacy.py": legacy.read_text()}
            found.append(Base(case.parent.name, files, case.read_text()))
    return found


def generated(name: str, choices: Sequence[int] | None = None) -> Base:
    """The program from the grammar that has this seed, or these choices."""
    made = program(name, choices)
    case = CASE if "legacy.py" in made.files else CASE + 'file = "main.py"\n'
    return Base(name, made.files, case, made.features, made.choices)


def fresh(seed: str, first: int) -> Iterator[Base]:
    """Endless programs from the grammar."""
    number = first
    while True:
        yield generated(f"{seed}:{number}")
        number += 1


def made(
    bases: Sequence[Base] | Iterator[Base], seed: str, most: int, names: Sequence[str], first: int
) -> Iterator[Made]:
    """Endless programs; the same for the same seed.

    Of a fixture something is always changed, of a program from the grammar one time in two.
    """
    number = first
    while True:
        choose = random.Random(f"{seed}:{number}")
        number += 1
        base = choose.choice(bases) if isinstance(bases, Sequence) else next(bases)
        steps: list[Step] = []
        wanted = choose.randint(1, most) if most else 0
        if base.choices and (len(base.files) > 1 or choose.random() < 0.5):
            wanted = 0
        for attempt in range(TRIES if wanted else 0):
            step = (choose.choice(names), f"{seed}:{number}:{attempt}")
            if mutated(base, [*steps, step]) is not None:
                steps.append(step)
            if len(steps) == wanted:
                break
        files = mutated(base, steps) if steps else base.files
        if files is not None and (steps or base.choices):
            yield Made(base, tuple(steps), files)


def mutated(base: Base, steps: Sequence[Step]) -> Mapping[str, str] | None:
    """The files of a base after all steps; None where one finds no place."""
    if not steps:
        return base.files
    if len(base.files) > 1:
        return None
    [(path, text)] = base.files.items()
    tree = ast.parse(text)
    for mutation, seed in steps:
        changed = Program(tree, base.kept, random.Random(seed))
        if not MUTATIONS[mutation](changed):
            return None
        ast.fix_missing_locations(tree)
    text = ast.unparse(tree) + "\n"
    try:
        compile(text, base.name, "exec")
    except SyntaxError:
        return None
    return {path: text}
