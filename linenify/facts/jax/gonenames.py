"""Names of JAX, Flax and NumPy that are gone: what becomes of their imports and their reads."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterator

from linenify.facts.ask.guards import fallback_of, guarding, is_asked_for, is_provided
from linenify.facts.ask.spelt import bindings, certain
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import External, File, Static, Value
from linenify.facts.jax.jaxcalls import is_gone as is_written_otherwise
from linenify.facts.legacy import jaxnames, oldapi
from linenify.facts.sites import (
    AttributeSite,
    ImportedName,
    ImportSite,
    Renamed,
    Reshaped,
    StatementSite,
    Wrapped,
)
from linenify.project.scopes import Scope
from linenify.project.source import Source

LOST, LOOKED_UP = "LN192", "LN193"
_NOTHING: Value = frozenset()
_BARE = (
    *(ast.Call, ast.keyword, ast.Assign, ast.Tuple, ast.List, ast.Dict, ast.arguments),
    *(ast.Return, ast.Compare),
)


class GoneNames:
    """The gone names of one file.

    Args:
        plan: where decisions are collected.
        source: the file.
        path: the dotted path that a chain of names spells, through imports only.
        quote: makes a string of an annotation that names what is gone.
    """

    def __init__(
        self,
        plan: Plan,
        source: Source,
        path: Callable[[ast.expr, Scope], str | None],
        quote: Callable[[ast.expr], None],
    ) -> None:
        self._plan = plan
        self._source = source
        self._path = path
        self._quote = quote
        self._optional: set[str] = set()  # names that are bound otherwise where an import fails
        self._stars: list[str] = []  # modules whose names `import *` brings in
        self._switches: list[ast.expr] = []  # roots of calls that went

    # --- imports -----------------------------------------------------------------------------

    def is_spare(self, node: ast.Import | ast.ImportFrom, local: str, path: str) -> bool:
        """Whether an import only stands in for one that works, or has one that does.

        Such statements stay as they are, and what they bind is what the other binds.
        """
        attempt = fallback_of(self._plan, node)
        if attempt is not None and is_provided(attempt.body, local, besides=node):
            return True
        attempt = guarding(self._plan, node)
        if attempt is None or not jaxnames.concerns(path):
            return False
        branches = [attempt.body, *(handler.body for handler in attempt.handlers)]
        return any(is_provided(branch, local, besides=node) for branch in branches)

    def importing(
        self, node: ast.Import | ast.ImportFrom, index: int, path: str
    ) -> ImportedName | None:
        """What becomes of one alias, if its name is gone."""
        alias = node.names[index]
        local = alias.asname or alias.name.partition(".")[0]
        plain = isinstance(node, ast.Import)
        if alias.name == "*":
            return self._importing_all(node, path.removesuffix(".*"))
        if plain and path in jaxnames.ATTRIBUTES:
            plain_name = alias.asname is None
            return ImportedName(index, local, local if plain_name else path, member=not plain_name)
        if not jaxnames.concerns(path):
            return None
        target = jaxnames.imported(path)
        if target is not None:
            if plain and alias.asname is None and "." not in target:
                return ImportedName(index, local, target)
            if "." not in target and not plain:  # `from numpy import int`, `from jax import np`
                return self._importing_module(node, index, target)
            return ImportedName(index, local, target)
        if guarding(self._plan, node) is not None or is_asked_for(self._plan, node, alias.name):
            self._optional.add(local)
            return None  # it is written to run without
        whole = isinstance(node, ast.Import) or oldapi.is_gone_module(path)
        if path not in jaxnames.CONSTANTS and not whole and node in self._source.tree.body:
            self._flag(node, path)  # a module is flagged where something is read off it
        if plain and alias.asname is None and not self._is_bound_beside(node, local):
            return ImportedName(index, local, local)  # `import jax.api` also bound `jax`
        return ImportedName(index, local, None, gone=True)

    def _is_bound_beside(self, node: ast.stmt, local: str) -> bool:
        """Whether another statement at the top of the file imports a library."""
        return any(
            isinstance(other, ast.Import)
            and other is not node
            and any(a.asname is None and a.name.partition(".")[0] == local for a in other.names)
            for other in self._source.tree.body
        )

    def _importing_module(
        self, node: ast.Import | ast.ImportFrom, index: int, target: str
    ) -> ImportedName:
        """A member that is a module by itself, or a builtin: no `from` can import that."""
        local = node.names[index].asname or node.names[index].name
        if not hasattr(builtins, target):
            return ImportedName(index, local, target)
        return ImportedName(index, local, None, gone=True)

    def _importing_all(self, node: ast.Import | ast.ImportFrom, module: str) -> ImportedName | None:
        self._stars.append(module)
        if not jaxnames.concerns(module):
            return None
        target = jaxnames.replacement(module)
        if target is not None:
            return ImportedName(0, "*", target)
        if guarding(self._plan, node) is None:
            self._flag(node, module)
            line = node.lineno
            self._plan.files[self._source.name].statements[line] = StatementSite(
                "LN103", column=self._plan.span(self._source, node).column
            )
        return None

    def handed_on(
        self, node: ast.ImportFrom, index: int, origin: str
    ) -> tuple[ImportedName, str] | None:
        """`from helpers import safe_map`, where `helpers` only took it from a library."""
        flow = self._plan.flow
        alias = node.names[index]
        value = flow.env.get((flow.scopes[origin].module, alias.name), _NOTHING)
        match [*value]:
            case [External(path=path)] if jaxnames.is_lost(path) and not is_written_otherwise(path):
                if self.is_spare(node, alias.asname or alias.name, path):
                    return None
                return ImportedName(index, alias.asname or alias.name, None, gone=True), path
        return None

    # --- reads -------------------------------------------------------------------------------

    def read(self, node: ast.Attribute | ast.Name, scope: Scope, path: str | None) -> bool:
        """Decides one chain of names; says whether it is one that is gone."""
        if _root(node) in self._optional:
            return True
        if path is None and isinstance(node, ast.Name):
            path = self._of_star(node, scope)
            if path is not None and is_written_otherwise(path):
                self._flag(node, path)
                return True
        paths = self._values(node)
        if path is not None and path.partition(".")[0] in oldapi.PACKAGES:
            if not jaxnames.concerns(path):
                return False
        elif path is None or not jaxnames.concerns(path):
            return isinstance(node, ast.Attribute) and self._of_value(node, paths)
        if is_written_otherwise(path):
            return False
        if len(paths) > 1:
            return self._one_of(node, paths)
        plan = self._plan
        target = jaxnames.replacement(path)
        if target is not None:
            spelt = isinstance(node, ast.Attribute) or self._needs_spelling(node, target)
            if spelt and not self._is_followed(node, scope):
                self._put(node, Renamed(target, "LN103"))
            self._check_asked(node, path)
        elif path in jaxnames.CONSTANTS:
            template = jaxnames.CONSTANTS[path]
            if template.startswith("-") and not isinstance(plan.parents[node], _BARE):
                template = f"({template})"
            self._put(node, Wrapped(template, "LN103"))
        elif not self._is_expected(node, path):
            call = plan.parents[node]
            if not (
                isinstance(call, ast.Call) and call.func is node and self._switches_on(call, path)
            ):
                self._flag(node, path)
        return True

    def _needs_spelling(self, node: ast.Name, target: str) -> bool:
        """Whether a name has no import that could go on binding it."""
        if "." not in target and hasattr(builtins, target):
            return node.id != target
        return (
            bool(self._stars)
            and self._of_star_name(node.id) is not None
            and (target.rpartition(".")[2] != node.id)
        )

    def _is_followed(self, node: ast.expr, scope: Scope) -> bool:
        """Whether `optimizers.adam` is right as soon as `optimizers` is imported rightly."""
        if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
            return False
        owner = self._path(node.value, scope)
        return owner is not None and _follows(f"{owner}.{node.attr}")

    def _values(self, node: ast.expr) -> set[str]:
        """What names of libraries this may be."""
        value = self._plan.flow.values.get(node, _NOTHING)
        return {a.path for a in value if isinstance(a, External)}

    def _of_value(self, node: ast.Attribute, paths: set[str]) -> bool:
        """`xp.product`, where `xp` is a variable that holds a library, or one of two."""
        gone = {each for each in self._read_off(node.value, paths) if jaxnames.concerns(each)}
        if not gone:
            return self._is_of_file(node, paths)
        if all(map(_follows, gone)):
            return True
        if self._plan.site_at(self._source, node) is not None or node in self._plan.dissolved:
            return True
        parent = self._plan.parents[node]
        if isinstance(parent, ast.Call) and self._plan.site_at(self._source, parent) is not None:
            return True
        path = certain(self._plan, node.value)
        if path is not None and len(paths) == 1 and f"{path}.{node.attr}" in paths:
            target = jaxnames.replacement(f"{path}.{node.attr}")
            if target is not None:
                self._put(node, Renamed(target, "LN103"))
                return True
        if is_asked_for(self._plan, node, node.attr) or guarding(self._plan, node, reads=True):
            return True
        return self._one_of(node, self._read_off(node.value, paths))

    def _read_off(self, owner: ast.expr, paths: set[str]) -> set[str]:
        """The names that are read off a library here, not off what holds them."""
        value = self._plan.flow.values.get(owner, _NOTHING)
        return {each for each in paths if External(each.rpartition(".")[0]) in value}

    def _is_of_file(self, node: ast.Attribute, paths: set[str]) -> bool:
        """`helpers.safe_map`: flagged where that file has it from an import that has to go."""
        flow = self._plan.flow
        match [*flow.values.get(node.value, _NOTHING)], [*paths]:
            case [File(name=file)], [path] if jaxnames.is_lost(path):
                bound = (flow.scopes[file].module, node.attr) in bindings(self._plan).stores
                if not bound and not is_written_otherwise(path):
                    self._flag(node, path)
                    return True
        return False

    def _one_of(self, node: ast.Attribute | ast.Name, paths: set[str]) -> bool:
        """A name that is gone from one of several modules that may stand here."""
        leaves = {
            (jaxnames.replacement(each) or "").removeprefix(each.rpartition(".")[0] + ".")
            for each in paths
        }
        value = self._plan.flow.values.get(node, _NOTHING)
        sure = all(isinstance(a, External) for a in value)
        leaf = leaves.pop() if len(leaves) == 1 else ""
        plain = leaf.isidentifier() and not hasattr(builtins, leaf)
        if isinstance(node, ast.Attribute) and plain and sure:
            if self._plan.site_at(self._source, node) is None:
                self._plan.at(self._source, node, AttributeSite(1, leaf, "LN103"))
        elif all(jaxnames.concerns(each) for each in paths) or isinstance(node, ast.Attribute):
            self._flag(node, min(each for each in paths if jaxnames.concerns(each)))
        return True

    def _is_expected(self, node: ast.expr, path: str) -> bool:
        """Whether the code around is ready for the name to be missing."""
        name = path.rpartition(".")[2]
        if is_asked_for(self._plan, node, name):
            return True
        if isinstance(node, ast.Name):
            return False
        return guarding(self._plan, node, reads=True) is not None

    def _of_star(self, node: ast.expr, scope: Scope) -> str | None:
        if not self._stars or not isinstance(node, ast.Name):
            return None
        if scope.lookup(node.id) is not None:
            return None
        return self._of_star_name(node.id)

    def _of_star_name(self, name: str) -> str | None:
        if name.startswith("_") or hasattr(builtins, name):
            return None
        found = [f"{m}.{name}" for m in reversed(self._stars) if jaxnames.concerns(f"{m}.{name}")]
        return found[0] if found else None

    def _check_asked(self, node: ast.expr, path: str) -> None:
        """`isinstance(x, jnp.DeviceArray)` was not true of tracers."""
        if not path.endswith(("DeviceArray", "KeyArray")):
            return
        inner: ast.AST = node
        for ancestor in self._plan.ancestors(node):
            if isinstance(ancestor, ast.Call) and inner is not ancestor.func:
                callee = self._plan.flow.values.get(ancestor.func, _NOTHING)
                if External("builtins.isinstance") in callee:
                    self._plan.notice(self._source, ancestor, "LN812")
                return
            if isinstance(ancestor, ast.stmt):
                return
            inner = ancestor

    # --- calls -------------------------------------------------------------------------------

    def _switches_on(self, call: ast.Call, path: str) -> bool:
        """`config.enable_omnistaging()` alone on a line has nothing left to do."""
        if path not in jaxnames.SWITCHES or call.args or call.keywords:
            return False
        return self._drop(call, self._plan.parents[call])

    def call(self, node: ast.Call, scope: Scope) -> bool:
        """Decides calls that name a gone thing in a string; says whether it did."""
        path = self._path(node.func, scope)
        if path in jaxnames.UPDATES:
            return self._update(node)
        callee = self._plan.flow.values.get(node.func, _NOTHING)
        if callee == frozenset({External("builtins.getattr")}) and len(node.args) == 2:
            return self._looked_up(node, scope)
        return False

    def _update(self, node: ast.Call) -> bool:
        given = dict(zip(("name", "val"), node.args, strict=False))
        given |= {k.arg: k.value for k in node.keywords if k.arg is not None}
        match given.get("name"), given.get("val"):
            case ast.Constant(value=str(option)), ast.Constant(value=value):
                wanted = jaxnames.DEFAULTS.get(option)
                if wanted is not None and value is wanted:
                    return self._drop(node, self._plan.parents[node])
                if wanted is not None:
                    why = f"`{option}` can no longer be switched off"
                    self._plan.refuse(self._source, node, LOST, why)
                    return True
        return False

    def _drop(self, call: ast.Call, parent: ast.AST) -> bool:
        """Takes a statement away that is nothing but this call."""
        plan = self._plan
        if not isinstance(parent, ast.Expr):
            return False
        if is_asked_for(plan, call, "enable_omnistaging") or guarding(plan, call, reads=True):
            return True  # written to run without
        column = plan.span(self._source, parent).column
        line = parent.lineno
        plan.files[self._source.name].statements[line] = StatementSite("LN105", column=column)
        self._switches.append(call.func)
        return True

    def _looked_up(self, node: ast.Call, scope: Scope) -> bool:
        """`getattr(jax, 'tree_multimap')`."""
        paths = self._read_off(node.args[0], self._values(node))
        owner = self._path(node.args[0], scope)
        if owner is not None:
            names = _literals(self._plan.flow.values.get(node.args[1], _NOTHING))
            paths |= {f"{owner}.{name}" for name in names}
        gone = sorted(path for path in paths if jaxnames.concerns(path))
        if not gone or is_asked_for(self._plan, node, gone[0].rpartition(".")[2]):
            return False
        if guarding(self._plan, node, reads=True) is not None:
            return False
        target = jaxnames.replacement(gone[0])
        plain = isinstance(node.args[1], ast.Constant) and owner is not None
        if plain and target is not None and "." in target and not node.keywords:
            if self._plan.site_at(self._source, node) is None:
                self._plan.at(self._source, node, Reshaped("{spell:%s}" % target, "LN103"))
            return True
        which = " and ".join(f"`{path}`" for path in gone)
        library = jaxnames.library(gone[0])
        why = f"{which} {'is' if len(gone) == 1 else 'are'} no longer in {library}"
        self._plan.lost.add(node)
        self._plan.refuse(self._source, node, LOOKED_UP, why)
        return True

    # --- afterwards --------------------------------------------------------------------------

    def leftovers(self, statements: list[tuple[ast.Import | ast.ImportFrom, Scope]]) -> None:
        """Imports that only served a call that went."""
        roots = {_root(node) for node in self._switches}
        decided = self._plan.files[self._source.name].definitions
        for node, _ in statements:
            whole = isinstance(node, ast.Import)
            names: list[ImportedName] = []
            for index, alias in enumerate(node.names):
                local = alias.asname or alias.name.partition(".")[0]
                if local in roots:
                    names.append(ImportedName(index, local, alias.name if whole else None))
            span = self._plan.span(self._source, node)
            place = (type(node).__name__, span.line, span.column)
            if names and not getattr(node, "level", 0) and place not in decided:
                self._plan.define(self._source, node, ImportSite(tuple(names), "LN105"))

    # --- marks -------------------------------------------------------------------------------

    def _flag(self, node: ast.expr | ast.stmt, path: str) -> None:
        plan, source = self._plan, self._source
        plan.lost.add(node)
        statement = plan.statement(node).lineno
        known = plan.files[source.name].refusals
        if isinstance(node, ast.expr) and any(
            f.statement == statement and f.code == LOST and path in f.message for f in known
        ):
            return
        why = f"`{path}` is no longer in {jaxnames.library(path)}"
        if isinstance(node, ast.expr) and self._is_refused(node):
            return
        plan.refuse(source, node, LOST, why)
        if isinstance(node, ast.expr):
            self._quote(node)

    def _is_refused(self, node: ast.expr) -> bool:
        """Whether the call of a name was refused with a reason of its own."""
        plan = self._plan
        parent = plan.parents[node]
        if not (isinstance(parent, ast.Call) and parent.func is node):
            return False
        span = plan.span(self._source, parent)
        return plan.site_at(self._source, parent) is not None or any(
            f.span == span for f in plan.files[self._source.name].refusals
        )

    def _put(self, node: ast.expr, site: Renamed | Wrapped) -> None:
        plan = self._plan
        if plan.in_text(node) is not None:
            plan.refuse(self._source, node, LOST, "a name that is gone inside an f-string")
        elif plan.site_at(self._source, node) is None:
            plan.at(self._source, node, site)


def _literals(value: Value) -> Iterator[str]:
    for atom in value:
        if isinstance(atom, Static) and atom.type == "str" and atom.literal is not None:
            yield ast.literal_eval(atom.literal)


def _follows(path: str) -> bool:
    """Whether a member is found where its module is, once that is named rightly."""
    owner, _, name = path.rpartition(".")
    home = jaxnames.imported(owner)
    return home is not None and f"{home}.{name}" == jaxnames.replacement(path)


def _root(node: ast.expr) -> str | None:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None
