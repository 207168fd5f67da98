"""Answers are remembered as long as nothing has changed that they depend on."""

import os
import time

import pytest

from linenify.checkpoint import CheckpointError, Request
from linenify.checkpoint.asking import Asking

pytestmark = pytest.mark.numeric

MODEL = """
from flax import linen as nn

from layers import Block


class Net(nn.Module):
    width: int = 4

    @nn.compact
    def __call__(self, x):
        return Block(self.width)(x)
"""
LAYERS = """
from flax import linen as nn


class Block(nn.Module):
    width: int

    @nn.compact
    def __call__(self, x):
        return nn.Dense(self.width)(x)
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    home = tmp_path / "project"
    home.mkdir()
    (home / "model.py").write_text(MODEL)
    (home / "layers.py").write_text(LAYERS)
    monkeypatch.chdir(home)
    return home


def width(answer):
    [block] = answer["scope"]["children"]
    return block["children"][0]["variables"][0]["shape"][-1]


def test_the_second_run_needs_no_process_until_a_file_changes(project):
    request = Request("model.py:Net", ["f32[1,6]"])
    with Asking() as ask:
        ask.begin(request)
        assert ask._worker is not None
        first = ask(request)
        assert {name.rpartition("/")[2] for name in first["files"]} == {"model.py", "layers.py"}
    with Asking() as ask:
        ask.begin(request)
        assert ask(request) == first
        assert ask._worker is None
        # a file that the module imports
        (project / "layers.py").write_text(LAYERS.replace("Dense(self.width)", "Dense(7)"))
        assert (width(first), width(ask(request))) == (4, 7)
        assert ask._worker is not None
    with Asking(remembering=False) as ask:
        ask.begin(request)
        assert ask._worker is not None


def test_a_failure_is_not_remembered_and_the_process_goes_on(project):
    (project / "layers.py").write_text("raise SystemExit('out of layers')")
    with Asking() as ask:
        for _ in range(2):
            with pytest.raises(CheckpointError, match="out of layers"):
                ask(Request("model.py:Net", ["f32[1,6]"]))
        (project / "layers.py").write_text(LAYERS)
        assert width(ask(Request("model.py:Net", ["f32[1,6]"]))) == 4


def test_a_process_that_dies_or_hangs_is_replaced(project):
    request = Request("model.py:Net", ["f32[1,6]"])
    with Asking(timeout=60) as ask:
        (project / "layers.py").write_text("import os\nos._exit(3)")
        with pytest.raises(CheckpointError, match="ended with 3"):
            ask(request)
        (project / "layers.py").write_text(LAYERS)
        assert width(ask(request)) == 4
        ask.timeout = 2
        (project / "layers.py").write_text("import time\ntime.sleep(100)")
        begun = time.monotonic()
        with pytest.raises(CheckpointError, match="for 2 seconds; gave up"):
            ask(request)
        assert time.monotonic() - begun < 30


def test_a_cache_that_cannot_be_written_is_no_obstacle(project, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", os.devnull)
    with Asking() as ask:
        assert width(ask(Request("model.py:Net", ["f32[1,6]"]))) == 4
