"""Hyper-parameters of an optimizer that come in a dict are written out."""

from __future__ import annotations

import pytest
from facts.support import project_of

from linenify.migrate import migrate

HEADER = """\
from flax import optim

OPTIONS = dict(learning_rate=0.1, beta=0.8)


def make(params, rate, given):
"""


def made(line):
    """The migrated last line, and the codes of what was refused."""
    project = project_of(HEADER + "".join(f"    {each}\n" for each in line.split("; ")))
    found = migrate(project)
    text = found.changes[0].after if found.changes else ""
    codes = [d.code for d in found.diagnostics if d.severity == "refusal"]
    return " ".join(text.split()), codes


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(
            "return optim.Momentum(**OPTIONS).create(params)",
            "tx=optax.sgd(learning_rate=OPTIONS['learning_rate'], momentum=OPTIONS['beta'])",
            id="of_a_variable",
        ),
        pytest.param(
            "return optim.Momentum(rate, **{'beta': 0.8, 'nesterov': True}).create(params)",
            "tx=optax.sgd(rate, momentum=0.8, nesterov=True)",
            id="of_a_display",
        ),
        pytest.param(
            "return optim.Adam(**dict(learning_rate=rate, beta1=0.5)).create(params)",
            "tx=optax.adam(learning_rate=rate, b1=0.5)",
            id="of_a_call_of_dict",
        ),
    ],
)
def test_what_a_dict_surely_carries_is_written_out(line, expected):
    text, codes = made(line)
    assert codes == []
    assert expected in text


@pytest.mark.parametrize(
    "line",
    [
        "return optim.Adam(**given).create(params)",
        "return optim.Adam(**{**OPTIONS, 'beta2': 0.9}).create(params)",
        "more = {'learning_rate': rate}; more.update(given); return optim.Adam(**more)",
    ],
)
def test_what_nobody_knows_is_left(line):
    text, codes = made(line)
    assert codes
    assert "optax.adam(" not in text
