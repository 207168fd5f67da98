"""Models that travel: every way to hand one on, times every way to use it.

A migrated program gives what the legacy one gave, or it carries a mark at the
line where it does not.  The expected values are computed by hand.
"""

from __future__ import annotations

import ast
import sys
import traceback
import types
from pathlib import Path

import numpy as np
import pytest

from linenify.migrate import migrate
from linenify.outcome import Severity
from linenify.project.load import load_text

HEAD = """\
import copy
import dataclasses
import functools
import queue
import sys
import types
import jax
import jax.numpy as jnp
from flax import nn, optim, struct


class Net(nn.Module):

  def apply(self, x):
    return nn.Dense(x, 2, bias=False)


class Deep(nn.Module):

  def apply(self, x):
    return nn.Dense(nn.Dense(x, 2, bias=False), 2, bias=False)


def made():
  return nn.Model(Net, {'Dense_0': {'kernel': 3. * jnp.ones((2, 2))}})


class Plain:

  def __init__(self, held=None):
    self.held = held


@struct.dataclass
class Record:

  held: nn.Model


x = jnp.ones((1, 2))


"""

# How a Model gets from where it is made to where it is used: code that ends in `got = ...`.
WAYS = {
    "a variable": "got = made()",
    "a builder out of sight": "got = getattr(sys.modules[__name__], 'ma' + 'de')()",
    "a module that is made anew": "old = made()\ngot = nn.Model(old.module, old.params)",
    "its type": "old = made()\ngot = type(old)(old.module, old.params)",
    "replaced params": "old = made()\ngot = old.replace(params=old.params)",
    "dataclasses.replace": "got = dataclasses.replace(made())",
    "a list": "models = [made()]\ngot = models[0]",
    "a list that grows": "models = []\nmodels.append(made())\ngot = models[-1]",
    "a dict of two kinds": "table = {'a': made(), 'b': 1}\nkey = 'ab'[0]\ngot = table[key]",
    "a tuple that is unpacked": "got, rest = made(), 1",
    "a conditional": "got = made() if len(x) else None",
    "a copy": "got = copy.deepcopy(made())",
    "an attribute": "box = Plain(made())\ngot = box.held",
    "an attribute by name": "box = Plain(made())\ngot = getattr(box, 'he' + 'ld')",
    "a dictionary of attributes": "box = Plain(made())\ngot = vars(box)['held']",
    "a record": "got = Record(made()).held",
    "a replaced record": "got = Record(None).replace(held=made()).held",
    "a namespace": "box = types.SimpleNamespace()\nbox.held = made()\ngot = box.held",
    "a queue": "box = queue.Queue()\nbox.put(made())\ngot = box.get()",
    "a generator": "def each():\n  yield made()\ngot = next(each())",
    "a generator in a loop": "def each():\n  yield made()\nfor got in each():\n  pass",
    "a generator expression": "got = next(m for m in [made()])",
    "a closure": "def outer():\n  inner = made()\n  return lambda: inner\ngot = outer()()",
    "a default": "def give(model=made()):\n  return model\ngot = give()",
    "starred arguments": "def give(*models):\n  return models[0]\ngot = give(made(), 1)",
    "a starred call": "def give(n, model):\n  return model\ngot = give(*(1, made()))",
    "keyword arguments": "def give(**models):\n  return models['a']\ngot = give(a=made())",
    "a spread dict": "def give(a):\n  return a\ngot = give(**{'a': made()})",
    "a partial": "def give(a):\n  return a\ngot = functools.partial(give, made())()",
    "a property": (
        "class Box:\n  @property\n  def held(self):\n    return made()\ngot = Box().held"
    ),
    "a cached function": "got = functools.lru_cache(made)()",
    "a class attribute": "class Box:\n  held = made()\ngot = Box.held",
    "an optimizer": "got = optim.GradientDescent(0.1).create(made()).target",
    "a create that travels": "make = optim.GradientDescent(0.1).create\ngot = make(made()).target",
    "an optimizer in a record": (
        "@struct.dataclass\nclass State:\n  optimizer: optim.Optimizer\n"
        "got = State(optim.GradientDescent(0.1).create(made())).optimizer.target"
    ),
    "tree_map": "got = jax.tree_map(lambda w: w, made())",
    "tree_map of a list": "got = jax.tree_map(lambda w: w, [made()])[0]",
    "a flat tree": (
        "leaves, tree = jax.tree_util.tree_flatten(made())\n"
        "got = jax.tree_util.tree_unflatten(tree, leaves)"
    ),
    "jit": "got = jax.jit(lambda model: model)(made())",
    "scan": "got, _ = jax.lax.scan(lambda c, i: (c, i), made(), jnp.arange(2))",
    "sorted": "got = sorted([made()], key=lambda m: 1)[0]",
    "zip": "got = [m for m, _ in zip([made()], [1])][0]",
    "reversed": "got = next(iter(reversed([made()])))",
    "a comprehension": "got = {k: made() for k in 'ab'}['a']",
    "a walrus": "(got := made())",
    "try and except": "try:\n  got = made()\nexcept ValueError:\n  raise",
    "a with of its own": (
        "class Box:\n  def __enter__(self):\n    return made()\n"
        "  def __exit__(self, *rest):\n    return None\nwith Box() as got:\n  pass"
    ),
    "an item of an object": (
        "class Box:\n  def __getitem__(self, i):\n    return made()\ngot = Box()[0]"
    ),
    "setattr": "box = Plain()\nsetattr(box, 'held', made())\ngot = box.held",
    "an in-place or": "got = None\ngot = got or made()",
    "globals": "globals()['held_there'] = made()\ngot = held_there",
}
# How it is used: code that ends in `y = ...`; `got` is the Model.
USES = {
    "called": "y = got(x)",
    "called in a helper": "def run(f):\n  return f(x)\ny = run(got)",
    "called in a method": (
        "class Run:\n  def __init__(self, model):\n    self.model = model\n"
        "  def __call__(self):\n    return self.model(x)\ny = Run(got)()"
    ),
    "called under jit": "y = jax.jit(lambda model, x: model(x))(got, x)",
    "mapped": "y = jax.vmap(got)(x)",
    "its params": "y = x @ got.params['Dense_0']['kernel']",
    "its module": "y = got.module.call(got.params, x)",
    "asked for its type": "y = got(x) if isinstance(got, nn.Model) else x",
    "differentiated": (
        "grads = jax.grad(lambda model: model(x).sum())(got)\n"
        "y = got(x) + 0. * grads.params['Dense_0']['kernel'][:1]"
    ),
    "trained": (
        "optimizer = optim.GradientDescent(0.).create(got)\n"
        "grads = jax.grad(lambda model: model(x).sum())(optimizer.target)\n"
        "y = optimizer.apply_gradient(grads).target(x)"
    ),
    "beside another one": (
        "other = nn.Model(Deep, {'Dense_0': {'kernel': jnp.ones((2, 2))},"
        " 'Dense_1': {'kernel': jnp.ones((2, 2))}})\n"
        "y = [m(x) for m in (got, other)][0]"
    ),
    "beside a function": "y = [f(x) for f in (got, jnp.sin)][0]",
    "its call": "call = got.__call__\ny = call(x)",
    "with options that are spread": "options = {}\ny = got(x, **options)",
}
EXPECTED = 6.0 * np.ones((1, 2))


# The telling uses meet every way, the others the ways that differ most.
_TELLING = frozenset(
    {"called", "its params", "its module", "trained", "beside another one", "asked for its type"}
)
_DIFFERENT = frozenset({"a variable", "a builder out of sight", "an attribute", "a queue"})
PAIRS = [(w, u) for w in WAYS for u in USES if u in _TELLING or w in _DIFFERENT]


@pytest.mark.parametrize(("way", "use"), PAIRS)
def test_a_model_that_travels_is_used_as_before_or_marked(way: str, use: str) -> None:
    text = f"{HEAD}{WAYS[way]}\n{USES[use]}\n"
    after, marks = _migrated(text)
    module = _module()
    try:
        exec(compile(after, "<migrated>", "exec"), module.__dict__)
        got = np.asarray(module.__dict__["y"])
        failed = None if got.shape == EXPECTED.shape and np.allclose(got, EXPECTED) else "value"
        lines = {len(after.splitlines())}
    except Exception as error:  # noqa: BLE001 - whatever a migrated program raises
        failed = repr(error)
        frames = traceback.extract_tb(error.__traceback__)
        lines = {f.lineno for f in frames if f.filename == "<migrated>" and f.lineno is not None}
    assert failed is None or marks & _statements(after, lines), f"{failed}\n{after}"


def _module() -> types.ModuleType:
    """An empty module that the program finds under its name, too."""
    module = types.ModuleType("seams")
    sys.modules["seams"] = module
    return module


def _migrated(text: str) -> tuple[str, set[int]]:
    """The migrated text, and the first lines of its statements that carry a mark."""
    result = migrate(load_text(text.encode(), Path("seams.py")))
    errors = [d.message for d in result.diagnostics if d.severity is Severity.ERROR]
    assert not errors, errors
    after = result.changes[0].after if result.changes else text
    lines = after.splitlines()
    marks = set()
    for number, line in enumerate(lines, 1):
        if "TODO(linenify)" in line:
            behind = number
            while lines[behind].lstrip().startswith("#"):
                behind += 1
            marks.add(behind + 1)
    return after, marks


def _statements(text: str, lines: set[int]) -> set[int]:
    """The first lines of the statements around the lines of a traceback."""
    return {
        node.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.stmt)
        for line in lines
        if node.lineno <= line <= (node.end_lineno or node.lineno)
    }
