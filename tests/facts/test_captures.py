"""Outputs of submodules that are captured around a run."""

from __future__ import annotations

import textwrap

import pytest
from support import migration

HEAD = """\
from flax import nn


class Block(nn.Module):
    def apply(self, x):
        return nn.Dense(x, 4, name='inner')


class Net(nn.Module):
    def apply(self, x):
        x = Block(x, name='block')
        return nn.Dense(x, 3, name='out')


"""
CAPTURE = """
def activations(params, x):
    with nn.capture_module_outputs() as outputs:
        y = Net.call(params, x)
    return y, outputs.as_dict()
"""


def result(text: str, head: str = HEAD) -> tuple[str, list[str]]:
    """The migrated text, and what was refused."""
    made = migration(head + textwrap.dedent(text))
    after = made.changes[0].after if made.changes else ""
    return after, [f"{d.code} {d.message}" for d in made.diagnostics if d.code < "LN800"]


def test_the_run_captures_its_intermediates():
    after, refused = result(CAPTURE)
    assert not refused
    assert "capture_intermediates=True," in after
    assert "mutable=['intermediates'])" in after
    assert "outputs = outputs_by_path(new_variables['intermediates'])\n" in after
    assert "    return y, outputs\n" in after
    assert after.count("def outputs_by_path(") == 1


def test_an_output_that_nobody_takes_needs_no_name():
    after, refused = result(CAPTURE.replace("y = Net", "Net").replace("y, ", ""))
    assert not refused
    assert "    _, new_variables = Net().apply(" in after


def test_a_copy_onto_itself_goes():
    text = CAPTURE.replace("    return y, outputs", "    outputs = outputs").replace(
        "as_dict()\n", "as_dict()\n    return outputs['/out'][0]\n"
    )
    after, refused = result(text)
    assert not refused
    assert "outputs = outputs\n" not in after
    assert "return outputs['/out'][0]" in after


def test_a_model_that_travels_captures_as_well():
    after, refused = result(
        """
        def activations(model, x):
            with nn.capture_module_outputs() as outputs:
                model(x)
            return outputs


        def main(key, x):
            _, params = Net.init(key, x)
            return activations(nn.Model(Net, params), x)
        """
    )
    assert not refused
    assert "Net().apply(" in after
    assert "capture_intermediates=True" in after


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("4, name='inner')", "4)", "has no name"),
        ("return nn.Dense(x, 4, name='inner')", "return nn.dropout(x, 0.5)", "captures Dropout"),
        ("x = Block(x, name='block')", "x = nn.LSTMCell.call(x, name='c')", "other submodules"),
    ],
)
def test_other_paths_are_flagged(old, new, why):
    assert HEAD.count(old) == 1
    text = HEAD.replace(old, new).replace("LSTMCell.call(x", "LSTMCell((x, x), x")
    after, refused = result(CAPTURE, text)
    assert any(why in each for each in refused), refused
    assert "TODO(linenify): LN491" in after


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "        y = Net.call(params, x)",
            "        Net.call(params, x)\n        y = Net.call(params, x)",
        ),
        ("        y = Net.call(params, x)", "        y = x"),
        ("Net.call(params, x)", "Net.init(params, x)"),
        ("y = Net.call(params, x)", "_, y = Net.init(params, x)"),
        ("y = Net.call(params, x)", "_, y = Net.create(params, x)"),
        ("        y = Net", "        for _ in x: y = Net"),
        ("        y = Net.call(params, x)", "        y = [Net.call(params, z) for z in x]"),
    ],
)
def test_outputs_of_no_one_run_are_flagged(old, new):
    assert CAPTURE.count(old) == 1
    after, refused = result(CAPTURE.replace(old, new))
    assert any(each.startswith("LN491") for each in refused), refused
    assert "nn.capture_module_outputs()" in after
