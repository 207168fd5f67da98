"""`[tool.linenify]` in `pyproject.toml`: found, checked, and never guessed at."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from linenify.errors import UsageError
from linenify.guessing import hint

ROLES = ("input", "field")

Options = tuple[tuple[str, object], ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """The table of one project.

    Attributes:
        file: the `pyproject.toml` it stands in; None where there is none.
        options: its entries, frozen and sorted.
        lines: where each key and each role stands in the file.
    """

    file: Path | None = None
    options: Options = ()
    lines: tuple[tuple[str, int], ...] = ()

    @property
    def exclude(self) -> tuple[str, ...]:
        """The patterns of files to leave out."""
        found = dict(self.options).get("exclude", ())
        return tuple(str(each) for each in found) if isinstance(found, tuple) else ()

    @property
    def roles(self) -> tuple[str, ...]:
        """The arguments for which a role is given."""
        found = dict(self.options).get("roles", ())
        return tuple(str(name) for name, _ in found) if isinstance(found, tuple) else ()

    def place(self, key: str) -> str:
        """Where a key stands: `pyproject.toml:7`."""
        line = dict(self.lines).get(key)
        return f"{self.file}:{line}" if line else f"{self.file}"


def settings(root: Path) -> Settings:
    """Reads the table from the nearest `pyproject.toml` that has one.

    Raises:
        UsageError: the file is no TOML, or the table says what linenify does not know.
    """
    for folder in (root, *root.parents):
        file = folder / "pyproject.toml"
        if not file.is_file():
            continue
        try:
            text = file.read_text("utf-8")
        except OSError as problem:
            raise UsageError(f"{file} cannot be read: {problem.strerror}") from problem
        except UnicodeDecodeError as problem:
            raise UsageError(f"{file} is not valid TOML: it is not UTF-8") from problem
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as problem:
            raise UsageError(f"{file} is not valid TOML: {problem}") from problem
        tool = document.get("tool", {})
        if isinstance(tool, dict) and "linenify" in tool:
            return _checked(file, text, tool["linenify"])
    return Settings()


def _checked(file: Path, text: str, table: object) -> Settings:
    lines = tuple(_lines(text))
    found = Settings(file, (), lines)
    if not isinstance(table, dict):
        raise UsageError(f"{file}: `linenify` in [tool] must be a table: [tool.linenify]")
    for key, value in table.items():
        check = _CHECKS.get(key)
        if check is None:
            tail = hint(key.replace("_", "-"), _CHECKS)
            raise UsageError(f"{found.place(key)}: [tool.linenify] has no key `{key}`; {tail}")
        problem = check(value)
        if problem:
            raise UsageError(f"{found.place(key)}: `{key}` in [tool.linenify] {problem}")
    for name, role in table.get("roles", {}).items():
        _check_role(found, str(name), role)
    return Settings(file, frozen_items(table), lines)


def _check_role(found: Settings, name: str, role: object) -> None:
    place = found.place(name)
    if isinstance(role, dict):
        raise UsageError(
            f'{place}: the name of a role is put in quotes: "{name}.{next(iter(role), "")}..."'
        )
    if not isinstance(role, str) or role not in ROLES:
        tail = hint(str(role), ROLES, "it is `input` (a call argument) or `field`")
        raise UsageError(f"{place}: {role!r} is no role of `{name}`; {tail}")
    if not _ROLE_NAME.fullmatch(name):
        raise UsageError(
            f"{place}: `{name}` names no argument; write `Class.method.argument`, "
            "with `package.file:` in front where two files have such a class"
        )


_ROLE_NAME = re.compile(r"(?:[\w.]+:)?\w+(?:\.(?:\w+|<\w+>))+")


def _flag(value: object) -> str:
    return "" if isinstance(value, bool) else f"must be true or false, not {_said(value)}"


def _list_of_patterns(value: object) -> str:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        return f'must be a list of patterns, such as ["third_party/"], not {_said(value)}'
    return next((why for each in value if (why := _no_pattern(each))), "")


def _no_pattern(text: str) -> str:
    from pathspec import GitIgnoreSpec  # slow to import, and often not needed

    try:
        patterns = list(GitIgnoreSpec.from_lines([text]).patterns)
    except (ValueError, re.error):
        patterns = []
    if any(pattern.include is not None for pattern in patterns):
        return ""
    return f"holds {text!r}, which is no pattern; write them as in .gitignore: `third_party/`"


def _table(value: object) -> str:
    return "" if isinstance(value, dict) else f"must be a table, not {_said(value)}"


_CHECKS: Mapping[str, Callable[[object], str]] = {
    "exclude": _list_of_patterns,
    "exact": _flag,
    "keep-names": _flag,
    "roles": _table,
    "verify": lambda _: "",  # `linenify verify` reads and checks it
}


def _said(value: object) -> str:
    return f'the text "{value}"' if isinstance(value, str) else f"{value!r}"


def _lines(text: str) -> Iterator[tuple[str, int]]:
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if heading := _HEADING.match(line):
            inside = "linenify" in heading[1]
        elif key := _KEY.match(line):
            name = key[1] or key[2] or key[3]
            if inside or name.startswith("linenify"):
                yield name, number


_HEADING = re.compile(r"\s*\[([^\[\]]*)\]")
_KEY = re.compile(r"""\s*(?:"([^"]+)"|'([^']+)'|([\w.-]+))\s*=""")


def frozen_items(table: Mapping[str, object]) -> Options:
    """The entries of a table as values that can be hashed, by key."""
    return tuple((key, _frozen(table[key])) for key in sorted(table))


def _frozen(value: object) -> object:
    match value:
        case dict():
            return frozen_items(value)
        case list():
            return tuple(_frozen(each) for each in value)
        case _:
            return value
