"""A module class that is still legacy source is migrated in a copy, and traced there."""

from __future__ import annotations

import ast
import contextlib
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from linenify.checkpoint.request import Request
from linenify.errors import UsageError
from linenify.project.walk import python_files

if TYPE_CHECKING:
    from linenify.verify.target import Place
    from linenify.verify.workspace import Migrated, Sides

_SHOWN = 3


@dataclass(frozen=True)
class Placed:
    """Where the module is traced.

    Attributes:
        request: with the module, and its legacy source, where they are now.
        legacy_project: the folder that imports of the legacy source start from.
        notes: what was done to it.
        files: what that depends on.
        bound: whether the program, as it is now, keeps Models as objects.
    """

    request: Request
    legacy_project: str = ""
    notes: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    bound: bool = False


@contextlib.contextmanager
def placed(request: Request) -> Iterator[Placed]:
    """The request as it is, or on a migrated copy of the legacy source that it names.

    The user's files are never written to.
    """
    place = _place(request)
    if place is None or _is_linen(place):
        yield Placed(request, request.project, bound=_keeps_objects(place))
        return
    with tempfile.TemporaryDirectory(prefix="linenify-remap-") as scratch:
        sides, refused = _sides(place, Path(scratch))
        if sides.legacy_text == sides.linen_text:
            yield Placed(request, request.project)
            return
        old, new = sides.legacy, sides.linen
        inner = place.file or place.tree.name
        yield Placed(
            replace(
                request,
                module=f"{new / inner}:{place.name}",
                legacy=request.legacy or f"{old / inner}:{place.name}",
                method="" if request.method == "apply" else request.method,
                project=str(new),
            ),
            str(old),
            [_told(request, place), *_refusals(place, refused)],
            sides.files,
            _binds(sides.linen_text),
        )


def _keeps_objects(place: Place | None) -> bool:
    """Whether the migrated program that a module lies in makes BoundModels of its Models."""
    if place is None:
        return False
    home = place.tree if place.tree.is_dir() else place.tree.parent
    with contextlib.suppress(OSError):
        return any(_binds(file.read_bytes()) for file in python_files(home))
    return False


def _binds(text: bytes) -> bool:
    """Whether code calls `BoundModel(module, params)`."""
    return re.search(rb"^[^#\n]*(?<!class )\bBoundModel\(", text, re.MULTILINE) is not None


def _place(request: Request) -> Place | None:
    """The definition in the user's files; None for what is not in a file."""
    from linenify.verify.target import place_of

    left, _, _ = request.module.rpartition(":")
    file = Path(left) if left.endswith(".py") else None
    try:
        home = Path(request.project or ".")
        if not request.project and file is not None and file.is_file():
            home = file
        return place_of(request.module, home)
    except (UsageError, OSError):
        return None  # tracing will say what is wrong with the name


def _is_linen(place: Place) -> bool:
    """Whether the file says so itself; what it leaves open, a migration decides."""
    file = _file(place)
    node = _definition(file, place.name)
    if isinstance(node, ast.ClassDef):
        methods = _methods(node)
        if methods & {"__call__", "setup"}:
            return True
        if "apply" in methods:
            return False
    return _imports_linen(file)


def _definition(file: Path, name: str) -> ast.stmt | None:
    with contextlib.suppress(OSError, SyntaxError, ValueError):
        for node in ast.parse(file.read_bytes()).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
                return node
    return None


def _methods(node: ast.ClassDef) -> set[str]:
    return {each.name for each in node.body if isinstance(each, ast.FunctionDef)}


def _imports_linen(file: Path) -> bool:
    with contextlib.suppress(OSError, SyntaxError, ValueError):
        for node in ast.walk(ast.parse(file.read_bytes())):
            match node:
                case ast.Import(names=names) if any(n.name == "flax.linen" for n in names):
                    return True
                case ast.ImportFrom(module=module, names=names):
                    if module == "flax.linen" or (
                        module == "flax" and any(n.name == "linen" for n in names)
                    ):
                        return True
    return False


# --- the copy --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Copies:
    legacy: Path
    linen: Path
    legacy_text: bytes
    linen_text: bytes
    files: list[str]


def _sides(place: Place, scratch: Path) -> tuple[_Copies, tuple[str, ...]]:
    from linenify.verify.target import Target
    from linenify.verify.workspace import prepare

    target = Target("", "", Path.cwd(), place.tree, None, place.root)
    sides = prepare(target, scratch, _migrate)
    old, new = Path(sides.job.legacy), Path(sides.job.linen)
    if place.tree.is_file():
        old, new = old.parent, new.parent
    refused = sides.migrated.refused if sides.migrated is not None else ()
    return _Copies(old, new, _text(old), _text(new), _originals(place, sides)), refused


def _text(home: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(home.rglob("*.py")))


def _originals(place: Place, sides: Sides) -> list[str]:
    """What was copied."""
    if place.tree.is_dir():
        found = [str(place.tree)]
    else:
        copied = sides.legacy.parent
        above = place.tree.parent
        found = [str(above / f.relative_to(copied)) for f in copied.rglob("*.py")]
    options = [above / "pyproject.toml" for above in place.tree.parents]
    return [*found, *(str(file) for file in options if file.is_file())]


def _migrate(path: Path) -> Migrated:
    """Migrates a copy in place; what it refuses as `model.py:12 LN203 why`."""
    from linenify.migrate import migrate
    from linenify.outcome import Severity
    from linenify.project.load import load
    from linenify.verify.workspace import Migrated
    from linenify.write import write

    home = (path if path.is_dir() else path.parent).resolve()
    project = load([home])  # beside a file lies what it imports
    migration = migrate(project)
    write(migration.changes, project.sources, undoable=False)
    refused = (
        f"{each.path.resolve().relative_to(home)}:{each.span.line} {each.code} {each.message}"
        for each in migration.diagnostics
        if each.severity is Severity.REFUSAL
    )
    return Migrated((), tuple(refused))


def _told(request: Request, place: Place) -> str:
    return (
        f"{request.module} is legacy source: `{place.name}` was migrated in a temporary copy, "
        "and traced there"
    )


def _refusals(place: Place, refused: tuple[str, ...]) -> list[str]:
    """What the migration refuses, that in the class itself first."""
    own = [each for each in refused if _hits(place, each)]
    others = [each for each in refused if each not in own]
    told = (
        [f"the migration refuses a part of `{place.name}` itself: {'; '.join(own)}"] if own else []
    )
    if others:
        more = f"; {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        told.append(f"elsewhere, the migration refuses {'; '.join(others[:_SHOWN])}{more}")
    return told


def _hits(place: Place, refusal: str) -> bool:
    file, _, rest = refusal.partition(":")
    line = rest.partition(" ")[0]
    node = _definition(_file(place), place.name)
    same = file == (place.file or place.tree.name) or file.endswith(f"/{place.file}")
    if node is None or not same or not line.isdigit():
        return False
    return node.lineno <= int(line) <= (node.end_lineno or node.lineno)


def _file(place: Place) -> Path:
    return place.tree if place.tree.is_file() else place.tree / place.root / place.file
