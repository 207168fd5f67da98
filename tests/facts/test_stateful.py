"""`is_stateful`, and statistics that a second run during initialisation changed."""

from __future__ import annotations

import textwrap

import pytest
from facts.support import HEADER, facts_of

EMA = """
class Ema(nn.Module):
    def apply(self, x):
        if self.is_stateful():
            ema = self.state('ema', x.shape[-1:], nn.initializers.zeros)
            x = x - ema.value
        return nn.Dense(x, 2)
"""


def world(body, extra="", arguments="x, train=True"):
    head = f"class Net(nn.Module):\n    def apply(self, {arguments}):\n"
    text = textwrap.indent(textwrap.dedent(body).strip() + "\n", " " * 8)
    return facts_of(HEADER + extra + head + text)


def asked(found, text="self.is_stateful()", place=0):
    return found.site(text, place=place).template


def notices(found):
    return [f.code for facts in found.facts.files.values() for f in facts.notices]


def test_a_module_with_a_variable_of_its_own_asks_for_that():
    found = facts_of(HEADER + EMA)
    assert asked(found) == (
        "{owner}.is_mutable_collection('state') or {owner}.has_variable('state', 'ema')"
    )


def test_where_batch_norm_is_being_mutable_says_nothing():
    found = world("return nn.BatchNorm(Ema(x), use_running_average=not train)", EMA)
    assert asked(found) == "{owner}.is_initializing() or {owner}.has_variable('state', 'ema')"


def test_a_module_asks_for_what_its_children_keep():
    found = world("x = x if self.is_stateful() else 2 * x\nreturn Ema(x)", EMA)
    assert asked(found, place=1) == (
        "{owner}.is_mutable_collection('state') or 'state' in {owner}.variables"
    )


def test_a_helper_asks_the_module_it_is_given():
    helper = "def keeps(module):\n    return module.is_stateful()\n"
    found = world("return nn.BatchNorm(x, use_running_average=keeps(self))", helper)
    wanted = "{owner}.is_initializing() or 'batch_stats' in {owner}.variables"
    assert asked(found, "module.is_stateful()") == wanted


def test_a_module_that_keeps_nothing_cannot_ask():
    assert world("return x if self.is_stateful() else 2 * x").refusals() == ["LN382"]


LATE = """
for _ in range(2):
    x = 2 * x if self.is_stateful() else x
    x = nn.BatchNorm(x)
return x
"""
BESIDE = """
if train:
    x = nn.BatchNorm(x)
else:
    x = x if self.is_stateful() else 2 * x
return nn.BatchNorm(x)
"""


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        ("x = nn.BatchNorm(x)\nreturn x if self.is_stateful() else 2 * x", ["LN383"]),
        ("known = self.is_stateful()\nx = nn.BatchNorm(x)\nreturn x if known else 2 * x", []),
        ("return nn.BatchNorm(x, use_running_average=self.is_stateful())", []),
        (LATE, ["LN383"]),
        (BESIDE, []),
    ],
)
def test_the_question_has_to_come_before_batch_norm(body, codes):
    assert world(body).refusals() == codes


def test_an_initialisation_without_a_state_is_said_where_a_module_asks():
    run = "def start(x):\n    _, params = Ema.init(jax.random.PRNGKey(0), x)\n    return params\n"
    assert notices(facts_of(HEADER + EMA + run)) == ["LN817"]


def test_an_initialisation_with_a_state_is_not():
    run = """
def start(x):
    with nn.stateful() as state:
        _, params = Ema.init(jax.random.PRNGKey(0), x)
    return params, state
"""
    assert notices(facts_of(HEADER + EMA + run)) == []


NORM = "norm = nn.BatchNorm.shared(use_running_average=not train)\n"
BLOCK = """
class Block(nn.Module):
    def apply(self, x, train=True):
        return nn.BatchNorm(nn.Dense(x, 3), use_running_average=not train)
"""


@pytest.mark.parametrize(
    "body",
    [
        NORM + "return norm(norm(x))",
        NORM + "for _ in range(2):\n    x = norm(x)\nreturn x",
        NORM + "def again(x):\n    return norm(x)\nreturn again(again(x))",
        NORM + "return sum(norm(y) for y in (x, 2 * x))",
        "block = Block.shared(train=train)\nreturn block(block(x))",
    ],
)
def test_a_second_run_of_running_statistics_is_said(body):
    found = world(body, BLOCK)
    assert found.refusals() == []
    assert notices(found) == ["LN818"]


@pytest.mark.parametrize(
    "body",
    [
        NORM + "return norm(x)",
        NORM + "if train:\n    return norm(x)\nelse:\n    return norm(2 * x)",
        "for i in range(2):\n    block = Block.shared(train=train)\n    x = block(x)\nreturn x",
        "norm = nn.BatchNorm.shared(use_running_average=True)\nreturn norm(norm(x))",
        "norm = nn.LayerNorm.shared()\nreturn norm(norm(x))",
    ],
)
def test_a_single_run_is_not(body):
    assert notices(world(body, BLOCK)) == []


@pytest.mark.parametrize(
    ("given", "codes"), [("", []), (", batch_stats=nn.Collection()", ["LN491"])]
)
def test_a_collection_that_nobody_passes_is_none(given, codes):
    own = """
class Own(nn.Module):
    def apply(self, x, batch_stats=None):
        ra = self.state('var', (3,), nn.initializers.ones, collection=batch_stats)
        return x / ra.value
"""
    assert world(f"return Own(x{given})", own).refusals() == codes
