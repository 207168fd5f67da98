"""What a person reads."""

from __future__ import annotations

from dataclasses import replace

import pytest

from linenify.errors import ExitCode
from linenify.outcome import Migration
from linenify.project.source import Project
from linenify.report import text
from linenify.report.run import Run


def test_findings_say_where_what_and_what_to_do(run):
    assert list(text.findings(run)) == [
        "broken.py:3:7: unreadable: invalid syntax; make it valid",
        "a.py:2:9: LN501 notice: ids are clamped",
        "b.py:4:1: LN310 refusal: `M` is unknown, 100%; say what: it is",
        "c.py: not written: no room; make some",
        "d.py: held back by --strict: it, or a file it works with, has a refusal",
    ]


def test_summary_counts_everything_once(run):
    assert text.summary(replace(run, unwritten=())) == (
        "1 file would change, 3 sites would be migrated, 1 refused, 1 notice, 1 unreadable, "
        "1 held back (8 files looked at)"
    )


def test_summary_of_nothing():
    run = Run(Project(()), Migration((), (), ()), wrote=True)
    assert text.summary(run) == "0 files migrated, 0 sites migrated, 0 refused (0 files looked at)"


def test_pending_names_each_file(run):
    assert list(text.pending(run.migration)) == ["would change a.py (3 sites)"]


@pytest.mark.parametrize(
    ("dropped", "check", "code"),
    [
        pytest.param([], True, ExitCode.UNUSABLE, id="unreadable_outweighs_pending"),
        pytest.param(["unreadable", "unwritten"], True, ExitCode.PENDING, id="pending"),
        pytest.param(["unreadable", "unwritten"], False, ExitCode.DONE, id="only_check_fails"),
        pytest.param(["unreadable"], False, ExitCode.UNUSABLE, id="unwritten"),
        pytest.param(["unwritten"], False, ExitCode.UNUSABLE, id="unreadable"),
        pytest.param(
            ["unreadable", "unwritten", "changes", "diagnostics"],
            True,
            ExitCode.PENDING,
            id="held_back_is_pending",
        ),
        pytest.param(
            ["unreadable", "unwritten", "changes", "diagnostics", "held_back"],
            True,
            ExitCode.DONE,
            id="nothing_left",
        ),
    ],
)
def test_exit_codes(run, dropped, check, code):
    run = replace(run, **{name: () for name in dropped if name in ("unwritten", "held_back")})
    fields = {name: () for name in dropped if name not in ("unwritten", "held_back")}
    run = replace(run, migration=replace(run.migration, **fields))
    assert run.exit_code(check=check) is code
