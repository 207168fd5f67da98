"""Names that the files of a project take from each other, once all have been rewritten."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from linenify.facts.sites import FileFacts, ImportedName, ImportSite
from linenify.project.nodes import walk
from linenify.project.resolve import Imports
from linenify.project.source import Project, Source
from linenify.syntax.imports import read_names
from linenify.syntax.importtime import bound_at_top, read_at_import

_BUILTINS = frozenset(dir(builtins))
Trees = Mapping[str, ast.Module]  # what the files are afterwards, by name


@dataclass(frozen=True, slots=True)
class _Taken:
    """A name that one file takes from another."""

    by: Source
    origin: str  # the name of the file
    name: str
    local: str | None = None  # what it is called there; None: it is read as an attribute
    statement: ast.ImportFrom | None = None


def settle(project: Project, facts: Mapping[str, FileFacts], after: Trees) -> set[str]:
    """Decides about imports that a file needs no longer and another takes from it.

    They stay where that file still reads them and they can be imported, and go on both
    sides otherwise.  Gives the names of the files that have to be rewritten again.
    """
    lost = _lost(project, after)
    if not lost:
        return set()
    again: set[str] = set()
    read = {name: read_names(after[name]) for name in after}
    for taken in _takes(project, after, lost):
        home, own = facts[taken.origin], facts[taken.by.name]
        stays = taken.local is None or taken.local in read[taken.by.name]
        if stays and _can_stay(home, taken.name):
            if taken.name not in home.kept:
                home.kept.add(taken.name)
                again.add(taken.origin)
        elif taken.statement is not None and _leave_out(own, taken):
            again.add(taken.by.name)
    for name, names in lost.items():
        listed = names & _listed(after[name]) - facts[name].unlisted - facts[name].kept
        if listed:
            facts[name].unlisted |= listed
            again.add(name)
    return again


def breaches(project: Project, facts: Mapping[str, FileFacts], after: Trees) -> dict[str, str]:
    """Files that could be imported and no longer can, for want of a name, and why."""
    lost = _lost(project, after)
    found: dict[str, str] = {}
    for source in project.sources:
        names = lost.get(source.name, frozenset())
        if names:
            for node, _ in read_at_import(after[source.name]):
                root = node
                while isinstance(root, ast.Attribute):
                    root = root.value
                if isinstance(root, ast.Name) and root.id in names - _BUILTINS:
                    why = f"`{root.id}` is read at import, and bound no longer"
                    found.setdefault(source.name, why)
    for taken in _takes(project, after, lost):
        if taken.statement is not None and not _is_left_out(facts[taken.by.name], taken):
            why = f"`{taken.name}` is imported from {taken.origin}, which has it no longer"
            found.setdefault(taken.by.name, why)
    return found


def _lost(project: Project, after: Trees) -> dict[str, frozenset[str]]:
    """What files bound before and bind no longer."""
    found: dict[str, frozenset[str]] = {}
    for source in project.sources:
        if after[source.name] is not source.tree:
            names = bound_at_top(source.tree) - bound_at_top(after[source.name])
            if names:
                found[source.name] = frozenset(names)
    return found


def _takes(project: Project, after: Trees, lost: Mapping[str, frozenset[str]]) -> Iterator[_Taken]:
    """What the files take of that, in the order of the files."""
    imports = Imports(project)
    for source in project.sources:
        tree = after[source.name]
        held: dict[str, str] = {}  # names that stand for files
        for node in walk(tree):
            match node:
                case ast.Import(names=aliases):
                    for alias in aliases:
                        whole = imports.find(alias.name, source)
                        if whole in lost and (alias.asname or "." not in alias.name):
                            held[alias.asname or alias.name] = whole or ""
                case ast.ImportFrom(module=module, names=aliases, level=level):
                    home = imports.absolute(source, module or "", level)
                    file = imports.find(home, source, level)
                    for alias in aliases:
                        name, local = alias.name, alias.asname or alias.name
                        inner = imports.find(f"{home}.{name}" if home else name, source, level)
                        if inner is not None and inner in lost:
                            held[local] = inner
                        if file is None or file not in lost or inner is not None:
                            continue
                        if name == "*":
                            for each in lost[file] & read_names(tree) - bound_at_top(tree):
                                yield _Taken(source, file, each)
                        elif name in lost[file]:
                            yield _Taken(source, file, name, local, node)
        for node in walk(tree) if held else ():
            match node:
                case (
                    ast.Attribute(value=ast.Name(id=local), attr=name)
                    | ast.Call(
                        func=ast.Name(id="getattr"),
                        args=[ast.Name(id=local), ast.Constant(value=str(name)), *_],
                    )
                ) if local in held and name in lost[held[local]]:
                    yield _Taken(source, held[local], name)


def _listed(tree: ast.Module) -> set[str]:
    """What `__all__` names."""
    return {
        leaf.value
        for node in walk(tree)
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id == "__all__" and node.value is not None
        for leaf in walk(node.value)
        if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str)
    }


def _can_stay(facts: FileFacts, name: str) -> bool:
    """Whether the import that bound a name can still be had."""
    return any(
        each.local == name and each.target is not None and not each.gone
        for site in facts.definitions.values()
        if isinstance(site, ImportSite)
        for each in site.names
    )


def _leave_out(facts: FileFacts, taken: _Taken) -> bool:
    """Has the import of a name go; False when that is decided already."""
    found = _alias(taken)
    if found is None or _is_left_out(facts, taken):
        return False
    place, index = found
    made = ImportedName(index, taken.local or taken.name, None, gone=True)
    known = facts.definitions.get(place)
    names = known.names if isinstance(known, ImportSite) else ()
    facts.definitions[place] = ImportSite((*names, made))
    return True


def _is_left_out(facts: FileFacts, taken: _Taken) -> bool:
    found = _alias(taken)
    known = facts.definitions.get(found[0]) if found is not None else None
    return (
        found is not None
        and isinstance(known, ImportSite)
        and any(each.index == found[1] for each in known.names)
    )


def _alias(taken: _Taken) -> tuple[tuple[str, int, int], int] | None:
    """Where a name was imported before the rewrite: its statement, and its place there."""
    after = taken.statement
    for node in walk(taken.by.tree):
        if (
            after is not None
            and isinstance(node, ast.ImportFrom)
            and (node.module, node.level) == (after.module, after.level)
        ):
            for index, alias in enumerate(node.names):
                if (alias.name, alias.asname or alias.name) == (taken.name, taken.local):
                    return ("ImportFrom", node.lineno, node.col_offset), index
    return None
