"""What is found without options, and how definitions are looked up."""

import textwrap

import pytest

from linenify.errors import UsageError
from linenify.verify.case import read_case
from linenify.verify.discovery import discovered
from linenify.verify.request import Request, requested, setting_value
from linenify.verify.target import case_text, place_of


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
        return file

    return write


def read(target, tmp_path):
    """The legacy sides of the runs of a target."""
    file = tmp_path / "read.toml"
    file.write_text(target.case)
    return [pair.legacy for pair in read_case(file, target.base).runs]


@pytest.mark.parametrize(
    ("body", "inputs", "hyperparameters"),
    [
        ("Net.init_by_shape(key, [(4, 3)])", ["f32[4,3]"], {}),
        ("Net.init_by_shape(key, [((4,), jnp.int32)])", ["i32[4]"], {}),
        ("Net.init_by_shape(key, [((4, SIZE), jnp.float32)])", ["f32[4,7]"], {}),
        ("Net.partial(width=5).create_by_shape(key, [(1, 2)])", ["f32[1,2]"], {"width": 5}),
        (
            "Net.partial(act=nn.relu).init_by_shape(key, [(1, 2)])",
            ["f32[1,2]"],
            {"act": "=nn.relu"},
        ),
        ("Net.init_by_shape(key, [(1, 2)], train=False)", ["f32[1,2]"], {"train": False}),
    ],
)
def test_shapes_tell_how_to_run_a_class(write, tmp_path, body, inputs, hyperparameters):
    write(
        "project/model.py",
        f"""
        from flax import nn
        import jax.numpy as jnp

        SIZE = 7

        class Net(nn.Module):
            def apply(self, x):
                return x

        def main(key):
            return {body}
        """,
    )
    [target] = discovered(tmp_path / "project", None).targets
    [run] = read(target, tmp_path)
    assert list(run.inputs) == inputs
    assert dict(run.hyperparameters) == hyperparameters


@pytest.mark.parametrize(
    "body",
    [
        "Net.init_by_shape(key, [(batch, 3)])",
        "Net.init_by_shape(key, shapes)",
        "Net.partial(width=batch).init_by_shape(key, [(4, 3)])",
        "Net.partial(**options).init_by_shape(key, [(4, 3)])",
    ],
)
def test_what_is_known_at_run_time_only_is_proposed(write, tmp_path, body):
    write(
        "project/model.py",
        f"""
        from flax import nn

        class Net(nn.Module):
            def apply(self, tokens, width):
                return tokens

        def main(key, batch, shapes, options):
            return {body}
        """,
    )
    found = discovered(tmp_path / "project", None)
    assert not found.targets
    [proposal] = found.proposals
    assert 'inputs = ["i32[2,8]<8"]' in proposal
    assert "hyperparameters = { width = 8 }" in proposal


def test_a_comment_says_it_in_the_words_of_the_command_line(write, tmp_path):
    write(
        "model.py",
        """
        from flax import nn

        # linenify: verify --input f32[4,3] --set width=2 --train=train
        class Net(nn.Module):
            def apply(self, x, width, train=True):
                return x
        """,
    )
    [target] = discovered(tmp_path, None).targets
    runs = read(target, tmp_path)
    assert [dict(run.call) for run in runs] == [{"train": True}, {"train": False}]
    write(
        "model.py",
        """
        from flax import nn

        class Net(nn.Module):  # linenify: verify --inputs 3
            def apply(self, x):
                return x
        """,
    )
    with pytest.raises(UsageError, match="--inputs cannot stand"):
        discovered(tmp_path, None)


def test_a_case_without_runs_is_no_target(write, tmp_path):
    write("one/case.toml", 'title = "Text only."\n')
    write("two/case.toml", '[[run]]\nmodule = "Net"\n')
    write("two/legacy.py", "")
    write("two/linen.py", "")
    [target] = discovered(tmp_path, None).targets
    assert target.legacy.name == "legacy.py"
    assert target.linen.name == "linen.py"


def test_definitions_are_found_however_they_are_written(write, tmp_path, monkeypatch):
    file = write("proj/src/pkg/sub/net.py", "class Net: ...")
    for folder in ("pkg", "pkg/sub"):
        write(f"proj/src/{folder}/__init__.py", "")
    monkeypatch.chdir(tmp_path)
    whole, package = tmp_path / "proj", tmp_path / "proj/src/pkg"
    for definition, path, root, inside in [
        ("pkg.sub.net:Net", whole, "src", "pkg/sub/net.py"),
        ("pkg.sub.net.Net", whole, "src", "pkg/sub/net.py"),
        ("proj/src/pkg/sub/net.py:Net", whole, "src", "pkg/sub/net.py"),
        ("sub.net:Net", package, ".", "sub/net.py"),
        ("Net", file, ".", "sub/net.py"),
    ]:
        place = place_of(definition, path)
        assert (place.root, place.file, place.name) == (root, inside, "Net"), definition
    with pytest.raises(UsageError, match="defines no `Other`"):
        place_of("pkg.sub.net:Other", whole)


def test_settings_are_python_or_toml_or_expressions():
    values = map(setting_value, ["3", "true", "(3, 3)", "same", "=nn.relu", "jnp.bfloat16", "None"])
    assert list(values) == [3, True, (3, 3), "same", "=nn.relu", "=jnp.bfloat16", None]


def test_a_case_survives_its_notation(write, tmp_path):
    run = {"module": "Net", "hyperparameters": {"k": (3, 3), "none": None, "a b": [1, 2.5, "x"]}}
    file = write("case.toml", case_text([run], flax="0.2.2", devices=2))
    case = read_case(file)
    assert (case.flax, case.devices) == ("0.2.2", 2)
    [pair] = case.runs
    assert dict(pair.legacy.hyperparameters) == {
        "k": "=(3, 3)",
        "none": "=None",
        "a b": [1, 2.5, "x"],
    }


def test_a_migrated_file_takes_its_package_along(write, tmp_path):
    legacy = write("old/net.py", "class Net: ...")
    linen = write("new/pkg/net.py", "class Net: ...")
    write("new/pkg/__init__.py", "")
    target = requested(Request(module="Net"), legacy, linen)
    assert target.linen == linen.parent
    assert 'linen_file = "net.py"' in target.case


MODELS = """
from flax import nn


class Inner(nn.Module):
    def apply(self, x, width):
        return nn.Dense(x, width)


class Net(nn.Module):
    def apply(self, x, width, act=nn.relu):
        return act(Inner(x, width))


class Deeper(Net):
    pass


@nn.module
def Line(x, width):
    return nn.Dense(x, width)


class Plain:
    def apply(self, x):
        return x
"""


@pytest.mark.parametrize(
    ("body", "name", "inputs", "hyperparameters"),
    [
        ("Net.init_by_shape(key, [consts.SHAPE], width=2)", "Net", ["f32[2,8]"], {"width": 2}),
        ("Net.partial(width=consts.SIZE * 2).init(key, jnp.ones((1, 3)))", "Net", ["f32[1,3]"],
         {"width": 16}),
        ("models.Deeper.create(key, np.zeros((batch, 3), 'int32'), 5)", None, None, None),
        ("models.Deeper.create(key, np.zeros((batch, 3), 'int32'), width=5)", "Deeper",
         ["i32[4,3]"], {"width": 5}),
        ("chain(Net).init_by_shape(key, [(2, 3)])", "Net", ["f32[2,3]"],
         {"width": 3, "act": "=nn.tanh"}),
        ("models.Line.partial(width=3).init_by_shape(key, [(2, 3)])", "Line", ["f32[2,3]"],
         {"width": 3}),
        ("Net.init(key, make(), width=3)", None, None, None),
    ],
)  # fmt: skip
def test_constants_are_read_across_files(write, tmp_path, body, name, inputs, hyperparameters):
    write("project/pkg/__init__.py", "")
    write("project/pkg/consts.py", "SIZE = 8\nSHAPE = (2, SIZE)\n")
    write("project/pkg/models.py", MODELS)
    write(
        "project/pkg/train.py",
        f"""
        import jax.numpy as jnp
        import numpy as np
        from flax import nn
        from . import consts, models
        from .models import Net

        def chain(module):
            module = module.partial(width=3)
            return module.partial(act=nn.tanh)

        def main(key, make, batch=4):
            return {body}
        """,
    )
    targets = discovered(tmp_path / "project", None).targets
    if name is None:
        assert not targets
        return
    [target] = targets
    [run] = read(target, tmp_path)
    assert run.module == name
    assert list(run.inputs) == inputs
    assert dict(run.hyperparameters) == hyperparameters


def test_what_runs_the_others_is_proposed_first(write, tmp_path):
    write("project/models.py", MODELS)
    proposals = discovered(tmp_path / "project", None).proposals
    assert [each.partition('module = "')[2].partition('"')[0] for each in proposals] == [
        "Net",
        "Deeper",
        "Line",
        "Inner",
    ]
    assert "runs as part of Net" in proposals[-1] or "runs as part of Deeper" in proposals[-1]


def test_parts_of_what_is_run_are_not_proposed(write, tmp_path):
    write(
        "project/models.py",
        MODELS + "\n\ndef main(key):\n    return Net.init_by_shape(key, [(2, 3)], width=4)\n",
    )
    proposals = "".join(discovered(tmp_path / "project", None).proposals)
    assert "Inner" not in proposals
    assert '"Deeper"' in proposals


def test_what_cannot_be_guessed_is_to_be_filled_in(write, tmp_path):
    write(
        "models.py",
        """
        from flax import nn

        class Net(nn.Module):
            def apply(self, images, config, rate: float, key, *, train):
                return nn.Dense(images, config.width) * rate
        """,
    )
    [proposal] = discovered(tmp_path, None).proposals
    assert 'config = "=FILL_IN"' in proposal
    assert "rate = 0.1" in proposal
    assert "train = true" in proposal
