"""A value that may be several things is not one of them: no rule fires on the one alone.

Every function, class and method of the catalogue is called through a name that may be
something else as well.  The call becomes what it becomes for both, or it is refused.
"""

from __future__ import annotations

import ast
import functools
import re
from itertools import pairwise

import pytest

from linenify.facts.legacy import catalogue
from linenify.facts.training import optimizers
from tests.support import migration

HEAD = """\
import functools
import jax
import jax.numpy as jnp
from flax import nn, optim
from flax.nn import initializers


def own(*args, **kwargs):
  return args


class Own:

  def __init__(self, *args, **kwargs):
    self.target = args

  def __call__(self, *args, **kwargs):
    return self

  def as_dict(self, *args, **kwargs):
    return self

  apply_gradient = compute_gradient = create = encode = get_param = init = init_by_shape = as_dict
  is_stateful = mutate = optimize = param = partial = replace = replicate = state = as_dict


class Net(nn.Module):

  def apply(self, x, width=4):
    return nn.Dense(x, width)

  @nn.module_method
  def encode(self, x, width=4):
    return nn.Dense(x, width)


class Wide(nn.Module):

  def apply(self, x, *args, features=2):
    return nn.Dense(x, features)


class Other(nn.Module):

  def apply(self, x, width=4):
    return nn.Dense(x, width) * 2

"""

_RENAMED = re.compile(r"\bchosen_\w+|(?<==\s)params$")

# How one name comes to mean two things; `{a}` and `{b}`, and `{call}` of `chosen`.
UNIONS = {
    "condition": "chosen = {a} if flag else {b}\nmade = {call}",
    "branches": "if flag:\n  chosen = {a}\nelse:\n  chosen = {b}\nmade = {call}",
    "loop": "for chosen in ({a}, {b}):\n  made = {call}",
    "table": "chosen = {{'a': {a}, 'b': {b}}}[key]\nmade = {call}",
    "default": "def run(chosen={a}):\n  made = {call}\n  return made\nrun()\nrun({b})",
    "either": "chosen = flag and {a} or {b}\nmade = {call}",
}
SINGLE = "chosen = {a}\nmade = {call}"

METHOD = """
class Top(nn.Module):

  def apply(self, x, y, flag=True, key='a'):
{body}
    return x
"""
FUNCTION = """
def main(x, y, rng, params, flag=True, key='a'):
{body}
  return x
"""

_VALUES = {
    "int": "2",
    "float": "0.5",
    "bool": "False",
    "str": "'fan_in'",
    "Sequence[int]": "(2, 2)",
    "Sequence[Any]": "[(2, 3)]",
    catalogue.CALLABLE: "own",
}


def arguments(entry):
    """What every argument that has no default gets."""
    given = []
    for each in entry.arguments:
        if each.default is None:
            array = each.role in {"array", "key", "tree"}
            given.append("x" if array else _VALUES.get(each.type, "2"))
    return ", ".join(given)


def of_modules():
    """Calls inside of modules: layers, functions and initialisers, beside other things."""
    for layer, following in pairwise(catalogue.LAYERS):
        call = f"chosen({arguments(layer)})"
        yield f"nn.{layer.name}", "own", call
        yield f"nn.{layer.name}", "Wide", call
        yield f"nn.{layer.name}.partial()", "own", call
        yield f"nn.{layer.name}", "own", "functools.partial(chosen, name='a')"
        if call == f"chosen({arguments(following)})":
            yield f"nn.{layer.name}", f"nn.{following.name}", call
    for entry in catalogue.FUNCTIONS:
        public = entry.name in catalogue.EXPORTED and entry.kind != "gone"
        if public and entry.name not in {"Module", "module", "module_method", "RNNCellBase"}:
            yield f"nn.{entry.name}", "own", f"chosen({arguments(entry)})"
    for call in ("chosen(x, 3)", "chosen(x, width=3)", "chosen(x)"):
        yield "Net", "own", call
        yield "Net", "Other", call
        yield "Net.shared()", "own", call
    yield "Net.partial(width=3)", "Net.shared(width=3)", "chosen(x)"
    yield "Net", "Own", "chosen.partial(width=3)"
    yield "Net", "Other", "chosen.partial(width=3)"
    for call in ("param('w', (2,), own)", "state('w', (2,), own)", "get_param('w')"):
        yield "self", "Own()", f"chosen.{call}"
    yield "self", "Own()", "chosen.is_stateful()"


def of_training():
    """Calls outside of modules: optimizers, and methods of what legacy makes."""
    names = sorted(optimizers.OPTIMIZERS)
    for name, following in pairwise(names):
        yield f"optim.{name}", "own", "chosen(learning_rate=0.1)"
        yield f"optim.{name}", f"optim.{following}", "chosen(learning_rate=0.1)"
    first = "optim.Adam(learning_rate=0.1)"
    yield first, "Own()", "chosen.create(params)"
    yield first, "optim.Momentum(learning_rate=0.1)", "chosen.create(params)"
    model, other = "nn.Model(Net, params)", "nn.Model(Other, params)"
    for call in ("init(rng, x)", "init_by_shape(rng, [(2, 3)])", "create(rng, x)"):
        yield "Net", "Own()", f"chosen.{call}"
        yield "Net", "Other", f"chosen.{call}"
    for call in ("(x)", ".encode(x)", ".replace(params=y)", ".params", ".module"):
        yield model, "Own()", f"chosen{call}"
        yield model, other, f"chosen{call}"
    held = f"{first}.create(params)"
    for call in (
        *("apply_gradient(y)", "apply_gradient(y, learning_rate=0.3)", "target"),
        *("replace(target=y)", "state.step", "replicate()", "optimizer_def"),
        *("compute_gradient(own)", "optimize(own)"),
    ):
        yield held, "Own()", f"chosen.{call}"
    for call in ("as_dict()", "mutate()"):
        yield "nn.Collection()", "Own()", f"chosen.{call}"
    for name in ("Model", "Collection", "stateful", "stochastic"):
        yield f"nn.{name}", "own", "chosen(x)"


EVERY = [(METHOD, "    ", *case) for case in of_modules()]
EVERY += [(FUNCTION, "  ", *case) for case in of_training()]
WAYS = [*UNIONS]
CASES = [(WAYS[number % len(WAYS)], *case) for number, case in enumerate(EVERY)]
CASES += [
    (way, *case)
    for way in WAYS
    for case in EVERY
    if case[2] in {"nn.BatchNorm", "Net", "nn.Model(Net, params)"} and case[3] in {"own", "Own()"}
]


def program(frame, indent, way, a, b, call):
    lines = way.format(a=a, b=b, call=call).splitlines()
    return HEAD + frame.format(body="\n".join(indent + line for line in lines))


@functools.cache
def outcome(text):
    """The statements of the call, and what is refused in the lines of the program."""
    result = migration(text)
    assert [d.message for d in result.diagnostics if d.code == "LN000"] == []
    after = result.changes[0].after
    ast.parse(after)
    lines = [line.strip() for line in after.splitlines()]
    # A variable whose name would lie has another one.
    calls = [_RENAMED.sub("chosen", line) for line in lines if line.startswith("made = ")]
    first = HEAD.count("\n")
    return calls, [d.code for d in result.diagnostics if d.span.line > first], after


def names(case):
    way, _, _, a, b, call = case
    return f"{a}|{b}|{call}|{way}".replace(" ", "")


def test_every_rule_has_its_subjects():
    assert len(EVERY) > 150


@pytest.mark.parametrize("case", CASES, ids=names)
def test_a_call_of_either_is_right_for_both_or_refused(case):
    way, frame, indent, a, b, call = case
    calls, flagged, after = outcome(program(frame, indent, UNIONS[way], a, b, call))
    if flagged:
        return
    if calls == [f"made = {call}"] and "functools.partial" not in after.partition("made =")[0]:
        return  # members that are modules have become instances, which are called as they were
    for each in (a, b):
        single, said, text = outcome(program(frame, indent, SINGLE, each, each, call))
        assert not said, text
        assert calls == single, after
