"""Module classes of a project, and what their source says they are initialised with."""

import pytest

from linenify.checkpoint.finding import found_under

LINEN = """
import functools
import jax
import jax.numpy as jnp
from flax import linen as nn

from config import CLASSES, SIDE
import config

BATCH = 2
HALF = SIDE // 2


class Net(nn.Module):
    width: int
    classes: int = 3

    @nn.compact
    def __call__(self, x, train=False):
        return nn.Dense(self.classes)(nn.Dense(self.width)(x))
"""
CONFIG = "SIDE = 8\nCLASSES = 10\nWIDTH = 4\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def make(**files):
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        return found_under(tmp_path)

    return make


@pytest.mark.parametrize(
    ("call", "inputs", "fields"),
    [
        ("Net(width=4).init(key, jnp.ones((1, 6)))", ["f32[1,6]"], {"width": 4}),
        ("Net(4).init(key, jnp.zeros((BATCH, SIDE)))", ["f32[2,8]"], {"width": 4}),
        (
            "Net(4, CLASSES).init(key, jnp.ones((1, HALF)))",
            ["f32[1,4]"],
            {"width": 4, "classes": 10},
        ),
        ("Net(config.WIDTH).init(key, jnp.ones(6))", ["f32[6]"], {"width": 4}),
        ("jax.jit(Net(4).init)(key, jnp.ones((1, 6), jnp.int32))", ["i32[1,6]"], {"width": 4}),
        (
            "functools.partial(Net(4).init, train=True)(key, jnp.ones((1, 6)))",
            ["f32[1,6]"],
            {"width": 4, "train": True},
        ),
        (
            "Net(4).lazy_init(key, jax.ShapeDtypeStruct((1, 6), jnp.float32))",
            ["f32[1,6]"],
            {"width": 4},
        ),
        (
            "n = functools.partial(Net, width=4); x = jnp.ones((1, 6)); n().init(k, x, train=True)",
            ["f32[1,6]"],
            {"width": 4, "train": True},
        ),
    ],
)
def test_calls_of_init_are_read(project, call, inputs, fields):
    found = project(model=f"{LINEN}\nkey = jax.random.key(0)\n{call}\n", config=CONFIG)
    [request] = found.requests
    assert request.module == "model.py:Net"
    assert list(request.inputs) == inputs
    assert request.fields == fields


@pytest.mark.parametrize(
    ("start", "inputs", "fields"),
    [
        (
            "def start(key, width=4):\n    return Net(width).init(key, jnp.ones((1, SIDE)))",
            [1, 8],
            4,
        ),
        (
            (
                "def start(key, x, width):\n    return Net(width=width).init(key, x[:1])\n"
                "start(0, np.zeros((5, 6)), CLASSES)"
            ),
            [1, 6],
            10,
        ),
        (
            (
                "def start(key, shape, width=4):\n    net = Net(width)\n"
                "    return net.init(key, jnp.ones(shape))\n"
                "def main():\n    x = rng.randn(3, 6).astype(np.float32)\n    start(0, x.shape)"
            ),
            [3, 6],
            4,
        ),
        (
            (
                "def start(key, b, shape):\n    return b.init(key, jnp.ones((1,) + shape[1:]))\n"
                "start(0, Net(7), (9, 5))"
            ),
            [1, 5],
            7,
        ),
    ],
)
def test_parameters_are_what_all_calls_pass(project, start, inputs, fields):
    [request] = project(model=f"{LINEN}\n{start}\n", config=CONFIG).requests
    assert request.inputs == [f"f32[{','.join(map(str, inputs))}]"]
    assert request.fields == {"width": fields}


def test_parameters_that_calls_disagree_about_are_unknown(project):
    start = "def start(key, width):\n    return Net(width).init(key, jnp.ones((1, 6)))\n"
    found = project(model=f"{LINEN}\n{start}start(0, 3)\nstart(0, 4)\n", config=CONFIG)
    assert "width=width" in found.incomplete["model.py:Net"]


def test_the_call_may_stand_in_another_file(project):
    train = (
        "import jax\nimport jax.numpy as jnp\nimport model as models\n"
        "net = models.Net(width=6)\n"
        "def start(key):\n    return net.init(key, jnp.ones((1, models.BATCH)))\n"
    )
    [request] = project(model=LINEN, config=CONFIG, train=train).requests
    assert (request.module, request.inputs) == ("model.py:Net", ["f32[1,2]"])


LEGACY = """
from flax import nn
import jax.numpy as jnp

SHAPE = (1, 6)


class Net(nn.Module):
  def apply(self, x, width):
    return nn.Dense(x, width)
"""


@pytest.mark.parametrize(
    "call",
    [
        "Net.partial(width=5).init_by_shape(key, [(SHAPE, jnp.float32)])",
        "Net.init_by_shape(key, [SHAPE], width=5)",
        "n = Net.partial(width=5); specs = [((1, 6), jnp.float32)]; n.create_by_shape(key, specs)",
        "Net.partial(width=5).init(key, jnp.ones(SHAPE))",
    ],
)
def test_legacy_calls_are_read(project, call):
    [request] = project(model=f"{LEGACY}\n{call}\n").requests
    assert (request.module, request.inputs) == ("model.py:Net", ["f32[1,6]"])
    assert request.fields == {"width": 5}


def test_a_comment_says_it_too(project):
    text = LEGACY.replace(
        "class Net", "# linenify: verify --input f32[1,6] --set width=5\nclass Net"
    )
    [request] = project(model=text).requests
    assert (request.module, request.inputs) == ("model.py:Net", ["f32[1,6]"])


def test_a_case_and_a_pyproject_say_it_too(project, tmp_path):
    table = (
        '[[tool.linenify.verify.run]]\nmodule = "Net"\nfile = "model.py"\n'
        'inputs = ["f32[1,6]"]\nhyperparameters = { width = 5 }\n'
    )
    (tmp_path / "pyproject.toml").write_text(table)
    [request] = project(model=LEGACY).requests
    assert (request.module, request.inputs, request.fields) == (
        "model.py:Net",
        ["f32[1,6]"],
        {"width": 5},
    )


@pytest.mark.parametrize(
    ("call", "missing"),
    [
        ("Net(FLAGS.width).init(key, jnp.ones((1, 6)))", "width=FLAGS.width"),
        ("Net(4).init(key, batch)", "`batch` is known at run time only (model.py:"),
        ("Net(4).init(key, jnp.ones(batch.shape))", "`batch` is known at run time only"),
        ("Net(**options).init(key, jnp.ones((1, 6)))", "`**options`"),
    ],
)
def test_what_only_a_run_shows_is_said(project, call, missing):
    text = f"{LINEN}\ndef start(key, batch, options, FLAGS):\n    return {call}\n"
    found = project(model=text, config=CONFIG)
    assert not found.requests
    assert any(part in found.incomplete["model.py:Net"] for part in missing.split("|"))


def test_a_class_that_nothing_initialises_is_named(project):
    found = project(model=LEGACY)
    assert found.incomplete == {"model.py:Net": "no call shows with what it is initialised"}
