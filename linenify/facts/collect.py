"""`collect(project)`: all facts, in order, once."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from linenify.facts.ask.parameters import Decisions
from linenify.facts.ask.program import Index, Program
from linenify.facts.calls import emit_calls
from linenify.facts.deciding.plan import Plan, Settled
from linenify.facts.files.halfway import flag_seams, flag_subclasses, leave_linen, refuse_classes
from linenify.facts.files.marked import leave_marked
from linenify.facts.files.names import emit_names
from linenify.facts.files.regions import Region, Regions
from linenify.facts.files.standins import emit_stand_ins
from linenify.facts.flow.interpret import Interpreter
from linenify.facts.jax.jaxvalues import emit_values
from linenify.facts.modules.classplans import plan_classes
from linenify.facts.modules.definitions import emit_definitions, flag_strangers, freeze_refused
from linenify.facts.modules.frozen import conversions
from linenify.facts.modules.partialmembers import emit_partial_members
from linenify.facts.modules.secondruns import emit_second_runs
from linenify.facts.modules.setup import plan_setup
from linenify.facts.modules.thawing import emit as emit_thawed
from linenify.facts.modules.transforms import emit_decorated
from linenify.facts.naming.keptnames import emit_kept_names
from linenify.facts.naming.naming import check_names, children
from linenify.facts.naming.paramnames import emit_param_names
from linenify.facts.sites import FileFacts
from linenify.facts.training import sharing
from linenify.facts.training.training import training_of
from linenify.project.source import Project


@dataclass(frozen=True, slots=True)
class Roles:
    """The decided arguments of one module method, for people to read."""

    method: str
    arguments: tuple[tuple[str, str, str, str], ...]  # name, role, type, why


@dataclass(frozen=True, slots=True)
class Names:
    """What the submodules of one module method are called, in legacy order.

    A number that depends on a loop or branch is `#`.
    """

    method: str
    children: tuple[tuple[str, str, int], ...]  # legacy name, Linen name, line


@dataclass(frozen=True, slots=True)
class Facts:
    """What is to happen, by file name."""

    files: Mapping[str, FileFacts]
    roles: tuple[Roles, ...] = ()
    names: tuple[Names, ...] = ()


def collect(project: Project) -> Facts:
    """Infers kinds over all that can matter and decides every site; pure."""
    flow, region = _run(project)
    decisions = Decisions(flow, _overrides(project))
    program = Program(_part(project, region.decided), flow, decisions, Index(flow.project))
    settled: dict[ast.Call, Settled] = {}
    while True:
        plan = Plan(program, settled)
        plan_classes(plan)
        refuse_classes(plan)
        thawed = conversions(plan)
        emit_definitions(plan, thawed)
        flag_strangers(plan)
        flag_subclasses(plan)
        emit_decorated(plan)
        emit_calls(plan)
        # All or nothing: what a run needs that stays as it was is decided once more.
        unsettled = training_of(plan).models.unsettled()
        if not unsettled:
            break
        settled |= unsettled
    sharing.settle(plan)
    emit_partial_members(plan)
    emit_second_runs(plan)
    emit_values(plan)
    emit_thawed(plan, thawed)
    flag_seams(plan)
    emit_kept_names(plan)
    names = tuple(_names(plan))
    check_names(plan)
    emit_param_names(plan)
    plan_setup(plan)
    emit_names(plan)
    leave_linen(plan)
    freeze_refused(plan)
    leave_marked(plan)
    emit_stand_ins(plan)
    roles = tuple(
        Roles(
            decisions.qualname(function),
            tuple((d.name, str(d.role), d.type, d.why) for d in table.values()),
        )
        for function, table in decisions.of.items()
    )
    decided = region.decided
    files = {
        s.name: plan.files[s.name] if s.name in decided else FileFacts() for s in project.sources
    }
    return Facts(files, roles, names)


def _run(project: Project) -> tuple[Interpreter, Region]:
    """The finished flow of the files that can matter, and which they are."""
    region = Regions(project).region()
    flow = Interpreter(_part(project, region.decided | region.outlined))
    flow.run(region.outlined)
    return flow, region


def _part(project: Project, names: frozenset[str]) -> Project:
    return replace(project, sources=tuple(s for s in project.sources if s.name in names))


def _names(plan: Plan) -> Iterator[Names]:
    for class_plan in plan.classes.values():
        for method in class_plan.methods if class_plan.refused is None else ():
            found = children(plan, plan.flow.code[method].source, method)
            if class_plan.node in plan.kept:
                found = tuple(replace(child, linen=child.legacy) for child in found)
            pairs = tuple((child.legacy, child.linen, child.call.lineno) for child in found)
            yield Names(plan.decisions.qualname(method), pairs)


def describe(facts: Facts) -> str:
    """The facts as text, for `linenify facts`."""
    lines: list[str] = []
    for roles in facts.roles:
        lines.append(roles.method)
        for name, role, type_, why in roles.arguments:
            lines.append(f"    {name:<24} {role:<6} {type_:<14} {why}")
    for names in facts.names:
        if names.children:
            lines.append(f"{names.method} submodules, legacy and Linen")
        lines.extend(f"    {old:<24} {new:<24} line {line}" for old, new, line in names.children)
    for name, file in facts.files.items():
        places = [
            (span.line, span.column, str(site)) for (_, span), site in file.expressions.items()
        ]
        places += [
            (line, column, str(site)) for (_, line, column), site in file.definitions.items()
        ]
        for line, column, site in sorted(places):
            lines.append(f"{name}:{line}:{column + 1} {site}")
        lines.extend(f"{name}:{f.span} {f.code} {f.message}" for f in file.refusals)
    return "\n".join(lines)


def _overrides(project: Project) -> dict[str, str]:
    roles = dict(project.options).get("roles", ())
    pairs = roles.items() if isinstance(roles, dict) else roles
    if not isinstance(pairs, Iterable):
        return {}
    return {str(name): str(role) for name, role in pairs if role in {"input", "field"}}
