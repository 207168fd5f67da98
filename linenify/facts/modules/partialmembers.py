"""What is read from a partial, or asked of it: `functools.partial` is no class.

A legacy `Net.partial(width=3)` was a class with all that `Net` has.  What it has
in its place, `functools.partial(Net, width=3)`, keeps the class as `.func`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from linenify.facts.ask.arguments import text
from linenify.facts.ask.mentions import own_names
from linenify.facts.ask.places import is_path
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import (
    Atom,
    Bound,
    Class,
    Container,
    External,
    Function,
    Instance,
    Module,
    ModuleApi,
    Parameter,
    Partial,
    Static,
    Value,
    modules,
)
from linenify.facts.flow.lookup import module_attribute
from linenify.facts.legacy.externals import MODULE_API
from linenify.facts.sites import Bind, Reshaped, Unclear, Wrapped
from linenify.project.source import Source

RULE = "LN312"
REFUSAL = "LN381"
_CLASS, _PARTIAL, _INSTANCE, _STAYS = "class", "partial", "instance", "stays"
_OF_CLASSES = frozenset({"__name__", "__qualname__", "__mro__", "__bases__", "__base__", "mro"})
_OF_PARTIALS = frozenset({"func", "args", "keywords"})
_ASKED = frozenset({"isinstance", "issubclass", "isclass", "type", "hasattr", "getattr"})


@dataclass(eq=False, slots=True)
class _Made:
    """What the module classes of a value are after the migration."""

    plan: Plan
    known: dict[Module, str] = field(default_factory=dict)

    def of(self, value: Value) -> set[str]:
        """Each of "class", "partial", "instance" and "stays" that a value may be."""
        return {each for module in modules(value) for each in self._one(module)}

    def _one(self, module: Module) -> Iterable[str]:
        if module not in self.known:
            self.known[module] = self._decide(module)
        found = self.known[module]
        if found == _CLASS and module.origin is None and module.definition in self.plan.wrapped:
            return (_CLASS, _PARTIAL)  # bound where it is named
        return (found,)

    def _decide(self, module: Module) -> str:
        plan = self.plan
        if module.shared or module.receiver or module.origin in plan.promoted:
            return _INSTANCE
        for origin in plan.bindings(module):
            if isinstance(origin.func, ast.Attribute) and origin.func.attr == "partial":
                site = plan.site_at(plan.source(origin), origin)
                if not isinstance(site, Bind):
                    return _STAYS  # refused, and legacy
                if site.arguments:
                    return _PARTIAL
            elif not isinstance(plan.site_at(plan.source(origin), origin), Bind):
                return _STAYS  # functools.partial, which was no class in legacy either
        return _CLASS


def emit_partial_members(plan: Plan) -> None:
    """Decides what reads or asks something that a partial has no longer."""
    made = _Made(plan)
    for node, value in list(plan.flow.values.items()):
        parent = plan.parents.get(node)
        if not isinstance(node, ast.expr) or not modules(value):
            continue
        source = plan.source(node)
        try:
            match parent:
                case ast.Attribute(ctx=ast.Load()) if parent.value is node:
                    _emit_attribute(plan, source, parent, value, made)
                case ast.Call() if node in parent.args:
                    _emit_question(plan, source, parent, node, value, made)
        except Unclear as unclear:
            plan.decline(source, node, unclear)


def _emit_attribute(
    plan: Plan, source: Source, node: ast.Attribute, value: Value, made: _Made
) -> None:
    kinds = made.of(value)
    if kinds <= {_CLASS, _STAYS} or plan.site_at(source, node) is not None:
        return
    reached = frozenset(
        atom for module in modules(value) for atom in module_attribute(plan.flow, module, node.attr)
    )
    if _is_run(plan, source, node, reached):
        return
    owner = node.value
    if kinds == {_INSTANCE}:
        if node.attr in _OF_CLASSES:
            plan.at(source, node, Wrapped("type({owner}).%s" % node.attr, RULE))
        else:
            _check_class_methods(plan, node, reached)
        return
    if _PARTIAL not in kinds:
        if node.attr in _OF_CLASSES:
            raise Unclear(REFUSAL, f"`{text(owner)}` may be an instance, without `{node.attr}`")
        return
    _check_class_methods(plan, node, reached)
    if _INSTANCE in kinds and node.attr in _OF_CLASSES:
        raise Unclear(REFUSAL, f"`{text(owner)}` may be an instance, without `{node.attr}`")
    template = _class_of(plan, owner, value, kinds, "{owner}") + "." + node.attr
    if plan.in_text(node) is not None:
        raise Unclear(REFUSAL, f"`{text(node)}` inside an f-string, where a partial has no such")
    plan.at(source, node, Wrapped(template, RULE))


def _is_run(plan: Plan, source: Source, node: ast.Attribute, reached: Value) -> bool:
    """Whether what is read is a way to run the module, which has a form of its own."""
    call = plan.parents.get(node)
    called = isinstance(call, ast.Call) and call.func is node
    for atom in reached:
        if isinstance(atom, Module) and atom.method == node.attr:
            return True
        if isinstance(atom, ModuleApi) and (atom.name in MODULE_API or called):
            if not called:
                why = f"`{text(node)}` travels as a value: a partial has no `{node.attr}`"
                raise Unclear(REFUSAL, why)
            return True
    return isinstance(call, ast.Call) and called and plan.site_at(source, call) is not None


def _class_of(plan: Plan, node: ast.expr, value: Value, kinds: set[str], hole: str) -> str:
    """A template for the class in what may be a partial of it."""
    others = [a for a in value if not isinstance(a, Module | Parameter | Static)]
    if _STAYS in kinds:
        raise Unclear(REFUSAL, f"`{text(node)}` may be something that was not migrated")
    argument = any(isinstance(a, Parameter) for a in value)  # which others may fill, too
    if kinds == {_PARTIAL} and not others and not argument:
        return hole + ".func"
    fields = {
        name
        for module in modules(value)
        if module.definition in plan.classes and _INSTANCE in kinds
        for name in plan.classes[module.definition].order
    }
    if any(map(_has_func, others)) or "func" in fields:
        raise Unclear(REFUSAL, f"`{text(node)}` may be something else that has a `func`")
    if not is_path(node):
        raise Unclear(REFUSAL, f"`{text(node)}` may be a partial, which is no class")
    return f"getattr({hole}, 'func', {hole})"


def _has_func(atom: Atom) -> bool:
    """Whether something besides module classes may have an attribute `func`."""
    match atom:
        case Partial(function=Function() | Bound()):
            return False  # whose function is no class
        case Partial() | Instance() | Class():
            return True
    return False


# --- class methods ---------------------------------------------------------------------------


def _check_class_methods(plan: Plan, node: ast.Attribute, reached: Value) -> None:
    """A class method that runs or binds `cls` has lost what was bound to the partial."""
    for atom in reached:
        if isinstance(atom, Bound) and atom.drops_first and _needs_bound(plan, atom, set()):
            name = getattr(atom.node, "name", node.attr)
            why = f"`{name}` uses its class, which lacks what `{text(node.value)}` has bound"
            raise Unclear(REFUSAL, why)


def _needs_bound(plan: Plan, bound: Bound, seen: set[ast.AST]) -> bool:
    method = bound.node
    if method in seen or not isinstance(method, ast.FunctionDef) or not method.args.args:
        return False
    seen.add(method)
    receiver = method.args.args[0].arg
    for name, _ in own_names(plan, method, receiver):
        parent = plan.parents[name]
        if not isinstance(parent, ast.Attribute) or parent.value is not name:
            return True
        for atom in plan.flow.values.get(parent, frozenset()):
            if isinstance(atom, Module | ModuleApi) and parent.attr not in _OF_CLASSES:
                return True
            if isinstance(atom, Bound) and atom.drops_first and _needs_bound(plan, atom, seen):
                return True
    return False


# --- questions -------------------------------------------------------------------------------


def _emit_question(
    plan: Plan, source: Source, call: ast.Call, node: ast.expr, value: Value, made: _Made
) -> None:
    """`issubclass(layer, Net)`, `isinstance(layer, type)`, `getattr(layer, 'size')`."""
    name = _question(plan, call)
    kinds = made.of(value)
    if name is None or kinds <= {_CLASS, _STAYS}:
        return
    if node is not call.args[0]:
        if name == "issubclass" and _PARTIAL in kinds:
            raise Unclear(REFUSAL, f"`{text(node)}` is a partial, which is no class")
        return
    if name == "isinstance":
        asked = _asked_types(plan, call)
        if not asked or not _tells_classes(asked, kinds):
            return
        if asked != {"builtins.type"} or _INSTANCE in kinds:
            raise Unclear(REFUSAL, f"`{text(call)}` would be answered differently")
    elif name == "type":
        raise Unclear(REFUSAL, f"`{text(call)}` would be answered differently")
    elif name in {"hasattr", "getattr"}:
        _check_read(plan, call, value)
        if _PARTIAL not in kinds:
            return
    if kinds == {_INSTANCE}:
        template = "type({0})"
    elif _INSTANCE in kinds and name not in {"hasattr", "getattr"}:
        raise Unclear(REFUSAL, f"`{text(node)}` may be an instance, which is no class")
    else:
        template = _class_of(plan, node, value, kinds, "{0}")
    rest = ["{%d}" % place for place in range(1, len(call.args))]
    if call.keywords or any(isinstance(a, ast.Starred) for a in call.args):
        raise Unclear(REFUSAL, f"`{text(call)}` asks a partial, which is no class")
    plan.at(source, call, Reshaped("{func}(%s)" % ", ".join([template, *rest]), RULE))


def _question(plan: Plan, call: ast.Call) -> str | None:
    """Which of the functions that look at a class is called."""
    callee = plan.flow.values.get(call.func, frozenset())
    paths = {a.path for a in callee if isinstance(a, External)}
    if len(paths) != 1 or len(paths) != len(callee):
        return None
    home, _, name = paths.pop().rpartition(".")
    return name if home in {"builtins", "inspect"} and name in _ASKED else None


def _asked_types(plan: Plan, call: ast.Call) -> set[str]:
    """The types that `isinstance` asks for; a module class of any kind is `Module`."""
    value = plan.flow.values.get(call.args[1], frozenset()) if len(call.args) > 1 else frozenset()
    return set(_type_names(plan, value))


def _type_names(plan: Plan, value: Value) -> Iterator[str]:
    for atom in value:
        match atom:
            case External(path="flax.nn.Module") | Module():
                yield "Module"
            case External(path=path):
                yield path
            case Container():
                yield from _type_names(plan, plan.flow.iterate(frozenset({atom})))


def _tells_classes(asked: set[str], kinds: set[str]) -> bool:
    """Whether classes and what they have become answer differently."""
    if "builtins.type" in asked or "functools.partial" in asked:
        return True
    return "Module" in asked and _INSTANCE in kinds


def _check_read(plan: Plan, call: ast.Call, value: Value) -> None:
    match call.args[1:2]:
        case [ast.Constant(value=str(name))]:
            node = ast.copy_location(ast.Attribute(call.args[0], name, ast.Load()), call)
            reached = frozenset(
                atom for m in modules(value) for atom in module_attribute(plan.flow, m, name)
            )
            _check_class_methods(plan, node, reached)
            if any(isinstance(a, Module) or getattr(a, "name", "") in MODULE_API for a in reached):
                raise Unclear(REFUSAL, f"`{name}` of a partial travels as a value")
        case _:
            raise Unclear(REFUSAL, f"`{text(call)}` reads a name that is not spelt out")
