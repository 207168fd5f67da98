"""Runs that read a context or change a state: keys, new state, and where it goes."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace

from linenify.facts.ask.arguments import text
from linenify.facts.ask.places import can_go_before, is_read
from linenify.facts.deciding.placing import free_name, in_block
from linenify.facts.deciding.plan import Plan
from linenify.facts.deciding.rendering import rendered, repeated_or_unclear
from linenify.facts.sites import ModuleCall, StatementSite, Unclear
from linenify.facts.training.contexts import Contexts
from linenify.facts.training.withitems import Around, Item, split_line
from linenify.project.source import Source


def context_key(plan: Plan, source: Source, around: Around) -> str | None:
    """The text of the key that a run draws from; None outside of `nn.stochastic`."""
    if around.threaded:
        key = "rngs['dropout']"
        return f"{{spell:jax.random.fold_in}}({key}, {around.draw})" if around.draw else key
    if around.rng is None or around.rng.argument is None:
        return None
    if around.split is not None:
        return around.split[1]
    key = opened_with(plan, source, around.rng)
    return f"{{spell:jax.random.fold_in}}({key}, {around.draw})" if around.draw else key


def splits(around: Around) -> tuple[str, ...]:
    """What has to run before, where the key of a context is split for each run."""
    return (split_line(*around.split),) if around.split is not None else ()


def opened_with(plan: Plan, source: Source, item: Item) -> str:
    """The text of the state or the key that a context was opened with."""
    contexts = plan.part(Contexts)
    held = contexts.held.get(item) if contexts is not None else None
    if held is not None or item.argument is None:
        return held or "{}"
    return repeated_or_unclear(plan, source, item.argument, "LN590")


# --- new state -------------------------------------------------------------------------------


def handed_out(
    plan: Plan, source: Source, call: ast.Call, made: ModuleCall, captured: str | None
) -> ModuleCall:
    """`made`, whose pair of output and new variables is taken apart where the output was."""
    if captured is None or not (is_read(plan, call, captured) or _is_handed_on(plan, captured)):
        return replace(made, after="{result}[0]")
    statement = plan.parents.get(call)
    match statement:
        case ast.Assign(targets=[target], value=value) if value is call and in_block(
            plan, statement
        ):
            shown = rendered(plan, source, target)
            lines = (f"{shown}, {captured} = {{value}}",)
            site = StatementSite(made.rule, lines=lines)
            plan.files[source.name].statements[statement.lineno] = site
            return replace(made, shift=len(f", {captured}"))
        case ast.Expr() if in_block(plan, statement):
            site = StatementSite(made.rule, lines=(f"_, {captured} = {{value}}",))
            plan.files[source.name].statements[statement.lineno] = site
            return made
    if not can_go_before(plan, call):
        raise Unclear("LN590", f"the new state of `{text(call.func)}` cannot be taken here")
    name = free_name(plan, call, ("outputs", "result", "model_outputs"))
    before = (*made.before, f"{name}, {captured} = {{result}}")
    return replace(made, before=before, after=name)


def _is_handed_on(plan: Plan, name: str) -> bool:
    """Whether a name is that of a new state which a function gives to its callers."""
    contexts = plan.part(Contexts)
    helpers = contexts.helpers.values() if contexts is not None else ()
    return any(made.returned == name for made in helpers)


def parted(
    plan: Plan, source: Source, call: ast.Call, made: ModuleCall, lines: Sequence[str], code: str
) -> ModuleCall:
    """`made`, whose pair of output and new variables is taken apart.

    Args:
        plan: where sites are put.
        source: the file of `call`.
        call: the run.
        made: what it becomes.
        lines: statements that read the new variables, `{variables}` in them.
        code: that of the refusal if nothing can stand around the run.

    Returns:
        What stands where the run stood.

    Raises:
        Unclear: it cannot be taken apart here.
    """
    variables = free_name(plan, call, ("new_variables", "changed_variables"))
    taken = tuple(line.replace("{variables}", variables) for line in lines)
    statement = plan.parents.get(call)
    match statement:
        case ast.Assign(targets=[target], value=value) if value is call and in_block(
            plan, statement
        ):
            shown = rendered(plan, source, target)
        case ast.Expr(value=value) if value is call and in_block(plan, statement):
            shown = "_"
        case _:
            if not can_go_before(plan, call):
                raise Unclear(code, f"what `{text(call.func)}` changes cannot be taken here")
            name = free_name(plan, call, ("outputs", "result", "model_outputs"))
            before = (*made.before, f"{name}, {variables} = {{result}}", *taken)
            return replace(made, before=before, after=name)
    site = StatementSite(made.rule, lines=(f"{shown}, {variables} = {{value}}", *taken))
    plan.files[source.name].statements[statement.lineno] = site
    return replace(made, shift=len(f", {variables}"))
