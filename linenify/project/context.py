"""What lies beside the files that were given: what they import, and what imports them.

It is read, so that the answer does not depend on how many files of a project are
given at once, and never changed.
"""

from __future__ import annotations

import ast
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from linenify.project.relevance import Names, Outline, reachable, relevant
from linenify.project.syspath import added, dotted
from linenify.project.walk import Linked, python_files

# A folder with so many files is no project of one piece: only what lies nearby counts.
LIMIT = 4000


def candidates(
    given: Mapping[str, Path],
    top: Path,
    exclude: Sequence[str],
    linked: Linked = lambda _link: None,
) -> list[Path]:
    """The other Python files of the project, as paths to show.

    Args:
        given: the files that were given, by real path.
        top: the top of the project.
        exclude: patterns of files to leave out.
        linked: is told of each link.
    """
    found = list(islice(python_files(top, exclude, linked), LIMIT + 1))
    if len(found) > LIMIT:
        folders = {Path(path).parent for path in given}
        found = [each for folder in sorted(folders) for each in sorted(folder.glob("*.py"))]
    return [_shown(path) for path in found if os.path.realpath(path) not in given]


def related(
    given: Mapping[Path, Outline],
    others: Iterable[Path],
    read: Callable[[Path], bytes | None],
    outlined: Callable[[Path, bytes], Outline],
) -> dict[Path, Outline]:
    """Those of `others` that the given files work with, however indirectly."""
    texts = {path: raw for path in others if (raw := read(path)) is not None}
    outlines = dict(given)
    words = _words(given.values())
    while texts:
        # Only what names a file that counts can import it; the rest is not looked into.
        new = {
            path: outlined(path, raw)
            for path, raw in texts.items()
            if b"flax" in raw or any(word in raw for word in words)
        }
        if not new:
            break
        outlines |= new
        texts = {path: raw for path, raw in texts.items() if path not in new}
        words = _words(new.values())
    outlines |= dict(_imported_by_name(given, texts, outlined))
    folders = {path: _folders(path, each, read) for path, each in outlines.items()}
    return _connected(given, outlines, folders)


def _folders(path: Path, each: Outline, read: Callable[[Path], bytes | None]) -> tuple[str, ...]:
    """The folders that a file puts on `sys.path`, by their dotted names."""
    raw = read(path) if "sys" in each.absolute else None
    if raw is None or b"path" not in raw:
        return ()
    try:
        tree = ast.parse(raw)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()  # said where it is given
    found = (dotted(each.name, path, folder, each.is_package) for folder in added(tree, path))
    return tuple(folder for folder in found if folder is not None)


def _imported_by_name(
    given: Mapping[Path, Outline],
    texts: Mapping[Path, bytes],
    outlined: Callable[[Path, bytes], Outline],
) -> Iterator[tuple[Path, Outline]]:
    """Files without a word of flax that the given ones may import: helpers."""
    wanted = {
        name.rpartition(".")[2]
        for each in given.values()
        for name in (*each.absolute, *each.relative)
    }
    for path, raw in texts.items():
        stem = path.parent.name if path.name == "__init__.py" else path.stem
        if stem in wanted:
            yield path, outlined(path, raw)


def _connected(
    given: Mapping[Path, Outline],
    outlines: Mapping[Path, Outline],
    folders: Mapping[Path, tuple[str, ...]],
) -> dict[Path, Outline]:
    kept = relevant(outlines)
    names = Names({path: outlines[path] for path in kept})
    neighbours: dict[Path, set[Path]] = defaultdict(set)
    for path in kept:
        for target in names.surely_imported(outlines[path], folders[path]):
            neighbours[path].add(target)
            neighbours[target].add(path)
    reached = reachable(kept & given.keys(), lambda path: neighbours.get(path, ()))
    return {path: outlines[path] for path in reached if path not in given}


def _words(outlines: Iterable[Outline]) -> set[bytes]:
    return {each.name.rpartition(".")[2].encode() for each in outlines}


def _shown(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
