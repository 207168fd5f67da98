"""Shared modules with running statistics that run again while they are initialised.

Legacy took a module for initialised at its second run, and so updated statistics
in that run, behind initial values that it had set anew.  Linen never does.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from linenify.facts.ask.effects import effects
from linenify.facts.ask.places import LOOPS, exclude
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import Module, modules
from linenify.facts.modules.firstruns import FirstRuns, first_runs

_DEPTH = 4  # through how many functions calls are counted


def emit_second_runs(plan: Plan) -> None:
    """Says where the initial statistics are other ones."""
    known = first_runs(plan)
    for origin, runs in known.runs.items():
        found = {
            m
            for run in runs
            for m in modules(plan.flow.values.get(run.func, frozenset()))
            if m.origin is origin and (m.shared or origin in plan.promoted)
        }
        if found and _runs_again(plan, known, origin, runs) and any(_keeps(plan, m) for m in found):
            plan.notice(plan.source(origin), origin, "LN818")


def _keeps(plan: Plan, module: Module) -> bool:
    """Whether a run changes something besides params."""
    if module.definition == "BatchNorm":
        for origin in plan.bindings(module):
            for keyword in origin.keywords:
                if keyword.arg == "use_running_average" and isinstance(keyword.value, ast.Constant):
                    return not keyword.value.value
    return bool(effects(plan, module).collections)


def _runs_again(plan: Plan, known: FirstRuns, origin: ast.Call, runs: Sequence[ast.Call]) -> bool:
    made = {node for node in plan.ancestors(origin) if isinstance(node, LOOPS)}
    if any(_is_repeated(plan, known, run, made, _DEPTH) for run in runs):
        return True
    return any(
        not exclude(plan, one, other)
        for place, one in enumerate(runs)
        for other in runs[place + 1 :]
    )


def _is_repeated(
    plan: Plan, known: FirstRuns, run: ast.Call, made: AbstractSet[ast.AST], depth: int
) -> bool:
    """Whether a call may run twice for one module: in a loop, or in a function called twice.

    Not in the loops that it is made in, each round anew.
    """
    if depth == 0 or any(isinstance(n, LOOPS) and n not in made for n in plan.ancestors(run)):
        return True
    code = plan.code(run)
    if code is None or code.node in plan.decisions.of:
        return False
    calls = known.calls[code.node]
    return len(calls) > 1 or any(_is_repeated(plan, known, c, made, depth - 1) for c in calls)
