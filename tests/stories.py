"""Cases in `fixtures/`: one folder, one story."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from linenify.migrate import migrate
from linenify.outcome import Migration
from linenify.project.load import load

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "fixtures"


@dataclass(frozen=True)
class Case:
    """A fixture: legacy code, the expected Linen code and what was said on the way."""

    folder: Path
    document: dict[str, Any]

    @property
    def legacy(self) -> Path:
        single = self.folder / "legacy.py"
        return single if single.exists() else self.folder / "legacy"

    @property
    def linen(self) -> Path:
        return self.folder / self.legacy.name.replace("legacy", "linen")

    @property
    def options(self) -> dict[str, Any]:
        """The options that it is migrated with."""
        return self.document.get("options", {})

    def sources(self) -> dict[str, str]:
        """Legacy texts by path below the folder of their side."""
        return _texts(self.legacy)

    def expected(self) -> dict[str, str]:
        """Linen texts by path; what does not change is expected as it was."""
        return _texts(self.linen) if self.linen.exists() else self.sources()


def cases() -> list[Case]:
    return [
        Case(path.parent, tomllib.loads(path.read_text()))
        for path in sorted(FOLDER.glob("*/case.toml"))
    ]


def migrated(path: Path, options: dict[str, Any]) -> tuple[Migration, dict[str, str]]:
    """The migration of a file or folder, and every text afterwards."""
    project = load([path])
    given = tuple(sorted((dict(project.options) | options).items()))
    migration = migrate(replace(project, options=given))
    texts = _texts(path)
    for change in migration.changes:
        texts[_name(path, change.path)] = change.after
    return migration, texts


def codes(migration: Migration) -> list[str]:
    """The rules that rewrote something, each once."""
    return sorted({code for change in migration.changes for code in change.rules})


def places(case: Case, migration: Migration) -> list[str]:
    """The refusals as `case.toml` lists them: `LN302 legacy.py:12`."""
    return sorted(
        f"{d.code} {_name(case.legacy, d.path)}:{d.span.line}"
        for d in migration.diagnostics
        if d.severity.value == "refusal"
    )


def write(case: Case, migration: Migration, texts: dict[str, str]) -> None:
    """Makes a migration the expected one."""
    document = case.folder / "case.toml"
    lines = document.read_text()
    for key, found in (("rules", codes(migration)), ("refusals", places(case, migration))):
        shown = ", ".join(f'"{each}"' for each in found)
        lines = re.sub(rf"^{key} = \[[^]]*\].*$", f"{key} = [{shown}]", lines, flags=re.MULTILINE)
    document.write_text(lines)
    for name, text in texts.items():
        target = case.linen if case.legacy.is_file() else case.linen / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("w", encoding="utf-8", newline="") as file:
            file.write(text)


def _texts(path: Path) -> dict[str, str]:
    return {_name(path, file): _read(file) for file in _files(path)}


def _files(path: Path) -> Iterator[Path]:
    yield from [path] if path.is_file() else sorted(path.rglob("*.py"))


def _name(root: Path, file: Path) -> str:
    return "legacy.py" if root.is_file() else file.resolve().relative_to(root.resolve()).as_posix()


def _read(file: Path) -> str:
    with file.open(encoding="utf-8", newline="") as handle:
        return handle.read()
