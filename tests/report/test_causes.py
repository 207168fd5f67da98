"""One cause is said once, with all places that wait for it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from linenify.outcome import Because, Diagnostic, Migration
from linenify.project.source import Project, Span
from linenify.report import machine, text
from linenify.report.causes import causes
from linenify.report.run import Run


def at(line: int, message: str = "why", path: str = "a.py") -> Diagnostic:
    return Diagnostic("LN390", Path(path), Span(line, 2, line, 5), message, "what")


def test_what_says_the_same_of_one_file_is_one_finding():
    found = causes([at(9), at(3), at(5, "else"), at(1, path="b.py"), at(7)])
    assert [(c.first.span.line, [d.span.line for d in c.waiting]) for c in found] == [
        (3, [7, 9]),
        (5, []),
        (1, []),
    ]


def test_every_finding_is_in_one_group():
    every = [at(9), at(3), at(5, "else"), at(1, path="b.py")]
    held = [d for c in causes(every) for d in (c.first, *c.waiting)]
    assert sorted(map(str, held)) == sorted(map(str, every))


def test_a_place_that_facts_name_binds_findings_of_several_files():
    origin = Because(Path("net.py"), Span(2, 0, 4, 1), "`Net` was not migrated")
    found = [replace(at(3, "`A`"), because=origin), replace(at(4, "`B`", "b.py"), because=origin)]
    run = Run(Project(()), Migration((), tuple(found), ()))
    assert list(text.findings(run)) == [
        "a.py:3:3: LN390 refusal: `A`; what",
        "    because of net.py:2:1: `Net` was not migrated",
        "    and LN390 at b.py:4:3: `B`",
    ]
    (cause,) = json.loads(machine.as_json(run))["causes"]
    assert cause["because"]["path"] == "net.py"
    assert cause["waiting"] == [
        {"code": "LN390", "path": "b.py", "line": 4, "column": 3, "message": "`B`"}
    ]


def test_what_was_found_at_the_place_itself_comes_first():
    origin = Because(Path("net.py"), Span(2, 0, 2, 5), "`Net` was not migrated")
    root = replace(at(2, "decorated", "net.py"), span=origin.span)
    found = [replace(at(3, "`A`"), because=origin), replace(at(9, "`A`"), because=origin), root]
    run = Run(Project(()), Migration((), tuple(found), ()))
    assert list(text.findings(run)) == [
        "net.py:2:1: LN390 refusal: decorated; what",
        "    and LN390 at a.py:3:3, a.py:9:3: `A`",
    ]


def test_marks_of_earlier_runs_stay_apart():
    every = [replace(at(3), is_open=True), replace(at(9), is_open=True)]
    assert len(causes(every)) == 2
