"""Every refusal and notice shows what an expert writes, and the page is true."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from linenify.migrate import migrate
from linenify.outcome import Migration
from linenify.project.load import load
from linenify.rules import CATALOGUE
from linenify.rules.by_hand import BY_HAND
from linenify.rules.by_hand.page import ByHand

KNOWN = {code: page for code, page in BY_HAND.items() if code in CATALOGUE}
PAGES = [pytest.param(code, page, id=code) for code, page in KNOWN.items()]
PYTHON = [pytest.param(page, id=code) for code, page in KNOWN.items() if page.file.endswith(".py")]


def run(folder: Path, page: ByHand, text: str) -> Migration:
    for name, content in {**page.beside, page.file: text}.items():
        (folder / name).write_text(content)
    project = load([folder])
    if page.option:
        project = replace(project, options=((page.option, True),))
    return migrate(project)


def test_every_entry_that_is_no_rule_has_a_page() -> None:
    missing = {c for c, entry in CATALOGUE.items() if entry.kind != "rule"} - set(BY_HAND)
    assert not missing, f"write pages in linenify/rules/by_hand for {', '.join(sorted(missing))}"


@pytest.mark.parametrize(("code", "page"), PAGES)
def test_the_code_before_is_reported_so(tmp_path: Path, code: str, page: ByHand) -> None:
    result = run(tmp_path, page, page.before)
    found = {each.code for each in result.diagnostics}
    found |= {"LN825" for _ in result.unreadable}
    assert (code in found) is not page.by_accident
    assert "LN000" not in found


@pytest.mark.parametrize("page", PYTHON)
def test_linenify_has_nothing_to_say_of_the_code_after(tmp_path: Path, page: ByHand) -> None:
    result = run(tmp_path, page, page.after)
    assert (result.changes, result.diagnostics, result.unreadable) == ((), (), ())


@pytest.mark.numeric
@pytest.mark.parametrize("page", PYTHON)
def test_the_code_after_runs(page: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    jax = pytest.importorskip("jax")
    x = jax.numpy.arange(8.0).reshape(2, 4) / 8
    program = {"key": jax.random.key(0), "x": x, "jnp": jax.numpy}
    for name in re.findall(r"^from ((?:project|library)\S*)", page.after, re.MULTILINE):
        monkeypatch.setitem(__import__("sys").modules, name, Anything(name))
    exec(compile(page.after, "page.py", "exec"), program)
    assert not page.check or eval(page.check, program)


class Anything:
    """A package of the reader's own, of which the page shows the name only."""

    def __init__(self, name: str) -> None:
        self.__name__ = name
        self.__spec__ = None
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda given, *_: given
