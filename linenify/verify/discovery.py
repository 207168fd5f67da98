"""Finds what can be run under a path, and proposes cases for the rest.

Looked at, in this order: `case.toml` files; `[[tool.linenify.verify.run]]` in
`pyproject.toml`; a comment `# linenify: verify --input f32[4,8] --set width=3`
above or behind a class statement; `init_by_shape` and `create_by_shape` with
literal shapes.  No user code is run here.
"""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from linenify.errors import UsageError
from linenify.project.walk import python_files
from linenify.verify.request import Request, requested
from linenify.verify.target import Target, case_text, tree_of

_COMMENT = re.compile(r"#\s*linenify:\s*verify\b(?P<options>[^\n]*)")
_DTYPES = {
    "float32": "f32",
    "float16": "f16",
    "bfloat16": "bf16",
    "float64": "f64",
    "int32": "i32",
    "int64": "i64",
    "uint8": "u8",
    "bool_": "bool",
    "bool": "bool",
}
_TOO_DEEP = 6


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
    for file in _python_files(path):
        if not any(file.resolve().is_relative_to(folder) for folder in covered):
            _search(file, path, linen, found, complete=target is not None)
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


def _search(file: Path, path: Path, linen: Path | None, found: Found, *, complete: bool) -> None:
    """Adds what one file offers: its comments, its shapes; else a proposal."""
    try:
        text = file.read_text()
        tree = ast.parse(text)
    except (OSError, SyntaxError, ValueError):
        return
    if "nn" not in text or "apply" not in text:
        return
    classes = _module_classes(tree)
    shapes = _shapes(tree)
    for each in classes:
        request = _commented(each, text, file) or _shaped(each, shapes)
        if request is not None:
            target = requested(_in_file(request, file, each.name), _home(path, file), linen)
            found.targets.append(target)
        elif not complete and not file.name.endswith("_test.py"):
            found.proposals.append(_proposal(each, file, path))


def _home(path: Path, file: Path) -> Path:
    return path if path.is_dir() else file


def _in_file(request: Request, file: Path, name: str) -> Request:
    from dataclasses import replace

    return replace(request, module=f"{file}:{name}")


def _module_classes(tree: ast.Module) -> list[ast.ClassDef]:
    """Classes with an `apply(self, ...)`, the mark of a legacy module class."""
    return [
        node
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.bases and _apply(node) is not None
    ]


def _apply(node: ast.ClassDef) -> ast.FunctionDef | None:
    return next(
        (each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "apply"),
        None,
    )


def _commented(node: ast.ClassDef, text: str, file: Path) -> Request | None:
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


def _shaped(node: ast.ClassDef, shapes: Mapping[str, Request]) -> Request | None:
    return shapes.get(node.name)


def _shapes(tree: ast.Module) -> dict[str, Request]:
    """For each class what `Class[.partial(...)].init_by_shape(rng, [...])` says of it."""
    constants = _constants(tree)
    bound = dict(_bindings(tree))
    top = _top_names(tree)
    requests: dict[str, Request] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(value=owner, attr="init_by_shape" | "create_by_shape"),
                args=[_, specs, *_],
                keywords=keywords,
            ):
                resolved = _class_and_settings(owner, bound, 0)
                if resolved is None:
                    continue
                name, settings = resolved
                inputs = _specs(specs, constants)
                arguments = {each.arg: each.value for each in keywords if each.arg != "name"}
                texts = _settings({**settings, **arguments}, constants, top)
                if inputs is not None and texts is not None:
                    requests.setdefault(name, Request(inputs=inputs, settings=texts))
    return requests


def _constants(tree: ast.Module) -> dict[str, Any]:
    """Numbers that the file names, wherever they are assigned once."""
    values: dict[str, list[Any]] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                try:
                    values.setdefault(name, []).append(ast.literal_eval(value))
                except ValueError:
                    values.setdefault(name, []).append(None)
    return {
        name: known[0] for name, known in values.items() if len(known) == 1 and known[0] is not None
    }


def _bindings(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, value


def _top_names(tree: ast.Module) -> set[str]:
    """Names that an expression finds in the module itself."""
    names: set[str] = set()
    for node in tree.body:
        match node:
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                names |= {alias.asname or alias.name.partition(".")[0] for alias in aliases}
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]):
                names.add(name)
    return names


def _class_and_settings(
    owner: ast.expr, bound: Mapping[str, ast.expr], depth: int
) -> tuple[str, dict[str | None, ast.expr]] | None:
    match owner:
        case ast.Name(id=name) if name in bound and depth < _TOO_DEEP:
            return _class_and_settings(bound[name], bound, depth + 1)
        case ast.Name(id=name):
            return name, {}
        case ast.Call(func=ast.Attribute(value=inner, attr="partial"), args=[], keywords=keywords):
            known = _class_and_settings(inner, bound, depth + 1)
            if known is None:
                return None
            name, settings = known
            return name, {**settings, **{each.arg: each.value for each in keywords}}
    return None


def _specs(node: ast.expr, constants: Mapping[str, Any]) -> list[str] | None:
    """`[((1, 28, 28, 1), jnp.float32)]`, or plain shapes, as input notations."""
    if not isinstance(node, ast.List | ast.Tuple):
        return None
    notations = []
    for item in node.elts:
        dtype = "f32"
        shape: ast.expr = item
        match item:
            case ast.Tuple(elts=[ast.Tuple() | ast.List() | ast.Name() as inner, kind]) if (
                isinstance(kind, ast.Attribute)
            ):
                shape, dtype = inner, _DTYPES.get(kind.attr, "")
        sizes = _value(shape, constants)
        if not dtype or not isinstance(sizes, tuple | list):
            return None
        if not all(isinstance(size, int) for size in sizes):
            return None
        notations.append(f"{dtype}[{','.join(map(str, sizes))}]")
    return notations


def _value(node: ast.expr, constants: Mapping[str, Any]) -> Any:
    match node:
        case ast.Name(id=name):
            return constants.get(name)
        case ast.Tuple(elts=items) | ast.List(elts=items):
            return tuple(_value(item, constants) for item in items)
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def _settings(
    values: Mapping[str | None, ast.expr], constants: Mapping[str, Any], top: set[str]
) -> list[str] | None:
    """Settings as `--set` has them; `None` if a value is known only where it is used."""
    texts = []
    for name, node in values.items():
        value = _value(node, constants)
        if name is None:
            return None
        if value is None and not (isinstance(node, ast.Constant) and node.value is None):
            names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
            if not names <= top:
                return None
            texts.append(f"{name}=={ast.unparse(node)}")  # an expression in the user's file
        else:
            texts.append(f"{name}={value!r}")
    return texts


def _proposal(node: ast.ClassDef, file: Path, path: Path) -> str:
    """A case for a class whose inputs nobody has told us."""
    apply = _apply(node)
    assert apply is not None
    arguments = apply.args.args[1:]
    required = arguments[: len(arguments) - len(apply.args.defaults)]
    tree = tree_of(path, file)
    home = tree if tree.is_dir() else tree.parent
    run: dict[str, Any] = {"module": node.name}
    if path.is_dir():
        run["file"] = str(file.resolve().relative_to(home))
    sizes = [each.arg for each in required if _is_size(each)]
    run["inputs"] = [_guess(each.arg) for each in required if each.arg not in sizes]
    if sizes:
        run["hyperparameters"] = dict.fromkeys(sizes, 8)
    run |= {"rngs": ["dropout"], "state": True}
    return case_text([run])


def _is_size(argument: ast.arg) -> bool:
    annotated = isinstance(argument.annotation, ast.Name) and argument.annotation.id == "int"
    return annotated or bool(
        re.search(
            r"features|num_|n_|_dim|size|width|depth|classes|units|hidden|layers", argument.arg
        )
    )


def _guess(name: str) -> str:
    if re.search(r"image|img|pixels|frame", name):
        return "f32[2,8,8,3]"
    if re.search(r"token|ids|labels?$|indices|words|targets", name):
        return "i32[2,8]<8"
    if "mask" in name:
        return "bool[2,8]"
    return "f32[2,8]"
