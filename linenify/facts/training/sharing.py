"""One support class a project: defined in one file, imported by the others that need it.

Two classes of one name are two types: pytrees of both never meet in one `tree_map`,
and `isinstance` tells them apart.  The class goes into a file that all of its users
import already, so that no import runs in a circle.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from linenify.facts.deciding.plan import Plan
from linenify.facts.deciding.support import has_own, is_taken
from linenify.facts.legacy.snippets import OBJECT
from linenify.project.source import Source

SHARED = (OBJECT, "ReplicatedState")


def settle(plan: Plan) -> None:
    """Leaves each shared class in one file, where there is one that all users can import."""
    for name in SHARED:
        users = [s for s in plan.project.sources if name in plan.files[s.name].support]
        if len(users) < 2 and not any(has_own(s.tree, name) for s in plan.project.sources):
            continue
        if not users:
            continue
        edges = {source.name: dict(_imports(plan, source)) for source in plan.project.sources}
        home = _home(plan, name, users, edges)
        if home is None:
            continue
        for user in users:
            if user is home:
                continue
            plan.files[user.name].support.remove(name)
            if not _has_it(plan, user, name, home, edges):
                plan.files[user.name].borrowed[name] = _spelt(user, home, edges[user.name])
        if name not in plan.files[home.name].support and not has_own(home.tree, name):
            plan.files[home.name].support.append(name)
        plan.files[home.name].offered.add(name)


def _home(
    plan: Plan, name: str, users: list[Source], edges: dict[str, dict[str, str]]
) -> Source | None:
    """The file that gets the class: one that is imported by all the others."""
    reached = {source.name: _reachable(source.name, edges) for source in plan.project.sources}
    fitting: list[Source] = []
    for source in plan.project.sources:
        others = [user for user in users if user is not source]
        if is_taken(source.tree, name):
            continue
        if all(
            source.name in reached[user.name]
            and user.name not in reached[source.name]
            and _spelt(user, source, edges[user.name])
            for user in others
        ):
            fitting.append(source)
    every = set(map(id, users))

    def order(source: Source) -> tuple[bool, bool, int, str]:
        direct = sum(source.name in edges[user.name] for user in users)
        return not has_own(source.tree, name), id(source) not in every, -direct, source.name

    return min(fitting, key=order, default=None)


def _has_it(
    plan: Plan, user: Source, name: str, home: Source, edges: dict[str, dict[str, str]]
) -> bool:
    """Whether a file imports the class already, from an earlier run."""
    del plan
    wanted = edges[user.name].get(home.name)
    return wanted is not None and any(
        isinstance(node, ast.ImportFrom)
        and "." * node.level + (node.module or "") == wanted
        and any(alias.name == name and alias.asname is None for alias in node.names)
        for node in user.tree.body
    )


def _imports(plan: Plan, source: Source) -> Iterator[tuple[str, str]]:
    """The project files that a file imports at its top, and how it spells them."""
    imports = plan.flow.imports
    for node in source.tree.body:
        match node:
            case ast.Import(names=names):
                for alias in names:
                    found = imports.find(alias.name, source)
                    if found is not None:
                        yield found, alias.name
            case ast.ImportFrom(names=names, level=level):
                written = "." * level + (node.module or "")
                base = imports.absolute(source, node.module or "", level)
                for alias in names:
                    name = f"{base}.{alias.name}" if base else alias.name
                    inner = imports.find(name, source, level)
                    if inner is not None:
                        dot = "" if written.endswith(".") or not written else "."
                        yield inner, f"{written}{dot}{alias.name}"
                found = imports.find(base, source, level)
                if found is not None:
                    yield found, written


def _reachable(start: str, edges: dict[str, dict[str, str]]) -> set[str]:
    found: set[str] = set()
    pending = [start]
    while pending:
        fresh = set(edges[pending.pop()]) - found
        found |= fresh
        pending += fresh
    return found


def _spelt(user: Source, home: Source, edges: dict[str, str]) -> str:
    """How a file can import another one, in the way in which it imports its neighbours."""
    if home.name in edges:
        return edges[home.name]
    for found, written in edges.items():
        if written.startswith("."):
            continue
        root = found.removesuffix(written)
        if root != found or found == written:
            prefix = root if found != written else ""
            if home.name.startswith(prefix):
                return home.name.removeprefix(prefix)
    if any(written.startswith(".") for written in edges.values()):
        return _relative(user, home)
    return ""


def _relative(user: Source, home: Source) -> str:
    mine = user.name.split(".") if user.is_package else user.name.split(".")[:-1]
    theirs = home.name.split(".")
    same = 0
    while same < min(len(mine), len(theirs)) and mine[same] == theirs[same]:
        same += 1
    return "." * (len(mine) - same + 1) + ".".join(theirs[same:])
