"""Arguments of JAX and NumPy functions that are still there, and take others today.

Some moved or were renamed, and JAX takes no lists where it wants arrays.  A call is
rewritten where all that it may call is known; where it may call something else as well,
it is flagged, if what it passes is refused by one of them.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache

from linenify.facts.ask.arguments import as_given, text
from linenify.facts.ask.spelt import certain
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import Container, External, Parameter, Partial, Static, Value
from linenify.facts.jax.arrayarguments import ARRAY_ARGUMENTS
from linenify.facts.jax.jaxarrays import assigned, reaching
from linenify.facts.jax.jaxforms import Moved, moved
from linenify.facts.legacy.jaxnames import replacement
from linenify.facts.sites import Added, Argument, Given, Reordered, Unclear
from linenify.project.source import Source

_DISPLAYS = ast.List | ast.ListComp | ast.Tuple
_MAKERS = frozenset({"builtins.list", "builtins.tuple", "builtins.sorted"})
_SEQUENCES = frozenset(
    f"jax.numpy.{name}"
    for name in ("concatenate", "stack", "hstack", "vstack", "dstack", "column_stack")
)


@dataclass(frozen=True, slots=True)
class _Call:
    """A call, or a `functools.partial`, by the function that gets the arguments."""

    node: ast.Call
    function: ast.expr
    skip: int  # how many arguments stand before its own

    def values(self) -> list[ast.expr]:
        return [*self.node.args, *(k.value for k in self.node.keywords)]


def emit(plan: Plan, source: Source, node: ast.Call) -> None:
    """`jnp.clip(x, a_max=1)` is `jnp.clip(x, max=1)`, and `jnp.mean([a, b])` gets an array.

    Raises:
        Unclear: the callee may be something else, or an argument says what is gone.
    """
    call = _Call(node, node.func, 0)
    if node.args and certain(plan, node.func) == "functools.partial":
        call = _Call(node, node.args[0], 1)
    members = _members(plan.flow.values.get(call.function, frozenset()))
    asking = [path for path in members if _asks(plan, call, path)]
    if not asking:
        return
    paths = closed(plan, call.function)
    if paths is None:
        others = "another function" if any(p not in asking for p in members) else "something else"
        asked = f"`{asking[0]}`, {_asks(plan, call, asking[0])}"
        raise Unclear("LN196", f"`{text(call.function)}` may be {asked}, and may be {others}")
    made = {_arranged(plan, call, path) for path in paths}
    if len(made) > 1:
        raise Unclear("LN196", f"`{text(call.function)}` may be one of {', '.join(sorted(paths))}")
    arguments, rule = made.pop()
    plan.at(source, node, Reordered(arguments, rule))


def _members(value: Value) -> list[str]:
    """The library functions that a value may be, also with keywords bound to them."""
    found: set[str] = set()
    for atom in value:
        inner = atom.function if isinstance(atom, Partial) and not atom.positional else atom
        if isinstance(inner, External):
            found.add(inner.path)
    return sorted(found)


def closed(plan: Plan, node: ast.expr, depth: int = 6) -> set[str] | None:
    """All that an expression can be, where the code around it spells all of it out."""
    path = certain(plan, node)
    if path is not None:
        return {path}
    match node:
        case ast.IfExp(body=body, orelse=orelse):
            parts: list[ast.expr | ast.arg] = [body, orelse]
        case ast.Call(func=func, args=[bound]) if certain(plan, func) == "functools.partial":
            parts = [bound]
        case ast.Name():
            held = reaching(plan, node) or assigned(plan, node)
            parts = [each.node for each in held if not each.part]
            if len(parts) < len(held):
                return None
        case _:
            return None
    found: set[str] = set()
    for part in parts:
        inner = closed(plan, part, depth - 1) if depth and isinstance(part, ast.expr) else None
        if inner is None:
            return None
        found |= inner
    return found or None


# --- what is asked ----------------------------------------------------------------------------


def _asks(plan: Plan, call: _Call, path: str) -> str:
    """What one function would refuse in a call as it is written; empty where nothing."""
    path = replacement(path) or path
    changes = moved(path)
    for given in as_given(call.node):
        place = given.index - call.skip
        if given.index < call.skip:
            continue
        if given.index < len(call.node.args):
            if isinstance(call.node.args[given.index], ast.Starred):
                break
            if changes is not None and place in changes.places:
                return "which takes its arguments otherwise today"
        elif changes is not None and given.keyword in changes.keywords:
            return f"which takes no `{given.keyword}=` today"
    for given in as_given(call.node):
        if _wants_array(call, path, given) and listness(plan, call.values()[given.index]):
            return "which takes no lists today"
    if path in _SEQUENCES and len(call.node.args) > call.skip:
        match call.node.args[call.skip]:
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                if any(isinstance(each, _DISPLAYS) for each in elements):
                    return "which takes no lists in place of arrays today"
    return ""


def _wants_array(call: _Call, path: str, given: Given) -> bool:
    wanted = array_arguments(path)
    if wanted is None or given.index < call.skip:
        return False
    if given.index >= len(call.node.args):
        return given.keyword in wanted.names
    if any(isinstance(a, ast.Starred) for a in call.node.args[: given.index + 1]):
        return False
    place = given.index - call.skip
    return place in wanted.places or (wanted.rest is not None and place >= wanted.rest)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where a function wants arrays."""

    places: frozenset[int]
    names: frozenset[str]
    rest: int | None


@cache
def _wanted() -> dict[str, Wanted]:
    table: dict[str, Wanted] = {}
    for namespace, text_ in ARRAY_ARGUMENTS.items():
        spots: list[str] = []
        for line in text_.split("\n"):
            if line and not line.startswith(" "):
                spots = line.split()
                continue
            places = {int(s.partition(":")[0]) for s in spots if not s.endswith("*")}
            names = {s.partition(":")[2] for s in spots} - {""}
            rest = next((int(s[:-1]) for s in spots if s.endswith("*")), None)
            for name in line.split():
                wanted = Wanted(frozenset(places), frozenset(names), rest)
                table[f"{namespace}.{name}"] = wanted
    return table


def array_arguments(path: str) -> Wanted | None:
    """Where a function of JAX wants arrays, and takes no lists."""
    return _wanted().get(path)


def listness(plan: Plan, node: ast.expr, seen: frozenset[ast.expr] = frozenset()) -> str:
    """Whether a value is a `list` or tuple, `maybe` is one, or (empty) is none that is known."""
    if isinstance(node, _DISPLAYS):
        return "list"
    if isinstance(node, ast.Name):
        held = reaching(plan, node) or ()
        nodes = [each.node for each in held if isinstance(each.node, ast.expr) and not each.part]
        if nodes and len(nodes) == len(held):
            others = [each for each in nodes if each not in seen and each is not node]
            said = {listness(plan, each, seen | {node}) for each in others}
            return "list" if said == {"list"} else "maybe" if said - {""} else ""
    value = plan.flow.values.get(node, frozenset())
    atoms = [a for a in value if not isinstance(a, Parameter)]
    lists = [a for a in atoms if _is_list(plan, a)]
    if not lists:
        return ""
    if len(lists) == len(atoms):
        return "list"
    # What several calls give at once, the analysis mixes sooner than the program does.
    return "maybe" if isinstance(node, ast.Name) else ""


def _is_list(plan: Plan, atom: object) -> bool:
    match atom:
        case Container(node=node):
            if isinstance(node, ast.Call):
                return certain(plan, node.func) in _MAKERS
            return isinstance(node, _DISPLAYS | ast.arg)
        case Static(type="shape"):
            return True
    return False


# --- what is made -----------------------------------------------------------------------------


def _arranged(plan: Plan, call: _Call, path: str) -> tuple[tuple[Argument, ...], str]:
    """The arguments of a call as one function takes them today, and the rule for that."""
    path = replacement(path) or path
    changes = moved(path) or Moved({}, {})
    first: dict[int, Argument] = {}
    rest: list[Argument] = []
    rule = "LN104"
    for given in as_given(call.node):
        place = given.index - call.skip
        positional = given.index < len(call.node.args)
        today: str | int | None = None
        if positional and given.index >= call.skip:
            today = changes.places.get(place)
        elif given.keyword is not None:
            today = changes.keywords.get(given.keyword)
        if today is not None:
            rule = "LN111"
        if today == "":
            if not _says_nothing(call.values()[given.index]):
                raise Unclear("LN196", f"`{path}` takes `{_name(given, place)}` no longer")
        elif isinstance(today, int):
            first[today + call.skip] = _converted(plan, call, path, given, None, today)
        elif positional and today is None:
            first[given.index] = _converted(plan, call, path, given, None, place)
        else:
            keyword = today or given.keyword
            rest.append(_converted(plan, call, path, given, keyword, place))
    if sorted(first) != [*range(len(first))]:
        raise Unclear("LN196", f"`{path}` takes its arguments by position only today")
    if path in _SEQUENCES and rule == "LN104" and _asks(plan, call, path):
        raise Unclear("LN196", f"`{path}` takes no lists in place of arrays today")
    return (*(first[place] for place in sorted(first)), *rest), rule


def _name(given: Given, place: int) -> str:
    return f"{given.keyword}=" if given.keyword else f"argument {place + 1}"


def _converted(
    plan: Plan, call: _Call, path: str, given: Given, keyword: str | None, place: int
) -> Argument:
    """An argument, as an array where a list is not taken."""
    wanted = array_arguments(path)
    wants = _wants_array(call, path, given) or (
        wanted is not None
        and given.index >= len(call.node.args)
        and (keyword in wanted.names or (keyword is None and place in wanted.places))
        and given.keyword is not None
    )
    kind = listness(plan, call.values()[given.index]) if wants else ""
    if not kind:
        return Given(given.index, keyword)
    maker = "array" if kind == "list" else "asarray"
    return Added(keyword, f"{{jnp}}.{maker}({{{given.index}}})")


def _says_nothing(node: ast.expr) -> bool:
    """Whether an argument that is gone was the default anyway."""
    return isinstance(node, ast.Constant) and node.value in {None, "quicksort", "stable"}
