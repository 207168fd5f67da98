"""Values that may be very many things: what reaches them is followed, or said."""

from __future__ import annotations

import ast

import pytest
from facts.support import HEADER, facts_of, project_of

from linenify.facts.flow.interpret import Interpreter
from linenify.facts.flow.kinds import Container, External, Function, Static
from linenify.facts.flow.widening import CALLED, CROWD, ENOUGH, Widening
from linenify.migrate import migrate

MAIN = """\
import jax
import jax.numpy as jnp
from flax import nn, optim
from losses import LOSSES


class Net(nn.Module):

  def apply(self, x):
    return nn.Dense(x, 2)


def run(x, name):
  _, params = Net.init(jax.random.PRNGKey(0), x)
  optimizer = optim.Adam(1e-2).create(nn.Model(Net, params))
  loss = LOSSES[name]
  grad = jax.grad(loss)(optimizer.target, x)
  return optimizer.apply_gradient(grad)
"""


def losses(count):
    """A file without a word of flax, with a table of functions that call a Model."""
    text = "import jax.numpy as jnp\n"
    for number in range(count):
        text += f"\n\ndef loss_{number}(model, x):\n  return jnp.sum(model(x) ** {number})\n"
    return text + "\n\nLOSSES = [" + ", ".join(f"loss_{i}" for i in range(count)) + "]\n"


@pytest.mark.parametrize("count", [2, ENOUGH + 4, CALLED + 10])
def test_a_model_that_is_handed_to_a_table_of_functions_is_one_thing_on_both_sides(count):
    result = migrate(project_of({"losses": losses(count), "main": MAIN}))
    texts = {change.path.stem: change.after for change in result.changes}
    assert "params=BoundModel(Net(), params)" in texts["main"]
    assert "losses" not in texts  # there it is called as a Model was
    said = {each.code for each in result.diagnostics}
    assert said == ({"LN807", "LN819"} if count > CALLED else {"LN807"})


def test_what_is_asked_of_an_argument_far_down_is_known_at_the_top():
    chain = "".join(
        f"def f{i}(a, b):\n    return f{i + 1}(a, b[0])\n" if i < 60 else
        f"def f{i}(a, b):\n    return jnp.dot(a, a)\n"
        for i in range(61)
    )  # fmt: skip
    flow = Interpreter(project_of(HEADER + chain))
    flow.run()
    functions = {node.name: node for node in flow.code if isinstance(node, ast.FunctionDef)}
    assert ("array", "whole") in flow.evidence[functions["f0"], "a"]
    assert functions["f60"] in flow.code
    held = [len(value) for (scope, name), value in flow.env.items() if name == "a"]
    assert max(held) <= 2  # however long the chain is


def test_leaving_out_a_caller_does_not_change_what_another_caller_is_told():
    body = "class Net(nn.Module):\n    def apply(self, x, n):\n        return nn.Dense(x, n)\n"
    run = "def a(x):\n    return Net.init(jax.random.PRNGKey(0), x, 3)\n"
    more = (
        "".join(f"def b{i}(v):\n    return c(v)\n" for i in range(40)) + "def c(v):\n  return v\n"
    )
    short, long = (facts_of(HEADER + body + run + rest) for rest in ("", more))
    assert short.refusals() == long.refusals() == []
    assert str(short.site("nn.Dense(x, n)")) == str(long.site("nn.Dense(x, n)"))
    assert short.facts.roles[0].arguments == long.facts.roles[0].arguments


def place(kinds, count):
    """A widening that has seen `count` kinds at one place, and what it keeps."""
    widening = Widening(lambda _node: False)
    return widening, widening("place", frozenset(kinds[:count]))


LITERALS = [Static("int", str(i)) for i in range(100)]
NAMES = [External(f"lib.name{i}") for i in range(100)]
LISTS = [Container(ast.List(elts=[]), "list") for _ in range(100)]
FUNCTIONS = [Function(ast.Lambda()) for _ in range(100)]


@pytest.mark.parametrize(
    ("kinds", "limit", "left"),
    [(LITERALS, ENOUGH, 1), (NAMES, ENOUGH, 1), (LISTS, ENOUGH, 1), (FUNCTIONS, CALLED, 1)],
)
def test_a_few_of_a_sort_are_told_apart_and_very_many_are_not(kinds, limit, left):
    _, few = place(kinds, limit)
    assert few == frozenset(kinds[:limit])
    _, many = place(kinds, limit + 1)
    assert len(many) == left


def test_a_place_that_had_too_many_once_does_not_begin_anew():
    widening, kept = place(LITERALS, ENOUGH + 1)
    again = widening("place", kept | {LITERALS[50]})
    assert again == kept == frozenset({Static("int")})


def test_containers_that_are_not_told_apart_are_the_crowd():
    _, kept = place(LISTS, ENOUGH + 1)
    assert kept == frozenset({CROWD})


def test_functions_of_files_that_name_flax_are_never_lumped_together():
    widening = Widening(lambda _node: True)
    assert widening("place", frozenset(FUNCTIONS)) == frozenset(FUNCTIONS)


def test_what_is_put_into_any_of_a_crowd_is_found_in_all_of_them():
    lists = "".join(f"l{i} = []\n" for i in range(ENOUGH + 5))
    gathered = "every = [" + ", ".join(f"l{i}" for i in range(ENOUGH + 5)) + "]\n"
    text = HEADER + lists + gathered + "for each in every:\n    each.append(nn.Dense)\n"
    found = facts_of(text + "layer = l3[0]\n\ndef run(x):\n    return layer.init(x, x, 3)\n")
    assert found.refusals() == []
    assert found.site("layer.init(x, x, 3)").method == "init_with_output"
