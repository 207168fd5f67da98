"""Finds what can be run under a path, and proposes cases for the rest.

Looked at, in this order: `case.toml` files; `[[tool.linenify.verify.run]]` in
`pyproject.toml`; a comment `# linenify: verify --input f32[4,8] --set width=3`
above or behind a class statement; calls of `init_by_shape`, `init` and their
likes whose shapes are constants.  No user code is run here.
"""

from __future__ import annotations

import ast
import dataclasses
import re
import shlex
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from linenify.errors import UsageError
from linenify.facts.collect import collect
from linenify.project.load import load
from linenify.project.source import Project
from linenify.project.walk import python_files
from linenify.verify.proposing import proposal
from linenify.verify.request import Request, requested
from linenify.verify.shapes import Definition, ModuleClass, Shapes
from linenify.verify.target import Target, case_text

_COMMENT = re.compile(r"#\s*linenify:\s*verify\b(?P<options>[^\n]*)")


@dataclass
class Found:
    """Targets, and cases to be completed by hand."""

    targets: list[Target] = field(default_factory=list)
    proposals: list[str] = field(default_factory=list)


def discovered(path: Path, linen: Path | None) -> Found:
    """All that can be run under a path.

    Raises:
        UsageError: a `case.toml`, a table or a comment cannot be understood.
    """
    found = Found()
    cases = _case_files(path)
    for case in cases:
        target = _of_case(case, path, linen)
        if target is not None:
            found.targets.append(target)
    covered = [case.parent.resolve() for case in cases]
    target = _of_pyproject(path, linen)
    if target is not None:
        found.targets.append(target)
    files = [
        file
        for file in _python_files(path)
        if not any(file.resolve().is_relative_to(folder) for folder in covered)
    ]
    if files:
        _search(load(files), path, linen, found, complete=target is not None)
    return found


def _case_files(path: Path) -> list[Path]:
    if path.name == "case.toml":
        return [path]
    if path.is_file():
        beside = path.parent / "case.toml"
        return [beside] if beside.is_file() and path.stem == "legacy" else []
    return sorted(
        case
        for case in path.rglob("case.toml")
        if not any(part.startswith(".") for part in case.relative_to(path).parts)
    )


def _of_case(case: Path, path: Path, linen: Path | None) -> Target | None:
    """The target of a case file; `None` if it has no runs."""
    folder = case.parent
    legacy = _side(folder, "legacy") or folder
    given = linen or _side(folder, "linen")
    try:
        text = case.read_text()
        if not tomllib.loads(text).get("run"):
            return None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{case}: {error}") from error
    name = str(folder) if folder != path else str(path)
    return Target(name, text, folder.resolve(), legacy, given)


def _side(folder: Path, name: str) -> Path | None:
    places = (folder / name, folder / f"{name}.py")
    return next((place for place in places if place.exists()), None)


def _of_pyproject(path: Path, linen: Path | None) -> Target | None:
    """The runs of the `pyproject.toml` at the path itself."""
    file = (path if path.is_dir() else path.parent) / "pyproject.toml"
    if not file.is_file():
        return None
    try:
        data = tomllib.loads(file.read_text())
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file}: {error}") from error
    table = data.get("tool", {}).get("linenify", {}).get("verify", {})
    if not table.get("run"):
        return None
    settings = {name: value for name, value in table.items() if name not in ("run", "root")}
    text = case_text(table["run"], **settings)
    folder = file.parent
    return Target(
        f"{file}: [tool.linenify.verify]",
        text,
        folder.resolve(),
        folder,
        linen,
        str(table.get("root", "")),
    )


def _python_files(path: Path) -> Iterable[Path]:
    return [path] if path.is_file() else python_files(path)


def _search(
    project: Project, path: Path, linen: Path | None, found: Found, *, complete: bool
) -> None:
    """Adds what files offer: comments, shapes; else proposals, where no target runs a class."""
    shapes = Shapes(project)
    classes = list(shapes.classes())
    covered: set[Definition] = set()
    rest: list[ModuleClass] = []
    for each in classes:
        file = each.source.path
        request = _commented(each.node, each.source.text, file) or shapes.request(each.node)
        if request is None:
            rest.append(each)
            continue
        home = path if path.is_dir() else file
        request = dataclasses.replace(request, module=f"{file}:{each.node.name}")
        found.targets.append(requested(request, home, linen))
        covered |= {each.node, *shapes.used_by(each.node)}
    left = [each for each in rest if each.node not in covered]
    if complete or not left:
        return
    roles = {each.method: each.arguments for each in collect(project).roles}
    above = {inner: each.node.name for each in left for inner in shapes.used_by(each.node)}
    left.sort(key=lambda each: each.node in above)  # what runs the others first
    found.proposals += [
        proposal(each, roles.get(_method(each, project), ()), path, above.get(each.node, ""))
        for each in left
    ]


def _method(each: ModuleClass, project: Project) -> str:
    """What the facts call the method that a class runs."""
    home = next(source for source in project.sources if each.owner in source.tree.body)
    inside = f"{each.owner.name}.apply" if isinstance(each.owner, ast.ClassDef) else each.owner.name
    return f"{home.name}:{inside}"


def _commented(node: Definition, text: str, file: Path) -> Request | None:
    """The request in the comment of a class, in the words of the command line."""
    lines = text.splitlines()
    first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
    for line in (lines[first - 2] if first > 1 else "", lines[node.lineno - 1]):
        match = _COMMENT.search(line)
        if match is not None:
            return _read_options(match["options"], file)
    return None


def _read_options(text: str, file: Path) -> Request:
    values: dict[str, list[str]] = {}
    words = iter(shlex.split(text))
    for word in words:
        name, equals, value = word.partition("=")
        if not name.startswith("--"):
            raise UsageError(f"{file}: `{word}` in a comment `# linenify: verify` is no option")
        values.setdefault(name, []).append(value if equals else next(words, ""))
    known = {"--input", "--set", "--rng", "--method", "--init-method", "--train", "--rtol"}
    if unknown := values.keys() - known:
        raise UsageError(f"{file}: {min(unknown)} cannot stand in a comment")
    return Request(
        inputs=values.get("--input", []),
        settings=values.get("--set", []),
        rngs=values.get("--rng", []),
        methods=values.get("--method", []),
        init_method=values.get("--init-method", [""])[-1],
        train=values.get("--train", [""])[-1],
        rtol=float(values["--rtol"][-1]) if "--rtol" in values else None,
    )
