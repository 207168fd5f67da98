"""What is left for a hand: marks that still stand, and texts that no rewrite reaches."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from linenify.cli import main
from linenify.migrate import migrate
from linenify.outcome import Diagnostic
from linenify.project.load import load
from linenify.residue.marks import marks

REFUSED = """\
from flax import nn


class Net(nn.Module):
  def apply(self, x, layer):
    return layer(x, 3, name='a')
"""


def left(folder: Path, **files: str) -> list[Diagnostic]:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return list(migrate(load([folder])).diagnostics)


# Marks


def test_a_mark_is_read_whole_where_its_lines_were_broken() -> None:
    text = "if x:\n  # TODO(linenify): LN390 what stands\n  #   in the way\n  # another\n  y = 1\n"
    (mark,) = marks(text)
    assert (mark.code, mark.text, mark.last) == ("LN390", "what stands in the way", 3)
    assert (mark.span.line, mark.span.column) == (2, 2)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x = 1  # TODO(linenify): LN690 moved behind the line\n", "LN690"),
        ("#TODO(linenify) LN690 without colon\nx = 1\n", "LN690"),
        ("# TODO(linenify): look at this\nx = 1\n", ""),
        ("# TODO(linenify)", ""),
    ],
)
def test_a_mark_counts_however_it_was_touched(text: str, code: str) -> None:
    assert [mark.code for mark in marks(text)] == [code]


@pytest.mark.parametrize("text", ['x = "# TODO(linenify): LN390 no"\n', "# TODO(me): LN390\n"])
def test_what_is_no_comment_of_ours_is_no_mark(text: str) -> None:
    assert marks(text) == []


def test_a_mark_without_a_code_has_one_of_its_own(tmp_path: Path) -> None:
    (found,) = left(tmp_path, a__py="# TODO(linenify): later\nx = 1\n")
    assert (found.code, found.is_open, found.message) == ("LN826", True, "still open: later")


def test_a_refusal_and_its_mark_are_one_finding(tmp_path: Path) -> None:
    assert main(["--write", str(tmp_path)]) == 2  # nothing there yet
    (first,) = left(tmp_path, net__py=REFUSED)
    main(["--write", str(tmp_path)])
    assert "TODO(linenify): " + first.code in (tmp_path / "net.py").read_text()
    (again,) = left(tmp_path)
    assert again.code == first.code


@pytest.mark.parametrize("style", ["text", "json", "sarif", "github"])
def test_check_fails_over_open_marks_in_every_format(
    tmp_path: Path, style: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.py").write_text("import os\n# TODO(linenify): LN690 why; what\nx = 1\n")
    assert main(["--check", "--format", style, str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert "LN690" in (err if style == "text" else out)
    assert "1 refused (1 marked by an earlier run)" in err
    if style == "json":
        document = json.loads(out)
        assert document["summary"]["open"] == 1
        assert document["diagnostics"][0]["open"] is True


# Texts


def test_names_in_strings_and_docstrings_are_listed(tmp_path: Path) -> None:
    text = '"""About `flax.nn.Dense`."""\nA = {"a": "flax.nn.Conv", "b": "flax.linen.Dense"}\n'
    assert [(d.code, d.severity, d.span.line, d.message) for d in left(tmp_path, a__py=text)] == [
        ("LN823", "notice", 1, "`flax.nn.Dense` is named in a docstring"),
        ("LN823", "notice", 2, "`flax.nn.Conv` is named in a string"),
    ]


def test_a_notebook_that_uses_legacy_flax_is_listed(tmp_path: Path) -> None:
    def notebook(source: str) -> str:
        return json.dumps({"cells": [{"cell_type": "code", "source": [source]}]})

    found = left(
        tmp_path,
        a__py="import os\n",
        old__ipynb=notebook("from flax import nn"),
        new__ipynb=notebook("from flax import linen as nn"),
        broken__ipynb="from flax import optim",
    )
    assert [(d.code, d.path.name) for d in found] == [
        ("LN824", "broken.ipynb"),
        ("LN824", "old.ipynb"),
    ]


def test_configurations_that_name_legacy_flax_are_listed(tmp_path: Path) -> None:
    found = left(
        tmp_path,
        a__py="import os\n",
        b__yaml="layer: flax.nn.Dense\nother: flax.linen.Dense\n",
        c__json='{"optimizer": "flax.optim.Adam"}',
    )
    assert [(d.path.name, d.span.line, d.message) for d in found] == [
        ("b.yaml", 1, "`flax.nn.Dense` is named here"),
        ("c.json", 1, "`flax.optim.Adam` is named here"),
    ]


@pytest.mark.parametrize("scoped", ["Net", "net.Net", "train/net.Net"])
def test_a_binding_of_what_linen_takes_at_the_call_is_listed(tmp_path: Path, scoped: str) -> None:
    code = (
        "from flax import nn\n\n\nclass Net(nn.Module):\n  def apply(self, x, width, train=True):\n"
        "    return nn.dropout(nn.Dense(x, width), .5, deterministic=not train)\n\n\n"
        "def run(model, x):\n  return model(x, train=False)\n\n\n"
        "def main(key, x):\n  _, params = Net.partial(width=3).init(key, x)\n"
        "  return run(nn.Model(Net.partial(width=3), params), x)\n"
    )
    gin = f"{scoped}.width = 3\n{scoped}.train = False\nOther.train = True\n"
    found = left(tmp_path, net__py=code, conf__gin=gin)
    assert [(d.code, d.span.line) for d in found if d.path.suffix == ".gin"] == [("LN824", 2)]
