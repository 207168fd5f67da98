"""What a file spells of JAX, Flax and NumPy, read off its names alone: nothing is inferred."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from linenify.facts.jax.jaxarguments import array_arguments
from linenify.facts.jax.jaxforms import FORMS, moved
from linenify.facts.jax.reductions import REDUCTIONS
from linenify.facts.legacy import oldapi
from linenify.facts.legacy.changed import changed_behaviour
from linenify.facts.legacy.jaxnames import DEFAULTS, SWITCHES, replacement
from linenify.project.nodes import walk
from linenify.project.resolve import Imports
from linenify.project.source import Project, Source

_DISPLAYS = ast.List | ast.ListComp | ast.Tuple
_MAKERS = frozenset({"list", "tuple", "sorted"})
_MODULES = frozenset({"jax", "jax.lax", "jax.numpy", "jax.nn", "jax.random", "numpy"})
_DEPTH = 8  # files that hand a name on


class Spellings:
    """The dotted names that files spell, through imports and plain assignments."""

    def __init__(self, project: Project, imports: Imports) -> None:
        self._by_name = project.by_name()
        self._imports = imports
        self._tables: dict[str, dict[str, str]] = {}

    def concern(self, source: Source) -> bool:
        """Whether a file spells a name that is gone, or a call that is given otherwise today."""
        if any(name in source.text for name in DEFAULTS):
            return True
        paths: dict[ast.AST, str] = {}
        table = self._table(source)
        if not table:
            return False
        if any(_is_gone(path) or path.endswith(".*") for path in table.values()):
            return True
        listed: set[str] | None = None
        # Modules, and functions that take other arguments today, as values: who reads
        # or calls them is not known here.
        handed: set[ast.AST] = set()
        for node in reversed(walk(source.tree)):  # what is inside comes first
            match node:
                case ast.Name(id=name) if name in table:
                    paths[node] = table[name]
                case ast.Attribute(value=owner, attr=name) if owner in paths:
                    paths[node] = f"{paths[owner]}.{name}"
                    handed.discard(owner)
                case ast.Call(func=ast.Name(id="getattr" | "hasattr"), args=[owner, *_]) if (
                    owner in paths
                ):
                    return True
                case ast.Call(func=func) if func in paths:
                    handed.discard(func)
                    if listed is None:
                        listed = _listed(source.tree)
                    if _asks(node, paths, listed):
                        return True
                case ast.Constant(value=str(text)) if "." in text and _is_gone(text):
                    return True
            path = paths.get(node)
            if path is not None and _is_gone(path):
                return True
            if path is not None and _takes_otherwise(path):
                handed.add(node)
        return bool(handed)

    def _table(self, source: Source, depth: int = _DEPTH) -> dict[str, str]:
        """What the names of a file stand for, as far as imports say so."""
        found = self._tables.get(source.name)
        if found is not None:
            return found
        found = self._tables[source.name] = {}
        aliases: list[tuple[str, ast.expr]] = []
        for node in walk(source.tree):
            match node:
                case ast.Import(names=every):
                    for alias in every:
                        path = alias.name if alias.asname else alias.name.partition(".")[0]
                        if self._imports.find(path, source) is None:
                            found[alias.asname or path] = path
                            if _is_gone(alias.name):
                                found[alias.name] = alias.name
                case ast.ImportFrom(module=module, names=every, level=level):
                    home = self._imports.absolute(source, module or "", level)
                    origin = self._imports.find(home, source)
                    for alias in every:
                        path = f"{home}.{alias.name}"
                        if origin is not None:
                            given = self._table(self._by_name[origin], depth - 1) if depth else {}
                            if alias.name == "*":
                                found |= {k: v for k, v in given.items() if k not in found}
                            elif alias.name in given:
                                found[alias.asname or alias.name] = given[alias.name]
                        elif self._imports.find(path, source) is None:
                            found[alias.asname or alias.name] = path
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    aliases.append((name, value))
        for name, value in aliases:  # `mean = jnp.mean`, `mean = jnp.mean if exact else ...`
            for chain in _chains(value, found):
                found.setdefault(name, chain)
        return found


def _chains(node: ast.expr, table: dict[str, str]) -> Iterator[str]:
    """What an expression may stand for, spelt out."""
    match node:
        case ast.Name(id=name) if name in table:
            yield table[name]
        case ast.Attribute(value=owner, attr=name):
            yield from (f"{path}.{name}" for path in _chains(owner, table))
        case ast.IfExp(body=body, orelse=orelse):
            yield from _chains(body, table)
            yield from _chains(orelse, table)
        case ast.BoolOp(values=values):
            for each in values:
                yield from _chains(each, table)
        case ast.Call(func=func, args=[bound, *_]) if "functools.partial" in _chains(func, table):
            yield from _chains(bound, table)


def _is_gone(path: str) -> bool:
    return (
        oldapi.is_gone(path)
        or path in FORMS
        or path in SWITCHES
        or changed_behaviour(path) is not None
    )


def _takes_otherwise(path: str) -> bool:
    return path in _MODULES or moved(path) is not None or array_arguments(path) is not None


def _asks(call: ast.Call, paths: dict[ast.AST, str], listed: set[str]) -> bool:
    """Whether a call gives arguments that its function takes otherwise today."""
    path, arguments = paths[call.func], call.args
    if path == "functools.partial" and arguments and arguments[0] in paths:
        path, arguments = paths[arguments[0]], arguments[1:]
    path = replacement(path) or path
    given = [*enumerate(arguments), *((k.arg, k.value) for k in call.keywords)]
    changes = moved(path)
    if changes is not None and any(
        place in changes.places or place in changes.keywords for place, _ in given
    ):
        return True
    if path.startswith("numpy."):
        asked = path.removeprefix("numpy.") in REDUCTIONS
        return asked and any(_may_be_list(value, listed) for _, value in given[:1])
    nested = (v for _, v in given if isinstance(v, ast.List | ast.Tuple))
    if any(_may_be_list(each, listed) for value in nested for each in value.elts):
        return True  # `jnp.concatenate([x, [1., 2.]])`
    wanted = array_arguments(path)
    if wanted is None:
        return False
    return any(
        _may_be_list(value, listed)
        for place, value in given
        if place in wanted.places
        or place in wanted.names
        or (wanted.rest is not None and isinstance(place, int) and place >= wanted.rest)
    )


def _may_be_list(node: ast.expr, listed: set[str]) -> bool:
    match node:
        case ast.Attribute(attr="shape") | ast.Subscript(slice=ast.Slice()):
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in listed
        case ast.Starred() | ast.IfExp():
            return True
        case ast.Call(func=ast.Name(id=name)):
            return name in _MAKERS
    return isinstance(node, _DISPLAYS)


def _listed(tree: ast.Module) -> set[str]:
    """The names that lists and tuples are assigned to somewhere in a file."""
    found: set[str] = set()
    for node in walk(tree):
        match node:
            case ast.Assign(targets=targets, value=value) if _may_be_list(value, set()):
                found |= set(_names(targets))
            case ast.AnnAssign(target=target, value=ast.expr() as value) if _may_be_list(
                value, set()
            ):
                found |= set(_names([target]))
            case ast.arguments(vararg=ast.arg(arg=name)):
                found.add(name)
    return found


def _names(targets: Iterable[ast.expr]) -> Iterable[str]:
    for target in targets:
        match target:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                yield name
