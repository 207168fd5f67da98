"""Every way to import flax.nn, and every name that only looks like it."""

from __future__ import annotations

import pytest
from facts.support import World, facts_of

from linenify.facts.sites import ImportSite, ModuleCall, ModuleClassSite, Renamed
from linenify.migrate import migrate


def of(text: str) -> World:
    return facts_of({"main": text})


def classes(world, file="main"):
    """Names of the classes that are migrated."""
    source = world.source(file)
    sites = world.facts.files[file].definitions
    return {
        line.split("class ")[1].split("(")[0]
        for number, line in enumerate(source.text.split("\n"), 1)
        for (kind, at, _), site in sites.items()
        if kind == "ClassDef" and at == number and isinstance(site, ModuleClassSite)
    }


def imports(world, file="main"):
    """What names are bound from afterwards."""
    sites = world.facts.files[file].definitions.values()
    return {n.local: n.target for s in sites if isinstance(s, ImportSite) for n in s.names}


# --- spellings -----------------------------------------------------------------------------

MODEL = """
class Net({nn}Module):
    def apply(self, x, n):
        x = {nn}relu(x)
        return {nn}Dense(x, n)
"""
SPELLINGS = {
    "from flax import nn": ("nn.", {"nn": "flax.linen"}),
    "from flax import nn as fnn": ("fnn.", {"fnn": "flax.linen"}),
    "import flax": ("flax.nn.", {}),
    "import flax as fx": ("fx.nn.", {}),
    "import flax.nn": ("flax.nn.", {"flax": "flax.linen"}),
    "import flax.nn as nn": ("nn.", {"nn": "flax.linen"}),
    "import flax.nn as nn, jax": ("nn.", {"nn": "flax.linen"}),
    "from flax.deprecated import nn": ("nn.", {"nn": "flax.linen"}),
    "import flax.deprecated.nn as nn": ("nn.", {"nn": "flax.linen"}),
    "import flax.deprecated.nn": ("flax.deprecated.nn.", {"flax": "flax.linen"}),
    "from flax.nn import Module, Dense, relu": (
        "",
        {"Module": "flax.linen.Module", "Dense": "flax.linen.Dense", "relu": "flax.linen.relu"},
    ),
    "try:\n    from flax import nn\nexcept ImportError:\n    from flax.deprecated import nn": (
        "nn.",
        {"nn": "flax.linen"},
    ),
    "try:\n    from flax.deprecated import nn\nexcept ImportError:\n    nn = None": (
        "nn.",
        {"nn": "flax.linen"},
    ),
    "if NEW:\n    from flax.deprecated import nn\nelse:\n    from flax import nn": (
        "nn.",
        {"nn": "flax.linen"},
    ),
    "import flax\nnn = flax.nn": ("nn.", {}),
    "import flax\nfrom flax import nn as a\nnn = a": ("nn.", {"a": "flax.linen"}),
    "import sys, flax.nn as nn; import jax": ("nn.", {"nn": "flax.linen"}),
}


@pytest.mark.parametrize(("statement", "prefix", "bound"), [(k, *v) for k, v in SPELLINGS.items()])
def test_every_spelling_is_understood(statement, prefix, bound):
    world = of(statement + "\n" + MODEL.format(nn=prefix))
    assert classes(world) == {"Net"}
    assert isinstance(world.site(f"{prefix}Dense(x, n)"), ModuleCall)
    assert world.inputs("Net.apply") == ["x"]
    assert imports(world).items() >= bound.items()
    assert world.refusals() == []
    assert world.silent() == []


@pytest.mark.parametrize(
    ("statement", "layer"),
    [
        ("from flax.nn import Module, Dense as D", "D"),
        ("from flax.nn.linear import Dense\nfrom flax.nn import Module", "Dense"),
        ("from flax.nn import linear, Module", "linear.Dense"),
        ("from flax.nn import base, linear\nModule = base.Module", "linear.Dense"),
        ("import flax.nn.linear as linear\nfrom flax.nn.base import Module", "linear.Dense"),
        ("import flax.nn.linear\nfrom flax.nn import Module", "flax.nn.linear.Dense"),
        ("from flax.deprecated.nn import Module, Dense", "Dense"),
        ("from flax.deprecated.nn.linear import Dense\nfrom flax.nn import Module", "Dense"),
    ],
)
def test_submodules_are_understood(statement, layer):
    text = f"class Net(Module):\n    def apply(self, x, n):\n        return {layer}(x, n)\n"
    world = of(f"{statement}\n{text}")
    assert classes(world) == {"Net"}
    assert isinstance(world.site(f"{layer}(x, n)"), ModuleCall)
    assert world.silent() == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            "def make():\n    from flax import nn\n    class Net(nn.Module):\n"
            "        def apply(self, x, n):\n            return nn.Dense(x, n)\n    return Net\n",
            id="in_a_function",
        ),
        pytest.param(
            "from flax.nn import Module\nclass Net(Module):\n    def apply(self, x, n):\n"
            "        from flax import nn\n        return nn.Dense(x, n)\n",
            id="in_the_method",
        ),
        pytest.param(
            "def load():\n    global nn\n    from flax import nn\n"
            "class Net(nn.Module):\n    def apply(self, x, n):\n        return nn.Dense(x, n)\n",
            id="into_a_global",
        ),
        pytest.param(
            "class Lib:\n    from flax import nn\n"
            "class Net(Lib.nn.Module):\n    def apply(self, x, n):\n"
            "        nn = Lib.nn\n        return nn.Dense(x, n)\n",
            id="in_a_class",
        ),
    ],
)
def test_imports_may_stand_anywhere(text):
    world = of(text)
    assert classes(world) == {"Net"}
    assert isinstance(world.site("nn.Dense(x, n)"), ModuleCall)
    assert world.silent() == []


# --- other things of that name ---------------------------------------------------------------

SHADOWED = "from flax import nn\nnn\n"
STRANGERS = {
    "torch": (
        "from torch import nn\nclass Net(nn.Module):\n    def apply(self, x, n):\n"
        "        return nn.Dense(x, n)\n"
    ),
    "torch_as_nn": "import torch.nn as nn\nclass Net(nn.Module):\n    x = nn.Dense(1, 2)\n",
    "linen": (
        "from flax import linen as nn\nclass Net(nn.Module):\n    @nn.compact\n"
        "    def __call__(self, x):\n        return nn.Dense(3)(x)\n"
    ),
    "linen_by_attribute": (
        "import flax.linen\nclass Net(flax.linen.Module):\n    n: int\n    @flax.linen.compact\n"
        "    def __call__(self, x):\n        return flax.linen.Dense(self.n)(x)\n"
    ),
    "nnx": "from flax import nnx as nn\nclass Net(nn.Module):\n    pass\n",
    "haiku": "import haiku as nn\nclass Net(nn.Module):\n    def apply(self, x): nn.Dense(x)\n",
    "jax_nn": "from jax import nn\ndef f(x):\n    return nn.relu(x)\n",
    "own_module": "import nn\nclass Net(nn.Module):\n    def apply(self, x): nn.Dense(x, 3)\n",
    "local_variable": f"{SHADOWED}def f(nn, x):\n    return nn.Dense(x, 3)\n",
    "local_assignment": f"{SHADOWED}def f(x):\n    nn = g()\n    return nn.Dense(x, 3)\n",
    "loop_variable": f"{SHADOWED}def f(x):\n    return [nn.Dense(x, 3) for nn in x]\n",
    "local_import": f"{SHADOWED}def f(x):\n    import torch.nn as nn\n    nn.Dense(x, 3)\n",
    "own_class": (
        f"{SHADOWED}class Dense:\n    def __init__(self, x, n): pass\n"
        "def f(x):\n    return Dense(x, 3)\n"
    ),
    "own_function": f"{SHADOWED}def Dense(x, n): return x\ndef f(x): return Dense(x, 3)\n",
    "attribute_of_something": f"{SHADOWED}def f(lib, x):\n    return lib.nn.Dense(x, 3)\n",
    "optax_partial": "import functools, jax\ndef f(x): return functools.partial(jax.jit, x)\n",
    "pandas_param": "def f(df): return df.param('a', 1, 2), df.partial(3), df.shared(4)\n",
}  # fmt: skip


@pytest.mark.parametrize("text", STRANGERS.values(), ids=STRANGERS)
def test_other_things_of_that_name_are_left_alone(text):
    world = of(text)
    sites = world.facts.files["main"].expressions.values()
    assert not [s for s in sites if isinstance(s, ModuleCall)]
    assert classes(world) == set()
    assert world.refusals() == []


def test_two_kinds_of_modules_live_in_one_file():
    world = of(
        "from flax import nn, linen\nimport torch.nn as tnn\n"
        "class Old(nn.Module):\n    def apply(self, x, n):\n        return nn.Dense(x, n)\n"
        "class New(linen.Module):\n    n: int\n    @linen.compact\n"
        "    def __call__(self, x):\n        return linen.Dense(self.n)(x)\n"
        "class Other(tnn.Module):\n    def apply(self, x, n):\n        return tnn.Dense(x, n)\n"
    )
    assert classes(world) == {"Old"}
    assert world.site("linen.Dense(self.n)(x)") is None
    assert world.site("tnn.Dense(x, n)") is None


# --- names that need another spelling ---------------------------------------------------------

HEAD = "import flax\nfrom flax import nn\nfrom flax.nn import relu, linear\nimport flax.nn as fnn\n"


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("flax.nn", "flax.linen"),
        ("linear.Dense", None),
        ("nn.LSTMCell", None),
        ("nn.relu", None),
        ("fnn.relu", None),
        ("relu", None),
    ],
)
def test_a_name_is_spelt_anew_only_where_linen_spells_it_otherwise(name, target):
    world = of(f"{HEAD}value = {name}\n")
    site = world.site(name)
    assert (site.target if isinstance(site, Renamed) else None) == target
    assert world.refusals() == []


@pytest.mark.parametrize(
    "name", ["nn.Model", "nn.Collection", "nn.stateful", "nn.stochastic", "nn.no_such_name"]
)
def test_a_name_without_counterpart_is_refused(name):
    assert of(f"{HEAD}value = {name}\n").refused(name) in {"LN190", "LN690"}


@pytest.mark.parametrize(
    "text",
    [
        "from flax import optim\nd = optim.OptimizerState\n",
        "from flax.optim import Adam\nds = {'adam': Adam}\n",
        "import flax\nd = flax.optim.Adam(*rates)\n",
    ],
)
def test_optimizers_that_travel_are_refused(text):
    assert of(text).refusals() == ["LN691"]


def test_an_import_of_optimizers_goes():
    assert of("from flax import optim\n").refusals() == []


def test_annotations_count_as_reads():
    world = of("from flax import nn\ndef f(m: nn.Model) -> nn.Collection: pass\n")
    assert world.refusals() == []
    assert world.site("nn.Model") == Renamed("typing.Any", "LN611")
    assert world.site("nn.Collection") == Renamed("typing.Any", "LN611")


# --- several files -----------------------------------------------------------------------------

LAYERS = """
from flax import nn
from flax.nn import Dense as D
class Block(nn.Module):
    def apply(self, x, n):
        return D(x, n)
Small = Block.partial(n=3)
_hidden = Block
"""


@pytest.mark.parametrize(
    ("statement", "call"),
    [
        ("from .layers import Block", "Block(x, 3)"),
        ("from pkg.layers import Block as B", "B(x, 3)"),
        ("from . import layers", "layers.Block(x, 3)"),
        ("from .layers import *", "Block(x, 3)"),
        ("import pkg.layers", "pkg.layers.Block(x, 3)"),
        ("import pkg.layers as L", "L.Block(x, 3)"),
        ("from pkg import Block", "Block(x, 3)"),
        ("from pkg import *", "Block(x, 3)"),
        ("import pkg", "pkg.Block(x, 3)"),
        ("from .layers import Small", "Small(x)"),
        ("from .layers import _hidden", "_hidden(x, 3)"),
        ("from .layers import D", "D(x, 3)"),
        ("from .layers import nn", "nn.Dense(x, 3)"),
        ("from . import layers", "layers.nn.Dense(x, 3)"),
        ("import importlib\nL = importlib.import_module('pkg.layers')", "L.Block(x, 3)"),
        ("from root.pkg.layers import Block", "Block(x, 3)"),
        ("try:\n    from .layers import Block\nexcept ImportError:\n    pass", "Block(x, 3)"),
    ],
)
def test_modules_come_from_other_files(statement, call):
    world = facts_of(
        {
            "pkg.": "from .layers import Block\nfrom .layers import Small\n",
            "pkg.layers": LAYERS,
            "pkg.use": f"{statement}\ndef run(x):\n    return {call}\n",
        }
    )
    assert isinstance(world.site(call, "pkg.use"), ModuleCall) or world.refused(call, "pkg.use")
    assert world.silent() == []


def test_files_may_import_each_other():
    world = facts_of(
        {
            "a": "from flax import nn\nimport b\nclass A(nn.Module):\n    def apply(self, x, n):\n"
            "        return b.B(x, n) if n else x\n",
            "b": "from a import A\nclass B(A):\n    def apply(self, x, n):\n"
            "        return A(x, n - 1)\n",
        }
    )
    assert classes(world, "a") == {"A"}
    assert classes(world, "b") == {"B"}
    assert isinstance(world.site("b.B(x, n)", "a"), ModuleCall)
    assert isinstance(world.site("A(x, n - 1)", "b"), ModuleCall)


# --- the star ----------------------------------------------------------------------------------


def test_a_star_import_moves_and_the_code_around_it():
    world = of(
        "from flax.nn import *\nclass Net(Module):\n    def apply(self, x, n):\n"
        "        return Dense(x, n)\n"
    )
    assert world.refusals() == []
    assert world.site("Dense(x, n)") is not None


def test_a_variable_that_is_a_module_of_flax_is_followed():
    world = of(
        "import flax\nfrom flax import nn\n\nbase = nn.base\nlayers = flax.nn\n\n\n"
        "class Net(base.Module):\n    def apply(self, x):\n        return layers.Dense(x, 2)\n"
    )
    assert classes(world) == {"Net"}
    (change,) = migrate(world.project).changes
    assert "base = nn\nlayers = flax.linen\n" in change.after
    assert "class Net(nn.Module):" in change.after
    assert "layers.Dense(2)(x)" in change.after


def test_a_module_that_is_read_off_an_import_by_a_string_is_refused():
    text = (
        "import importlib\nfrom flax import nn\n\n"
        "layers = importlib.import_module('flax').nn\nX = nn.relu(layers.relu(1))\n"
    )
    assert "LN190" in [finding.code for finding in of(text).facts.files["main"].refusals]
