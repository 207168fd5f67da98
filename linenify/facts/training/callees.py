"""How places can name what runs a Model: a module instance in sight, or an `apply_fn`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from linenify.facts.ask.arguments import repeated
from linenify.facts.ask.parameters import Role
from linenify.facts.ask.places import is_path
from linenify.facts.deciding.plan import Plan
from linenify.facts.deciding.rendering import rendered
from linenify.facts.flow.kinds import (
    Array,
    Container,
    External,
    File,
    Instance,
    Module,
    Optimizer,
    Value,
    known,
    models,
    rivals,
)
from linenify.facts.legacy.externals import transparent
from linenify.facts.modules.completing import missing
from linenify.facts.sites import Unclear
from linenify.facts.training.boundmethods import is_named
from linenify.facts.training.caches import Caches
from linenify.facts.training.renames import Renames
from linenify.project.nodes import walk
from linenify.project.scopes import Scope, all_arguments
from linenify.project.source import Source


@dataclass(frozen=True, slots=True)
class Callee:
    """How a place names what runs a Model: a module instance, or an `apply_fn`.

    Attributes:
        scope: where `name` is looked up; None where `owner` is given.
        name: a variable.
        suffix: what follows it.
        owner: an expression of the source instead of a variable.
    """

    scope: Scope | None
    name: str
    suffix: str
    owner: ast.expr | None = None
    applies: bool = False  # it is an `apply` already


@dataclass(eq=False)
class Callees:
    """What runs Models, in the words of each place of a project."""

    plan: Plan
    renames: Renames
    _applied: dict[ast.Call, Callee | None] = field(default_factory=dict)
    _set: set[str] | None = None

    def of(self, call: ast.Call, node: ast.expr, value: Value) -> Callee | None:
        """How the place of `call` can name what runs the Model `node`; None if it cannot."""
        wanted = {m.module for m in models(value)}
        if len(wanted) != 1:
            return None
        (module,) = wanted
        instance = self.instance(call, module)
        caches = self.plan.part(Caches)
        decodes = caches is not None and caches.decodes(call)
        if decodes or (instance is not None and module.origin is None):
            return instance  # a run that decodes sets a field: no `apply_fn` will do
        return self._own_state(node) or self._state(call, module) or instance

    def text(self, source: Source, callee: Callee) -> str:
        """A callee as it will be written; `apply` is not part of it."""
        if callee.owner is not None:
            return rendered(self.plan, source, callee.owner) + callee.suffix
        assert callee.scope is not None
        return self.renames.name(callee.scope, callee.name) + callee.suffix

    def instance(self, place: ast.Call, module: Module) -> Callee | None:
        """A variable in sight of `scope` that makes an instance of `module`."""
        features = self._missing(module)
        if features is None or not self._is_one(module):
            return None
        scope = self.plan.flow.where[place]
        made = module.shared or self.plan.is_instance(module)
        call = "" if made else f"({features})"
        found: list[tuple[tuple[bool, int, str], Callee]] = []
        for depth, (home, name, value) in enumerate(self._visible(scope)):
            path = self._reaches(value, module)
            fixed = path is not None and not (path == "" and self._changes(home, name))
            if path is not None and fixed and self._is_set(home, name, place):
                found.append(((path != "", depth, name), Callee(home, name, path + call)))
        if not found:
            return self._built_again(scope, module)
        return min(found, key=lambda entry: entry[0])[1]

    def _is_one(self, module: Module) -> bool:
        """Whether all Models of a module class have the same hyper-parameters.

        A partial that is made more than once may bind something else each time.
        """
        origin = module.origin
        if origin is None:
            return True
        home = self.plan.flow.where[origin]
        if all(self._is_global(k.value, home) for k in origin.keywords):
            return True
        return self.runs_once(origin, set())

    def runs_once(self, node: ast.AST, seen: set[ast.AST]) -> bool:
        """Whether a place is reached at most once in a run of the program."""
        if repeated(self.plan, node):
            return False
        code = self.plan.code(node)
        if code is None:
            return True
        if code.node in seen or not isinstance(code.node, ast.FunctionDef):
            return False
        calls = self.plan.mentions(code.node)
        if code.owner is not None or len(calls) > 1:
            return False
        return all(self.runs_once(call, {*seen, code.node}) for call in calls)

    def _built_again(self, scope: Scope, module: Module) -> Callee | None:
        """`Net(width=3)` for a partial out of sight whose arguments mean the same here."""
        origin = module.origin
        if origin is None or isinstance(module.definition, str):
            return None
        if not isinstance(origin.func, ast.Attribute) or origin.args or not origin.keywords:
            return None
        if self.plan.source(origin) is not scope.source or module.shared:
            return None
        whole = replace(module, bound=frozenset(), origin=None, named=False)
        if {k.arg for k in origin.keywords} != module.bound:
            return None  # a partial of a partial
        plain = self._visible_class(scope, whole)
        home = self.plan.flow.where[origin]
        if plain is None or not all(self._is_global(k.value, home) for k in origin.keywords):
            return None
        definition = module.definition
        function = self.plan.flow.function_of(module)
        try:
            given = ", ".join(
                f"{self.plan.field(definition, k.arg or '')}"
                f"={rendered(self.plan, scope.source, k.value)}"
                for k in origin.keywords
                # what is a call argument travels to the calls
                if function is None or self.plan.role(function, k.arg or "") is not Role.INPUT
            )
        except LookupError:
            return None  # an argument is computed anew each time
        return replace(plain, suffix=f"{plain.suffix}({given})")

    def _visible_class(self, scope: Scope, module: Module) -> Callee | None:
        for home, name, value in self._visible(scope):
            path = self._reaches(value, module)
            if path is not None and home.kind == "module":
                return Callee(home, name, path)
        return None

    def _is_global(self, node: ast.expr, scope: Scope) -> bool:
        """Whether an expression means the same everywhere in its file."""
        for part in walk(node):
            match part:
                case ast.Name(id=name):
                    home = scope.lookup(name)
                    if home is not None and home.kind != "module":
                        return False
                    if home is not None and not self._is_constant(home, name):
                        return False
                case ast.Attribute(attr=name):
                    if name in self._attributes_set():
                        return False
                case ast.Constant() | ast.Tuple() | ast.expr_context():
                    pass
                case ast.UnaryOp() | ast.unaryop() | ast.BinOp() | ast.operator():
                    pass
                case _:
                    return False
        return True

    def _is_constant(self, home: Scope, name: str) -> bool:
        """Whether a global has one value for good."""
        stores = 0
        for node in walk(home.source.tree):
            match node:
                case ast.Global(names=names) if name in names:
                    return False
                case ast.Name(id=other, ctx=ast.Store()) if other == name:
                    if home.lookup(name) is home and self.plan.code(node) is None:
                        stores += 1
                        if repeated(self.plan, node):
                            return False
        return stores <= 1

    def _attributes_set(self) -> set[str]:
        """Attributes that the project assigns to, on whatever object."""
        if self._set is None:
            self._set = {
                node.attr
                for source in self.plan.project.sources
                for node in walk(source.tree)
                if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
            }
        return self._set

    def _missing(self, module: Module) -> str | None:
        """What an instance needs besides what is bound; None when that is not known."""
        place = ast.Call(ast.Name(_name_of(module)), [], [])
        try:
            return missing(self.plan, place, module)
        except Unclear:
            return None

    def _visible(self, scope: Scope) -> Iterator[tuple[Scope, str, Value]]:
        for home in scope.ancestors():
            if home.kind == "class" and home is not scope:
                continue
            for name in sorted(home.names):
                if scope.lookup(name) is home:
                    yield home, name, known(self.plan.flow.env.get((home, name), frozenset()))

    def _reaches(self, value: Value, module: Module) -> str | None:
        """What has to follow a variable to get to a module class; None if nothing does."""
        match [*value]:
            case [Module() as found] if found == module:
                return ""
            case [File(name=file)]:
                scope = self.plan.flow.scopes[file].module
                names = [
                    name
                    for name in sorted(scope.names)
                    if known(self.plan.flow.env.get((scope, name), frozenset())) == {module}
                ]
                return f".{names[0]}" if names else None
            case [External(path="flax.nn")] if isinstance(module.definition, str):
                return f".{module.definition}" if module.origin is None else None
            case [Instance(node=owner)]:
                for (line, name), held in list(self.plan.flow.attributes.items()):
                    if line is owner and known(held) == {module}:
                        return f".{name}"
        return None

    def _changes(self, home: Scope, name: str) -> bool:
        """Whether a local variable is assigned more than once."""
        return home.kind != "module" and self._stores(home, name) > 1

    def _is_set(self, home: Scope, name: str, place: ast.AST) -> bool:
        """Whether a variable has its value when `place` is reached."""
        if home.kind == "module":
            return True
        lines = []
        for node in walk(home.node):
            match node:
                case ast.arg(arg=other) if other == name and self._takes(home, node):
                    return True
                case ast.Name(id=other, ctx=ast.Store()) if other == name:
                    lines.append(node.lineno)
        return not lines or min(lines) < getattr(place, "lineno", 0)

    def _takes(self, home: Scope, node: ast.arg) -> bool:
        arguments = getattr(home.node, "args", None)
        return isinstance(arguments, ast.arguments) and node in all_arguments(arguments)

    def _stores(self, home: Scope, name: str) -> int:
        return sum(
            isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)
            for node in walk(home.node)
        )

    # --- train states ------------------------------------------------------------------

    def _own_state(self, node: ast.expr) -> Callee | None:
        """`optimizer` for `optimizer.target`, also where that was assigned to a name before."""
        if isinstance(node, ast.Name):
            code = self.plan.code(node)
            assigned = [
                s.value
                for s in walk(code.node if code is not None else ast.Module([], []))
                if isinstance(s, ast.Assign)
                and any(isinstance(t, ast.Name) and t.id == node.id for t in s.targets)
            ]
            if len(assigned) != 1:
                return None
            node = assigned[0]
        if not isinstance(node, ast.Attribute) or node.attr != "target" or not is_path(node):
            return None
        value = known(self.plan.flow.values.get(node.value, frozenset()))
        if not self._applies(value, None):
            return None
        return Callee(None, "", ".apply_fn", node.value, applies=True)

    def _state(self, place: ast.Call, module: Module) -> Callee | None:
        """A train state in sight whose params belong to `module`."""
        scope = self.plan.flow.where[place]
        for home, name, value in self._visible(scope):
            if home.kind == "module" or not self._is_set(home, name, place):
                continue
            if self._applies(value, module):
                return Callee(home, name, ".apply_fn", applies=True)
            match [*value]:
                case [Instance(node=owner)]:
                    for (line, attribute), held in list(self.plan.flow.attributes.items()):
                        if line is owner and self._applies(known(held), module):
                            return Callee(home, name, f".{attribute}.apply_fn", applies=True)
        return None

    def _applies(self, value: Value, module: Module | None) -> bool:
        """Whether a value is a train state with an `apply_fn`, that of `module`."""
        found = [a for a in value if isinstance(a, Optimizer)]
        if not found or any(not isinstance(a, Optimizer | Array | Container) for a in value):
            return False
        for atom in found:
            target = known(self.plan.flow.items.get((atom.created, "target"), frozenset()))
            if not models(target) or rivals(target):
                return False
            if module is not None and {m.module for m in models(target)} != {module}:
                return False
            if self.apply_fn(atom.created) is None:
                return False
        return True

    def _stacked(self) -> set[ast.Call]:
        """Optimizers that meet others of their kind in one `tree_map`.

        Their static parts have to be equal, and two bound methods never are.
        """
        found: set[ast.Call] = set()
        for call in self.plan.flow.where:
            assert isinstance(call, ast.Call)
            callee = self.plan.flow.values.get(call.func, frozenset())
            if not _is_tree_map(callee):
                continue
            for tree in call.args[1:]:
                value = self.plan.flow.values.get(tree, frozenset())
                if isinstance(tree, ast.Starred):
                    value |= self.plan.flow.values.get(tree.value, frozenset())
                    value |= self.plan.flow.iterate(value)
                    found |= {a.created for a in value if isinstance(a, Optimizer)}
        return found

    def apply_fn(self, created: ast.Call) -> Callee | None:
        """How the call that creates an optimizer can name the module of its target."""
        if created not in self._applied:
            self._applied[created] = None
            if created in self._stacked() or not is_named(self.plan, created, "create"):
                return None
            target = known(self.plan.flow.items.get((created, "target"), frozenset()))
            wanted = {m.module for m in models(target)}
            if len(wanted) == 1 and not rivals(target):
                self._applied[created] = self.instance(created, wanted.pop())
        return self._applied[created]


def _is_tree_map(callee: Value) -> bool:
    return any(isinstance(a, External) and transparent(a.path) == "tree_map" for a in callee)


def _name_of(module: Module) -> str:
    return module.definition if isinstance(module.definition, str) else module.definition.name
