"""Places in a program that can be written otherwise, and the names around them."""

from __future__ import annotations

import ast
import builtins
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Function = ast.FunctionDef


@dataclass
class Program:
    """A program that is being mutated.

    Attributes:
        tree: its module; mutations change it in place.
        kept: names that its runs ask for, which must stay.
        random: where choices come from.
    """

    tree: ast.Module
    kept: frozenset[str]
    random: random.Random
    _fresh: int = field(default=0)

    def fresh(self, stem: str) -> str:
        """A name that the program does not use."""
        used = {n.id for n in ast.walk(self.tree) if isinstance(n, ast.Name)}
        used |= {
            n.arg for n in ast.walk(self.tree) if isinstance(n, ast.arg | ast.keyword) and n.arg
        }
        used |= {n.attr for n in ast.walk(self.tree) if isinstance(n, ast.Attribute)}
        used |= {n.name for n in ast.walk(self.tree) if isinstance(n, Function | ast.ClassDef)}
        names = (stem, *(f"{stem}_{number}" for number in range(2, 100)))
        return next(name for name in names if name not in used)

    def pick(self, found: list[object]) -> object | None:
        """One of several places; None where there is none."""
        return self.random.choice(found) if found else None

    # --- places ------------------------------------------------------------------------

    def functions(self) -> list[Function]:
        """All functions and methods."""
        return [n for n in ast.walk(self.tree) if isinstance(n, Function)]

    def blocks(self) -> Iterator[tuple[list[ast.stmt], Function | None]]:
        """All blocks of statements outside of class bodies, with the function around them."""

        def visit(
            node: ast.AST, function: Function | None
        ) -> Iterator[tuple[list[ast.stmt], Function | None]]:
            inner = node if isinstance(node, Function) else function
            for name in ("body", "orelse", "finalbody"):
                block = getattr(node, name, None)
                if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                    if not isinstance(node, ast.ClassDef):
                        yield block, inner
                    for statement in block:
                        yield from visit(statement, inner)
            for handler in getattr(node, "handlers", ()):
                yield from visit(handler, inner)

        yield from visit(self.tree, None)

    def statements(self, *kinds: type[ast.stmt]) -> list[tuple[list[ast.stmt], int, Function]]:
        """Statements of some kinds inside of functions: block, place, function."""
        return [
            (block, place, function)
            for block, function in self.blocks()
            if function is not None
            for place, statement in enumerate(block)
            if isinstance(statement, kinds)
        ]

    def values(self) -> list[tuple[ast.stmt, Function]]:
        """Statements in functions with a value that can be computed elsewhere."""
        return [
            (block[place], function)
            for block, place, function in self.statements(ast.Assign, ast.Return)
            if block[place].value is not None and is_movable(block[place].value)
        ]

    def calls(self, wanted: Callable[[ast.Call], bool]) -> list[ast.Call]:
        """Calls in functions."""
        return [
            node
            for function in self.functions()
            for statement in function.body
            for node in ast.walk(statement)
            if isinstance(node, ast.Call) and wanted(node)
        ]

    # --- changes -----------------------------------------------------------------------

    def before_top(self, node: ast.AST, *added: ast.stmt) -> None:
        """Puts statements in front of the statement of the file that holds `node`."""
        body = self.tree.body
        place = next(
            i for i, statement in enumerate(body) if any(n is node for n in ast.walk(statement))
        )
        body[place:place] = added

    def need(self, line: str) -> None:
        """Has an import at the top of the file, behind its docstring and `__future__`."""
        statement = ast.parse(line).body[0]
        if any(ast.dump(s) == ast.dump(statement) for s in self.tree.body):
            return
        place = 0
        for index, each in enumerate(self.tree.body):
            is_text = isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant)
            if (index == 0 and is_text) or (
                isinstance(each, ast.ImportFrom) and each.module == "__future__"
            ):
                place = index + 1
        self.tree.body.insert(place, statement)


def is_movable(node: ast.expr) -> bool:
    """Whether an expression computes the same in a function of its own."""
    for part in ast.walk(node):
        match part:
            case ast.Await() | ast.Yield() | ast.YieldFrom() | ast.NamedExpr() | ast.Starred():
                return False
            case ast.Name(id="super" | "locals" | "globals" | "vars" | "__class__"):
                return False
    return not isinstance(node, ast.Constant)


def free_names(node: ast.AST) -> set[str]:
    """Names that an expression reads and does not bind itself."""
    bound = {
        n.id for n in ast.walk(node) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)
    }
    bound |= {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
    read = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    return read - bound


def has_shadows(node: ast.AST) -> bool:
    """Whether an expression binds a name, as lambdas and comprehensions do."""
    inner = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
    return any(isinstance(n, inner) for n in ast.walk(node))


def local_names(tree: ast.Module, function: Function) -> set[str]:
    """Names that are bound in a function, or in those around it."""
    around = [
        f
        for f in ast.walk(tree)
        if isinstance(f, Function) and any(n is function for n in ast.walk(f))
    ]
    found: set[str] = set()
    for each in around:
        for node in ast.walk(each):
            match node:
                case ast.arg(arg=name):
                    found.add(name)
                case ast.Name(id=name, ctx=ast.Store()):
                    found.add(name)
                case Function(name=name) | ast.ClassDef(name=name) if node is not each:
                    found.add(name)
                case ast.alias(name=name, asname=local):
                    found.add(local or name.partition(".")[0])
                case ast.ExceptHandler(name=str(name)):
                    found.add(name)
    return found


def is_builtin(name: str) -> bool:
    """Whether a name is Python's own."""
    return hasattr(builtins, name)


def name(identifier: str) -> ast.Name:
    """A variable that is read."""
    return ast.Name(identifier, ast.Load())


def parsed(text: str) -> ast.stmt:
    """One statement."""
    return ast.parse(text).body[0]
