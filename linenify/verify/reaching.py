"""Which lines of the Linen side the runs reached: of the others a verdict says nothing.

A branch that no case takes, or a function that none calls, may be migrated wrongly
in spite of equal numbers everywhere else.  What linenify, or somebody, changed and
nothing ran is listed with the verdict.
"""

from __future__ import annotations

import ast
import contextlib
import difflib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from linenify.verify.service import Verified

Definition = ast.FunctionDef | ast.AsyncFunctionDef
Span = tuple[int, int]
"""The first and the last line of a statement, of its head if it holds others."""

_Tracer = Callable[[FrameType, str, Any], Any]


@contextlib.contextmanager
def watched(owns: Callable[[str], bool], reached: dict[str, set[int]]) -> Iterator[None]:
    """Takes down which lines run inside, of the files that `owns` accepts.

    Not where a debugger or the like watches already.
    """
    tracers: dict[str, _Tracer | None] = {}

    def enter(frame: FrameType, _event: str, _value: Any) -> _Tracer | None:
        file = frame.f_code.co_filename
        if file not in tracers:
            tracers[file] = _noting(reached.setdefault(file, set())) if owns(file) else None
        return tracers[file]

    if sys.gettrace() is not None:
        yield
        return
    sys.settrace(enter)
    try:
        yield
    finally:
        sys.settrace(None)


def _noting(lines: set[int]) -> _Tracer:
    def note(frame: FrameType, event: str, _value: Any) -> _Tracer:
        if event == "line":
            lines.add(frame.f_lineno)
        return note

    return note


@dataclass(frozen=True, slots=True)
class Unreached:
    """Changed code of one function that nothing ran.

    Attributes:
        path: its file, relative to the Linen side.
        function: its name with those around it, `Net.__call__`; "" for a file that no
            case imported.
        spans: first and last lines of the statements, in the Linen text.
        called: whether other statements of the function ran.
    """

    path: str
    function: str
    spans: tuple[Span, ...]
    called: bool


def unreached(done: Iterable[Verified]) -> list[Unreached]:
    """What no case reached, of all files that the cases have a copy of."""
    ran: dict[Path, set[int]] = {}
    texts: dict[Path, tuple[str, Path, Path]] = {}
    for each in done:
        linen, legacy = Path(each.sides.job.linen), Path(each.sides.job.legacy)
        home = _home(linen)
        lines = {home / reached.path: reached.lines for reached in each.result.reached}
        whole = sorted(linen.rglob("*.py")) if linen.is_dir() else []
        for file in dict.fromkeys([*lines, *whole]):
            name = file.relative_to(_home(each.sides.linen))
            # Several cases have a copy of the same file each.
            key = each.target.legacy.resolve() / name
            ran.setdefault(key, set()).update(lines.get(file, ()))
            below = file.relative_to(home)
            other = legacy if legacy.is_file() and file == linen else _home(legacy) / below
            texts.setdefault(key, (str(name), other, file))
    return [found for key, lines in sorted(ran.items()) for found in _missing(*texts[key], lines)]


def _home(side: Path) -> Path:
    return side if side.is_dir() else side.parent


def _missing(name: str, legacy: Path, linen: Path, ran: set[int]) -> Iterator[Unreached]:
    try:
        before, after = (
            file.read_text().splitlines() if file.is_file() else [] for file in (legacy, linen)
        )
        tree = ast.parse(linen.read_bytes())
    except (OSError, SyntaxError, UnicodeDecodeError):
        return
    changed = _changed(before, after)
    if changed and not ran:
        yield Unreached(name, "", (), called=False)
        return
    for function, node in _functions(tree):
        spans = list(_spans(node.body))
        missed = [span for span in spans if not _meets(span, ran) and _meets(span, changed)]
        if missed:
            yield Unreached(name, function, tuple(missed), any(_meets(span, ran) for span in spans))


def _changed(before: Sequence[str], after: Sequence[str]) -> set[int]:
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    return {
        line + 1
        for tag, _, _, start, end in matcher.get_opcodes()
        if tag != "equal"
        for line in range(start, end)
    }


def _meets(span: Span, lines: set[int]) -> bool:
    return any(line in lines for line in range(span[0], span[1] + 1))


def _functions(node: ast.AST, above: str = "") -> Iterator[tuple[str, Definition]]:
    """All functions with their full names, in the order of the text."""
    for child in ast.iter_child_nodes(node):
        name = above
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{above}.{child.name}" if above else child.name
        if isinstance(child, Definition):
            yield name, child
        yield from _functions(child, name)


def _spans(body: Iterable[ast.stmt]) -> Iterator[Span]:
    """The statements of a function, those inside of others included, not of inner functions."""
    for statement in body:
        inner = [part for name in _BLOCKS for part in getattr(statement, name, ())]
        if isinstance(statement, Definition | ast.ClassDef):
            yield statement.lineno, statement.lineno
            continue
        if not _is_silent(statement):
            first = min(map(_first_line, inner), default=0)
            last = max(first - 1, statement.lineno) if first else statement.end_lineno
            yield statement.lineno, last or statement.lineno
        for part in inner:
            yield from _spans([part] if isinstance(part, ast.stmt) else part.body)


def _first_line(part: ast.stmt | ast.ExceptHandler | ast.match_case) -> int:
    return part.body[0].lineno if isinstance(part, ast.match_case) else part.lineno


_BLOCKS = ("body", "handlers", "orelse", "finalbody", "cases")


def _is_silent(statement: ast.stmt) -> bool:
    """Whether Python runs nothing for a statement: a docstring, a declaration."""
    match statement:
        case ast.Expr(value=ast.Constant()) | ast.Global() | ast.Nonlocal() | ast.Try():
            return True
        case ast.AnnAssign(value=None):
            return True
    return False
