"""Files, places in them, and the project that holds them."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A place in a file: lines count from 1, columns count characters from 0.

    The key of every fact: printable, picklable, and the same in the `ast` and
    the libcst tree of one text.
    """

    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.line}:{self.column + 1}"


@dataclass(frozen=True, slots=True)
class Source:
    r"""One Python file that was read and parsed.

    Attributes:
        path: where it lies on disk.
        name: its dotted name as other files of the project import it.
        is_package: whether it is an `__init__.py`.
        text: the decoded text; `\n` and `\r\n` are kept as they are.
        tree: its stdlib syntax tree, never changed.
        encoding: the PEP 263 encoding it is written back with.
        bom: whether it began with a UTF-8 byte order mark.
        lines: its lines on disk, where they are not those of `text`: with lone
            carriage returns or form feeds (see `lineends`).
        aliases: its dotted names through links in the project.
    """

    path: Path
    name: str
    is_package: bool
    text: str
    tree: ast.Module = field(repr=False, compare=False)
    encoding: str = "utf-8"
    bom: bool = False
    lines: tuple[str, ...] = field(default=(), repr=False)
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that could not be decoded or parsed; the run goes on without it.

    A folder that may not be listed is passed over with the same words, and is no error:
    nothing says that it holds anything.
    """

    path: Path
    line: int
    column: int
    message: str
    remedy: str
    is_folder: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A file that is no Python and may name what is migrated: a notebook, a configuration."""

    path: Path
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Project:
    """All files of one run that can matter, sorted by path."""

    sources: tuple[Source, ...]
    unreadable: tuple[Unreadable, ...] = ()
    skipped: int = 0  # files that a text filter proved irrelevant, never parsed
    options: tuple[tuple[str, object], ...] = ()  # `[tool.linenify]` of pyproject.toml
    documents: tuple[Document, ...] = ()  # never changed, only read
    context: frozenset[Path] = frozenset()  # sources that were not given: read, never changed

    @property
    def given(self) -> tuple[Source, ...]:
        """The sources that may change."""
        return tuple(source for source in self.sources if source.path not in self.context)

    def by_name(self) -> dict[str, Source]:
        """Sources by dotted name; the first in path order wins."""
        table: dict[str, Source] = {}
        for source in self.sources:
            table.setdefault(source.name, source)
        return table
