"""The data about old releases agrees with what is installed, and with the script that made it."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import json
import sys
import warnings
from pathlib import Path

import pytest

from linenify.facts.legacy import jaxnames, oldapi

ROOT = Path(__file__).resolve().parents[2]
DATA = json.loads((ROOT / "linenify/facts/legacy/old_api.json").read_text())
MISSING = object()


@pytest.fixture(scope="module")
def tool():
    """The modules of the script."""
    sys.path.insert(0, str(ROOT / "tools/old_api"))
    try:
        yield {n: importlib.import_module(n) for n in ("reading", "comparing", "renamed")}
    finally:
        sys.path.remove(str(ROOT / "tools/old_api"))


@pytest.fixture(scope="module")
def installed(tool):
    found = tool["comparing"].Installed()
    if any(importlib.metadata.version(p) != v for p, v in DATA["installed"].items()):
        pytest.skip("the data is about other releases than those installed")
    return found


def test_everything_that_is_called_gone_is_gone(installed):
    wrong = [
        f"{module}.{name}"
        for module, names in DATA["gone"].items()
        for name in names
        if installed.has(f"{module}.{name}")
    ]
    wrong += [module for module in DATA["modules"] if installed.has(module)]
    assert wrong == []


def test_every_name_that_takes_the_place_of_another_is_there(installed):
    targets = {name for names in DATA["gone"].values() for name in names.values() if name}
    targets |= {name for name in DATA["modules"].values() if name}
    assert len(targets) > 500
    assert [name for name in sorted(targets) if not installed.has(name)] == []


def test_a_member_that_took_the_place_of_another_can_be_imported():
    """`from home import name`, as the rewritten imports say."""
    wrong: list[str] = []
    for module, names in DATA["gone"].items():
        for name, target in names.items():
            bound = jaxnames.imported(f"{module}.{name}")
            if not target or bound is None or "." not in bound:
                continue
            if bound.startswith("jax.config."):  # an object: its methods are read off it
                continue
            home, _, leaf = bound.rpartition(".")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    found = importlib.import_module(home)
                except ImportError:
                    wrong.append(bound)
                    continue
                if getattr(found, leaf, MISSING) is MISSING:
                    try:
                        importlib.import_module(bound)
                    except ImportError:
                        wrong.append(bound)
    assert wrong == []


def test_no_name_leads_to_one_that_is_gone_as_well():
    targets = {name for names in DATA["gone"].values() for name in names.values() if name}
    assert [name for name in sorted(targets) if oldapi.is_gone(name)] == []


def test_parameters_that_are_called_gone_are_taken_no_longer(installed):
    wrong: list[str] = []
    for path, entry in DATA["parameters"].items():
        signature = installed.signature(path)
        assert signature is not None, path
        kinds = {p.name: p.kind for p in signature.parameters.values()}
        by_name = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
        wrong += [
            f"{path}({name}=)" for name in entry.get("keywords", {}) if kinds.get(name) in by_name
        ]
        wrong += [
            f"{path}({name}=)"
            for name in entry.get("places", {}).values()
            if name and kinds.get(name) not in by_name
        ]
    assert wrong == []


OLD = {
    "old/__init__.py": (
        "from old.api import *\nfrom old import sub\nfrom old.config import config\n"
    ),
    "old/api.py": (
        "import numpy as onp\nfrom functools import partial\nfrom old.sub import helper as hlp\n"
        "def jit(fun, static=(), *, device=None): pass\nalias = jit\n_hidden = 1\n"
    ),
    "old/sub/__init__.py": "__all__ = ['helper']\n__all__ += more.__all__\nfrom . import more\n"
    "from .more import *\ndef helper(x, y): pass\n",
    "old/sub/more.py": "__all__ = ['extra']\nextra = 3\nother = 4\n",
    "old/config.py": "class Config:\n  def switch(self): pass\nconfig = Config()\n",
}


@pytest.fixture
def release(tool, tmp_path):
    for name, text in OLD.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tool["reading"].Release(tmp_path, "old")


def test_names_are_read_through_star_imports_and_other_names(release):
    names = dict(release.names())
    assert {"old.jit", "old.alias", "old.onp", "old.sub.extra", "old.config.switch"} <= set(names)
    assert not {"old._hidden", "old.sub.other"} & set(names)
    assert names["old.jit"] == names["old.alias"] == names["old.api.jit"]
    assert names["old.hlp"] == names["old.sub.helper"]
    assert (names["old.onp"].kind, names["old.onp"].home) == ("outside", "numpy")


def test_signatures_are_read_with_what_may_come_by_position(release, tool):
    found = tool["reading"].signature(dict(release.names())["old.jit"].node)
    assert (found.positional, found.keyword) == (("fun", "static"), ("device",))


def test_a_gone_name_leads_to_another_name_of_the_same_thing(release, tool, monkeypatch):
    comparing = tool["comparing"]
    old = comparing.merged({"1.0": release})
    installed = comparing.Installed()
    there = {"old", "old.sub", "old.sub.helper", "functools", "functools.partial", "numpy"}
    monkeypatch.setattr(installed, "has", there.__contains__)
    gone = comparing.gone(old, installed)
    assert gone["old"]["hlp"] == ""  # called differently: nobody has said that it is the same
    assert (gone["old"]["onp"], gone["old"]["partial"]) == ("numpy", "functools.partial")
    assert set(comparing.gone_modules(old, installed)) == {"old.api", "old.config", "old.sub.more"}


def test_the_script_and_the_data_have_one_shape(tool):
    assert set(DATA) == {"releases", "installed", "names", "gone", "modules", "parameters"}
    assert {*DATA["releases"]} == oldapi.PACKAGES == {*DATA["installed"]}
    renamed = tool["renamed"].RENAMED
    told = {
        path: target
        for path, target in renamed.items()
        if (DATA["gone"].get(path.rpartition(".")[0], {})).get(path.rpartition(".")[2]) is not None
    }
    assert len(told) > 60
    for path, target in told.items():
        module, _, name = path.rpartition(".")
        assert DATA["gone"][module][name] == target, path


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("jax.api.jit", "jax.jit"),
        ("jax.abstract_arrays.ShapedArray", "jax.core.ShapedArray"),
        ("jax.numpy.lax_numpy.sum", "jax.numpy.sum"),
        ("jax.config.config.update", "jax.config.update"),
        ("jax.experimental.optimizers.adam", "jax.example_libraries.optimizers.adam"),
        ("jax.linear_util.wrap_init", "jax.extend.linear_util.wrap_init"),
        ("numpy.float", "builtins.float"),
        ("jax.custom_transforms", None),
        ("jax.experimental.optimizers.never_there", None),
        ("jax.jit", None),
        ("torch.nn", None),
    ],
)
def test_what_a_name_is_called_today(path, target):
    assert oldapi.today(path) == target


def test_the_table_of_the_documentation_is_that_of_the_data():
    page = (ROOT / "docs/old-names.md").read_text()
    for package, counted in DATA["names"].items():
        flagged = counted["gone"] - counted["rewritten"]
        row = [counted["names"], counted["gone"], counted["rewritten"], flagged]
        assert f"| {package} | {' | '.join(map(str, row))} |" in page
