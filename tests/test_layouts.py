"""Layout is no evidence: the same program, laid out differently, migrates the same."""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path

import pytest

from linenify.migrate import migrate
from linenify.outcome import Severity
from linenify.project.load import load_text

FIXTURES = sorted((Path(__file__).parent.parent / "fixtures").glob("*/legacy.py"))


@pytest.fixture(params=FIXTURES, ids=lambda path: path.parent.name)
def legacy(request):
    return request.param.read_bytes().decode().replace("\r\n", "\n")


def run(text: str) -> str:
    result = migrate(load_text(text.encode(), Path("legacy.py")))
    errors = [d.message for d in result.diagnostics if d.severity is Severity.ERROR]
    assert not errors, errors
    return result.changes[0].after if result.changes else text


def shape(text: str) -> str:
    return ast.dump(ast.parse(text))


def broken_up(text: str, comment: str) -> str:
    """Starts a line behind every parenthesis and comma that is inside of some."""
    lines = text.splitlines(keepends=True)
    places: list[tuple[int, int]] = []
    depth = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        depth += token.string in ("(", "[", "{") and token.type == tokenize.OP
        if (
            token.type == tokenize.OP
            and depth
            and token.string in ("(", ",")
            and "'" not in token.line
        ):
            places.append(token.end)
        depth -= token.string in (")", "]", "}") and token.type == tokenize.OP
    for number, (row, column) in reversed(list(enumerate(places))):
        line = lines[row - 1]
        if not line[column:].lstrip().startswith("#") and line[column:].strip():
            mark = f"  # {comment}{number}" if comment else ""
            lines[row - 1] = f"{line[:column]}{mark}\n        {line[column:].lstrip()}"
    return "".join(lines)


def test_line_endings_stay(legacy):
    assert run(legacy.replace("\n", "\r\n")) == run(legacy).replace("\n", "\r\n")


def test_line_breaks_change_nothing(legacy):
    assert shape(run(broken_up(legacy, ""))) == shape(run(legacy))


def test_comments_everywhere_change_nothing_and_stay(legacy):
    assert shape(run(broken_up(legacy, "c"))) == shape(run(legacy))


def test_a_file_without_its_last_line_break(legacy):
    assert run(legacy.rstrip("\n")) == run(legacy).rstrip("\n")
