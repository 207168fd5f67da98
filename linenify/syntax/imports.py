"""Imports at the top of a file: read, split, extended and added."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import libcst as cst

from linenify.project.nodes import walk
from linenify.syntax.build import code, expression
from linenify.syntax.comments import comments_of, own_line, split_blanks, stranded

Statement = cst.BaseStatement
_BLANK = cst.EmptyLine(indent=False)


@dataclass(frozen=True, slots=True)
class NewAlias:
    """What an alias of an import statement becomes: `from module import name as local`.

    For a plain `import`, `module` is empty and `name` dotted.
    """

    module: str
    name: str
    local: str


def bound_by_imports(tree: ast.Module) -> dict[str, str]:
    """What the imports at the top level of a file bind: name -> dotted path."""
    table: dict[str, str] = {}
    pending: list[ast.stmt] = list(tree.body)
    while pending:
        match pending.pop(0):
            case ast.Import(names=names):
                for alias in names:
                    root = alias.name.partition(".")[0]
                    table[alias.asname or root] = alias.name if alias.asname else root
            case ast.ImportFrom(module=module, names=names, level=level):
                for alias in names:
                    path = f"{'.' * level}{module or ''}.{alias.name}"
                    table[alias.asname or alias.name] = path
            case ast.Try(body=body, handlers=handlers, orelse=orelse):
                pending = [*body, *(s for h in handlers for s in h.body), *orelse, *pending]
    return table


def plainly_imported(tree: ast.Module) -> set[str]:
    """Dotted modules that the top level of a file imports whole."""
    return {
        alias.name
        for node in tree.body
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.asname is None
    }


def read_names(tree: ast.Module) -> set[str]:
    """Names that are read anywhere in a file, `__all__` included."""
    found: set[str] = set()
    for node in walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                found.add(name)
            case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                found.update(
                    leaf.value
                    for leaf in walk(value)
                    if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str)
                )
    return found


# --- statements that change ------------------------------------------------------------------


def replaced_line(
    line: cst.SimpleStatementLine,
    place: int,
    aliases: Sequence[NewAlias | None],
) -> list[cst.SimpleStatementLine]:
    """Rewrites the import at `place` of a line.

    Args:
        line: the line.
        place: which of its small statements.
        aliases: what each alias becomes; None where it goes.

    Returns:
        The lines that take its place: several when the aliases part ways, and
        one without statements when none is left.
    """
    node = line.body[place]
    assert isinstance(node, cst.Import | cst.ImportFrom)
    statements = _parted(node, aliases)
    lost = stranded(
        comments_of(node), (c for statement in statements for c in comments_of(statement))
    )
    above = [*line.leading_lines, *map(own_line, lost)]
    if len(line.body) > 1 or len(statements) <= 1:
        body = [*line.body[:place], *statements, *line.body[place + 1 :]]
        plain = [s.with_changes(semicolon=cst.MaybeSentinel.DEFAULT) for s in body]
        return [line.with_changes(body=plain, leading_lines=above)]
    first, *rest = [cst.SimpleStatementLine([statement]) for statement in statements]
    lines = [first.with_changes(leading_lines=above), *rest]
    lines[-1] = lines[-1].with_changes(trailing_whitespace=line.trailing_whitespace)
    return lines


def _parted(
    node: cst.Import | cst.ImportFrom, aliases: Sequence[NewAlias | None]
) -> list[cst.Import | cst.ImportFrom]:
    assert not isinstance(node.names, cst.ImportStar)
    if isinstance(node, cst.Import):
        pairs = [(o, n) for o, n in zip(node.names, aliases, strict=True) if n is not None]
        kept = [_alias(old, new) for old, new in pairs if not new.module]
        members = [
            cst.ImportFrom(
                _dotted(new.module),
                [_alias(old, new).with_changes(comma=cst.MaybeSentinel.DEFAULT)],
            )
            for old, new in pairs
            if new.module
        ]
        return [*([node.with_changes(names=_ended(kept, node.names))] if kept else []), *members]
    modules: dict[str, list[cst.ImportAlias]] = {}
    for old, new in zip(node.names, aliases, strict=True):
        if new is not None:
            modules.setdefault(new.module, []).append(_alias(old, new))
    made: list[cst.Import | cst.ImportFrom] = []
    for module, names in modules.items():
        ended = _ended(names, node.names)
        if not module:  # `from jax.numpy import onp` was `import numpy as onp`
            made += [
                cst.Import([each.with_changes(comma=cst.MaybeSentinel.DEFAULT)]) for each in names
            ]
            continue
        if len(modules) > 1 and len(names) == 1 and node.lpar is not None and len(node.names) > 1:
            bare = [names[0].with_changes(comma=cst.MaybeSentinel.DEFAULT)]
            made.append(node.with_changes(module=_dotted(module), names=bare, lpar=None, rpar=None))
        else:
            made.append(node.with_changes(module=_dotted(module), names=ended))
    return made


def _dotted(path: str) -> cst.Name | cst.Attribute:
    node = expression(path)
    assert isinstance(node, cst.Name | cst.Attribute)
    return node


def _alias(old: cst.ImportAlias, new: NewAlias) -> cst.ImportAlias:
    alias = old.with_changes(name=_dotted(new.name))
    if old.asname is not None or new.local in {new.name, new.name.partition(".")[0]}:
        return alias
    return alias.with_changes(asname=cst.AsName(cst.Name(new.local)))


def _ended(
    names: Sequence[cst.ImportAlias], before: Sequence[cst.ImportAlias]
) -> list[cst.ImportAlias]:
    """The last alias ends the way the last one did."""
    every = list(names)
    every[-1] = every[-1].with_changes(comma=before[-1].comma)
    return every


# --- new imports -----------------------------------------------------------------------------


def with_imports(module: cst.Module, wanted: Iterable[str]) -> cst.Module:
    """Adds imports: `functools`, `typing.Any`, `jax.numpy as jnp`, `flax.linen as nn`.

    Those of the standard library go into its group at the top, which is made
    where there is none; others go behind their relatives.
    """
    names = sorted(set(wanted))
    standard = [name for name in names if name.partition(".")[0] in sys.stdlib_module_names]
    body: list[Statement] = list(module.body)
    for name in names:
        if name not in standard:
            body = _with_relative(body, name)
    members: dict[str, list[str]] = {}
    plain: list[str] = []
    for name in standard:
        package, dot, member = name.rpartition(".")
        if dot:
            members.setdefault(package, []).append(member)
        else:
            plain.append(name)
    for package in list(members):
        extended = _extended(body, package, members[package])
        if extended is not None:
            body = extended
            del members[package]
    lines = [f"import {name}" for name in plain]
    lines += [f"from {package} import {', '.join(found)}" for package, found in members.items()]
    return module.with_changes(body=_with_standard(body, lines))


def with_member(module: cst.Module, package: str, member: str) -> cst.Module:
    """Adds `from package import member`, to such a statement or behind its relatives."""
    body: list[Statement] = list(module.body)
    extended = _extended(body, package, [member])
    if extended is not None:
        return module.with_changes(body=extended)
    line = _line(f"from {package} import {member}")
    start = _start(body)
    places = [i for i in range(start, len(body)) if _import_of(body[i]) is not None]
    block = [i for n, i in enumerate(places) if i == start + n]
    same = [i for i in block if _root(body[i]) == package.partition(".")[0]]
    place = (same or block or [start - 1])[-1] + 1
    return module.with_changes(body=[*body[:place], line, *body[place:]])


def _line(text: str) -> cst.SimpleStatementLine:
    parsed = cst.parse_statement(text)
    assert isinstance(parsed, cst.SimpleStatementLine)
    return cst.SimpleStatementLine(parsed.body)


def _import_of(statement: Statement) -> cst.Import | cst.ImportFrom | None:
    if isinstance(statement, cst.SimpleStatementLine) and statement.body:
        first = statement.body[0]
        if isinstance(first, cst.Import | cst.ImportFrom):
            return first
    return None


def _package(node: cst.Import | cst.ImportFrom) -> str:
    if isinstance(node, cst.Import):
        return code(node.names[0].name)
    return "." * len(node.relative) + (code(node.module) if node.module is not None else "")


def _root(statement: Statement) -> str | None:
    node = _import_of(statement)
    return _package(node).partition(".")[0] if node is not None else None


def _start(body: Sequence[Statement]) -> int:
    """Where imports begin: behind the docstring and `from __future__` imports."""
    place = 0
    match body:
        case [
            cst.SimpleStatementLine(
                body=[cst.Expr(value=cst.SimpleString() | cst.ConcatenatedString())]
            ),
            *_,
        ]:
            place = 1
    while place < len(body) and _root(body[place]) == "__future__":
        place += 1
    return place


def _with_standard(body: list[Statement], lines: Sequence[str]) -> list[Statement]:
    if not lines:
        return body
    start = _start(body)
    first = next((i for i in range(start, len(body)) if _import_of(body[i]) is not None), None)
    if first is None:
        return _new_group(body, start, lines)
    end = first
    while (
        end < len(body)
        and _root(body[end]) in sys.stdlib_module_names
        and (end == first or not split_blanks(_leading(body[end]))[0])
    ):
        end += 1
    if end == first:
        return _new_group(body, first, lines)
    group = list(body[first:end])
    for line in lines:
        group = _sorted_in(group, _line(line))
    return [*body[:first], *group, *body[end:]]


def _new_group(body: Sequence[Statement], place: int, lines: Sequence[str]) -> list[Statement]:
    new: list[Statement] = [_line(line) for line in lines]
    following = list(body[place:])
    if following:
        blanks, rest = split_blanks(_leading(following[0]))
        new[0] = new[0].with_changes(leading_lines=blanks if place or blanks else [])
        following[0] = following[0].with_changes(leading_lines=[_BLANK, *rest])
    if place and _import_of(body[place - 1]) is None and not _leading(new[0]) and not following:
        new[0] = new[0].with_changes(leading_lines=[_BLANK])
    return [*body[:place], *new, *following]


def _sorted_in(group: Sequence[Statement], line: cst.SimpleStatementLine) -> list[Statement]:
    def key(statement: Statement) -> tuple[bool, str]:
        node = _import_of(statement)
        assert node is not None
        return isinstance(node, cst.ImportFrom), _package(node)

    kinds = [key(each)[0] for each in group]
    mixed = kinds != sorted(kinds)

    def order(statement: Statement) -> tuple[bool, str]:
        is_from, package = key(statement)
        return (False if mixed else is_from), package

    place = next((i for i, each in enumerate(group) if order(each) > order(line)), len(group))
    every = list(group)
    if place == 0:
        line = line.with_changes(leading_lines=_leading(every[0]))
        every[0] = every[0].with_changes(leading_lines=[])
    return [*every[:place], line, *every[place:]]


def _leading(statement: Statement) -> Sequence[cst.EmptyLine]:
    lines: Sequence[cst.EmptyLine] = getattr(statement, "leading_lines", ())
    return lines


def _extended(
    body: Sequence[Statement], package: str, members: Sequence[str]
) -> list[Statement] | None:
    """Adds to an existing `from package import ...`; None when there is none."""
    for place, statement in enumerate(body):
        node = _import_of(statement)
        if (
            isinstance(node, cst.ImportFrom)
            and not isinstance(node.names, cst.ImportStar)
            and _package(node) == package
        ):
            if any(_names_any(each, members) for each in body[:place]):
                return None  # it comes too late
            names = list(node.names)
            for member in members:
                names = _with_name(names, member)
            assert isinstance(statement, cst.SimpleStatementLine)
            line = statement.with_changes(
                body=[node.with_changes(names=names), *statement.body[1:]]
            )
            return [*body[:place], line, *body[place + 1 :]]
    return None


def _names_any(node: cst.CSTNode, names: Sequence[str]) -> bool:
    if isinstance(node, cst.Import | cst.ImportFrom):
        return False
    if isinstance(node, cst.Name):
        return node.value in names
    return any(_names_any(child, names) for child in node.children)


def _with_name(names: Sequence[cst.ImportAlias], member: str) -> list[cst.ImportAlias]:
    texts = [code(alias.name) for alias in names]
    place = len(names)
    if texts == sorted(texts):
        place = next((i for i, text in enumerate(texts) if text > member), len(names))
    every = list(names)
    alias = cst.ImportAlias(cst.Name(member))
    inner = next((a.comma for a in names[:-1] if isinstance(a.comma, cst.Comma)), cst.Comma())
    if any(comments_of(inner)) or code(inner).strip() == code(inner):
        inner = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
    if place < len(names):
        every.insert(place, alias.with_changes(comma=inner))
        return every
    last = every[-1]
    every[-1] = last.with_changes(comma=inner)
    if isinstance(last.comma, cst.Comma):
        if any(comments_of(last.comma)):
            every[-1] = last.with_changes(comma=last.comma)
            return [*every[:-1], alias.with_changes(comma=inner), every[-1]]
        alias = alias.with_changes(comma=last.comma)
    return [*every, alias]


def _with_relative(body: Sequence[Statement], name: str) -> list[Statement]:
    """Adds an import of a third party behind the last one of the same root."""
    root = name.partition(".")[0]
    path, _, local = name.partition(" as ")
    package, _, member = path.rpartition(".")
    if package and root == "flax":
        alias = f" as {local}" if local and local != member else ""
        line = _line(f"from {package} import {member}{alias}")
    else:
        line = _line(f"import {name}")
    start = _start(body)
    block = [
        i
        for i in range(start, len(body))
        if _import_of(body[i]) is not None
        and all(_import_of(each) is not None for each in body[start:i])
    ]
    same = [i for i in block if _root(body[i]) == root]
    foreign = [
        i for i in block if (_root(body[i]) or "") and _root(body[i]) not in sys.stdlib_module_names
    ]
    if same or foreign:
        place = (same or foreign)[-1] + 1
        return [*body[:place], line, *body[place:]]
    place = block[-1] + 1 if block else start
    line = line.with_changes(leading_lines=[_BLANK] if place else [])
    following = list(body[place:])
    if following and not block and len(split_blanks(_leading(following[0]))[0]) < 2:
        following[0] = following[0].with_changes(leading_lines=[_BLANK, *_leading(following[0])])
    return [*body[:place], line, *following]
