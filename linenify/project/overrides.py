"""What the user decides about arguments, checked against the code it speaks of."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Collection, Iterator, Mapping

from linenify.errors import UsageError
from linenify.guessing import hint, nearest
from linenify.project.scopes import all_arguments
from linenify.project.settings import ROLES, Settings
from linenify.project.source import Project, Source

_COMMENT = re.compile(r"#\s*linenify:\s*(\S*)")
_WORDS = (*ROLES, "verify")


def check_overrides(project: Project, table: Settings, *, whole: bool) -> None:
    """Sees to it that every role, in the table or in a comment, is one, and of something.

    Args:
        project: what was read.
        table: the settings that hold for it.
        whole: whether all that the table may speak of was read.

    Raises:
        UsageError: it is not, with what may have been meant.
    """
    for source in project.sources:
        for line, word in _comments(source):
            said = f"`# linenify: {word}`"
            if word in ROLES and line not in _ends_of_arguments(source):
                raise UsageError(
                    f"{source.path}:{line}: {said} stands behind no argument; "
                    "put it on the line on which the argument is, behind it"
                )
            if word not in _WORDS:
                tail = hint(word, _WORDS, "it is `input` or `field`")
                raise UsageError(f"{source.path}:{line}: {said} says nothing to linenify; {tail}")
    if table.roles:
        methods = dict(_methods(project))
        for name in table.roles:
            _check(table, name, methods, whole=whole and not project.unreadable)


def _comments(source: Source) -> Iterator[tuple[int, str]]:
    if not _COMMENT.search(source.text):
        return
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source.text, newline="").readline))
    except (tokenize.TokenError, IndentationError):  # what `ast` takes and `tokenize` does not
        return
    for token in tokens:
        if token.type == tokenize.COMMENT and (said := _COMMENT.match(token.string)):
            yield token.start[0], said[1]


def _ends_of_arguments(source: Source) -> set[int]:
    """The lines on which an argument of a function, or a field, ends."""
    lines: set[int] = set()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines |= {each.end_lineno or each.lineno for each in all_arguments(node.args)}
        elif isinstance(node, ast.AnnAssign):
            lines.add(node.end_lineno or node.lineno)
    return lines


def _methods(project: Project) -> Iterator[tuple[str, frozenset[str]]]:
    """Every function by its full name, and what may be given a role there."""
    for source in project.sources:
        yield from _inside(source.tree, f"{source.name}:")


def _inside(node: ast.AST, prefix: str) -> Iterator[tuple[str, frozenset[str]]]:
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield f"{prefix}{name}", frozenset(a.arg for a in all_arguments(child.args))
                yield from _inside(child, f"{prefix}{name}.")
            case ast.ClassDef(name=name):
                yield from _inside(child, f"{prefix}{name}.")
                yield f"{prefix}{name}", _fields(child)
            case _:
                yield from _inside(child, prefix)


def _fields(node: ast.ClassDef) -> frozenset[str]:
    return frozenset(
        statement.target.id
        for statement in node.body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    )


def _check(
    table: Settings, name: str, methods: Mapping[str, frozenset[str]], *, whole: bool
) -> None:
    method, _, argument = name.rpartition(".")
    owner = method.rpartition(".")[0]
    found = {full: names for full, names in methods.items() if _means(method, full)}
    # What is migrated already has fields, and is run by `__call__`.
    if method.endswith(".apply"):
        moved = (owner, f"{owner}.__call__")
        migrated = {f: n for f, n in methods.items() if any(_means(m, f) for m in moved)}
        found |= migrated
    known = {argument for names in found.values() for argument in names}
    if argument in known:
        return
    place = table.place(name)
    if known:
        tail = hint(argument, sorted(known - {"self"}))
        raise UsageError(f"{place}: `{method}` has no argument `{argument}`; {tail}")
    spelt = {full if ":" in method else full.partition(":")[2] for full in methods}
    near = _like(method, spelt)
    if near or whole:
        tail = f"did you mean `{near}`?" if near else "nothing like it was read"
        raise UsageError(f"{place}: there is no `{method}` to give a role in; {tail}")


def _like(method: str, known: Collection[str]) -> str:
    """A method of a class of nearly that name, or of nearly that name in the class."""
    owner, _, name = method.rpartition(".")
    pairs = [each.rpartition(".")[::2] for each in sorted(known)]
    class_ = nearest(owner, [other for other, own in pairs if own == name])
    if class_:
        return f"{class_}.{name}"
    own_name = nearest(name, [own for other, own in pairs if other == owner])
    return f"{owner}.{own_name}" if own_name else ""


def _means(short: str, full: str) -> bool:
    """Whether `Net.apply` or `package.file:Net.apply` names `package.file:Net.apply`."""
    return full == short or full.partition(":")[2] == short
