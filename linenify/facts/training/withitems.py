"""The items of `with` statements that open `nn.stateful` and `nn.stochastic`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from linenify.facts.ask.arguments import is_spelt
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import External

_STATEFUL = External("flax.nn.stateful")
_STOCHASTIC = External("flax.nn.stochastic")


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a `with` statement that opens a legacy context."""

    statement: ast.With
    place: int
    kind: str  # "state" or "rng"
    argument: ast.expr | None  # the state or the key
    captured: str | None = None
    mutable: bool = True
    spelt: bool = True  # whether its arguments can be read


@dataclass(frozen=True, slots=True)
class Around:
    """The contexts that a run happens in; None where there is none of a kind."""

    state: Item | None = None
    rng: Item | None = None
    draw: int = 0  # how many runs have drawn from the key before
    threaded: bool = False  # the callers pass the key on, as the argument `rngs`
    split: tuple[str, str] | None = None  # the key is split before each run: its name, and the new


def items_of(plan: Plan, statement: ast.With) -> Iterator[Item]:
    """The items of a statement that open a legacy context."""
    for place, item in enumerate(statement.items):
        call = item.context_expr
        if not isinstance(call, ast.Call):
            continue
        callee = plan.flow.values.get(call.func, frozenset())
        given = {k.arg: k.value for k in call.keywords}
        spelt = is_spelt(call)
        captured = None
        if isinstance(item.optional_vars, ast.Name | ast.Attribute):
            captured = ast.unparse(item.optional_vars)
        if _STOCHASTIC in callee:
            key = call.args[0] if call.args else given.get("init_rng")
            yield Item(statement, place, "rng", key if spelt else None, captured, spelt=spelt)
        elif _STATEFUL in callee:
            state = call.args[0] if call.args else given.get("state")
            if isinstance(state, ast.Constant):
                state = None
            flag = call.args[1] if len(call.args) > 1 else given.get("mutable")
            mutable = not isinstance(flag, ast.Constant) or bool(flag.value)
            # A flag that is computed may as well be true: a correct program
            # changes nothing where it is not.
            yield Item(
                statement, place, "state", state if spelt else None, captured, mutable, spelt
            )


def split_line(rng: str, key: str) -> str:
    """The statement that takes a new key from a stream."""
    return f"{rng}, {key} = {{spell:jax.random.split}}({rng})"
