"""What could be imported can be imported afterwards, whatever was refused in it."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from linenify.migrate import migrate
from linenify.project.load import load, load_text

pytestmark = pytest.mark.filterwarnings("ignore")

PROGRAMS = {
    "a_table": """
from flax import optim
RULES = {'careful': optim.Adam, 'bold': optim.Momentum}
ORDER = [optim.Adam(0.1), *RULES.values()]
""",
    "a_base_below_if_and_try": """
import flax
if True:
  try:
    class A(flax.optim.OptimizerDef):
      def create(self):
        return 1
  finally:
    pass
""",
    "defaults": """
from flax.optim import Adam, Momentum as M
def f(x, *, o=M, **k):
  return o(**k)
g = lambda x, o=Adam: o
""",
    "arguments_of_a_decorator": """
from flax import nn, optim
import functools
def reg(c, **k):
  return lambda f: f
@reg(optim.Adam, lr=optim.Momentum)
def f(x):
  return x
@functools.partial(reg, k=3)
class B:
  pass
""",
    "class_attributes": """
import flax.optim as fo
class C:
  rule = fo.Adam
  rules = [fo.Adam for _ in range(2)]
  class D:
    inner = fo.sgd.GradientDescent
""",
    "constants": """
from flax import optim
OPT = optim.Adam(learning_rate=0.1, beta1=0.8)
import functools
MAKE = functools.partial(optim.Momentum, beta=0.9)
NAMES = [c.__name__ for c in (optim.Adam, optim.LARS)]
""",
    "isinstance": """
from flax import optim
X = 3
if isinstance(X, (optim.Adam, int)):
  Y = 1
assert not isinstance(X, optim.Optimizer)
""",
    "an_except_clause": """
from flax import optim, nn
try:
  Z = optim.Adam
except (AttributeError, optim.Oops):
  Z = None
""",
    "fields_of_a_dataclass": """
import dataclasses
from typing import Any, Optional, Callable
from flax import optim, nn
@dataclasses.dataclass
class Config:
  rule: Any = optim.Adam
  make: Callable = dataclasses.field(default_factory=optim.Momentum)
  state: Optional[optim.Optimizer] = None
  model: Optional[nn.Model] = None
  d: 'optim.OptimizerDef' = None
""",
    "annotations": """
from typing import Dict, List
from flax import nn, optim
TABLE: Dict[str, nn.Model] = {}
def f(x: nn.Collection, y: List[optim.base.Oops] = ()) -> optim.OptimizerState:
  return x
""",
    "with_and_for": """
import contextlib
from flax import optim
with contextlib.suppress(ValueError):
  W = {k: optim.Adam for k in 'ab'}
for r in (optim.Adam, optim.GradientDescent):
  L = r
""",
    "getattr": """
from flax import optim
names = ['Adam']
A = getattr(optim, 'Adam')
""",
    "a_class_that_is_refused": """
from flax import nn
import jax
@jax.jit
def wrap(f):
  return f
def deco(f):
  return f
class Net(nn.Module):
  @deco
  def apply(self, x, conv=nn.Conv.partial(features=3)):
    return conv(x, kernel_size=(3,))
  @nn.module_method
  def other(self, x):
    return nn.Dense(x, 3)
@deco
@nn.module
def fun(x, width=3):
  return nn.Dense(x, width)
SMALL = Net.partial(conv=nn.Conv)
""",
    "names_of_nn_as_values": """
from flax import nn
CTX = nn.stateful
KINDS = (nn.Model, nn.Module, nn.Collection)
def f(make=nn.make_rng, m=nn.Model):
  return m
""",
    "members_of_an_enum": """
import enum
from flax import optim
class Kind(enum.Enum):
  A = optim.Adam
  B = optim.LAMB
""",
    "an_alias_of_the_package": """
import flax.optim
lib = flax.optim
RULE = lib.Adam
X = [lib.Momentum, lib]
""",
    "refused_functions_under_nn_module": """
import flax
@flax.deprecated.nn.module
def f(x, w):
  return flax.deprecated.nn.Dense(x, w)
@flax.deprecated.nn.module
def g(x, *args):
  return locals()
""",
    "a_base_of_a_base": """
from flax import optim
class A(optim.Adam):
  K = 3
class B(A):
  pass
T = {B: 1}
""",
    "a_base_beside_others": """
import abc
from flax import optim
class A(optim.OptimizerDef, abc.ABC):
  @abc.abstractmethod
  def make(self): ...
class M(optim.Adam, dict):
  pass
""",
    "a_walrus_and_a_comprehension": """
from flax import optim
if (k := optim.Adam):
  pass
L = [o for o in [optim.Adam] if o is not optim.Momentum]
""",
    "conditional_expressions": """
import os
from flax import optim
R = optim.Adam if os.environ.get('X') else optim.Momentum
S = (optim.Adam or optim.LARS)
""",
    "starred_arguments": """
from flax import optim
def make(*rules, **named):
  return rules
T = make(*[optim.Adam], a=optim.LAMB)
""",
    "a_default_below_a_function": """
from flax import optim
def build():
  def inner(rule=optim.Adam):
    return rule
  return inner
""",
    "a_file_with_a_name_gone": """
from flax import optim
gone = 3
R = [optim.Adam, gone]
""",
    "annotations_that_are_not_evaluated": """
from __future__ import annotations
from flax import optim, nn
def f(x: optim.OptimizerState) -> nn.Model:
  return x
R = {optim.Adam: 1}
""",
    "a_table_with_comments": """
'''Doc.'''
# c
from flax import optim

R = (
    optim.Adam,  # one
    optim.Momentum,
)
""",
}

PROJECTS = {
    "listed_in_all": {
        "layers": """
from flax import nn, optim
__all__ = ['nn', 'optim', 'mlp']
def mlp():
  return nn.Dense.partial(features=3)
""",
        "main": """
from layers import mlp, nn, optim
T = {'a': optim.Adam}
def f(p):
  return optim.Adam(0.1).create(p)
""",
    },
    "import_star": {
        "common": """
from flax import nn, optim
import jax
from flax.nn import dropout, relu
__all__ = ('nn', 'optim', 'jax', 'dropout', 'relu')
""",
        "main": """
from common import *
class N(nn.Module):
  def apply(self, x):
    return dropout(relu(nn.Dense(x, 3)), 0.1)
T = [optim.Adam]
""",
    },
    "attributes_of_a_file": {
        "common": """
import jax
from flax import nn
from flax import optim
from flax.nn import dropout, Dense
def f(x):
  return dropout(Dense(x, 3), 0.1)
""",
        "main": """
import common
RULE = common.optim.Adam
class N(common.nn.Module):
  def apply(self, x):
    return common.dropout(common.Dense(x, 3), 0.5)
def g():
  return common.optim.Adam(0.1)
""",
    },
    "handed_on_by_a_package": {
        "pkg/__init__": """
from .a import optim, Net
from .a import nn
""",
        "pkg/a": """
from flax import nn, optim
class Net(nn.Module):
  def apply(self, x, w):
    return nn.Dense(x, w)
""",
        "main": """
from pkg import Net, optim as opt
import pkg
def g(p, rule=opt.Adam):
  return rule
X = pkg.optim.Momentum
""",
    },
    "getattr_of_a_file": {
        "common": """
from flax import optim, nn
A = nn.relu
""",
        "main": """
import common
R = getattr(common, 'optim', None)
S = getattr(common.optim, 'Adam')
""",
    },
    "imported_and_never_read": {
        "common": """
from flax import nn, optim
from flax.nn import stochastic, stateful
X = nn.relu
""",
        "main": """
from common import nn, optim, stateful
class N(nn.Module):
  def apply(self, x):
    return nn.Dense(x, 3)
""",
    },
    "through_three_files": {
        "a": """
from flax import optim
""",
        "b": """
from a import optim
""",
        "c": """
from b import optim
R = optim.Adam
""",
    },
    "names_of_jax": {
        "a": """
from jax import tree_map, tree_multimap
from jax.ops import index_update
def f(x):
  return tree_multimap(lambda a: a, x)
""",
        "b": """
from a import tree_map, index_update
def g(x):
  return index_update(tree_map(lambda v: v, x), 0, 1.)
T = {'m': tree_map, 'u': index_update}
from flax import nn
class N(nn.Module):
  def apply(self, x):
    return nn.Dense(x, 3)
""",
    },
    "a_base_from_another_file": {
        "a": """
from flax import optim
class Mine(optim.OptimizerDef):
  def create(self):
    return 1
BASE = optim.Adam
""",
        "b": """
from a import Mine, BASE
class Other(Mine):
  pass
class Third(BASE):
  pass
D = dict(x=BASE)
""",
    },
    "a_guarded_import": {
        "a": """
try:
  from flax import optim
except ImportError:
  from flax.deprecated import nn
  optim = None
""",
        "b": """
from a import optim
class X:
  rule = optim.Adam if optim else None
""",
    },
    "imported_in_a_function": {
        "a": """
from flax import optim, nn
from flax.nn import Dense
""",
        "b": """
from flax import nn
def f(x):
  from a import optim, Dense
  return optim.Adam(0.1)
def make(C=nn.Dense):
  from a import Dense as D
  return D
""",
    },
    "a_model_from_another_file": {
        "a": """
from flax import nn, optim
class Net(nn.Module):
  def apply(self, x):
    return nn.Dense(x, 3)
def make(rng, x):
  _, p = Net.init(rng, x)
  return nn.Model(Net, p)
""",
        "b": """
from a import make, nn, Net
import jax
import jax.numpy as jnp
def step(m: nn.Model, x):
  return m(x)
def run():
  return step(make(jax.random.PRNGKey(0), jnp.ones((1, 2))), jnp.ones((1, 2)))
run()
""",
    },
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_file_can_be_imported_whatever_was_refused(name: str) -> None:
    text = PROGRAMS[name].lstrip("\n")
    migration = migrate(load_text(text.encode(), Path(f"{name}.py")))
    assert "LN000" not in {d.code for d in migration.diagnostics}
    (change,) = migration.changes
    module = types.ModuleType(f"migrated_{name}")
    sys.modules[module.__name__] = module  # dataclasses look there
    try:
        exec(compile(change.after, name, "exec"), module.__dict__)
    finally:
        del sys.modules[module.__name__]
    again = migrate(load_text(change.after.encode(), Path(f"{name}.py")))
    assert again.changes == ()


@pytest.fixture
def importing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on `sys.path` whose modules are forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    known = {*sys.modules}
    yield tmp_path
    for name in {*sys.modules} - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("name", PROJECTS)
def test_files_find_what_they_take_from_each_other(name: str, importing: Path) -> None:
    for file, text in PROJECTS[name].items():
        path = importing / f"{file}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.lstrip("\n"))
    migration = migrate(load([importing]))
    assert not {"LN000", "LN821"} & {d.code for d in migration.diagnostics}
    for change in migration.changes:
        change.path.write_text(change.after)
    for file in PROJECTS[name]:
        importlib.import_module(file.replace("/", ".").removesuffix(".__init__"))
    assert migrate(load([importing])).changes == ()
