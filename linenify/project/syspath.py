"""Folders that a program puts on `sys.path`, as far as its text tells."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from linenify.project.nodes import walk
from linenify.project.source import Project

_DEPTH = 12  # no path is put together in more steps


def search_folders(project: Project) -> dict[str, tuple[str, ...]]:
    """For each file, the dotted names of the folders that it puts on `sys.path`."""
    found: dict[str, tuple[str, ...]] = {}
    for source in project.sources:
        if "sys" in source.text and "path" in source.text:
            folders = [
                dotted(source.name, source.path, folder, source.is_package)
                for folder in added(source.tree, source.path)
            ]
            kept = tuple(dict.fromkeys(each for each in folders if each is not None))
            if kept:
                found[source.name] = kept
    return found


def added(tree: ast.Module, file: Path) -> Iterator[Path]:
    """The folders that a file adds to `sys.path`."""
    names = {
        node.targets[0].id: node.value
        for node in walk(tree)
        if isinstance(node, ast.Assign)
        and len(node.targets) == 1
        and isinstance(node.targets[0], ast.Name)
    }
    evaluate = _Paths(file, names)
    for node in walk(tree):
        for expression in _entries(node):
            folder = evaluate(expression)
            if folder is not None:
                yield Path(os.path.normpath(file.absolute().parent / folder))


def _entries(node: ast.AST) -> list[ast.expr]:
    """What a statement puts into `sys.path`."""
    match node:
        case ast.Call(func=ast.Attribute(value=owner, attr="insert"), args=[_, entry]) if _is_path(
            owner
        ):
            return [entry]
        case ast.Call(func=ast.Attribute(value=owner, attr="append"), args=[entry]) if _is_path(
            owner
        ):
            return [entry]
        case ast.Call(
            func=ast.Attribute(value=owner, attr="extend"), args=[ast.List() | ast.Tuple() as many]
        ) if _is_path(owner):
            return many.elts
        case ast.AugAssign(target=target, value=ast.List(elts=entries)) if _is_path(target):
            return entries
        case ast.Assign(targets=[target], value=value) if _is_path(target):
            return [e for each in walk(value) if isinstance(each, ast.List) for e in each.elts]
    return []


def _is_path(node: ast.expr) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id="sys"), attr="path"):
            return True
        case ast.Attribute(value=ast.Name(), attr="path") | ast.Name(id="path" | "sys_path"):
            return isinstance(node, ast.Name)
    return False


class _Paths:
    """Evaluates expressions that put a path together."""

    def __init__(self, file: Path, names: Mapping[str, ast.expr]) -> None:
        self._file = file
        self._names = names

    def __call__(self, node: ast.expr, depth: int = 0) -> Path | None:
        """The path that an expression gives; None where it is not known."""
        if depth > _DEPTH:
            return None

        def inner(part: ast.expr) -> Path | None:
            return self(part, depth + 1)

        match node:
            case ast.Constant(value=str(text)):
                return Path(text)
            case ast.Name(id="__file__"):
                return self._file.absolute()
            case ast.Name(id=name) if name in self._names:
                return inner(self._names[name])
            case ast.Attribute(attr="pardir"):
                return Path("..")
            case ast.Attribute(attr="curdir"):
                return Path()
            case ast.Attribute(value=owner, attr="parent"):
                found = inner(owner)
                return found.parent if found is not None else None
            case ast.Subscript(
                value=ast.Attribute(value=owner, attr="parents"),
                slice=ast.Constant(value=int(number)),
            ):
                found = inner(owner)
                return found.parents[number] if found and number < len(found.parents) else None
            case ast.BinOp(left=left, op=ast.Div() | ast.Add() as op, right=right):
                first, second = inner(left), inner(right)
                if first is None or second is None:
                    return None
                return first / second if isinstance(op, ast.Div) else Path(f"{first}{second}")
            case ast.Call():
                return self._call(node, [inner(argument) for argument in node.args])
        return None

    def _call(self, node: ast.Call, arguments: list[Path | None]) -> Path | None:
        name = (
            node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        )
        match name, arguments:
            case "dirname", [Path() as path]:
                return path.parent
            case "abspath" | "realpath" | "normpath" | "str" | "fspath" | "Path" | "PurePath", [
                Path() as path
            ]:
                return Path(os.path.normpath(path))
            case "join" | "Path" | "joinpath", [Path(), *_] if None not in arguments:
                joined = Path(*(each for each in arguments if each is not None))
                if name != "joinpath" or not isinstance(node.func, ast.Attribute):
                    return joined
                owner = self(node.func.value)
                return owner / joined if owner is not None else None
            case "resolve" | "absolute" | "as_posix" | "__str__", [] if isinstance(
                node.func, ast.Attribute
            ):
                return self(node.func.value)
        return None


def dotted(
    name: str,
    path: Path,
    folder: Path,
    is_package: bool,
) -> str | None:
    """The dotted name of a folder, given that of a file; None when it is out of reach."""
    parts = name.split(".") if name else []
    depth = len(parts) if is_package else len(parts) - 1
    above = Path(os.path.relpath(folder, path.absolute().parent)).parts
    kept = parts[:depth]
    for part in above:
        if part == "..":
            if not kept:
                return None
            kept.pop()
        elif part != ".":
            kept.append(part)
    return ".".join(kept)
