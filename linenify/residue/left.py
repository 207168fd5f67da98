"""Legacy code that is left in a file whose imports name Linen already.

After a run with `--write` a refused statement stands below its mark.  When the
mark is deleted and the code stays, nothing in the file is legacy by import any
more; what gives it away is that Linen has no such name, that an import of
`flax.optim` has gone, or that a layer is handed its input where it is
constructed.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from linenify.facts.legacy import catalogue
from linenify.facts.legacy.refusals import REFUSALS
from linenify.facts.sites import Finding
from linenify.facts.training.optimizers import OPTIMIZERS, TRAVERSALS, WRAPPERS
from linenify.project.nodes import below, walk
from linenify.project.resolve import Imports
from linenify.project.scopes import Scopes, all_arguments
from linenify.project.source import Project, Source
from linenify.project.spans import Spans
from linenify.residue.marks import covered

LINEN = "flax.linen"
_OPTIM = frozenset(OPTIMIZERS) | WRAPPERS | TRAVERSALS | {"Optimizer", "OptimizerDef"}
_OF_CLASSES = {
    **dict.fromkeys(("partial", "shared"), "LN190"),
    **dict.fromkeys(("init_by_shape", "create", "create_by_shape", "call"), "LN690"),
}
# Attributes that only legacy objects had, unless the project defines one of the name.
_BY_NAME = {
    **dict.fromkeys(("apply_gradient", "compute_gradient", "optimizer_def"), "LN692"),
    **dict.fromkeys(("init_by_shape", "create_by_shape"), "LN690"),
}
_WORDS = re.compile(
    r"\bflax\b|\b(?:"
    + "|".join(("optim", "partial", "shared", *sorted(_OPTIM), *_BY_NAME))
    + r")\b"
)


def left(project: Project) -> Mapping[str, list[Finding]]:
    """What is still legacy in Linen files, by file name."""
    files = {source.name: _File(source) for source in project.sources}
    linen = _LinenClasses(project, files)
    own = frozenset(_defined(project))
    found = {}
    for source in project.sources:
        if _WORDS.search(source.text):
            findings = list(_Search(files[source.name], linen, own).run())
            if findings:
                found[source.name] = findings
    return found


def _defined(project: Project) -> Iterator[str]:
    """Which of the names of legacy attributes the project defines itself."""
    for source in project.sources:
        for name in _BY_NAME:
            if re.search(
                rf"\bdef {name}\b|\bself\.{name}\s*=[^=]|^\s*{name}\s*[:=]",
                source.text,
                re.MULTILINE,
            ):
                yield name


@dataclass(slots=True)
class _File:
    """One file: what its imports and classes are called."""

    source: Source
    paths: dict[str, str] = field(default_factory=dict)  # names that imports alone bind, at the top
    classes: dict[str, ast.ClassDef] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for statement in _top(self.source.tree):
            match statement:
                case ast.ClassDef(name=name):
                    self.classes[name] = statement
                case ast.Import(names=aliases):
                    for alias in aliases:
                        local = alias.asname or alias.name.partition(".")[0]
                        self.paths[local] = alias.name if alias.asname else local
                case ast.ImportFrom(names=aliases, module=module, level=level):
                    for alias in aliases:
                        local = alias.asname or alias.name
                        self.paths[local] = f"{'.' * level}{module or ''}.{alias.name}"

    def path(self, node: ast.expr) -> str | None:
        """The dotted path that a chain of names spells."""
        match node:
            case ast.Name(id=name):
                return self.paths.get(name)
            case ast.Attribute(value=value, attr=name):
                owner = self.path(value)
                return f"{owner}.{name}" if owner else None
        return None


def _top(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements at the top of a file, those within `if` and `try` included."""
    pending: list[ast.stmt] = list(tree.body)
    while pending:
        statement = pending.pop(0)
        yield statement
        if isinstance(statement, ast.If | ast.Try | ast.With):
            for name in ("body", "orelse", "finalbody"):
                pending.extend(getattr(statement, name, []))
            for handler in getattr(statement, "handlers", []):
                pending.extend(handler.body)


class _LinenClasses:
    """Which classes of the project are Linen modules."""

    def __init__(self, project: Project, files: Mapping[str, _File]) -> None:
        self._files = files
        self._imports = Imports(project)
        self._known: dict[tuple[str, str], bool] = {}

    def is_linen(self, file: _File, node: ast.expr) -> bool:
        """Whether an expression names a class that Linen runs."""
        path = file.path(node)
        if path is None:
            return isinstance(node, ast.Name) and self._is_own(file, node.id)
        if path == f"{LINEN}.Module":
            return True
        if path.startswith(f"{LINEN}."):
            rest = path.removeprefix(f"{LINEN}.")
            return isinstance(catalogue.resolve(rest), catalogue.Layer)
        return self._is_imported(file, path)

    def _is_own(self, file: _File, name: str) -> bool:
        node = file.classes.get(name)
        if node is None:
            return False
        key = (file.source.name, name)
        if key not in self._known:
            self._known[key] = False  # a class that is its own base is none
            self._known[key] = any(self.is_linen(file, base) for base in node.bases)
        return self._known[key]

    def _is_imported(self, file: _File, path: str) -> bool:
        module, _, name = path.rpartition(".")
        level = len(path) - len(path.lstrip("."))
        start = self._imports.absolute(file.source, module.lstrip("."), level)
        home = self._imports.find(start, file.source, level)
        return home is not None and self._is_own(self._files[home], name)


class _Search:
    """One file, gone through once."""

    def __init__(self, file: _File, linen: _LinenClasses, own: frozenset[str]) -> None:
        self.file = file
        self.own = own
        self.source = file.source
        self.linen = linen
        self.scopes = Scopes(file.source)
        self.spans = Spans(file.source.text)
        self.home = {id(name): scope for name, scope in self.scopes.mentions}
        self.starred = any(
            isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
            for node in walk(file.source.tree)
        )

    def run(self) -> Iterator[Finding]:
        marked = covered(self.source.text, self.source.tree)
        said: set[tuple[int, str]] = set()
        for node, statement, code, message in self._visit(self.source.tree, None):
            if statement in marked or (statement, message) in said:
                continue
            said.add((statement, message))
            span = self.spans.of(node)
            yield Finding(code, span, statement, message, REFUSALS[code].remedy)

    def _visit(
        self, node: ast.AST, method: ast.FunctionDef | None, statement: int = 0
    ) -> Iterator[tuple[ast.expr | ast.stmt, int, str, str]]:
        for child in below(node):
            here = child.lineno if isinstance(child, ast.stmt) else statement
            inner = method
            match child:
                case ast.ImportFrom(module=str(module), level=0) if module == LINEN:
                    for alias in child.names:
                        code = _gone(alias.name)
                        if code is not None and alias.name not in _OTHERS:
                            yield child, here, code, f"`{alias.name}` is not in flax.linen"
                case ast.ClassDef():
                    yield from self._of_class(child)
                case ast.FunctionDef():
                    inner = child if isinstance(node, ast.ClassDef) else method
                case ast.Attribute(ctx=ast.Load()):
                    found = self._of_attribute(child, node)
                    if found is not None:
                        yield child, here, *found
                        continue
                case ast.Name(ctx=ast.Load()):
                    if child.id in _OPTIM and self._is_unbound(child):
                        yield child, here, "LN691", f"`{child.id}` is not defined in this file"
                case ast.Call():
                    found = self._of_call(child, method, node)
                    if found is not None:
                        yield child, here, *found
            yield from self._visit(child, inner, here)

    def _of_class(self, node: ast.ClassDef) -> Iterator[tuple[ast.stmt, int, str, str]]:
        if not any(self.linen.is_linen(self.file, base) for base in node.bases):
            return
        for method in node.body:
            if isinstance(method, ast.FunctionDef) and method.name == "apply":
                names = [argument.arg for argument in all_arguments(method.args)]
                if "variables" not in names:
                    message = f"`{node.name}.apply` hides the `apply` of a Linen module"
                    yield method, node.lineno, "LN290", message

    def _of_attribute(self, node: ast.Attribute, parent: ast.AST) -> tuple[str, str] | None:
        spelt = ast.unparse(node)
        path = self.file.path(node)
        if path is not None and path.startswith(f"{LINEN}."):
            name = path.removeprefix(f"{LINEN}.")
            code = _gone(name)
            if code is not None and not (name in _OTHERS and isinstance(parent, ast.Attribute)):
                return code, f"`{spelt}` is not in flax.linen"
        if node.attr in _OF_CLASSES and self.linen.is_linen(self.file, node.value):
            owner = self.file.path(node.value)
            if owner != f"{LINEN}.Module":
                return _OF_CLASSES[node.attr], f"`{spelt}`: Linen modules have no `{node.attr}`"
        if path is None and node.attr in _BY_NAME and node.attr not in self.own:
            return _BY_NAME[node.attr], f"`{spelt}` is of a legacy object"
        match node.value:
            case ast.Name(id=name) if node.attr in _OPTIM and self._is_unbound(node.value):
                return "LN691", f"`{name}` of `{spelt}` is not defined in this file"
        return None

    def _of_call(
        self, call: ast.Call, method: ast.FunctionDef | None, parent: ast.AST
    ) -> tuple[str, str] | None:
        """A layer of Linen that is handed its input where it is constructed."""
        path = self.file.path(call.func)
        if path is None or not path.startswith(f"{LINEN}.") or method is None:
            return None
        layer = catalogue.resolve(path.removeprefix(f"{LINEN}."))
        if not isinstance(layer, catalogue.Layer) or not call.args:
            return None
        called = isinstance(parent, ast.Call) and parent.func is call
        inputs = [argument.arg for argument in method.args.args[1:2]]
        first = call.args[0]
        if called or not inputs or not (isinstance(first, ast.Name) and first.id == inputs[0]):
            return None
        keywords = {keyword.arg for keyword in call.keywords}
        doubled = layer.fields[:1] and layer.fields[0] in keywords
        if len(call.args) + len(call.keywords) < 2 and not doubled:
            return None
        spelt = ast.unparse(call.func)
        return "LN390", f"`{spelt}` is handed its input `{first.id}` where it is constructed"

    def _is_unbound(self, node: ast.Name) -> bool:
        if self.starred or hasattr(builtins, node.id):
            return False
        return self.home.get(id(node), self.scopes.module).lookup(node.id) is None


def _gone(name: str) -> str | None:
    """The code for a name below `flax.linen` that only `flax.nn` had."""
    if name.startswith("Module."):
        return _OF_CLASSES.get(name.removeprefix("Module."))
    entry = catalogue.resolve(name)
    last = name.rpartition(".")[2]
    if entry is None:
        return "LN190" if name in catalogue.SUBMODULES - _LINEN_SUBMODULES else None
    if isinstance(entry, catalogue.Layer):
        return None if last in {entry.linen, "SelfAttention"} else "LN190"
    if last.startswith("_") or last == "Module" or entry.linen in {last, name}:
        return None  # it is there, or is nobody's business
    if entry.kind == "toplevel":
        return "LN690"
    return "LN190" if last == name or entry.linen is None else None


# What Linen calls its own submodules, and legacy called functions.
_OTHERS = frozenset({"module", "stochastic"})
_LINEN_SUBMODULES = catalogue.SUBMODULES - {"base", "utils"}
