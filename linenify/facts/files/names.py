"""Imports of legacy names, and every place that reads one."""

from __future__ import annotations

import ast

from linenify.facts.ask.spelt import is_guarded
from linenify.facts.deciding.plan import Plan
from linenify.facts.files.dynamic import (
    assigned_module,
    emit_dynamic_import,
    imported_in_place,
    imported_module,
)
from linenify.facts.flow.kinds import (
    External,
    File,
    Model,
    Module,
    Optimizer,
    Self,
    Super,
    models,
)
from linenify.facts.jax import jaxvalues
from linenify.facts.jax.gonenames import GoneNames
from linenify.facts.jax.jaxcalls import is_gone
from linenify.facts.legacy import catalogue, optimnames
from linenify.facts.legacy.externals import LEGACY, canonical
from linenify.facts.legacy.optimnames import OPTIM
from linenify.facts.legacy.snippets import OBJECT
from linenify.facts.sites import ImportedName, ImportSite, Renamed, Unclear, Wrapped
from linenify.facts.training import own_optimizers
from linenify.facts.training.training import Training
from linenify.project.nodes import below, walk
from linenify.project.scopes import Scope
from linenify.project.source import Source, Span
from linenify.syntax.imports import bound_by_imports

LINEN = "flax.linen"
_NOT_IN_LINEN = frozenset({"base", "utils"})  # submodules of flax.nn alone


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
        self.gone = GoneNames(plan, source, self._path, self._quote)

    def emit(self) -> None:
        imports = self._statements(self.source.tree, self.scopes.module)
        for node, scope in imports:
            self._emit_import(node, scope)
        self._dynamic(self.source.tree, self.scopes.module)
        self._prefix()
        self._visit(self.source.tree, self.scopes.module)
        self.gone.leftovers(imports)

    # --- imports -----------------------------------------------------------------------

    def _statements(
        self, node: ast.AST, scope: Scope
    ) -> list[tuple[ast.Import | ast.ImportFrom, Scope]]:
        found: list[tuple[ast.Import | ast.ImportFrom, Scope]] = []
        for child in below(node):
            if isinstance(child, ast.Import | ast.ImportFrom):
                found.append((child, scope))
            else:
                inner = self.scopes.by_node.get(child, scope)
                found.extend(self._statements(child, inner))
        return found

    def _emit_import(self, node: ast.Import | ast.ImportFrom, scope: Scope) -> None:
        names: list[ImportedName] = []
        known = len(self.facts.references)
        for index, alias in enumerate(node.names):
            if isinstance(node, ast.Import):
                path = alias.name
                local = alias.asname or alias.name.split(".")[0]
                bound = path if alias.asname else local
            else:
                home = self.plan.flow.imports.absolute(self.source, node.module or "", node.level)
                origin = self.plan.flow.imports.find(home, self.source, node.level)
                if origin is not None and alias.name != "*":
                    names += self._handed_on(node, index, origin, scope)
                if node.level or origin is not None:
                    continue
                path = f"{node.module}.{alias.name}" if node.module else alias.name
                local, bound = alias.asname or alias.name, path
            path = canonical(path)
            if not self._legacy(path) and self.gone.is_spare(node, local, path):
                continue
            self.bound[scope, local] = canonical(bound)
            span = self.plan.span(self.source, node)
            if alias.name == "*":
                if path == f"{LEGACY}.*":
                    self.facts.references.append((span, path))
                    names.append(ImportedName(index, "*", LINEN))
                    for name in catalogue.EXPORTED:
                        self.bound.setdefault((scope, name), f"{LEGACY}.{name}")
                else:
                    leaving = self.gone.importing(node, index, path)
                    names += [leaving] if leaving is not None else []
                continue
            if path == OPTIM or path.startswith(OPTIM + "."):
                if optimnames.TARGETS.get(path) is None and is_guarded(self.plan, node):
                    continue  # it fails, and the program goes on without it
                self.facts.references.append((span, path))
                target = optimnames.TARGETS.get(path)
                if isinstance(node, ast.ImportFrom) or alias.asname:
                    names.append(ImportedName(index, local, target, gone=target is None))
                elif path != "flax":  # import flax.optim
                    names.append(ImportedName(index, local, "flax"))
                continue
            if is_gone(path) and isinstance(node, ast.ImportFrom):
                leaving = jaxvalues.imported(self.plan, node, index)
                names.extend([leaving] if leaving is not None else [])
                continue
            if path != LEGACY and not path.startswith(LEGACY + "."):
                leaving = self.gone.importing(node, index, path)
                names += [leaving] if leaving is not None else []
                continue
            self.facts.references.append((span, path))
            names.append(self._of_legacy(node, index, local, path))
        if names:
            rule = "LN101" if len(self.facts.references) > known else "LN103"
            self.plan.define(self.source, node, ImportSite(tuple(names), rule))

    def _handed_on(
        self, node: ast.ImportFrom, index: int, origin: str, scope: Scope
    ) -> list[ImportedName]:
        """A name that another file of the project has from a library, or from legacy Flax."""
        found = self.gone.handed_on(node, index, origin)
        if found is None:
            local = node.names[index].asname or node.names[index].name
            match [*self.plan.flow.env.get((scope, local), frozenset())]:
                case [External(path=path)] if self._legacy(path):
                    self.bound[scope, local] = path
            return []
        self.bound[scope, found[0].local] = found[1]
        return [found[0]]

    def _of_legacy(
        self, node: ast.Import | ast.ImportFrom, index: int, local: str, path: str
    ) -> ImportedName:
        """An alias that binds something of legacy Flax."""
        target = self._target(path)
        if isinstance(node, ast.Import) and node.names[index].asname is None:
            return ImportedName(index, local, target or LINEN)  # `import flax.nn.base`
        return ImportedName(index, local, target, gone=target is None)

    def _dynamic(self, node: ast.AST, scope: Scope) -> None:
        """`nn = importlib.import_module('flax.nn')`, `base = nn.base`: names of modules."""
        for child in below(node):
            match child:
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if (
                    path := imported_module(self.plan, value)
                    or assigned_module(self.plan, scope, name, value)
                ) is not None:
                    self.bound.setdefault((scope, name), path)
            if isinstance(child, ast.Call):
                emit_dynamic_import(self.plan, self.source, child)
            self._dynamic(child, self.scopes.by_node.get(child, scope))

    def _target(self, path: str) -> str | None:
        if path == LEGACY:
            return LINEN
        rest = path[len(LEGACY) + 1 :]
        entry = catalogue.resolve(rest)
        if isinstance(entry, catalogue.Layer):
            return entry.target
        if entry is not None:
            return entry.target if entry.kind in {"same", "renamed", "special"} else None
        if rest in catalogue.SUBMODULES - _NOT_IN_LINEN:
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
        for child in below(node):
            inner = self.scopes.by_node.get(child, scope)
            if isinstance(child, ast.Call) and self.gone.call(child, scope):
                continue
            if isinstance(child, ast.Attribute | ast.Name) and isinstance(child.ctx, ast.Load):
                path = self._path(child, scope)
                if path is not None and self._legacy(path):
                    self._reference(child, scope)
                    continue
                if child in self.plan.dissolved or (path is not None and is_gone(path)):
                    continue  # decided before
                if self.gone.read(child, scope, path):
                    continue
                if imported_in_place(self.plan, child) is not None:
                    self._refuse_once(child, "LN190", f"`{ast.unparse(child)}` is gone")
                    continue
                self._check_member(child)
            self._visit(child, inner)

    def _check_member(self, node: ast.Attribute | ast.Name) -> None:
        """`self._get_construction_frame()`: what legacy modules had, and Linen modules have not."""
        if not isinstance(node, ast.Attribute) or node.attr not in catalogue.PRIVATE_MEMBERS:
            return
        flow = self.plan.flow
        for atom in flow.values.get(node.value, frozenset()):
            owner = getattr(atom, "owner", None) or getattr(atom, "definition", None)
            if not isinstance(atom, Self | Super | Module):
                continue
            if isinstance(owner, ast.ClassDef) and flow.hierarchy.find(owner, node.attr) is None:
                why = f"Linen modules have no `{node.attr}`"
                self._refuse_once(node, "LN190", why)
                return

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
            if reached in optimnames.MODULES and link is not node:
                continue
            rest = self._written(link, scope, reached).removeprefix(LEGACY + ".")
            if rest in catalogue.SUBMODULES and link is not node:
                following = chain[chain.index(link) + 1]
                if catalogue.resolve(f"{rest}.{getattr(following, 'attr', '')}") is not None:
                    continue
            self._name(link, reached, rest)
            return

    def _written(self, link: ast.expr, scope: Scope, path: str) -> str:
        """The path that a chain spells, by way of the submodules that it names."""
        owner = self._path(link.value, scope) if isinstance(link, ast.Attribute) else None
        if owner is None or not owner.startswith(LEGACY):
            return path
        return f"{owner}.{path.rpartition('.')[2]}"

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
            if rest in catalogue.SUBMODULES - _NOT_IN_LINEN:
                return
            if rest in _NOT_IN_LINEN and isinstance(self.plan.parents[link], ast.Assign):
                self._put(link, Renamed(LINEN))  # what is read off it is spelt where it is read
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
        if self._handled(link) or self.plan.site_at(self.source, link) is not None:
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
        flow, training = self.plan.flow, self.plan.part(Training)
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
        if self._handled(link) or self.plan.site_at(self.source, link) is not None:
            return
        target = optimnames.TARGETS.get(path)
        parent = self.plan.parents[link]
        if isinstance(parent, ast.ClassDef) and self.plan.flow.hierarchy.is_optimizer(parent):
            try:
                own_optimizers.emit_base(self.plan, self.source, parent)
            except Unclear as unclear:
                self._refuse_once(link, unclear.code, unclear.why)
                return
            target = own_optimizers.BASE
        if target is not None and not isinstance(parent, ast.Attribute):
            if target != optimnames.STATE or not self._is_of_nobody(link):
                self._put(link, Renamed(target, "LN603"))
            return
        training = self.plan.part(Training)
        factory = training.factories.of(link) if training is not None else None
        if factory is not None:
            self.plan.at(self.source, link, factory)
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
            for node in walk(function)
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
            and rest.partition(".")[0] in catalogue.SUBMODULES - _NOT_IN_LINEN
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
        training = self.plan.part(Training)
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
