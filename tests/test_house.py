"""How the inside is laid out: which room may import which, and that nothing goes in circles."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import linenify

PACKAGE = Path(linenify.__file__).parent
FACTS = "linenify.facts"
# Each room of facts imports from those before it only; what stands in no room
# (`collect` and the dispatch of calls) comes last, `sites` first.
ROOMS = (
    "legacy",
    "flow",
    "ask",
    "deciding",
    "jax",
    "modules",
    "training",
    "naming",
    "files",
)


def test_rooms_import_only_from_the_rooms_before_them() -> None:
    upward = [
        f"{file} imports {other}"
        for file, others in _imports().items()
        for other in others
        if _is_fact(file) and _is_fact(other) and _rank(other) > _rank(file)
    ]
    assert upward == []
    assert {_rank(file) for file in _imports() if _is_fact(file)} == {*range(-1, len(ROOMS) + 1)}


def test_no_files_import_each_other_in_a_circle() -> None:
    # Imports for the sake of types count: a circle of them is one in the reader's head.
    assert _circles() == []


def test_what_writes_code_knows_decisions_only() -> None:
    allowed = {f"{FACTS}.sites", f"{FACTS}.legacy.snippets", f"{FACTS}.legacy.refusals"}
    known = {
        f"{file} imports {other}"
        for file, others in _imports().items()
        if file.startswith(("linenify.rewrite.", "linenify.rules."))
        for other in others
        if other.startswith(FACTS) and other not in allowed
    }
    assert known == set()


def test_the_page_for_contributors_lists_the_rooms_in_their_order() -> None:
    page = (PACKAGE.parent / "docs" / "how-it-thinks.md").read_text(encoding="utf-8")
    rows = [line.split("`")[1].rstrip("/") for line in page.splitlines() if line.startswith("| `")]
    assert rows == ["sites.py", *ROOMS, "collect.py"]


def _is_fact(file: str) -> bool:
    return file.startswith(FACTS + ".") and file.removeprefix(FACTS + ".") not in ROOMS


def _rank(file: str) -> int:
    room = file.split(".")[2]
    if room == "sites":
        return -1
    return ROOMS.index(room) if room in ROOMS else len(ROOMS)


@cache
def _imports() -> dict[str, set[str]]:
    """The files of the package, each with those that it imports."""
    paths = {_name(path): path for path in PACKAGE.rglob("*.py")}
    found: dict[str, set[str]] = {name: set() for name in paths}
    for name, path in paths.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Import(names=names):
                    found[name] |= {a.name for a in names if a.name in paths}
                case ast.ImportFrom(module=str(module), names=names):
                    members = {f"{module}.{a.name}" for a in names}
                    found[name] |= (members & paths.keys()) or ({module} & paths.keys())
    return found


def _name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _circles() -> list[list[str]]:
    """Files that reach themselves, with all that lies on the way, by Tarjan's algorithm."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    circles: list[list[str]] = []

    def visit(file: str) -> None:
        number[file] = lowest[file] = len(number)
        stack.append(file)
        for other in _imports()[file]:
            if other not in number:
                visit(other)
                lowest[file] = min(lowest[file], lowest[other])
            elif other in stack:
                lowest[file] = min(lowest[file], number[other])
        if lowest[file] == number[file]:
            circle = stack[stack.index(file) :]
            del stack[stack.index(file) :]
            if len(circle) > 1:
                circles.append(sorted(circle))

    for file in _imports():
        if file not in number:
            visit(file)
    return circles
