"""Reads files: the only place that does, so that everything after it is pure."""

from __future__ import annotations

import ast
import gc
import io
import os
import re
import sys
import tokenize
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from linenify.errors import UsageError
from linenify.project.context import candidates, related
from linenify.project.lineends import plain
from linenify.project.links import Link, aliases, aliases_of, followed, outside
from linenify.project.overrides import check_overrides
from linenify.project.relevance import Outline, outline, relevant
from linenify.project.settings import Options, settings
from linenify.project.source import Document, Project, Source, Unreadable
from linenify.project.walk import OTHERS, project_files

BOM = b"\xef\xbb\xbf"
_WIDE = (b"\xff\xfe", b"\xfe\xff")  # how a text begins that Python does not read

# A folder with one of these is the top of a project: names count from there.
_TOP_MARKS = (".git", "pyproject.toml", "setup.py", "setup.cfg")
_COOKIE = re.compile(rb"coding[:=]")
_COOKIE_LINES = 2
_LINE_END = re.compile(rb"\r\n|\r|\n")


def load(paths: Iterable[Path | str], *, context: bool = False) -> Project:
    """Reads every Python file under `paths` that can matter to a migration.

    Folders are searched (`.gitignore` honoured), files are taken as they are
    given.  A file that cannot be read or parsed becomes an `Unreadable`.

    Args:
        paths: files and folders.
        context: whether to read the rest of the project, too, as far as it
            works with them.

    Raises:
        UsageError: a path is missing or not Python, or the configuration says
            what linenify does not know.
    """
    given = [Path(path) for path in paths]
    for path in given:
        _check_usable(path)
    root = common_root(given)
    table = settings(root)
    top = top_of(root)
    files: dict[str, Path] = {}
    unlisted: list[Unreadable] = []
    links: list[Path] = []
    for path in _files(given, table.exclude, unlisted, links):
        files.setdefault(os.path.realpath(path), path)
    python = sorted(path for path in files.values() if path in given or not _is_other(path))
    others = sorted(set(files.values()) - set(python))
    whole = any(path.is_dir() and top.is_relative_to(path.resolve()) for path in given)
    beside: Sequence[Path] | None = () if context else None
    if context and not whole:
        beside = candidates(files, top, table.exclude, links.append)
    with _collector_paused():
        project = _load_files(python, top, table.options, beside, links)
    project = replace(
        project,
        unreadable=tuple(sorted((*project.unreadable, *unlisted), key=_place)),
        documents=tuple(each for path in others if (each := _document(path)) is not None),
    )
    check_overrides(project, table, whole=_covers(given, table.file))
    return project


def load_text(raw: bytes, path: Path) -> Project:
    """Makes a project of one file whose bytes are already here, whatever is in it."""
    source = parse(raw, path, path.stem)
    table = settings(Path.cwd())
    if isinstance(source, Unreadable):
        return Project((), (source,), options=table.options)
    project = Project((source,), options=table.options)
    check_overrides(project, table, whole=False)
    return project


def parse(raw: bytes, path: Path, name: str) -> Source | Unreadable:
    """Decodes and parses one file."""
    bom = raw.startswith(BOM)
    try:
        encoding = _encoding(raw)
        text = raw[len(BOM) * bom :].decode(encoding)
    except SyntaxError as problem:
        return Unreadable(path, 1, 1, str(problem.msg), "name an encoding that Python knows")
    except UnicodeDecodeError as problem:
        line = raw.count(b"\n", 0, problem.start) + 1
        column = problem.start - raw.rfind(b"\n", 0, problem.start)
        return Unreadable(
            path,
            line,
            column,
            f"byte {raw[problem.start]:#04x} is not valid {encoding}",
            "save the file as UTF-8, or name its encoding on line 1: `# -*- coding: latin-1 -*-`",
        )
    if text.encode(encoding) != raw[len(BOM) * bom :]:
        message = f"the file cannot be written back as {encoding} without a change"
        return Unreadable(path, 1, 1, message, "save the file as UTF-8")
    text, lines = plain(text)
    try:
        tree = _tree(text)
    except SyntaxError as problem:
        return Unreadable(
            path, problem.lineno or 1, problem.offset or 1, f"{problem.msg}", _remedy(problem, text)
        )
    except (RecursionError, MemoryError):
        message = "an expression is nested too deeply to parse"
        return Unreadable(path, 1, 1, message, "split it up, or migrate the file by hand")
    except ValueError as problem:  # a null byte, before Python 3.12
        return Unreadable(path, 1, 1, str(problem), "is this a Python file?")
    return Source(path, name, path.name == "__init__.py", text, tree, encoding, bom, lines)


def _load_files(
    files: Sequence[Path],
    top: Path,
    options: Options,
    beside: Sequence[Path] | None,
    links: Sequence[Path],
) -> Project:
    """Reads the files, and those `beside` them that they work with; None: nothing else is read."""
    unreadable: list[Unreadable] = []
    texts: dict[Path, bytes] = {}  # kept because they are sure to be parsed
    outlines = {}
    for path in files:
        raw = _read(path)
        if not isinstance(raw, Unreadable) and raw.startswith(_WIDE):
            raw = Unreadable(path, 1, 1, "the file is UTF-16", "save the file as UTF-8")
        if isinstance(raw, Unreadable):
            unreadable.append(raw)
            continue
        each = outline(raw, dotted_name(path, top), is_package=path.name == "__init__.py")
        outlines[str(path)] = each
        if each.names_flax:
            texts[path] = raw
    ways, table = _ways(outlines, links, top)
    if ways and beside is not None:
        known = {os.path.realpath(path) for path in (*files, *beside)}
        linked = [path for path in outside(ways, top) if os.path.realpath(path) not in known]
        beside = [*beside, *linked]
    if ways:
        outlines = {
            path: replace(each, aliases=aliases_of(each.name, table))
            for path, each in outlines.items()
        }
    others = _related(outlines, beside or (), top, table)
    kept = relevant(outlines | {str(path): each for path, each in others.items()})
    kept |= {path for path, each in outlines.items() if each.marked}
    sources: list[Source] = []
    for path in sorted({*files, *others}):
        if str(path) not in kept:
            continue
        raw = texts.pop(path, None) or _read(path)
        each = others.get(path) or outlines[str(path)]
        source = raw if isinstance(raw, Unreadable) else parse(raw, path, each.name)
        if not isinstance(source, Unreadable):
            sources.append(replace(source, aliases=each.aliases) if each.aliases else source)
        elif path not in others:
            unreadable.append(source)
    skipped = len(outlines.keys() - kept)
    broken = tuple(sorted(unreadable, key=_place))
    return Project(tuple(sources), broken, skipped, options, context=frozenset(others))


def _ways(
    outlines: Mapping[str, Outline], links: Sequence[Path], top: Path
) -> tuple[list[Link], dict[str, tuple[str, ...]]]:
    """The links that imports name, and the names that they give."""
    if not links:
        return [], {}
    imported = {name for each in outlines.values() for name in each.absolute | each.relative}
    ways = followed(links, imported)
    return ways, aliases(ways, top, lambda path: dotted_name(path, top))


def _related(
    outlines: Mapping[str, Outline],
    beside: Sequence[Path],
    top: Path,
    table: dict[str, tuple[str, ...]],
) -> dict[Path, Outline]:
    if not beside:
        return {}

    def read(path: Path) -> bytes | None:
        raw = _read(path)
        return None if isinstance(raw, Unreadable) else raw

    def outlined(path: Path, raw: bytes) -> Outline:
        each = outline(raw, dotted_name(path, top), is_package=path.name == "__init__.py")
        return replace(each, aliases=aliases_of(each.name, table)) if table else each

    return related({Path(path): each for path, each in outlines.items()}, beside, read, outlined)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Parses four times faster: trees grow, and no part of them is ever garbage."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _read(path: Path) -> bytes | Unreadable:
    try:
        return path.read_bytes()
    except OSError as problem:
        message = problem.strerror or str(problem)
        return Unreadable(path, 1, 1, message, "make the file readable")


def dotted_name(path: Path, top: Path) -> str:
    """Names a file as it is imported from `top`: `src/a/b/__init__.py` is `a.b`.

    Folders count whether or not they hold an `__init__.py`: the name is the
    longest that may mean the file, and every shorter one is a suffix of it.
    """
    parts = list(path.absolute().with_suffix("").relative_to(top).parts)
    if len(parts) > 1 and parts[0] == "src":
        del parts[0]
    if parts[-1] == "__init__":
        del parts[-1]
    return ".".join(parts) or top.name


def _tree(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an invalid escape in user code is not our business
        return ast.parse(text)


def _encoding(raw: bytes) -> str:
    """Finds the PEP 263 encoding; the common case costs two line lookups."""
    if raw.startswith(BOM):
        _told(raw)  # a cookie must not contradict it
        return "utf-8"
    head = b"\n".join(_LINE_END.split(raw[:400], _COOKIE_LINES)[:_COOKIE_LINES])
    if not _COOKIE.search(head):
        return "utf-8"
    try:
        return _told(raw)
    except SyntaxError as problem:
        if "unknown encoding" in str(problem.msg):
            raise
        return "utf-8"  # and decoding will say which byte is wrong


def _told(raw: bytes) -> str:
    """The encoding that the first lines tell, wherever Python sees their ends."""
    head = b"\n".join(_LINE_END.split(raw, _COOKIE_LINES))
    return tokenize.detect_encoding(io.BytesIO(head).readline)[0]


_PYTHON_2 = re.compile(
    r"Missing parentheses in call to '(?:print|exec)'|multiple exception types"
    r"|leading zeros in decimal|`.*`$"
)
_CONFLICT = re.compile(r"^(?:<{7} |={7}$|>{7} )", re.MULTILINE)
_MAGIC = re.compile(r"^\s*[%!]\s*\w", re.MULTILINE)


def _remedy(problem: SyntaxError, text: str) -> str:
    line = (problem.text or "").strip()
    if _PYTHON_2.search(problem.msg or ""):
        return "this is Python 2; convert it to Python 3 first"
    if "null bytes" in (problem.msg or ""):
        return "is this a Python file? if not, name it in `exclude` of [tool.linenify]"
    if _CONFLICT.search(text):
        return "resolve the merge conflict in it first"
    if _MAGIC.match(line):
        return "remove what only a notebook understands: lines that begin with % or !"
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    return f"make the file valid Python (linenify runs on {running}) and run linenify again"


def _place(unreadable: Unreadable) -> tuple[Path, int, int]:
    return unreadable.path, unreadable.line, unreadable.column


# What the command line gives


def _check_usable(path: Path) -> None:
    if not path.exists():
        if path.is_symlink():
            raise UsageError(f"{path} is a link to {path.readlink()}, which does not exist")
        raise UsageError(f"{path} does not exist")
    if not path.is_dir() and not path.is_file():
        raise UsageError(f"{path} is neither a file nor a folder; `-` reads standard input")
    if path.suffix == ".ipynb":
        raise UsageError(
            f"{path} is a notebook, which linenify cannot migrate yet; "
            "export it first: jupyter nbconvert --to script"
        )


def _files(
    given: Iterable[Path], exclude: Sequence[str], unlisted: list[Unreadable], links: list[Path]
) -> Iterator[Path]:
    def report(folder: Path, problem: OSError) -> None:
        reason = (problem.strerror or str(problem)).lower()
        message = f"the folder was skipped, it cannot be listed: {reason}"
        remedy = "make it readable, or name it in `exclude` of [tool.linenify]"
        unlisted.append(Unreadable(folder, 1, 1, message, remedy, is_folder=True))

    for path in given:
        if path.is_dir():
            yield from project_files(path, exclude, unlisted=report, linked=links.append)
        else:
            yield path


def _is_other(path: Path) -> bool:
    return path.name.endswith(OTHERS)


_LARGEST = 8 << 20  # bytes; what is larger holds data, not names of classes
_SPEAKS = re.compile(rb"\bflax\b")


def _document(path: Path) -> Document | None:
    """A notebook or configuration that names Flax, or binds arguments for gin."""
    try:
        if path.stat().st_size > _LARGEST and path.suffix != ".ipynb":
            return None
        raw = path.read_bytes()
    except OSError:
        return None  # not ours to migrate, and nothing is known of it
    if path.suffix != ".gin" and not _SPEAKS.search(raw):
        return None
    return Document(path, raw.decode("utf-8", errors="replace"))


def _covers(given: Iterable[Path], file: Path | None) -> bool:
    """Whether all that the table speaks of lies under what was given."""
    if file is None:
        return False
    folder = file.parent.resolve()
    return any(path.is_dir() and folder.is_relative_to(path.resolve()) for path in given)


def common_root(given: Sequence[Path]) -> Path:
    """The innermost folder around all paths."""
    folders = [path if path.is_dir() else path.parent for path in given]
    return Path(os.path.commonpath([folder.absolute() for folder in folders]))


def top_of(root: Path) -> Path:
    """Finds the folder that dotted names count from: the top of the project."""
    marked = (
        folder
        for folder in (root, *root.parents)
        if any((folder / mark).exists() for mark in _TOP_MARKS)
    )
    outside = (folder for folder in (root, *root.parents) if not (folder / "__init__.py").exists())
    return next(marked, None) or next(outside, root)
