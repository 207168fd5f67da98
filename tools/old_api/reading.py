"""Names and signatures of a release, read off its source with `ast`; nothing of it is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

SKIPPED = frozenset(
    {
        *("_src", "tests", "tools", "testing", "distutils", "f2py", "third_party", "setup"),
        *("doc", "info", "bench", "conftest"),
    }
)


@dataclass(frozen=True)
class Signature:
    """The parameters of a function, without `self`."""

    positional: tuple[str, ...]
    keyword: tuple[str, ...]
    args: bool
    kwargs: bool


@dataclass(frozen=True)
class Definition:
    """What a dotted name leads to.

    `home` is the module that defines it, or what stands outside the release;
    `kind` is `def`, `class`, `value`, `module` or `outside`.
    """

    home: str
    name: str
    kind: str
    node: ast.AST | None = field(default=None, compare=False)


@dataclass(frozen=True)
class _Bound:
    """How a module binds a name: a node of its own, a module, or a name of another."""

    kind: str
    module: str = ""
    name: str = ""
    node: ast.AST | None = None


class Release:
    """The source of one release of one package."""

    def __init__(self, folder: Path, package: str) -> None:
        self.folder = folder
        self.package = package
        self._tables: dict[str, dict[str, _Bound]] = {}

    @cached_property
    def modules(self) -> dict[str, Path]:
        """Every module, by its dotted name; stubs stand beside what they describe."""
        found: dict[str, Path] = {}
        top = self.folder / self.package
        for path in sorted(top.rglob("*.py")):
            parts = list(path.relative_to(self.folder).with_suffix("").parts)
            if parts[-1] == "__init__":
                parts.pop()
            found[".".join(parts)] = path
        return found

    @cached_property
    def public(self) -> list[str]:
        """Modules that programs import."""
        return [
            name
            for name in self.modules
            if not any(part in SKIPPED or part.startswith("_") for part in name.split("."))
        ]

    def table(self, module: str) -> dict[str, _Bound]:
        """What a module binds at its top level."""
        if module not in self._tables:
            self._tables[module] = table = {}
            path = self.modules[module]
            tree = ast.parse(path.read_text(encoding="utf-8"))
            self._bind(tree.body, module, path.name == "__init__.py", table)
            stub = path.with_suffix(".pyi")
            if stub.exists():
                stubbed: dict[str, _Bound] = {}
                tree = ast.parse(stub.read_text(encoding="utf-8"))
                self._bind(tree.body, module, path.name == "__init__.py", stubbed)
                for name, bound in stubbed.items():
                    if bound.kind in {"class", "value"}:
                        table.setdefault(name, bound)
            for other in self.modules:
                parent, _, name = other.rpartition(".")
                if parent == module:
                    table.setdefault(name, _Bound("module", other))
        return self._tables[module]

    def _bind(
        self, body: list[ast.stmt], module: str, package: bool, table: dict[str, _Bound]
    ) -> None:
        for node in body:
            match node:
                case ast.FunctionDef(name=name):
                    table[name] = _Bound("def", module, name, node)
                case ast.ClassDef(name=name):
                    table[name] = _Bound("class", module, name, node)
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        for name in _stored(target):
                            table[name] = self._assigned(name, value, module, table)
                case ast.AnnAssign(target=ast.Name(id=name)):
                    table[name] = _Bound("value", module, name, node)
                case ast.Import(names=names):
                    for alias in names:
                        root = alias.name if alias.asname else alias.name.partition(".")[0]
                        table[alias.asname or root] = _Bound("module", root)
                case ast.ImportFrom():
                    self._bind_from(node, module, package, table)
                case ast.Delete(targets=targets):
                    for target in targets:
                        for name in _stored(target):
                            table.pop(name, None)
                case ast.If() | ast.Try() | ast.With() | ast.For():
                    for part in ("body", "orelse", "finalbody"):
                        self._bind(getattr(node, part, []), module, package, table)
                    for handler in getattr(node, "handlers", []):
                        self._bind(handler.body, module, package, table)

    def _assigned(
        self, name: str, value: ast.expr, module: str, table: dict[str, _Bound]
    ) -> _Bound:
        """`max = amax` is another name of the same function; `config = Config()` an object."""
        match value:
            case ast.Name(id=other) if other in table:
                return table[other]
            case ast.Call(func=ast.Name(id=made)) if made in table and table[made].kind == "class":
                return _Bound("value", module, name, table[made].node)
            case ast.Attribute(value=ast.Name(id=owner), attr=other) if (
                owner in table and table[owner].kind == "module"
            ):
                return _Bound("from", table[owner].module, other)
        return _Bound("value", module, name, value)

    def _bind_from(
        self, node: ast.ImportFrom, module: str, package: bool, table: dict[str, _Bound]
    ) -> None:
        origin = node.module or ""
        if node.level:
            parts = module.split(".")
            kept = parts[: len(parts) - node.level + (1 if package else 0)]
            origin = ".".join([*kept, *([origin] if origin else [])])
        for alias in node.names:
            if alias.name != "*":
                table[alias.asname or alias.name] = _Bound("from", origin, alias.name)
            elif origin in self.modules:
                for name in self.exported(origin):
                    table[name] = _Bound("from", origin, name)

    def exported(self, module: str) -> list[str]:
        """What `from module import *` takes."""
        table = self.table(module)
        declared = table.get("__all__")
        if declared is not None and isinstance(declared.node, ast.List | ast.Tuple | ast.BinOp):
            spelt = [
                each.value
                for each in ast.walk(declared.node)
                if isinstance(each, ast.Constant) and isinstance(each.value, str)
            ]
            if spelt and not any(isinstance(e, ast.Attribute) for e in ast.walk(declared.node)):
                return spelt
        return [name for name in table if not name.startswith("_")]

    def resolve(self, module: str, name: str, depth: int = 0) -> Definition | None:
        """Where a name of a module comes from in the end."""
        if module not in self.modules:
            inside = module == self.package or module.startswith(f"{self.package}.")
            return None if inside else Definition(module, name, "outside")
        bound = self.table(module).get(name)
        if bound is None or depth > 20:
            return None
        match bound.kind:
            case "module":
                kind = "module" if bound.module in self.modules else "outside"
                return Definition(bound.module, "", kind)
            case "from" if f"{bound.module}.{bound.name}" in self.modules:
                if (
                    bound.module in self.modules
                    and (bound.module, bound.name) != (module, name)
                    and self.table(bound.module)[bound.name].kind != "module"
                ):
                    return self.resolve(bound.module, bound.name, depth + 1)
                return Definition(f"{bound.module}.{bound.name}", "", "module")
            case "from":
                return self.resolve(bound.module, bound.name, depth + 1)
        return Definition(bound.module, bound.name, bound.kind, bound.node)

    def names(self) -> Iterator[tuple[str, Definition]]:
        """Every dotted name that a program can read, and where it comes from."""
        for module in self.public:
            yield module, Definition(module, "", "module")
            for name in list(self.table(module)):
                if name.startswith("__") and name.endswith("__"):
                    continue
                found = self.resolve(module, name) or Definition(module, name, "value")
                yield f"{module}.{name}", found
                if found.kind == "value" and isinstance(found.node, ast.ClassDef):
                    for method in _members(found.node):
                        path = f"{found.name}.{method}"
                        yield f"{module}.{name}.{method}", Definition(found.home, path, "method")


def signature(node: ast.AST | None) -> Signature | None:
    """The parameters of a function whose decorators leave them alone."""
    if isinstance(node, ast.ClassDef):
        made = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
        node = made[0] if made else None
    if not isinstance(node, ast.FunctionDef):
        return None
    a = node.args
    positional = tuple(each.arg for each in [*a.posonlyargs, *a.args])
    if node.name == "__init__":
        positional = positional[1:]
    return Signature(
        positional, tuple(k.arg for k in a.kwonlyargs), a.vararg is not None, a.kwarg is not None
    )


def _members(node: ast.ClassDef) -> list[str]:
    return [
        each.name
        for each in node.body
        if isinstance(each, ast.FunctionDef) and not each.name.startswith("_")
    ]


def _stored(target: ast.expr) -> Iterator[str]:
    match target:
        case ast.Name(id=name):
            yield name
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            for element in elements:
                yield from _stored(element)
