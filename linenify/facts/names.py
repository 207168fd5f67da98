"""Imports of legacy names, and every place that reads one."""

from __future__ import annotations

import ast

from linenify.facts import catalogue, jaxvalues, own_optimizers
from linenify.facts.arguments import Unclear
from linenify.facts.dynamic import emit_dynamic_import, imported_module
from linenify.facts.externals import LEGACY, canonical
from linenify.facts.jaxcalls import is_gone
from linenify.facts.jaxnames import imported, is_lost, replacement
from linenify.facts.kinds import External, File, Model, Optimizer, models
from linenify.facts.plan import Plan
from linenify.facts.sites import ImportedName, ImportSite, Renamed, Wrapped
from linenify.facts.snippets import OBJECT
from linenify.facts.spelt import is_guarded
from linenify.project.scopes import Scope
from linenify.project.source import Source, Span
from linenify.syntax.imports import bound_by_imports

OPTIM = "flax.optim"
LINEN = "flax.linen"
_STATE = "flax.training.train_state.TrainState"
_OPTIM_MODULES = frozenset(
    {OPTIM, *(f"{OPTIM}.{name}" for name in ("base", "adam", "dynamic_scale", "momentum", "sgd"))}
)
_OPTIM_TARGETS = {
    "flax.optim.Optimizer": _STATE,
    "flax.optim.base.Optimizer": _STATE,
    "flax.optim.OptimizerDef": "optax.GradientTransformation",
    "flax.optim.base.OptimizerDef": "optax.GradientTransformation",
    "flax.optim.DynamicScale": "flax.training.dynamic_scale.DynamicScale",
    "flax.optim.dynamic_scale.DynamicScale": "flax.training.dynamic_scale.DynamicScale",
}


def is_spelt(plan: Plan, node: ast.expr) -> bool:
    """Whether an expression names a layer outright: `nn.BatchNorm`, or an imported name."""
    if isinstance(node, ast.Attribute):
        owner = plan.flow.values.get(node.value, frozenset())
        return any(isinstance(a, External | File) for a in owner)
    if not isinstance(node, ast.Name):
        return False
    return _imported(plan, node)


def _imported(plan: Plan, node: ast.Name) -> bool:
    top: ast.AST = node
    for ancestor in plan.ancestors(node):
        top = ancestor
    return any(
        isinstance(statement, ast.ImportFrom)
        and any((alias.asname or alias.name) == node.id for alias in statement.names)
        for statement in ast.walk(top)
    )


def emit_names(plan: Plan) -> None:
    """Decides imports and names of every file; call sites have been decided before."""
    for source in plan.project.sources:
        _File(plan, source).emit()


class _File:
    """The legacy names of one file."""

    def __init__(self, plan: Plan, source: Source) -> None:
        self.plan = plan
        self.source = source
        self.facts = plan.files[source.name]
        self.scopes = plan.flow.scopes[source.name]
        # Names that an import binds, and nothing else: (scope, name) -> dotted path.
        self.bound: dict[tuple[Scope, str], str] = {}

    def emit(self) -> None:
        for node, scope in self._statements(self.source.tree, self.scopes.module):
            self._emit_import(node, scope)
        self._dynamic(self.source.tree, self.scopes.module)
        self._prefix()
        self._visit(self.source.tree, self.scopes.module)

    # --- imports -----------------------------------------------------------------------

    def _statements(
        self, node: ast.AST, scope: Scope
    ) -> list[tuple[ast.Import | ast.ImportFrom, Scope]]:
        found: list[tuple[ast.Import | ast.ImportFrom, Scope]] = []
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import | ast.ImportFrom):
                found.append((child, scope))
            else:
                inner = self.scopes.by_node.get(child, scope)
                found.extend(self._statements(child, inner))
        return found

    def _emit_import(self, node: ast.Import | ast.ImportFrom, scope: Scope) -> None:
        names: list[ImportedName] = []
        for index, alias in enumerate(node.names):
            if isinstance(node, ast.Import):
                path = alias.name
                local = alias.asname or alias.name.split(".")[0]
                bound = path if alias.asname else local
            else:
                if node.level or self.plan.flow.imports.find(node.module or "", self.source):
                    self._handed_on(alias.asname or alias.name, scope)
                    continue
                path = f"{node.module}.{alias.name}" if node.module else alias.name
                local, bound = alias.asname or alias.name, path
            self.bound[scope, local] = canonical(bound)
            path = canonical(path)
            span = self.plan.span(self.source, node)
            if alias.name == "*":
                if path == f"{LEGACY}.*":
                    self.facts.references.append((span, path))
                    names.append(ImportedName(index, "*", LINEN))
                    for name in catalogue.EXPORTED:
                        self.bound.setdefault((scope, name), f"{LEGACY}.{name}")
                continue
            if path == OPTIM or path.startswith(OPTIM + "."):
                if _OPTIM_TARGETS.get(path) is None and is_guarded(self.plan, node):
                    continue  # it fails, and the program goes on without it
                self.facts.references.append((span, path))
                target = _OPTIM_TARGETS.get(path)
                if isinstance(node, ast.ImportFrom) or alias.asname:
                    names.append(ImportedName(index, local, target, gone=target is None))
                elif path != "flax":  # import flax.optim
                    names.append(ImportedName(index, local, "flax"))
                continue
            gone = imported(path)
            if is_gone(path) and isinstance(node, ast.ImportFrom):
                leaving = jaxvalues.imported(self.plan, node, index)
                names.extend([leaving] if leaving is not None else [])
                continue
            if gone is not None and (isinstance(node, ast.ImportFrom) or alias.asname):
                names.append(ImportedName(index, local, gone if "." in gone else None))
                continue
            if path != LEGACY and not path.startswith(LEGACY + "."):
                continue
            self.facts.references.append((span, path))
            names.append(ImportedName(index, local, self._target(path)))
        if names:
            self.plan.define(self.source, node, ImportSite(tuple(names)))

    def _dynamic(self, node: ast.AST, scope: Scope) -> None:
        """`nn = importlib.import_module('flax.nn')`: names that a call imports."""
        for child in ast.iter_child_nodes(node):
            match child:
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if (
                    path := imported_module(self.plan, value)
                ) is not None:
                    self.bound.setdefault((scope, name), path)
            if isinstance(child, ast.Call):
                emit_dynamic_import(self.plan, self.source, child)
            self._dynamic(child, self.scopes.by_node.get(child, scope))

    def _handed_on(self, local: str, scope: Scope) -> None:
        """A name that another file of the project has from legacy Flax itself."""
        match [*self.plan.flow.env.get((scope, local), frozenset())]:
            case [External(path=path)] if self._legacy(path):
                self.bound[scope, local] = path

    def _target(self, path: str) -> str | None:
        if path == LEGACY:
            return LINEN
        rest = path[len(LEGACY) + 1 :]
        entry = catalogue.resolve(rest)
        if isinstance(entry, catalogue.Layer):
            return entry.target
        if entry is not None:
            return entry.target if entry.kind in {"same", "renamed", "special"} else None
        if rest in catalogue.SUBMODULES:
            return f"{LINEN}.{rest}"
        return None

    def _prefix(self) -> None:
        """How this file names flax.linen afterwards."""
        module = self.scopes.module
        always = bound_by_imports(self.source.tree)
        for wanted in (LEGACY, LINEN):
            for (scope, local), path in self.bound.items():
                if path == wanted and scope is module:
                    self.facts.linen = local
                    self.facts.linen_bound = local in always
                    return
        for (scope, local), path in self.bound.items():
            if path == "flax" and scope is module and local in always:
                self.facts.linen = f"{local}.linen"
                return
        self.facts.linen = "nn" if "nn" not in module.names else "linen"
        self.facts.linen_bound = False

    # --- reads -------------------------------------------------------------------------

    def _visit(self, node: ast.AST, scope: Scope) -> None:
        for child in ast.iter_child_nodes(node):
            inner = self.scopes.by_node.get(child, scope)
            if isinstance(child, ast.Attribute | ast.Name) and isinstance(child.ctx, ast.Load):
                path = self._path(child, scope)
                if path is not None and self._legacy(path):
                    self._reference(child, scope)
                    continue
                if child in self.plan.dissolved or (path is not None and is_gone(path)):
                    continue  # decided before
                if path is not None and is_lost(path):
                    why = f"`{ast.unparse(child)}` is no longer in JAX"
                    self._refuse_once(child, "LN190", why)
                    continue
                gone = replacement(path) if path is not None else None
                if gone is not None and isinstance(child, ast.Attribute):
                    self._put(child, Renamed(gone, "LN103"))
                    continue
            self._visit(child, inner)

    def _legacy(self, path: str) -> bool:
        return path in {LEGACY, OPTIM} or path.startswith((LEGACY + ".", OPTIM + "."))

    def _path(self, node: ast.expr, scope: Scope) -> str | None:
        """The dotted path that a chain of names spells, through imports only."""
        match node:
            case ast.Name(id=name):
                home = scope.lookup(name)
                return self.bound.get((home, name)) if home is not None else None
            case ast.Attribute(value=value, attr=name):
                owner = self._path(value, scope)
                if owner is not None and self._legacy(owner):
                    return canonical(f"{owner}.{name}")
                match [*self.plan.flow.values.get(node, frozenset())]:
                    case [External(path=path)] if self._legacy(path) and any(
                        isinstance(a, File) for a in self.plan.flow.values.get(value, frozenset())
                    ):
                        return path  # `layers.optim`, where layers is a file of the project
                return canonical(f"{owner}.{name}") if owner is not None else None
        return None

    def _reference(self, node: ast.expr, scope: Scope) -> None:
        """One maximal chain that starts in legacy Flax, e.g. `nn.Dense.partial`."""
        chain = [node]
        while isinstance(chain[-1], ast.Attribute):
            chain.append(chain[-1].value)
        chain.reverse()  # nn, nn.Dense, nn.Dense.partial
        for link in chain:
            reached = self._path(link, scope)
            if reached is None or not self._legacy(reached):
                continue
            if reached == LEGACY:
                self._spell_namespace(link, reached)
                continue
            if reached in _OPTIM_MODULES and link is not node:
                continue
            rest = reached.removeprefix(LEGACY + ".")
            if rest in catalogue.SUBMODULES and link is not node:
                following = chain[chain.index(link) + 1]
                if catalogue.resolve(f"{rest}.{getattr(following, 'attr', '')}") is not None:
                    continue
            self._name(link, reached, rest)
            return

    def _spell_namespace(self, link: ast.expr, path: str) -> None:
        del path
        if isinstance(link, ast.Attribute):  # flax.nn, flax.deprecated.nn
            self._put(link, Renamed(LINEN))

    def _name(self, link: ast.expr, path: str, rest: str) -> None:
        self.facts.references.append((self.plan.span(self.source, link), path))
        if path == OPTIM or path.startswith(OPTIM + "."):
            self._of_optim(link, path)
            return
        entry = catalogue.resolve(rest)
        if entry is None:
            if rest in catalogue.SUBMODULES:
                return
            self.plan.refuse(
                self.source, link, "LN190", f"`{ast.unparse(link)}` is not known to flax.nn"
            )
            return
        if isinstance(entry, catalogue.Layer):
            if entry.name in self.plan.wrapped and self._is_value(link):
                bound = ", ".join(f"{k}={v}" for k, v in entry.required)
                site = Wrapped("functools.partial({node}, %s)" % bound, imports=("functools",))
                self.plan.at(self.source, link, site)
                return
            self._rename(link, rest, entry.linen, entry.target)
            return
        if entry.name in {"module_method", "module"} and self._decorates(link):
            return
        if self._handled(link):
            if entry.name == "dropout":
                self._rename(link, rest, "Dropout", entry.target or "")
            elif entry.name == "dot_product_attention":
                self._rename(link, rest, "dot_product_attention", entry.target or "")
            return
        match entry.kind:
            case "same" | "renamed":
                assert entry.linen is not None
                target = entry.target
                assert target is not None
                self._rename(link, rest, entry.linen, target)
            case "special" if entry.name == "Module":
                self._rename(link, rest, "Module", f"{LINEN}.Module")
            case "special" if entry.name == "dot_product_attention":
                self._rename(link, rest, "dot_product_attention", entry.target or "")
            case "special" if entry.linen is not None and entry.value == "class":
                self._rename(link, rest, entry.linen, entry.target or "")
            case "toplevel" if entry.name in {"Model", "Collection", "Cache"} and self._annotates(
                link
            ):
                if entry.name == "Model" and self._is_of_nobody(link):
                    return
                carried = {*self.facts.support, *self.facts.borrowed}
                objects = entry.name == "Model" and OBJECT in carried
                self._put(link, Renamed(OBJECT if objects else "typing.Any", "LN611"))
            case "toplevel" if entry.name == "Model" and self._asks_for_object(link):
                self._put(link, Renamed(OBJECT, "LN614"))
            case "toplevel":
                self._refuse_once(link, "LN690", f"`{ast.unparse(link)}` belongs to training code")
                self._quote(link)
            case _:
                why = f"`{ast.unparse(link)}` has no counterpart in Linen"
                self._refuse_once(link, "LN190", why)

    def _asks_for_object(self, link: ast.expr) -> bool:
        """`isinstance(x, nn.Model)` where every Model is an object of this file."""
        match self.plan.parents[link]:
            case ast.Call(func=func, args=[asked, other]) if other is link:
                pass
            case _:
                return False
        flow, training = self.plan.flow, self.plan.training
        value = flow.values.get(asked, frozenset())
        if flow.values.get(func) != frozenset({External("builtins.isinstance")}):
            return False
        homes = [name for name, file in self.plan.files.items() if OBJECT in file.support]
        return (
            training is not None
            and len(homes) == 1
            and OBJECT in {*self.facts.support, *self.facts.borrowed}
            and bool(models(value))
            and not training.models.as_params(value)
        )

    def _of_optim(self, link: ast.expr, path: str) -> None:
        """A name of flax.optim, whose call has been decided before."""
        if self._handled(link):
            return
        target = _OPTIM_TARGETS.get(path)
        parent = self.plan.parents[link]
        if isinstance(parent, ast.ClassDef) and self.plan.flow.hierarchy.is_optimizer(parent):
            try:
                own_optimizers.emit_base(self.plan, self.source, parent)
            except Unclear as unclear:
                self._refuse_once(link, unclear.code, unclear.why)
                return
            target = own_optimizers.BASE
        if target is not None and not isinstance(parent, ast.Attribute):
            if target != _STATE or not self._is_of_nobody(link):
                self._put(link, Renamed(target, "LN603"))
            return
        self._refuse_once(link, "LN691", f"`{ast.unparse(link)}` no longer exists")
        self._quote(link)

    def _annotates(self, link: ast.expr) -> bool:
        """Whether a name only says what a value is."""
        inner: ast.AST = link
        for ancestor in self.plan.ancestors(link):
            match ancestor:
                case ast.arg():
                    return True
                case ast.AnnAssign(annotation=annotation) if annotation is inner:
                    return True
                case ast.FunctionDef(returns=returns) if returns is inner:
                    return True
                case ast.Subscript(slice=index) if index is inner:  # Tuple[nn.Model, int]
                    return True
                case ast.stmt():
                    return False
            inner = ancestor
        return False

    def _is_of_nobody(self, link: ast.expr) -> bool:
        """Refuses a Model or optimizer that a function uses and nobody in the project gives."""
        parameter = self.plan.parents[link]
        function = self.plan.parents.get(self.plan.parents.get(parameter))  # type: ignore[arg-type]
        if not isinstance(parameter, ast.arg) or not isinstance(function, ast.FunctionDef):
            return False
        scope = self.plan.flow.code[function].scope
        value = self.plan.flow.env.get((scope, parameter.arg), frozenset())
        if any(isinstance(a, Model | Optimizer) for a in value):
            return False
        uses = [
            parent
            for node in ast.walk(function)
            if isinstance(node, ast.Name) and node.id == parameter.arg
            if isinstance(parent := self.plan.parents[node], ast.Call | ast.Attribute)
            and (isinstance(parent, ast.Attribute) or parent.func is node)
        ]
        if not uses:
            return False
        why = f"nobody here calls `{function.name}`, so that its `{parameter.arg}` is not known"
        self._refuse_once(link, "LN690", why)
        self._quote(link)
        return True

    def _refuse_once(self, link: ast.expr, code: str, why: str) -> None:
        line = self.plan.statement(link).lineno
        place = self.plan.span(self.source, link)
        if not any(f.statement == line and _holds(f.span, place) for f in self.facts.refusals):
            self.plan.refuse(self.source, link, code, why)

    def _quote(self, link: ast.expr) -> None:
        """A refused name in an annotation must not keep the file from being imported."""
        inner: ast.AST = link
        for ancestor in self.plan.ancestors(link):
            if isinstance(ancestor, ast.Attribute) and ancestor.value is inner:
                link = ancestor
            annotated = {
                ast.arg: "annotation",
                ast.AnnAssign: "annotation",
                ast.FunctionDef: "returns",
            }.get(type(ancestor))
            if annotated is not None and getattr(ancestor, annotated) is inner:
                self._put(link, Renamed(repr(ast.unparse(link))))
                return
            if isinstance(ancestor, ast.stmt):
                return
            inner = ancestor

    def _rename(self, link: ast.expr, rest: str, linen: str, target: str) -> None:
        if isinstance(link, ast.Name):
            if target.rpartition(".")[2] != link.id and not self._aliased(link, rest):
                self._put(link, Renamed(target))
            return
        kept = rest == linen or (
            # Linen has the same submodules, so `nn.pooling.avg_pool` still is one.
            rest.rpartition(".")[2] == linen.rpartition(".")[2]
            and rest.partition(".")[0] in catalogue.SUBMODULES - {"base", "utils"}
        )
        if not kept or not target.startswith(LINEN):
            self._put(link, Renamed(target))

    def _aliased(self, link: ast.Name, rest: str) -> bool:
        return link.id != rest.rpartition(".")[2]

    def _put(self, link: ast.expr, site: Renamed) -> None:
        if self.plan.in_text(link) is not None:
            self.plan.refuse(self.source, link, "LN190", "a legacy name inside an f-string")
            return
        if self.plan.site_at(self.source, link) is None:
            self.plan.at(self.source, link, site)

    def _decorates(self, link: ast.expr) -> bool:
        parent = self.plan.parents[link]
        return isinstance(parent, ast.FunctionDef) and link in parent.decorator_list

    def _is_value(self, link: ast.expr) -> bool:
        """Whether a class is handed on here, not called, bound or derived from."""
        parent = self.plan.parents[link]
        match parent:
            case ast.Call():
                return link in parent.args
            case ast.Attribute() | ast.ClassDef() | ast.arg() | ast.AnnAssign():
                return isinstance(parent, ast.AnnAssign) and parent.value is link
        return True

    def _handled(self, link: ast.expr) -> bool:
        """Whether the call of this name has a site, or was refused with its own code."""
        parent = self.plan.parents[link]
        if not (isinstance(parent, ast.Call) and parent.func is link):
            return False
        training = self.plan.training
        if training is not None and (
            training.contexts.opens(parent)
            or training.caches.opens(parent)
            or training.captures.opens(parent)
        ):
            return True  # flagged there, if need be
        return self.plan.site_at(self.source, parent) is not None


def _holds(outer: Span, inner: Span) -> bool:
    """Whether one extent encloses the other."""
    starts = (outer.line, outer.column) <= (inner.line, inner.column)
    return starts and (inner.end_line, inner.end_column) <= (outer.end_line, outer.end_column)
