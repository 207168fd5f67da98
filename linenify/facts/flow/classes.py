"""The class hierarchy of the project, as far as module classes go."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from linenify.facts.flow.kinds import Class, External, Module, Value
from linenify.project.scopes import Scope
from linenify.project.source import Source

MODULE_BASES = frozenset({"flax.nn.Module", "flax.nn.base.Module"})
OPTIMIZER_BASES = frozenset({"flax.optim.OptimizerDef", "flax.optim.base.OptimizerDef"})


@dataclass(eq=False, slots=True)
class ClassInfo:
    """One class statement.

    Attributes:
        bases: what each base expression may be; filled by the interpreter.
        methods: its own functions by name.
        decorated: by method name, what the decorators may be.
    """

    node: ast.ClassDef
    source: Source
    scope: Scope
    bases: list[Value] = field(default_factory=list)
    methods: dict[str, ast.FunctionDef] = field(default_factory=dict)
    decorated: dict[str, Value] = field(default_factory=dict)
    subclasses: list[ClassInfo] = field(default_factory=list)


# They give a class nothing that could be taken for a Model.
_EMPTY_BASES = frozenset(
    {"builtins.object", "abc.ABC", "typing.NamedTuple", "typing.Protocol", "typing.Generic"}
)


def _makes_definitions(path: str) -> bool:
    package, _, name = path.rpartition(".")
    return package.startswith("flax.optim") and name not in _NO_DEFINITIONS


_NO_DEFINITIONS = frozenset({"DynamicScale", "ModelParamTraversal", "Optimizer", "OptimizerState"})


class Hierarchy:
    """Class edges, and the closures over them."""

    def __init__(self) -> None:
        self.infos: dict[ast.ClassDef, ClassInfo] = {}
        self._modules: dict[ast.ClassDef, bool] | None = None
        self._linen: dict[ast.ClassDef, bool] = {}
        self._orders: dict[ast.ClassDef, list[ast.ClassDef]] = {}

    def add(self, info: ClassInfo) -> None:
        """Enters a class statement with its own methods."""
        for statement in info.node.body:
            if isinstance(statement, ast.FunctionDef):
                info.methods[statement.name] = statement
        self.infos[info.node] = info

    def changed(self) -> None:
        """Forgets the closures after an edge was added."""
        self._modules = None
        self._linen.clear()
        self._orders.clear()

    def parents(self, node: ast.ClassDef) -> Iterator[ast.ClassDef]:
        """The project classes that `node` derives from directly, in order."""
        for value in self.infos[node].bases:
            for atom in value:
                match atom:
                    case Module(definition=ast.ClassDef() as base) | Class(node=base):
                        if base in self.infos:
                            yield base

    def layer(self, node: ast.ClassDef) -> str | None:
        """The built-in layer that a class derives from, itself or through its parents."""
        for ancestor in self.mro(node):
            for value in self.infos[ancestor].bases:
                for atom in value:
                    if isinstance(atom, Module) and isinstance(atom.definition, str):
                        return atom.definition
        return None

    def mro(self, node: ast.ClassDef) -> list[ast.ClassDef]:
        """Project classes in the order in which Python looks methods up."""
        if node not in self._orders:
            self._orders[node] = self._linear(node, frozenset())
        return self._orders[node]

    def _linear(self, node: ast.ClassDef, below: frozenset[ast.ClassDef]) -> list[ast.ClassDef]:
        if node in below:
            return []
        parents = list(dict.fromkeys(self.parents(node)))
        left = [self._linear(parent, below | {node}) for parent in parents] + [parents]
        order = [node]
        while left := [line for line in left if line]:
            # The first class that no other line still wants to come later.
            heads = [line[0] for line in left]
            free = [h for h in heads if not any(h in line[1:] for line in left)]
            order.append((free or heads)[0])
            left = [[each for each in line if each is not order[-1]] for line in left]
        return order

    def descendants(self, node: ast.ClassDef) -> list[ast.ClassDef]:
        """All classes that derive from `node`, `node` itself left out."""
        return [other for other in self.infos if other is not node and node in self.mro(other)]

    def is_module(self, node: ast.ClassDef) -> bool:
        """Whether a class is a legacy module class, directly or not."""
        if self._modules is None:
            self._modules = {}
        if node not in self._modules:
            derives = any(self._derives(other) for other in self.mro(node))
            self._modules[node] = derives and not self._is_migrated(node)
        return self._modules[node]

    def is_linen(self, node: ast.ClassDef) -> bool:
        """Whether a class is a Linen module class already."""
        if node not in self._linen:
            lines = self.mro(node)
            made = any(map(self._derives_from_linen, lines)) or (
                self._is_migrated(node) and any(map(self._derives, lines))
            )
            self._linen[node] = made and not self.is_module(node)
        return self._linen[node]

    def _derives_from_linen(self, node: ast.ClassDef) -> bool:
        return any(
            isinstance(atom, External) and atom.path.startswith("flax.linen.")
            for value in self.infos[node].bases
            for atom in value
        )

    def _is_migrated(self, node: ast.ClassDef) -> bool:
        """Whether a class is written as Linen has it, whatever its base is."""
        info = self.infos[node]
        if "apply" in info.methods or any(
            isinstance(atom, External) and atom.path == "flax.nn.module_method"
            for value in info.decorated.values()
            for atom in value
        ):
            return False
        return any(
            isinstance(atom, External) and atom.path.startswith("flax.linen.")
            for value in info.decorated.values()
            for atom in value
        )

    def is_mixed_in(self, node: ast.ClassDef) -> bool:
        """Whether a plain class is a base of a module class, and so runs as a part of one."""
        return not self.is_module(node) and any(map(self.is_module, self.descendants(node)))

    def is_whole(self, node: ast.ClassDef) -> bool:
        """Whether all that a class has stands in the project."""
        for ancestor in self.mro(node):
            if ancestor.keywords:
                return False  # a metaclass
            for base, value in zip(ancestor.bases, self.infos[ancestor].bases, strict=False):
                whole = value and all(
                    isinstance(atom, Class | Module)
                    or (isinstance(atom, External) and atom.path in _EMPTY_BASES)
                    for atom in value
                )
                if not whole and not isinstance(base, ast.Subscript):
                    return False
        return True

    def runs_in_module(self, node: ast.ClassDef) -> bool:
        """Whether the methods of a class run as parts of a module."""
        return self.is_module(node) or self.is_mixed_in(node)

    def is_optimizer(self, node: ast.ClassDef) -> bool:
        """Whether a class is a legacy optimizer definition, directly or not."""
        return any(
            isinstance(atom, External) and _makes_definitions(atom.path)
            for ancestor in self.mro(node)
            for value in self.infos[ancestor].bases
            for atom in value
        )

    def _derives(self, node: ast.ClassDef) -> bool:
        for value in self.infos[node].bases:
            for atom in value:
                match atom:
                    case External(path=path) if path in MODULE_BASES:
                        return True
                    case Module(definition=str()):
                        return True
        return False

    def find(self, node: ast.ClassDef, name: str) -> tuple[ast.ClassDef, ast.FunctionDef] | None:
        """The method `name` as seen from `node`, with the class that defines it."""
        for ancestor in self.mro(node):
            method = self.infos[ancestor].methods.get(name)
            if method is not None:
                return ancestor, method
        return None

    def find_after(
        self, node: ast.ClassDef, name: str
    ) -> tuple[ast.ClassDef, ast.FunctionDef] | None:
        """The method `name` that `super()` in `node` reaches."""
        for ancestor in self.mro(node)[1:]:
            method = self.infos[ancestor].methods.get(name)
            if method is not None:
                return ancestor, method
        return None

    def is_module_method(self, node: ast.ClassDef, name: str) -> bool:
        """Whether `name` is decorated with `nn.module_method` where it is defined."""
        found = self.find(node, name)
        if found is None:
            return False
        decorators = self.infos[found[0]].decorated.get(name, frozenset())
        return any(
            isinstance(a, External) and a.path == "flax.nn.module_method" for a in decorators
        )
