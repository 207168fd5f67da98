"""The shapes that other programs rely on."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

from linenify.outcome import Migration
from linenify.project.source import Project
from linenify.report import machine
from linenify.report.run import Run

ROOT = Path(__file__).parents[2]


def test_json_carries_everything(run):
    document = json.loads(machine.as_json(run))
    assert document.pop("files")[0].pop("diff").startswith("--- a/a.py\n+++ b/a.py\n@@ ")
    assert document == {
        "version": 1,
        "diagnostics": [
            {
                "code": "LN501",
                "path": "a.py",
                "line": 2,
                "column": 9,
                "end_line": 2,
                "end_column": 10,
                "message": "ids are clamped",
                "remedy": "",
                "severity": "notice",
                "open": False,
            },
            {
                "code": "LN310",
                "path": "b.py",
                "line": 4,
                "column": 1,
                "end_line": 6,
                "end_column": 10,
                "message": "`M` is unknown, 100%",
                "remedy": "say\nwhat: it is",
                "severity": "refusal",
                "open": False,
            },
        ],
        "causes": [
            {
                "code": "LN501",
                "path": "a.py",
                "line": 2,
                "column": 9,
                "message": "ids are clamped",
                "because": None,
                "waiting": [],
            },
            {
                "code": "LN310",
                "path": "b.py",
                "line": 4,
                "column": 1,
                "message": "`M` is unknown, 100%",
                "because": None,
                "waiting": [],
            },
        ],
        "summary": {
            "files": 2,
            "changed": 0,
            "migrated": 3,
            "refused": 1,
            "open": 0,
            "failed": 0,
            "notices": 1,
            "unreadable": 1,
            "unwritten": 1,
            "held_back": 1,
            "skipped": 5,
        },
        "references": [
            {
                "path": "a.py",
                "line": 1,
                "column": 6,
                "target": "flax.nn",
                "fate": "rewritten",
                "codes": ["LN101"],
            },
            {
                "path": "b.py",
                "line": 4,
                "column": 1,
                "target": "flax.nn.M",
                "fate": "flagged",
                "codes": ["LN310"],
            },
        ],
        "unreadable": [
            {
                "code": "LN825",
                "path": "broken.py",
                "line": 3,
                "column": 7,
                "message": "invalid syntax",
                "remedy": "make it valid",
            }
        ],
        "unwritten": [{"path": "c.py", "message": "no room", "remedy": "make some"}],
        "held_back": ["d.py"],
    }


def test_json_lists_every_file_changed_or_not(run):
    changed, unchanged = machine.json_document(run)["files"]
    assert changed["rules"] == {"LN101": 1, "LN201": 2}
    assert unchanged == {"path": "b.py", "changed": False, "rules": {}, "diff": ""}


def test_every_json_key_is_documented(run):
    documented = set(re.findall(r"`(\w+)`", (ROOT / "docs" / "json.md").read_text()))
    assert all_keys(machine.json_document(run)) - {"LN101", "LN201"} <= documented


def all_keys(value: object) -> set[str]:
    match value:
        case dict():
            return set(value) | {key for each in value.values() for key in all_keys(each)}
        case list():
            return {key for each in value for key in all_keys(each)}
        case _:
            return set()


def test_an_empty_run_has_the_same_keys(run):
    empty = machine.json_document(Run(Project(()), Migration((), (), ())))
    assert empty.keys() == machine.json_document(run).keys()


def test_sarif_names_tool_rules_and_places(run):
    document = json.loads(machine.as_sarif(run, {"LN310": "A module class is unknown."}))
    assert document["version"] == "2.1.0"
    (only,) = document["runs"]
    driver = only["tool"]["driver"]
    assert driver["name"] == "linenify"
    assert {rule["id"]: rule["shortDescription"]["text"] for rule in driver["rules"]} == {
        "LN310": "A module class is unknown.",
        "LN501": "LN501",
        "LN825": "LN825",
    }
    assert [(each["ruleId"], each["level"]) for each in only["results"]] == [
        ("LN501", "note"),
        ("LN310", "warning"),
        ("LN825", "error"),
    ]
    place = only["results"][1]["locations"][0]["physicalLocation"]
    assert place == {
        "artifactLocation": {"uri": "b.py"},
        "region": {"startLine": 4, "startColumn": 1, "endLine": 6, "endColumn": 10},
    }


def test_github_annotations_escape_what_github_reads_as_syntax(run):
    assert list(machine.as_github(run)) == [
        "::notice file=a.py,line=2,endLine=2,col=9,title=LN501::ids are clamped",
        "::warning file=b.py,line=4,endLine=6,col=1,title=LN310::`M` is unknown, 100%25; say%0Awhat: it is",  # noqa: E501
        "::error file=broken.py,line=3,col=7,title=LN825::invalid syntax; make it valid",
    ]


def test_sarif_spells_paths_as_uris(run):
    spaced = replace(run.migration.diagnostics[0], path=Path("my nets/a b.py"))
    migration = replace(run.migration, diagnostics=(spaced,), unreadable=())
    document = json.loads(machine.as_sarif(replace(run, migration=migration), {}))
    place = document["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "my%20nets/a%20b.py"
