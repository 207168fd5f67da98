"""Which files of a project are looked at: the others meet nothing that is migrated.

Files are *together* if one imports the other, however indirectly.  Where one of them names
legacy Flax all are looked at: a helper that is rewritten is called from files that know nothing
of Flax too, and what these hand to it decides what may be done.  Of the others those count that
spell a name of JAX, Flax or NumPy that is gone, or pass arguments otherwise than today.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from linenify.facts.files.spellings import Spellings
from linenify.facts.legacy.externals import MODULE_API, canonical
from linenify.project.nodes import walk
from linenify.project.relevance import MARK, reachable
from linenify.project.resolve import Imports
from linenify.project.source import Project, Source

_SPELT = re.compile(r"flax\.(?:core\.)?(?:nn|optim|deprecated)\b[\w.]*")
_PARTS = frozenset({"nn", "optim", "deprecated", "ModelParamTraversal"})
_HOMES = ("flax.nn", "flax.optim", "flax.deprecated")


@dataclass(frozen=True, slots=True)
class Region:
    """The files that are looked at, by name.

    Attributes:
        decided: those in which something may be decided.
        outlined: those that only say what their names stand for.
    """

    decided: frozenset[str]
    outlined: frozenset[str]


class Regions:
    """Tells the files of a project apart by what they import and name."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._imports = Imports(project)
        self._by_name = project.by_name()
        self._taken = {source.name: frozenset(self._files(source)) for source in project.sources}
        self._takers: Mapping[str, set[str]] = defaultdict(set)
        for importer, taken in self._taken.items():
            for name in taken:
                if not _is_bare(self._by_name[name]):
                    self._takers[name].add(importer)

    def region(self) -> Region:
        """The files that are together with legacy Flax, and those that spell what is gone."""
        seeds = {s.name for s in self._project.sources if self._names_legacy(s)}
        seeds |= self._half_migrated()
        together = reachable(seeds, lambda name: self._taken[name] | self._takers[name])
        spellings = Spellings(self._project, self._imports)
        others = [s for s in self._project.sources if s.name not in together]
        spelling = {s.name for s in others if spellings.concern(s)}
        outlined = reachable(spelling, lambda name: self._taken[name]) - spelling
        return Region(together | spelling, outlined)

    def _half_migrated(self) -> set[str]:
        """Files that may use Linen classes as those of legacy, though they name no legacy Flax."""
        linen = {s.name for s in self._project.sources if self._names_linen(s)}
        users = reachable(linen, lambda name: self._takers[name])
        return {name for name in users if _uses_classes(self._by_name[name])}

    # --- what a file names -------------------------------------------------------------

    def _names_legacy(self, source: Source) -> bool:
        if "flax" not in source.text:
            return False
        if MARK.decode() in source.text:
            return True  # an earlier run has left something
        if self._imports.find("flax", source) is not None:
            return False  # the project is Flax
        imported = [*self._named(source)]
        if any(canonical(path).startswith(_HOMES) or path == "flax.*" for path in imported):
            return True
        # Texts count as well, for `importlib.import_module('flax.nn')`.
        words = frozenset[str]().union(*map(_words, walk(source.tree)))
        rooted = "flax" in words or any(path.partition(".")[0] == "flax" for path in imported)
        return bool(rooted and _PARTS & words) or any(map(_SPELT.fullmatch, words))

    def _names_linen(self, source: Source) -> bool:
        if "linen" not in source.text or self._imports.find("flax", source) is not None:
            return False
        return any(path.startswith("flax.linen") for path in self._named(source)) or any(
            "linen" in _words(node) for node in walk(source.tree)
        )

    def _named(self, source: Source) -> Iterator[str]:
        """The names of libraries that a file imports."""
        for node in walk(source.tree):
            if isinstance(node, ast.Import):
                every = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                every = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            yield from (path for path in every if self._imports.find(path, source) is None)

    def _files(self, source: Source) -> Iterator[str]:
        """The files of the project that a file may take names from."""
        find = self._imports.find
        packages: set[str] = set()
        read: set[str] = set()
        for node in walk(source.tree):
            match node:
                case ast.Import(names=aliases):
                    for alias in aliases:
                        packages.update(_found(find(part, source) for part in _parts(alias.name)))
                case ast.ImportFrom(module=module, names=aliases, level=level):
                    home = self._imports.absolute(source, module or "", level)
                    packages.update(_found(find(part, source) for part in _parts(home)))
                    inner = (f"{home}.{alias.name}" if home else alias.name for alias in aliases)
                    packages.update(_found(find(name, source) for name in inner))
                case ast.Attribute(attr=name):
                    read.add(name)
                case ast.Constant(value=str(name)) if name in self._by_name or "." in name:
                    packages.update(_found([find(name, source)]))
        yield from packages
        for package in packages:  # `package.module`, which somebody else has imported
            if self._by_name[package].is_package:
                yield from self._members(package, read)

    def _members(self, package: str, read: set[str]) -> Iterator[str]:
        for name in read:
            inner = f"{package}.{name}" if package else name
            if inner in self._by_name:
                yield inner
                if self._by_name[inner].is_package:
                    yield from self._members(inner, read)


def _is_bare(source: Source) -> bool:
    """Whether a file holds nothing that others could share: `__init__.py`, nearly always."""
    return all(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for node in source.tree.body
    )


def _uses_classes(source: Source) -> bool:
    """Whether a file reads what only classes of legacy have, or defines an `apply`."""
    for node in walk(source.tree):
        match node:
            case ast.Attribute(value=ast.Name(id="functools")) | ast.Attribute(value=ast.Call()):
                pass
            case ast.Attribute(attr=name) if name in MODULE_API:
                return True
            case ast.FunctionDef(name="apply"):
                return True
    return False


def _parts(name: str) -> Iterator[str]:
    """A dotted name, and the packages around it."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def _found(names: Iterable[str | None]) -> Iterator[str]:
    return (name for name in names if name is not None)


def _words(node: ast.AST) -> set[str]:
    match node:
        case ast.Attribute(attr=name) | ast.alias(name=name) | ast.Constant(value=str(name)):
            return {name}
    return set()
