"""What is to be verified: the two sides, and the case to run on them."""

from __future__ import annotations

import ast
import difflib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from linenify.errors import UsageError


@dataclass(frozen=True, slots=True)
class Target:
    """One case to verify.

    Attributes:
        name: what reports call it.
        case: its text, in the format of `case.toml`.
        base: the folder that relative paths in the case start from.
        legacy: the user's file or folder of the legacy side; never written to.
        linen: that of the Linen side; `None` when linenify is to make it.
        root: the folder below `legacy` (and `linen`) that imports start from.
    """

    name: str
    case: str
    base: Path
    legacy: Path
    linen: Path | None = None
    root: str = ""


def case_text(runs: Sequence[Mapping[str, Any]], **settings: Any) -> str:
    """Runs in the notation of `case.toml`, keys without a value left out."""
    lines = [f"{name} = {_toml(value)}" for name, value in settings.items() if value]
    for run in runs:
        lines += ["", "[[run]]"]
        lines += [f"{name} = {_toml(value)}" for name, value in run.items() if value is not None]
    return "\n".join(lines).strip() + "\n"


def _toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case float() if math.isfinite(value):
            return repr(value)
        case str():
            return json.dumps(value, ensure_ascii=False)
        case list():
            return f"[{', '.join(map(_toml, value))}]"
        case dict():
            inside = ", ".join(f"{_key(name)} = {_toml(item)}" for name, item in value.items())
            return f"{{ {inside} }}" if inside else "{}"
    return json.dumps(f"={value!r}")  # what TOML has no notation for is an expression


def _key(name: Any) -> str:
    return str(name) if re.fullmatch(r"[A-Za-z0-9_-]+", str(name)) else json.dumps(str(name))


@dataclass(frozen=True, slots=True)
class Place:
    """A definition in the user's files.

    Attributes:
        tree: the file or folder that belongs together.
        root: the folder below `tree` that imports start from, "" for `tree` itself.
        file: the file, relative to the root; "" if `tree` is the file.
        name: the definition, a dotted name within the file.
    """

    tree: Path
    root: str
    file: str
    name: str


def place_of(definition: str, path: Path) -> Place:
    """Finds `pkg.file:Name`, `pkg.file.Name`, `path/file.py:Name` or `Name` under `path`.

    Raises:
        UsageError: there is no such file, or no such name in it.
    """
    left, _, name = definition.rpartition(":")
    if not left and name.endswith(".py") and (bare := _file(name, path)) is not None:
        raise UsageError(_without_a_name(definition, bare))
    if not left and path.is_dir():
        left, _, name = definition.rpartition(".")
    file = _file(left, path)
    if file is None:
        where = f" under {path}" if left else f"; {path} is a folder, so name the file, too"
        raise UsageError(f"there is no file for `{definition}`{where}")
    _check_defined(name.partition(".")[0], file)
    tree = tree_of(path, file)
    if tree.is_file():
        return Place(tree, "", "", name)
    root = _root(tree, file, left)
    return Place(tree, str(root.relative_to(tree)), str(file.relative_to(root)), name)


def _without_a_name(definition: str, file: Path) -> str:
    """What is missing where only a file is named, and what it holds."""
    tree = _parsed(file)
    classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    held = [f"{definition}:{name}" for name in classes or functions]
    said = " or ".join(held[:6]) or "it defines no class and no function"
    return f"{definition} is a file; name what is in it: {said}"


def _parsed(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error


def _check_defined(name: str, file: Path) -> None:
    """Complains about a name that the file cannot hold, and says which ones are like it."""
    names = set(_bound(_parsed(file)))
    if name in names or "*" in names or name.startswith("="):
        return
    close = difflib.get_close_matches(name, sorted(names), n=3)
    hint = f"; did you mean {' or '.join(f'`{each}`' for each in close)}?" if close else ""
    raise UsageError(f"{file} defines no `{name}`{hint}")


def _bound(tree: ast.AST) -> Iterator[str]:
    """Names that a file binds at its top, also within `if` and `try`."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield name
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                yield from (alias.asname or alias.name.partition(".")[0] for alias in aliases)
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case _:
                yield from _bound(node)


def _file(left: str, path: Path) -> Path | None:
    if path.is_file() and (not left or left.rpartition(".")[2] == path.stem):
        return path.resolve()
    if not left:
        return None
    base = path if path.is_dir() else path.parent
    if left.endswith(".py"):
        candidates = [Path(left), base / left]
    else:
        below = left.replace(".", "/")
        homes = [base, base / "src", base.parent, Path.cwd()]
        candidates = [home / f"{below}{end}" for home in homes for end in (".py", "/__init__.py")]
    return next((each.resolve() for each in candidates if each.is_file()), None)


def tree_of(path: Path, file: Path) -> Path:
    """What has to be taken along to run `file`: `path`, or the package around it."""
    tree = path.resolve()
    if not file.resolve().is_relative_to(tree):
        tree = file.resolve()
    folder = tree if tree.is_dir() else tree.parent
    top = None
    while (folder / "__init__.py").is_file():
        top, folder = folder, folder.parent
    return top or tree


def _root(tree: Path, file: Path, left: str) -> Path:
    """The folder that makes `left` a dotted name; else the tree, or its `src`."""
    if left and not left.endswith(".py"):
        parts = left.split(".")
        depth = len(parts) if file.name == "__init__.py" else len(parts) - 1
        folder = file.parent
        for _ in range(depth):
            folder = folder.parent
        if folder.is_relative_to(tree):
            return folder
    if (tree / "src").is_dir() and file.is_relative_to(tree / "src"):
        return tree / "src"
    return tree
