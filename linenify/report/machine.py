"""What programs read: JSON, SARIF and GitHub annotations.

The JSON is a contract, written down in docs/json.md: keys are added, never
renamed, and `version` changes when a meaning does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from linenify.outcome import Change, Diagnostic, Reference, Severity
from linenify.project.source import Span, Unreadable
from linenify.report.causes import Cause, causes
from linenify.report.run import Run, by_place

JSON_VERSION = 1

_SARIF_LEVELS = {Severity.REFUSAL: "warning", Severity.NOTICE: "note", Severity.ERROR: "error"}
_GITHUB_LEVELS = {Severity.REFUSAL: "warning", Severity.NOTICE: "notice", Severity.ERROR: "error"}
UNREADABLE_CODE = "LN825"


def as_json(run: Run) -> str:
    """Renders everything that is known about a run."""
    return json.dumps(json_document(run), indent=2, ensure_ascii=False)


def json_document(run: Run) -> dict[str, Any]:
    """Builds the document that docs/json.md describes."""
    migration = run.migration
    changes = {change.path: change for change in migration.changes}
    diffs = run.diffs()
    return {
        "version": JSON_VERSION,
        "files": [
            _file(source.path, changes.get(source.path), diffs.get(source.path, ""))
            for source in run.project.given
        ],
        "diagnostics": [_diagnostic(each) for each in sorted(migration.diagnostics, key=by_place)],
        "causes": [_cause(each) for each in causes(migration.diagnostics)],
        "summary": {
            "files": migration.files,
            "changed": run.changed,
            "migrated": migration.migrated,
            "refused": migration.refused,
            "open": migration.open,
            "failed": migration.failed,
            "notices": run.notices,
            "unreadable": len(migration.unreadable),
            "unwritten": len(run.unwritten),
            "held_back": len(run.held_back),
            "skipped": run.project.skipped,
        },
        "references": [_reference(each) for each in migration.ledger],
        "unreadable": [_unreadable(each) for each in migration.unreadable],
        "unwritten": [
            {"path": str(each.path), "message": each.message, "remedy": each.remedy}
            for each in run.unwritten
        ],
        "held_back": [str(path) for path in run.held_back],
    }


def as_sarif(run: Run, summaries: Mapping[str, str]) -> str:
    """Renders the findings as SARIF 2.1.0.

    Args:
        run: the finished run.
        summaries: one sentence for each code.
    """
    findings = sorted(run.migration.diagnostics, key=by_place)
    broken = run.migration.unreadable
    codes = sorted({each.code for each in findings} | ({UNREADABLE_CODE} if broken else set()))
    results = [
        _sarif_result(each.code, _SARIF_LEVELS[each.severity], each.message, each.remedy)
        | _sarif_place(each.path, _region(each.span))
        for each in findings
    ] + [
        _sarif_result(UNREADABLE_CODE, "error", each.message, each.remedy)
        | _sarif_place(each.path, {"startLine": each.line, "startColumn": each.column})
        for each in broken
    ]
    driver = {
        "name": "linenify",
        "version": version("linenify"),
        "rules": [
            {"id": code, "shortDescription": {"text": summaries.get(code, code)}} for code in codes
        ],
    }
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": results,
            }
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def as_github(run: Run) -> Iterator[str]:
    """Yields a workflow command for each finding, which GitHub shows beside the line."""
    for each in sorted(run.migration.diagnostics, key=by_place):
        place = (
            f"file={_property(each.path.as_posix())},line={each.span.line},"
            f"endLine={each.span.end_line},col={each.span.column + 1}"
        )
        message = _message(_joined(each.message, each.remedy))
        yield f"::{_GITHUB_LEVELS[each.severity]} {place},title={_property(each.code)}::{message}"
    for broken in run.migration.unreadable:
        place = f"file={_property(broken.path.as_posix())},line={broken.line},col={broken.column}"
        message = _message(_joined(broken.message, broken.remedy))
        yield f"::error {place},title={UNREADABLE_CODE}::{message}"


# JSON


def _file(path: Path, change: Change | None, diff: str) -> dict[str, Any]:
    rules = dict(sorted(change.rules.items())) if change else {}
    return {"path": str(path), "changed": change is not None, "rules": rules, "diff": diff}


def _diagnostic(each: Diagnostic) -> dict[str, Any]:
    return {
        "code": each.code,
        "path": str(each.path),
        "line": each.span.line,
        "column": each.span.column + 1,
        "end_line": each.span.end_line,
        "end_column": each.span.end_column + 1,
        "message": each.message,
        "remedy": each.remedy,
        "severity": each.severity.value,
        "open": each.is_open,
    }


def _cause(each: Cause) -> dict[str, Any]:
    because = each.first.because
    return {
        "code": each.first.code,
        "path": str(each.first.path),
        "line": each.first.span.line,
        "column": each.first.span.column + 1,
        "message": each.first.message,
        "because": None
        if because is None
        else {
            "path": str(because.path),
            "line": because.span.line,
            "column": because.span.column + 1,
            "message": because.message,
        },
        "waiting": [
            {
                "code": d.code,
                "path": str(d.path),
                "line": d.span.line,
                "column": d.span.column + 1,
                "message": d.message,
            }
            for d in each.waiting
        ],
    }


def _reference(each: Reference) -> dict[str, Any]:
    return {
        "path": str(each.path),
        "line": each.span.line,
        "column": each.span.column + 1,
        "target": each.target,
        "fate": each.fate.value,
        "codes": list(each.codes),
    }


def _unreadable(each: Unreadable) -> dict[str, Any]:
    return {
        "code": UNREADABLE_CODE,
        "path": str(each.path),
        "line": each.line,
        "column": each.column,
        "message": each.message,
        "remedy": each.remedy,
    }


# SARIF


def _sarif_result(code: str, level: str, message: str, remedy: str) -> dict[str, Any]:
    return {"ruleId": code, "level": level, "message": {"text": _joined(message, remedy)}}


def _sarif_place(path: Path, region: Mapping[str, int]) -> dict[str, Any]:
    uri = path.as_uri() if path.is_absolute() else quote(path.as_posix())
    location = {"artifactLocation": {"uri": uri}, "region": dict(region)}
    return {"locations": [{"physicalLocation": location}]}


def _region(span: Span) -> dict[str, int]:
    return {
        "startLine": span.line,
        "startColumn": span.column + 1,
        "endLine": span.end_line,
        "endColumn": span.end_column + 1,
    }


# GitHub reads "%", line ends, and in properties also ":" and ",", as syntax.


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")


def _joined(message: str, remedy: str) -> str:
    return f"{message}; {remedy}" if remedy else message
