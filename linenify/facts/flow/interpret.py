"""An abstract interpreter over kinds: what flows where in the whole project."""

from __future__ import annotations

import ast
from collections.abc import Collection, Hashable, Iterable
from typing import Any

from linenify.facts.flow import calling, expressions, lookup, narrowing, statements
from linenify.facts.flow.conditions import Narrowed
from linenify.facts.flow.kinds import (
    NOTHING,
    Array,
    Atom,
    Class,
    Container,
    Instance,
    Legacy,
    Model,
    Module,
    Optimizer,
    Parameter,
    Self,
    Static,
    Value,
    changed,
)
from linenify.facts.flow.machine import Code, Machine
from linenify.project.scopes import Scope, all_arguments
from linenify.project.source import Source

# Every function body is run once a round, with everything that may flow into
# its parameters; rounds repeat until nothing new flows.  A read of a variable sees
# the assignments that can reach it (`versions`); `env` has all that it ever is.

ROUNDS = 40


class Interpreter(Machine):
    """Runs the project to a fixpoint; afterwards the tables are complete."""

    def run(self, outlined: Collection[str] = ()) -> None:
        """Runs files and functions until none has read anything that changed since.

        Args:
            outlined: names of files whose functions are left out: they only say what
                their names stand for.
        """
        functions = [code for code in self.code.values() if code.source.name not in outlined]
        units: list[Source | Code] = [*self.project.sources, *functions]
        self.readers.pending = set(units)
        self._until_nothing_is_new(units)
        self.answer()
        self._until_nothing_is_new(units)
        self.doubt()
        self._until_nothing_is_new(units)
        self._forget_stale()
        self.evidence, self.hints = self.origins.evidence()

    def _until_nothing_is_new(self, units: list[Source | Code]) -> None:
        for _ in range(ROUNDS):
            due = [unit for unit in units if unit in self.readers.pending]
            if not due:
                break
            for unit in due:
                self.readers.pending.discard(unit)
                self._run_unit(unit)

    def _forget_stale(self) -> None:
        """Drops partials that were seen before all keys of their `**splat` were known."""
        every = {a for value in self.values.values() for a in value if isinstance(a, Module)}
        stale = {
            atom
            for atom in every
            if atom.origin is not None
            and any(keyword.arg is None for keyword in atom.origin.keywords)
            and any(changed(atom, bound=b.bound) == b and atom.bound < b.bound for b in every)
        }
        if not stale:
            return
        tables: list[dict[Any, Value]] = [self.values, self.env, self.versions, self.items]
        for table in [*tables, self.attributes, self.returns]:
            for key, value in list(table.items()):
                kept = frozenset(a for a in value if getattr(a, "module", a) not in stale)
                if len(kept) < len(value):
                    table[key] = kept

    def _run_unit(self, unit: Source | Code) -> None:
        self.readers.current = unit
        if isinstance(unit, Source):
            self.running = None
            self.block(unit.tree.body, self.scopes[unit.name].module)
        else:
            self._run_function(unit)

    def _run_function(self, code: Code) -> None:
        self.running = code.node
        scope = code.scope
        for name in self._tracked(code):
            self.assign(scope, name, frozenset({Parameter(code.node, name)}))
        arguments = code.node.args
        if arguments.kwarg is not None:
            self.assign(scope, arguments.kwarg.arg, frozenset({Container(arguments, "dict")}))
        if arguments.vararg is not None:
            self.assign(
                scope, arguments.vararg.arg, frozenset({Container(arguments.vararg, "tuple")})
            )
        owner = code.owner
        positional = [*arguments.posonlyargs, *arguments.args]
        kind = self.receiver(code)
        if owner is not None and positional and kind != "static":
            receiver: Value
            if self.hierarchy.is_module(owner.node):
                lines = [owner.node, *self.hierarchy.descendants(owner.node)]
                if kind == "class":
                    receiver = frozenset(Module(node) for node in lines)
                else:
                    receiver = frozenset({Self(owner.node)})
            else:
                lines = [owner.node, *self.hierarchy.descendants(owner.node)]
                mixed, own = (Module, Class) if kind == "class" else (Self, Instance)
                receiver = frozenset(
                    (mixed if self.hierarchy.is_module(node) else own)(node) for node in lines
                )
            self.assign(scope, positional[0].arg, receiver)
        if isinstance(code.node, ast.Lambda):
            self.join(self.returns, code.node, self.eval(code.node.body, scope))
        else:
            self.block(code.node.body, scope)

    def _tracked(self, code: Code) -> Iterable[str]:
        names = [argument.arg for argument in all_arguments(code.node.args)]
        if code.owner is not None and self.receiver(code) != "static":
            names = names[1:]
        for special in (code.node.args.vararg, code.node.args.kwarg):
            if special is not None and special.arg in names:
                names.remove(special.arg)
        return names

    def block(self, body: Iterable[ast.stmt], scope: Scope) -> None:
        """Runs statements in their scope."""
        for statement in body:
            statements.run(self, statement, scope)

    def bind(self, target: ast.expr, value: Value, scope: Scope) -> None:
        """Assigns to a name, an attribute, an item or a pattern of them."""
        statements.bind(self, target, value, scope)

    def passing(self, value: Value, version: Narrowed, home: Scope) -> Value:
        """The part of a value that a test lets through."""
        return narrowing.passing(self, value, version.test, version.holds, home)

    def test(self, node: ast.expr, scope: Scope) -> None:
        """Evaluates a condition: what it needs must be known when it is traced."""
        value = self.eval(node, scope)
        match node:
            case ast.Compare(ops=[ast.Is() | ast.IsNot()]):
                return
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                self.test(operand, scope)
            case ast.BoolOp(values=values):
                for part in values:
                    self.test(part, scope)
            case ast.Name() | ast.Attribute() | ast.Subscript():
                self.note(value, "test")
            case _:
                self.note(value, "static")

    def eval(self, node: ast.expr, scope: Scope) -> Value:
        """What `node` may be; kept in `values`."""
        value = expressions.evaluate(self, node, scope)
        self.values[node] = value
        return value

    def apply(
        self,
        atom: Atom,
        node: ast.Call,
        positional: list[Value],
        keywords: list[tuple[str | None, Value]],
        scope: Scope,
    ) -> Value:
        """What calling one atom gives."""
        return calling.apply(self, atom, node, positional, keywords, scope)

    def call_value(
        self, function: Value, arguments: list[Value], node: ast.Call, scope: Scope
    ) -> Value:
        """Calls a value with positional arguments, as a JAX transform would."""
        return calling.call_value(self, function, arguments, node, scope)

    def item(self, value: Value, key: Hashable) -> Value:
        """The element at `key` (an index, a literal, or "*" for any)."""
        result: set[Atom] = set()
        for atom in value:
            match atom:
                case Container(node=node):
                    if key == "*" or (node, key) not in self.items:
                        result |= self.iterate(frozenset({atom}))
                    else:
                        result |= self.items[node, key] | self.items.get((node, "*"), NOTHING)
                case Array():
                    result.add(atom)
                case Parameter():
                    keyed = atom.part != "" or (isinstance(key, str) and key != "*")
                    part = "attribute" if keyed else "item"
                    result.add(Parameter(atom.function, atom.name, part, atom.mixed))
                case Static(type="shape"):
                    result.add(Static("int"))
                case Static():
                    result.add(Static())
                case Instance(node=record) if self._protocol(record):
                    result |= self._protocol(record)
                case Instance(node=record):  # a named tuple
                    names = lookup.fields(record)
                    if isinstance(key, int) and 0 <= key < len(names):
                        names = [names[key]]
                    for name in names:
                        result |= lookup.object_attribute(self, atom, record, name)
                case Model() | Module() | Optimizer() | Legacy():
                    pass
        return frozenset(result)

    def _protocol(self, node: ast.ClassDef) -> Value:
        """What an object of the project gives when it is indexed or iterated over."""
        result = NOTHING
        for name in ("__getitem__", "__iter__", "__next__"):
            found = self.hierarchy.find(node, name)
            if found is not None:
                given = self.returns.get(found[1], NOTHING)
                if name == "__iter__":  # which may be the object itself
                    given = self.iterate(frozenset(a for a in given if isinstance(a, Container)))
                result |= given
        return result
