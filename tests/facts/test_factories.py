"""Optimizer classes that are values become functions that make the transformation, or stay."""

from __future__ import annotations

import textwrap

import pytest
from facts.support import project_of

from linenify.migrate import migrate

HEADER = """\
import jax
from flax import nn, optim


class Net(nn.Module):

  def apply(self, x):
    return nn.Dense(x, 2)


def step(optimizer, x):
  return optimizer.apply_gradient(jax.grad(lambda model: model(x).sum())(optimizer.target))


"""


def migrated(body: str) -> tuple[str, set[str]]:
    """What becomes of the code behind the header, and the codes of what is refused."""
    result = migrate(project_of({"main": HEADER + textwrap.dedent(body)}))
    (change,) = result.changes
    codes = {d.code for d in result.diagnostics if d.severity == "refusal"}
    return change.after, codes


MAIN = """\


def main(params, x, name):
  return step(build(nn.Model(Net, params), name), x)
"""
STORIES = {
    "a table": (
        """\
        TABLE = {'adam': optim.Adam, 'sgd': optim.GradientDescent}


        def build(model, name):
          return TABLE[name](learning_rate=0.1).create(model)
        """,
        [
            "{'adam': lambda learning_rate: optax.adam(learning_rate=learning_rate), ",
            "'sgd': lambda learning_rate: optax.sgd(learning_rate=learning_rate)}",
            "tx=TABLE[name](learning_rate=0.1)",
        ],
    ),
    "a table with a default, by position": (
        """\
        def build(model, name):
          make = {'sgd': optim.GradientDescent}.get(name, optim.Adam)
          return make(0.1).create(model)
        """,
        ["name, lambda learning_rate: optax.adam(learning_rate=learning_rate))", "tx=make(0.1)"],
    ),
    "a class attribute": (
        """\
        class Settings:
          kind = optim.Momentum


        def build(model, name):
          return Settings.kind(learning_rate=0.1, beta=0.5).create(model)
        """,
        [
            "kind = staticmethod(lambda learning_rate, beta: optax.sgd(",
            "optax.sgd(learning_rate=learning_rate, momentum=beta))",
        ],
    ),
    "calls that give different things": (
        """\
        def made(kind, lr, quick):
          return kind(learning_rate=lr) if quick else kind(learning_rate=lr, weight_decay=0.1)


        def build(model, name):
          return made(optim.Adam, 0.1, name).create(model)
        """,
        ["lambda learning_rate, weight_decay=0.0: optax.adamw("],
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_a_class_that_is_called_elsewhere_is_a_function(story):
    body, wanted = STORIES[story]
    after, codes = migrated(textwrap.dedent(body) + MAIN)
    assert not codes
    assert all(text in after for text in wanted)


STAYING = {
    "asked for its name": "optim.Adam if name else optim.Momentum\n  print(kind.__name__)",
    "compared": "optim.Adam if name else optim.Momentum\n  print(kind is optim.Adam)",
    "handed to code that is not seen": "print(optim.Adam) or optim.Adam",
    "or another thing": "optim.Adam if name else print",
}


@pytest.mark.parametrize("story", STAYING)
def test_a_class_of_which_more_is_asked_stays(story):
    body = f"""\
def build(model, name):
  kind = {STAYING[story]}
  return kind(learning_rate=0.1).create(model)
"""
    after, codes = migrated(body + MAIN)
    assert "LN691" in codes
    assert "lambda learning_rate" not in after
