"""`--strict`: what is held back, and what goes along with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from linenify.outcome import Change, Diagnostic, Migration, Severity
from linenify.project.load import parse
from linenify.project.source import Project, Span
from linenify.strict import hold_back

FILES = {  # every file names flax unless it is a plain helper
    "base": "import flax",
    "model": "from base import Block",
    "train": "from model import Net",
    "plain": "import os",
    "alone": "import flax, plain",
    "facade": "from base import *",
    "user": "from facade import Block",
}


def held(refused: set[str], changed: set[str], severity=Severity.REFUSAL) -> set[str]:
    sources = tuple(parse(text.encode(), Path(f"{name}.py"), name) for name, text in FILES.items())
    changes = tuple(Change(Path(f"{name}.py"), "", "x", {}) for name in sorted(changed))
    span = Span(1, 0, 1, 1)
    diagnostics = tuple(
        Diagnostic("LN900", Path(f"{name}.py"), span, "no", "do", severity) for name in refused
    )
    migration, paths = hold_back(Migration(changes, diagnostics, ()), Project(sources))
    kept = {change.path.stem for change in migration.changes}
    assert kept == changed - {path.stem for path in paths}
    return {path.stem for path in paths}


@pytest.mark.parametrize(
    ("refused", "changed", "expected"),
    [
        pytest.param(set(), {"base", "model"}, set(), id="no_refusal"),
        pytest.param({"alone"}, {"alone", "base"}, {"alone"}, id="unrelated_files_go_on"),
        pytest.param({"base"}, {"model", "train", "alone"}, {"model", "train"}, id="users"),
        pytest.param({"train"}, {"base", "model"}, {"base", "model"}, id="what_it_uses"),
        pytest.param({"base"}, {"user"}, {"user"}, id="through_an_unchanged_facade"),
        pytest.param({"model"}, {"base", "user"}, {"base", "user"}, id="through_a_held_file"),
        pytest.param({"plain"}, set(), set(), id="nothing_to_hold"),
    ],
)
def test_what_is_held_back(refused, changed, expected):
    assert held(refused, changed) == expected


def test_an_unchanged_helper_does_not_tie_its_users_together():
    assert held({"alone"}, {"base"}) == set()


def test_notices_hold_nothing_back():
    assert held({"base"}, {"base"}, Severity.NOTICE) == set()
