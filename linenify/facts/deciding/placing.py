"""New names and new statements: which are free, and who has taken them."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Sequence

from linenify.facts.ask.places import home, siblings_on_line
from linenify.facts.deciding.plan import Plan
from linenify.project.nodes import walk


def free_name(plan: Plan, place: ast.AST, names: Sequence[str]) -> str:
    """The first of `names` that the function around `place` does not use, nor anyone before.

    Where all of them are taken, the first one with a number.
    """
    around = home(plan, place)
    used = {n.id for n in walk(around) if isinstance(n, ast.Name)}
    used |= {n.arg for n in walk(around) if isinstance(n, ast.arg)}
    given = plan.given_names[around]
    numbered = (f"{names[0]}_{number}" for number in itertools.count(2))
    name = next(n for n in itertools.chain(names, numbered) if n not in used and n not in given)
    given.add(name)
    return name


def in_block(plan: Plan, statement: ast.stmt) -> bool:
    """Whether other statements can take the place of one.

    It has its line to itself, or is the only one of its line that is replaced.
    """
    beside = siblings_on_line(plan, statement)
    if len(beside) < 2:
        return bool(beside)
    source = plan.source(statement)
    column = plan.span(source, statement).column
    return plan.files[source.name].shared.setdefault(statement.lineno, column) == column
