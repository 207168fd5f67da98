"""The imports of a file whose tree has been rewritten."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

import libcst as cst

from linenify.facts.sites import FileFacts, ImportSite
from linenify.project.source import Source
from linenify.rewrite.engine import Engine
from linenify.rules.base import LINEN
from linenify.syntax.blocks import is_tombstone, settled, tombstone
from linenify.syntax.build import code
from linenify.syntax.exports import without_listed
from linenify.syntax.imports import (
    NewAlias,
    plainly_imported,
    read_names,
    replaced_line,
    with_imports,
)
from linenify.syntax.order import imports_come_late, read_too_early


def settle_imports(
    module: cst.Module, source: Source, facts: FileFacts, engine: Engine
) -> cst.Module:
    """Adds the imports that the new code needs, and rewrites those of legacy names."""
    wanted = {path for path in engine.imports if path != LINEN}
    if LINEN in engine.imports and not facts.linen_bound:
        wanted.add(f"{LINEN} as {facts.linen}")
    present = plainly_imported(source.tree) | _rewritten(engine)
    wanted = {p for p in wanted if p not in present and not _is_bound(p, engine.bound)}
    wanted |= _needed_earlier(module, source, engine.bound)
    # New imports first: they stand with their relatives, also with those that go.
    module = with_imports(module, wanted) if wanted else module
    if engine.import_nodes:
        module = _with_import_lines(module, source, facts, engine)
    return without_listed(module, facts.unlisted) if facts.unlisted else module


def _with_import_lines(
    module: cst.Module, source: Source, facts: FileFacts, engine: Engine
) -> cst.Module:
    after = read_names(ast.parse(module.code)) | facts.kept
    visitor = _ImportLines(engine.import_nodes, read_names(source.tree), after)
    if engine.nested_imports:
        return module.visit(visitor)
    body = visitor.lines(module.body)
    settled_module = settled(module.with_changes(body=body))
    assert isinstance(settled_module, cst.Module)
    return settled_module


def _rewritten(engine: Engine) -> set[str]:
    """Modules that an `import` of a module that is gone becomes."""
    return {
        name.target
        for node, site in engine.import_nodes.values()
        if isinstance(node, cst.Import)
        for name in site.names
        if name.target is not None and "." in name.target
    }


def _needed_earlier(module: cst.Module, source: Source, bound: Mapping[str, str]) -> frozenset[str]:
    """Imports that stand further down than what names them now."""
    if not imports_come_late(source.tree):
        return frozenset()
    early = read_too_early(ast.parse(module.code), bound) - read_too_early(source.tree, bound)
    paths = {name: bound[name] for name in early}
    return frozenset(
        path if path.rpartition(".")[2] == name else f"{path} as {name}"
        for name, path in paths.items()
    )


def _is_bound(path: str, bound: Mapping[str, str]) -> bool:
    dotted, _, local = path.partition(" as ")
    package, _, member = dotted.rpartition(".")
    return (local or (member if package == "typing" else dotted)) in bound


class _ImportLines(cst.CSTTransformer):
    """Rewrites import statements, wherever they stand."""

    def __init__(
        self,
        sites: Mapping[int, tuple[cst.Import | cst.ImportFrom, ImportSite]],
        before: set[str],
        after: set[str],
    ) -> None:
        super().__init__()
        self._sites = sites
        self._before = before
        self._after = after

    def on_visit(self, node: cst.CSTNode) -> bool:
        """Statements only."""
        return not isinstance(
            node, cst.BaseExpression | cst.BaseSmallStatement | cst.SimpleStatementLine
        )

    def on_leave(  # type: ignore[override]
        self, original: cst.CSTNode, updated: cst.CSTNode
    ) -> cst.CSTNode:
        """Works on whole blocks, since one line can become several."""
        del original
        if isinstance(updated, cst.IndentedBlock | cst.Module):
            return settled(updated.with_changes(body=self.lines(updated.body)))
        return updated

    def lines(self, body: Sequence[cst.BaseStatement]) -> list[cst.BaseStatement]:
        """The statements of a block with its imports rewritten."""
        found: list[cst.BaseStatement] = []
        for statement in body:
            found.extend(self._line(statement))
        return found

    def _line(self, statement: cst.BaseStatement) -> list[cst.BaseStatement]:
        if not isinstance(statement, cst.SimpleStatementLine) or is_tombstone(statement):
            return [statement]
        for place, node in enumerate(statement.body):
            entry = self._sites.get(id(node))
            if entry is not None and entry[0] is node:
                lines = replaced_line(statement, place, self._aliases(entry[0], entry[1]))
                first, *rest = lines
                return [first if first.body else tombstone(_whole(first, statement)), *rest]
        return [statement]

    def _aliases(
        self, node: cst.Import | cst.ImportFrom, site: ImportSite
    ) -> list[NewAlias | None]:
        assert not isinstance(node.names, cst.ImportStar)
        by_index = {name.index: name for name in site.names}
        module = ""
        if isinstance(node, cst.ImportFrom) and node.module is not None:
            module = code(node.module)
        found: list[NewAlias | None] = []
        for index, alias in enumerate(node.names):
            written = code(alias.name)
            name = by_index.get(index)
            if name is None:
                found.append(NewAlias(module, written, _local(alias)))
            elif name.gone or (
                name.local not in self._after
                and (name.local in self._before or name.target is None)
            ):
                found.append(None)
            elif name.target is None:
                found.append(NewAlias(module, written, name.local))
            elif isinstance(node, cst.Import) and not name.member:
                found.append(NewAlias("", name.target, name.local))
            else:
                package, _, member = name.target.rpartition(".")
                found.append(NewAlias(package, member, name.local))
        return found


def _local(alias: cst.ImportAlias) -> str:
    if alias.asname is not None:
        return code(alias.asname.name)
    return code(alias.name).partition(".")[0]


def _whole(
    line: cst.SimpleStatementLine, before: cst.SimpleStatementLine
) -> cst.SimpleStatementLine:
    return line.with_changes(trailing_whitespace=before.trailing_whitespace)
