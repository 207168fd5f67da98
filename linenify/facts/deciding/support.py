"""Support code: which snippets a migrated file gets, and whether it can have them."""

from __future__ import annotations

import ast
from collections.abc import Container, Iterable, Iterator

from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import Class
from linenify.facts.legacy.snippets import SNIPPETS, Snippet, summary_of
from linenify.facts.sites import Unclear
from linenify.project.nodes import below
from linenify.project.source import Source


def require(
    plan: Plan,
    source: Source,
    names: Iterable[str],
    code: str,
    leaving: Container[ast.alias] = (),
) -> None:
    """Has snippets put into a file, those that they need first.

    Args:
        plan: what is to know of them.
        source: the file.
        names: the snippets.
        code: what is said where the file cannot have one of them.
        leaving: imports that go, so that the names that they bind are free.

    Raises:
        Unclear: the file uses one of the names for something else.
    """
    wanted = plan.files[source.name].support
    every = list(_with_needs(names))
    for name in every:
        if is_taken(source.tree, name, leaving) and not _is_shared(plan, source, name):
            raise Unclear(code, f"`{name}` is needed here, but names something else in this file")
    for name in every:
        if name not in wanted:
            wanted.append(name)


def _is_shared(plan: Plan, source: Source, name: str) -> bool:
    """Whether a file imports our definition from another one, from an earlier run."""
    scope = plan.flow.scopes[source.name].module
    held = plan.flow.env.get((scope, name), frozenset())
    return bool(held) and all(
        isinstance(atom, Class) and summary_of(atom.node) == SNIPPETS[name].summary for atom in held
    )


def _with_needs(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        yield from _with_needs(SNIPPETS[name].needs)
        yield name


def missing(tree: ast.Module, names: Iterable[str]) -> list[Snippet]:
    """The snippets that a file does not have yet, in the order they are to stand."""
    return [SNIPPETS[name] for name in names if _own(tree, name) is None]


def is_taken(tree: ast.Module, name: str, leaving: Container[ast.alias] = ()) -> bool:
    """Whether a file binds `name`, anywhere, to something that is not our snippet."""
    own = _own(tree, name)
    pending: list[ast.AST] = [each for each in tree.body if each is not own]
    while pending:
        node = pending.pop()
        if name in _bound_by(node) and node not in leaving:
            return True
        pending.extend(below(node))
    return False


def _bound_by(node: ast.AST) -> tuple[str | None, ...]:
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
            return (name,)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return (name,)
        case ast.alias(name=path, asname=local):
            return (local or path.partition(".")[0],)
        case ast.ExceptHandler(name=caught):
            return (caught,)
    return ()


def has_own(tree: ast.Module, name: str) -> bool:
    """Whether a file carries our definition of `name`, from an earlier run."""
    return _own(tree, name) is not None


def _own(tree: ast.Module, name: str) -> ast.stmt | None:
    """Our definition of `name` at the top of a file, from an earlier run."""
    for statement in tree.body:
        match statement:
            case ast.FunctionDef(name=bound) | ast.ClassDef(name=bound) if (
                bound == name and summary_of(statement) == SNIPPETS[name].summary
            ):
                return statement
    return None
