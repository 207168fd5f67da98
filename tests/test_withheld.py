"""What linenify cannot do well it leaves, together with all that works with it; or it says so."""

from __future__ import annotations

from pathlib import Path

import pytest

import linenify.facts.calls
import linenify.migrate
from linenify.facts.sites import FileFacts
from linenify.migrate import migrate
from linenify.outcome import Change, Migration
from linenify.project.load import load, load_text
from linenify.rewrite import rewrite
from linenify.rewrite.promises import BrokenPromise
from linenify.second_look import at_home, marks

NET = """\
from flax import nn


class Net(nn.Module):

  def apply(self, x):
    return nn.Dense(x, 3)
"""
FILES = {
    "net": NET,
    "main": "from net import Net\n\n\ndef run(params, x):\n  return Net.call(params, x)\n",
    "script": "import main\nfrom flax import nn\n\n\ndef both(x):\n  return nn.relu(x)\n",
    "caller": "import main\n\n\ndef start(key, x):\n  return main.Net.init(key, x)[1]\n",
    "names": "import jax\nimport main\n\nDOUBLE = jax.tree_map(lambda v: 2 * v, [1])\n",
    "alone": NET,
}


@pytest.fixture
def migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Migration:
    """A project in which a promise about one file is broken."""
    for name, text in FILES.items():
        (tmp_path / f"{name}.py").write_text(text)
    check = linenify.migrate._check

    def broken(source, facts, after):
        if source.name == "net":
            raise BrokenPromise("as tests go")
        check(source, facts, after)

    monkeypatch.setattr(linenify.migrate, "_check", broken)
    return migrate(load([tmp_path]))


def test_files_that_work_with_a_withheld_one_are_withheld(migration: Migration) -> None:
    codes = {d.path.stem: d.code for d in migration.diagnostics if d.code in {"LN000", "LN821"}}
    assert codes == {"net": "LN000", "main": "LN821", "caller": "LN821"}


def test_files_that_only_spell_names_anew_and_strangers_are_migrated(migration: Migration) -> None:
    assert {change.path.stem for change in migration.changes} == {"alone", "names", "script"}


def test_the_notice_names_the_file_that_is_waited_for(migration: Migration) -> None:
    waiting = [d for d in migration.diagnostics if d.code == "LN821"]
    assert all("net.py" in d.message for d in waiting)


def second(before: str, after: str) -> FileFacts | None:
    (source,) = load_text(before.encode(), Path("a.py")).sources
    return marks(source, FileFacts(), Change(source.path, before, after, {}))


def test_a_statement_that_a_second_run_would_change_is_marked() -> None:
    before = "import jax\n\n\ndef f(x):\n  y = g(\n      x)\n  return y\n"
    found = second(before, before.replace("      x)", "      x)()"))
    (source,) = load_text(before.encode(), Path("a.py")).sources
    assert found is not None
    lines = rewrite(source, found).text.splitlines()
    assert lines[4].startswith("  # TODO(linenify): LN299 a second run would make")
    assert lines.index("  y = g(") == 6


def test_a_mark_stops_no_change_of_a_definition() -> None:
    before = "import jax\n\n\ndef f(x):\n  return x\n"
    assert second(before, before.replace("def f(x)", "def f(x, y)")) is None
    assert second(before, before.replace("import jax", "import flax")) is None


def test_new_lines_are_no_fault_of_those_around_them() -> None:
    before = "import jax\n\n\ndef f(x):\n  y = g(x)\n  z = 1\n  return y\n"
    both = before.replace("  z = 1\n", "  w = 2\n  z = 1\n").replace("g(x)", "g()(x)")
    found = second(before, both)
    assert found is not None
    assert [finding.statement for finding in found.refusals] == [5]
    assert second(before, before.replace("  z = 1\n", "  w = 2\n  z = 1\n")) is None


def test_new_marks_alone_are_no_change() -> None:
    before = "import jax\n\n\ndef f(x):\n  return x\n"
    found = second(before, before.replace("  return", "  # TODO(linenify): LN390 x\n  return"))
    assert found is not None
    assert not found.refusals


def test_what_a_second_look_finds_is_told_at_its_place_in_the_file_as_it_was() -> None:
    before = "from flax import nn\nx = 1\ny = f(x)\n"
    after = "import functools\nfrom flax import linen as nn\nx = 1\ny = f(x)\n"
    (old,) = load_text(before.encode(), Path("a.py")).sources
    (new,) = load_text(after.encode(), Path("a.py")).sources
    found = marks(new, FileFacts(), Change(new.path, after, after.replace("f(x)", "f()(x)"), {}))
    assert found is not None
    assert at_home(old, new, found.refusals[0]).statement == 3


def test_a_failure_of_ours_at_one_call_withholds_its_file_and_what_works_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in FILES.items():
        (tmp_path / f"{name}.py").write_text(text)
    decide = linenify.facts.calls._emit

    def failing(plan, source, call, callee):
        if source.name == "net":
            raise ValueError("as tests go")
        decide(plan, source, call, callee)

    monkeypatch.setattr(linenify.facts.calls, "_emit", failing)
    found = migrate(load([tmp_path]))
    codes = {d.path.stem: d.code for d in found.diagnostics if d.code in {"LN000", "LN821"}}
    assert codes == {"net": "LN000", "main": "LN821", "caller": "LN821"}
    (lost,) = (d for d in found.diagnostics if d.code == "LN000")
    assert lost.message.startswith("line 7: ValueError: as tests go")
    assert {change.path.stem for change in found.changes} == {"alone", "names", "script"}
