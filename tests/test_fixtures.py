"""Every fixture: the expected text, exactly its codes, a second run that changes nothing."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from stories import Case, cases, codes, migrated, places, write

ALL = cases()


@pytest.fixture(params=ALL, ids=[case.folder.name for case in ALL])
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


def test_there_are_enough_stories() -> None:
    assert len(ALL) >= 45


def test_the_migrated_text_is_the_expected_one(case: Case, request: pytest.FixtureRequest) -> None:
    migration, texts = migrated(case.legacy, case.options)
    if request.config.getoption("--update-fixtures"):
        write(case, migration, texts)
    assert texts == _named(case, case.expected())


def test_exactly_the_listed_rules_and_refusals_fire(case: Case) -> None:
    migration, _ = migrated(case.legacy, case.options)
    assert codes(migration) == sorted(case.document["rules"])
    assert places(case, migration) == sorted(case.document["refusals"])


def test_the_result_compiles_and_a_second_run_changes_nothing(case: Case, tmp_path: Path) -> None:
    _, texts = migrated(case.legacy, case.options)
    root = tmp_path / "code"
    for name, text in texts.items():
        ast.parse(text)
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    again, _ = migrated(root, case.options)
    assert again.changes == ()


def _named(case: Case, texts: dict[str, str]) -> dict[str, str]:
    if not case.legacy.is_file():
        return texts
    (text,) = texts.values()
    return {"legacy.py": text}
