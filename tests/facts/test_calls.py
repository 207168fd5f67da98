"""Which site a call gets, or which refusal; never neither.

Sites are written down as `(construct)(call)`: a number is the place of an original argument.
"""

from __future__ import annotations

import textwrap

import pytest
from facts.support import facts_of
from support import migration

from linenify.facts.sites import Added, Bind, Given, ModuleCall, Reordered, Reshaped


def shape(site):
    match site:
        case ModuleCall(construct=None, call=call):
            return f"({listed(call)})"
        case ModuleCall(construct=construct, call=call):
            return f"({listed(construct or ())})({listed(call)})"
        case Bind(arguments=arguments, instance=instance):
            return f"{'instance' if instance else 'partial'}({listed(arguments)})"
        case Reordered(arguments=arguments):
            return f"reordered({listed(arguments)})"
        case Reshaped(template=template):
            return template
    return None if site is None else type(site).__name__


def listed(arguments):
    return ", ".join(
        (f"{a.keyword}=" if a.keyword else "") + (str(a.index) if isinstance(a, Given) else a.code)
        for a in arguments
        if isinstance(a, Given | Added)
    )


BLOCK = """
class Block(nn.Module):
    def apply(self, x, width, y=None, depth=1, *, act=nn.relu):
        for _ in range(depth):
            x = act(nn.Dense(x, width))
        return x if y is None else x + y
class Text(nn.Module):
    def apply(self, ids, n):
        return nn.Embed(ids, num_embeddings=n, features=3)
@nn.module
def block(x, width, act=nn.relu):
    return act(nn.Dense(x, width))
"""


def net(body, arguments="x, n=3, train=True"):
    head = f"class Net(nn.Module):\n    def apply(self, {arguments}):\n"
    return BLOCK + head + textwrap.indent(textwrap.dedent(body).strip() + "\n", " " * 8)


OWN = """class Own(nn.Module):
    def apply(self, x, k):
        return nn.Dense(x, k)
"""


# --- one call ------------------------------------------------------------------------------

CALLS = {
    # layers
    "nn.Dense(x, 3)": "(1)(0)",
    "nn.Dense(x, features=3)": "(features=1)(0)",
    "nn.Dense(features=3, inputs=x)": "(features=0)(inputs=1)",
    "nn.Dense(x, 3, False)": "(1, 2)(0)",
    "nn.Dense(x, 3, bias=False)": "(1, use_bias=2)(0)",
    "nn.Dense(x, 3, name='d')": "(1, name=2)(0)",
    "nn.Dense(x, 3, name=f'd{n}')": "(1, name=2)(0)",
    "nn.Conv(x, 3, (3, 3))": "(1, 2)(0)",
    "nn.Conv(x, 3, (3, 3), (2, 2))": "(1, 2, 3)(0)",
    "nn.Conv(x, 3, kernel_size=(3,), strides=2)": None,
    "nn.Embed(x, num_embeddings=3, features=2)": "(num_embeddings=1, features=2)(0)",
    "nn.LayerNorm(x)": "()(0)",
    "nn.BatchNorm(x, use_running_average=not train)": "(use_running_average=1)(0)",
    "nn.BatchNorm(x)": "(use_running_average=False)(0)",
    "nn.GroupNorm(x)": "()(0)",
    "nn.Dense(nn.relu(nn.Dense(x, 3)), 4)": "(1)(0)",
    # classes of the project
    "Block(x, 3)": "(1)(0)",
    "Block(x, width=3)": "(width=1)(0)",
    "Block(x, 3, x)": "(1)(0, 2)",
    "Block(x, 3, y=x)": "(1)(0, y=2)",
    "Block(y=x, width=3, x=x)": "(width=1)(y=0, x=2)",
    "Block(x, 3, x, 2)": "(1, 3)(0, 2)",
    "Block(x, 3, depth=2)": "(1, depth=2)(0)",
    "Block(x, 3, None, 2)": "(1, 3)(0, 2)",
    "Block(x, 3, act=jnp.tanh, name='b')": "(1, act=2, name=3)(0)",
    "Block(x, **{'width': 3})": "(1)(0)",
    "Block(x, 3, *[x])": None,
    "block(x, 3)": "(1)(0)",
    "block(x, act=jnp.tanh, width=3)": "(act=1, width=2)(0)",
    "Text(x, 3)": "(1)(0)",
    # partial and shared
    "nn.Dense.partial(features=3)": "partial(features=0)",
    "nn.Dense.partial(bias=False)": "partial(use_bias=0)",
    "nn.Dense.partial(features=3)(x)": "()(0)",
    "nn.Dense.partial(features=3)(x, name='d')": "(name=1)(0)",
    "nn.Conv.partial(kernel_size=(3,))(x, 3)": "(1)(0)",
    "nn.Dense.shared(features=3, name='d')": "instance(features=0, name=1)",
    "nn.Dense.shared(features=3)(x)": "(0)",
    "nn.BatchNorm.partial(momentum=0.9)": "partial(momentum=0, use_running_average=False)",
    "Block.partial(width=3, depth=2)": "partial(width=0, depth=1)",
    "Block.partial(width=3).partial(depth=2)": "partial(depth=0)",
    "Block.partial(width=3)(x)": "()(0)",
    "Block.partial(width=3)(x, y=x)": "()(0, y=1)",
    "Block.shared(width=3)(x, y=x)": "(0, y=1)",
    "functools.partial(nn.Dense, features=3)": "reordered(0, features=1)",
    "functools.partial(nn.Dense, bias=False)": "reordered(0, use_bias=1)",
    "functools.partial(Block, width=3)(x)": "()(0)",
    # of the module itself
    "self.param('w', (3,), nn.initializers.ones)": "reordered(0, 2, 1)",
    "self.param(name='w', shape=(3,), initializer=nn.initializers.ones)":
        "reordered(0, 2, 1)",
    "self.get_param('w')": "{owner}.get_variable('params', {0})",
    "nn.dropout(x, 0.5)": "(1)(0, deterministic=False)",
    "nn.dropout(x, rate=0.5, deterministic=not train)": "(rate=1)(0, deterministic=2)",
    "nn.make_rng()": "self.make_rng('dropout')",
    "nn.is_stochastic()": "self.has_rng('dropout')",
    # left alone
    "nn.relu(x)": None,
    "nn.max_pool(x, (2, 2))": None,
    "jnp.sum(x)": None,
    "self.is_initializing()": None,
}  # fmt: skip
UNTOUCHED = {"nn.relu(x)", "nn.max_pool(x, (2, 2))", "jnp.sum(x)", "self.is_initializing()"}


@pytest.mark.parametrize(("call", "expected"), CALLS.items(), ids=CALLS)
def test_a_call_is_split_or_left(call, expected):
    world = facts_of(net(f"return {call}"))
    if call in UNTOUCHED:
        assert world.site(call) is None
        assert world.refusals() == []
    elif expected is not None:
        found = shape(world.site(call))
        if call.startswith("self.param(name="):
            found = found.replace("name=", "").replace("initializer=", "").replace("shape=", "")
        assert found == expected
        assert world.refusals() == []
    assert world.silent() == []


REFUSED = {
    "nn.Dense(x, 3, *args)": "LN390",
    "nn.Dense(*args)": "LN390",
    "nn.Dense(x, 3, **unknown())": "LN390",
    "nn.Dense(x, 3, True, 1, 2, 3, 4, 5, 6)": "LN390",
    "nn.Dense(x, width=3)": "LN390",
    "Block(x, 3, x, 1, 2)": "LN390",
    "Block(x, 3, heads=2)": "LN390",
    "Block(*args)": "LN390",
    "Block(x, *args)": "LN390",
    "nn.Dense.partial(inputs=x)": "LN393",
    "Block.partial(x=x)": "LN393",
    "functools.partial(Block, x)": "LN393",
    "nn.Model(unknown(), {})": "LN690",
    "getattr(nn, n)(x)": "LN391",
    "unknown(Block)": "LN395",
    "jax.lax.cond(train, Block, Block, x)": "LN395",
    "self.param('w', *args)": "LN390",
    "self.param(*args)": "LN390",
    "self.get_state()": "LN491",
    "anything(x, name='a')": "LN391",
    "nn.dropout(*args)": "LN390",
    "nn.attention.Cache()": "LN690",
    "type('Made', (nn.Module,), {})": "LN290",
    "Kind.A.value(x, 3)": "LN391",
    "(nn.dropout if train else jnp.sin)(x, 0.5)": "LN392",
    "(self.param if train else self.get_param)('w')": "LN392",
    "(Block if train else len)(x, 3)": "LN392",
    "(Block if train else nn.relu)(x)": "LN392",
    "(Block if train else Flipped)(x, 3)": "LN390",
    "nn.Dense.shared(features=3)(x, 4)": "LN390",
    "f'{nn.Dense(x, 3)}'": "LN390",
}


OTHERS = """
import enum
import other
unknown = other.unknown()
class Kind(enum.Enum):
    A = nn.Dense
class Flipped(nn.Module):
    def apply(self, k, x):
        return nn.Dense(x, k)
"""


@pytest.mark.parametrize(("call", "code"), REFUSED.items(), ids=REFUSED)
def test_what_is_not_clear_is_refused(call, code):
    given = "args = other.values\nanything = other.function\n"
    world = facts_of(OTHERS + net(f"{given}return {call}"))
    assert world.refused(call) == code
    assert world.silent() == []


# --- many styles ----------------------------------------------------------------------------

# A program, a call in it, and the site of that call.
STYLES = {
    "dict_of_classes": (
        "LAYERS = {'a': Block, 'b': block}\n"
        + net("return LAYERS['a'](x, 3)"),
        "LAYERS['a'](x, 3)",
        "(1)(0)",
    ),
    "dict_filled_by_item": (
        net("table = {}\ntable['a'] = Block\nreturn table['a'](x, 3)"),
        "table['a'](x, 3)",
        "(1)(0)",
    ),
    "dict_merged": (
        net("table = {'a': 1, **{'b': Block}}\nreturn table['b'](x, 3)"),
        "table['b'](x, 3)",
        "(1)(0)",
    ),
    "dict_by_comprehension": (
        net("table = {k: nn.Dense.partial(features=k) for k in (1, 2)}\nreturn table[1](x)"),
        "table[1](x)",
        "()(0)",
    ),
    "dict_items": (
        net("for k, f in dict(a=Block, b=Text).items():\n    x = f(x, 3)\nreturn x"),
        "f(x, 3)",
        "(1)(0)",
    ),
    "dict_get": (net("return {'a': Block}.get(n, Text)(x, 3)"), "{'a': Block}.get(n, Text)(x, 3)",
                 "(1)(0)"),
    "registry_by_decorator": (
        "TABLE = {}\ndef register(cls):\n    TABLE[cls.__name__] = cls\n    return cls\n"
        "@register\n" + OWN + net("return TABLE['Own'](x, 3)"),
        "TABLE['Own'](x, 3)",
        "(1)(0)",
    ),
    "registry_by_decorator_with_a_name": (
        "TABLE = {}\ndef register(name):\n    def wrap(cls):\n        TABLE[name] = cls\n"
        "        return cls\n    return wrap\n"
        "@register('own')\n" + OWN + net("return TABLE['own'](x, 3)"),
        "TABLE['own'](x, 3)",
        "(1)(0)",
    ),
    "registry_by_call": (
        "TABLE = {}\ndef register(name, cls):\n    TABLE[name] = cls\n"
        + net("return TABLE[n](x, 3)") + "register('b', Block)\n",
        "TABLE[n](x, 3)",
        "(1)(0)",
    ),
    "registry_by_setdefault": (
        net("table = {}\ntable.setdefault('a', Block)\nreturn table['a'](x, 3)"),
        "table['a'](x, 3)",
        "(1)(0)",
    ),
    "registry_by_update": (
        net("table = {}\ntable.update(a=Block)\nreturn table['a'](x, 3)"),
        "table['a'](x, 3)",
        "(1)(0)",
    ),
    "registry_by_update_of_a_dict": (
        net("table = {}\ntable.update({'a': Block})\nreturn table['a'](x, 3)"),
        "table['a'](x, 3)",
        "(1)(0)",
    ),
    "registry_on_a_class": (
        "class Zoo:\n    members = {}\n    @classmethod\n    def add(cls, m):\n"
        "        cls.members[m.__name__] = m\n        return m\n"
        "@Zoo.add\n" + OWN + net("return Zoo.members['Own'](x, 3)"),
        "Zoo.members['Own'](x, 3)",
        "(1)(0)",
    ),
    "list_of_partials": (
        net("fs = [nn.Dense.partial(features=k) for k in (1, 2)]\nfor f in fs:\n    x = f(x)\n"
            "return x"),
        "f(x)",
        "()(0)",
    ),
    "list_appended": (
        net("fs = []\nfs.append(Block)\nfs += [Text]\nfor f in fs:\n    x = f(x, 3)\nreturn x"),
        "f(x, 3)",
        "(1)(0)",
    ),
    "list_added": (
        net("fs = [Block] + [Text]\nfor f in fs:\n    x = f(x, 3)\nreturn x"),
        "f(x, 3)",
        "(1)(0)",
    ),
    "list_repeated": (
        net("for f in [Block] * 3:\n    x = f(x, 3)\nreturn x"),
        "f(x, 3)",
        "(1)(0)",
    ),
    "list_sliced": (
        net("fs = [Block, Text]\nfor f in fs[1:]:\n    x = f(x, 3)\nreturn x"),
        "f(x, 3)",
        "(1)(0)",
    ),
    "list_enumerated": (
        net("for i, f in enumerate([Block, Text]):\n    x = f(x, 3, name=f'b{i}')\nreturn x"),
        "f(x, 3, name=f'b{i}')",
        "(1, name=2)(0)",
    ),
    "list_zipped": (
        net("for f, k in zip([Block, Text], (1, 2)):\n    x = f(x, k)\nreturn x"),
        "f(x, k)",
        "(1)(0)",
    ),
    "list_reversed": (
        net("for f in reversed([Block, Text]):\n    x = f(x, 3)\nreturn x"),
        "f(x, 3)",
        "(1)(0)",
    ),
    "list_unpacked": (net("f, *g = [Block, Text]\nreturn g[0](x, 3)"), "g[0](x, 3)", "(1)(0)"),
    "list_popped": (net("fs = [Block]\nreturn fs.pop()(x, 3)"), "fs.pop()(x, 3)", "(1)(0)"),
    "set_iterated": (net("for f in {Block}:\n    x = f(x, 3)\nreturn x"), "f(x, 3)", "(1)(0)"),
    "tuple_nested": (
        net("for (f, g), k in [((Block, Text), 3)]:\n    x = g(f(x, k), k)\nreturn x"),
        "g(f(x, k), k)",
        "(1)(0)",
    ),
    "mapped": (
        net("fs = list(map(lambda k: nn.Dense.partial(features=k), (1, 2)))\nreturn fs[0](x)"),
        "fs[0](x)",
        "()(0)",
    ),
    "filtered": (
        net("for f in filter(None, [Block, None]):\n    x = f(x, 3)\nreturn x"),
        "f(x, 3)",
        "(1)(0)",
    ),
    "reduced": (
        net("fs = [nn.Dense.partial(features=k) for k in (1, 2)]\n"
            "return functools.reduce(lambda y, f: f(y), fs, x)"),
        "f(y)",
        "()(0)",
    ),
    "chained": (
        "import itertools\n"
        + net("for f in itertools.chain([Block], (Text,)):\n    x = f(x, 3)\nreturn x"),
        "f(x, 3)",
        "(1)(0)",
    ),
    "next_of_a_generator": (
        net("f = next(c for c in (Block, Text) if c)\nreturn f(x, 3)"),
        "f(x, 3)",
        "(1)(0)",
    ),
    "generator_function": (
        "def kinds():\n    yield Block\n    yield Text\n"
        + net("for f in kinds():\n    x = f(x, 3)\nreturn x"),
        "f(x, 3)",
        "(1)(0)",
    ),
    "factory_of_partials": (
        "def make(k):\n    return nn.Dense.partial(features=k)\n" + net("return make(3)(x)"),
        "make(3)(x)",
        "()(0)",
    ),
    "factory_with_branches": (
        "def make(kind):\n    if kind:\n        return Block\n    return Text\n"
        + net("return make(n)(x, 3)"),
        "make(n)(x, 3)",
        "(1)(0)",
    ),
    "factory_of_classes": (
        "def make(k):\n    class Own(nn.Module):\n        def apply(self, x, m):\n"
        "            return nn.Dense(x, k + m)\n    return Own\n" + net("return make(3)(x, 4)"),
        "make(3)(x, 4)",
        "(1)(0)",
    ),
    "factory_of_factories": (
        "def outer():\n    def inner(k):\n        return nn.Dense.partial(features=k)\n"
        "    return inner\n" + net("return outer()(3)(x)"),
        "outer()(3)(x)",
        "()(0)",
    ),
    "factory_cached": (
        "@functools.lru_cache()\ndef make(k):\n    return nn.Dense.partial(features=k)\n"
        + net("return make(3)(x)"),
        "make(3)(x)",
        "()(0)",
    ),
    "factory_as_a_lambda": (
        net("make = lambda k: nn.Dense.partial(features=k)\nreturn make(3)(x)"),
        "make(3)(x)",
        "()(0)",
    ),
    "factory_as_a_method": (
        "class Kit:\n    def __init__(self, cls):\n        self.cls = cls\n"
        "    def make(self, k):\n        return self.cls.partial(width=k)\n"
        + net("return Kit(Block).make(3)(x)"),
        "Kit(Block).make(3)(x)",
        "()(0)",
    ),
    "factory_as_a_property": (
        "class Kit:\n    @property\n    def cls(self):\n        return Block\n"
        + net("return Kit().cls(x, 3)"),
        "Kit().cls(x, 3)",
        "(1)(0)",
    ),
    "property_of_the_module": (
        BLOCK + "class Net(nn.Module):\n    @property\n    def cls(self):\n        return Block\n"
        "    def apply(self, x):\n        return self.cls(x, 3)\n",
        "self.cls(x, 3)",
        "(1)(0)",
    ),
    "attribute_of_the_module": (
        BLOCK + "class Net(nn.Module):\n    CLS = Block\n"
        "    def apply(self, x):\n        return self.CLS(x, 3)\n",
        "self.CLS(x, 3)",
        "(1)(0)",
    ),
    "helper_that_calls": (
        "def run(cls, x, *args, **kwargs):\n    return cls(x, 3)\n" + net("return run(Block, x)"),
        "cls(x, 3)",
        "(1)(0)",
    ),
    "helper_with_a_default": (
        "def run(x, cls=nn.Dense):\n    return cls(x, 3)\n" + net("return run(x)"),
        "cls(x, 3)",
        "(1)(0)",
    ),
    "closure": (
        net("cls = Block\ndef inner(y):\n    return cls(y, 3)\nreturn inner(x)"),
        "cls(y, 3)",
        "(1)(0)",
    ),
    "nonlocal_": (
        net("cls = None\ndef pick():\n    nonlocal cls\n    cls = Block\npick()\nreturn cls(x, 3)"),
        "cls(x, 3)",
        "(1)(0)",
    ),
    "global_": (
        "def pick():\n    global CLS\n    CLS = Block\n" + net("return CLS(x, 3)"),
        "CLS(x, 3)",
        "(1)(0)",
    ),
    "global_class": (
        "def pick():\n    global Made\n    class Made(nn.Module):\n        def apply(self, x, k):\n"
        "            return nn.Dense(x, k)\n" + net("return Made(x, 3)"),
        "Made(x, 3)",
        "(1)(0)",
    ),
    "conditional_definition": (
        "if FLAG:\n    class Own(nn.Module):\n        def apply(self, x, k):\n"
        "            return nn.Dense(x, k)\nelse:\n    Own = Block\n" + net("return Own(x, 3)"),
        "Own(x, 3)",
        "(1)(0)",
    ),
    "conditional_expression": (net("return (Block if n else Text)(x, 3)"),
                               "(Block if n else Text)(x, 3)", "(1)(0)"),
    "or_": (net("return (n and Block or Text)(x, 3)"), "(n and Block or Text)(x, 3)", "(1)(0)"),
    "walrus": (net("if (f := Block):\n    return f(x, 3)"), "f(x, 3)", "(1)(0)"),
    "walrus_in_a_comprehension": (
        net("ys = [(f := Block) for _ in (1,)]\nreturn f(x, 3)"),
        "f(x, 3)",
        "(1)(0)",
    ),
    "with_statement": (
        "import contextlib\n@contextlib.contextmanager\ndef layer():\n    yield Block\n"
        + net("with layer() as f:\n    return f(x, 3)"),
        "f(x, 3)",
        "(1)(0)",
    ),
    "try_statement": (
        net("try:\n    f = Block\nexcept E:\n    f = Text\nreturn f(x, 3)"),
        "f(x, 3)",
        "(1)(0)",
    ),
    "match_capture": (
        net("match {'k': Block}:\n    case {'k': f}:\n        return f(x, 3)"),
        "f(x, 3)",
        "(1)(0)",
    ),
    "match_sequence": (
        net("match (Block, 3):\n    case (f, k):\n        return f(x, k)"),
        "f(x, k)",
        "(1)(0)",
    ),
    "match_guard": (
        net("match x:\n    case y if Block(x, 3) is None:\n        return y\nreturn x"),
        "Block(x, 3)",
        "(1)(0)",
    ),
    "named_tuple": (
        "import collections\nSpec = collections.namedtuple('Spec', 'cls width')\n"
        + net("s = Spec(Block, 3)\nreturn s.cls(x, s.width)"),
        "s.cls(x, s.width)",
        "(1)(0)",
    ),
    "named_tuple_unpacked": (
        "from collections import namedtuple\nSpec = namedtuple('Spec', ['cls', 'width'])\n"
        + net("for f, k in [Spec(Block, 3), Spec(cls=Text, width=4)]:\n    x = f(x, k)\nreturn x"),
        "f(x, k)",
        "(1)(0)",
    ),
    "typed_named_tuple": (
        "from typing import NamedTuple\n"
        "class Spec(NamedTuple):\n    cls: type\n    width: int = 3\n"
        + net("f, k = Spec(Block)\nreturn f(x, k)"),
        "f(x, k)",
        "(1)(0)",
    ),
    "dataclass": (
        "import dataclasses\n@dataclasses.dataclass\nclass Spec:\n    width: int\n    cls: type\n"
        + net("s = Spec(3, Block)\nreturn s.cls(x, s.width)"),
        "s.cls(x, s.width)",
        "(1)(0)",
    ),
    "dataclass_default": (
        BLOCK + "import dataclasses\n@dataclasses.dataclass\nclass Spec:\n    cls: type = Block\n"
        "class Net(nn.Module):\n    def apply(self, x, spec=Spec()):\n"
        "        return spec.cls(x, 3)\n",
        "spec.cls(x, 3)",
        "(1)(0)",
    ),
    "dataclass_factory": (
        BLOCK + "import dataclasses\n@dataclasses.dataclass\nclass Spec:\n"
        "    cls: type = dataclasses.field(default=Block)\n"
        "class Net(nn.Module):\n    def apply(self, x, spec=Spec()):\n"
        "        return spec.cls(x, 3)\n",
        "spec.cls(x, 3)",
        "(1)(0)",
    ),
    "dataclass_replaced": (
        "import dataclasses\n@dataclasses.dataclass\nclass Spec:\n    cls: type = None\n"
        + net("s = dataclasses.replace(Spec(), cls=Block)\nreturn s.cls(x, 3)"),
        "s.cls(x, 3)",
        "(1)(0)",
    ),
    "namespace": (
        "import types\n" + net("s = types.SimpleNamespace(cls=Block)\nreturn s.cls(x, 3)"),
        "s.cls(x, 3)",
        "(1)(0)",
    ),
    "static_method": (
        BLOCK + "class Net(nn.Module):\n    @staticmethod\n    def pick():\n        return Block\n"
        "    def apply(self, x):\n        return self.pick()(x, 3)\n",
        "self.pick()(x, 3)",
        "(1)(0)",
    ),
    "class_method": (
        BLOCK + "class Own(nn.Module):\n    @classmethod\n    def small(cls):\n"
        "        return cls.partial(k=3)\n    def apply(self, x, k):\n"
        "        return nn.Dense(x, k)\n"
        "class Net(nn.Module):\n    def apply(self, x):\n        return Own.small()(x)\n",
        "Own.small()(x)",
        "()(0)",
    ),
    "asynchronous": (
        "async def pick():\n    return Block\nasync def run(x):\n    f = await pick()\n"
        "    return f(x, 3)\n" + net("return x"),
        "f(x, 3)",
        "(1)(0)",
    ),
    "recursion": (
        "def deep(f, x, k):\n    return deep(f, f(x, k), k - 1) if k else x\n"
        + net("return deep(Block, x, 3)"),
        "f(x, k)",
        "(1)(0)",
    ),
    "apply_of_the_class": (net("return Block.apply(x, 3)"), "Block.apply(x, 3)", None),
    "partial_of_an_argument": (
        "class Own(nn.Module):\n    def apply(self, x, cls):\n"
        "        f = cls.partial(width=3)\n        return f(x)\n"
        + net("return Own(x, Block)"),
        "f(x)",
        "()(0)",
    ),
    "bound_method_as_a_value": (
        net("make = Block.partial\nf = make(width=3)\nreturn f(x)"),
        "f(x)",
        "()(0)",
    ),
    "star_args_of_a_helper": (
        "def run(x, *fs):\n    for f in fs:\n        x = f(x, 3)\n    return x\n"
        + net("return run(x, Block, Text)"),
        "f(x, 3)",
        "(1)(0)",
    ),
    "keywords_of_a_helper": (
        "def run(x, **fs):\n    for k, f in fs.items():\n        x = f(x, 3, name=k)\n"
        "    return x\n" + net("return run(x, a=Block, b=Text)"),
        "f(x, 3, name=k)",
        "(1, name=2)(0)",
    ),
    "functools_of_a_helper": (
        "def run(x, cls):\n    return cls(x, 3)\n"
        + net("f = functools.partial(run, cls=Block)\nreturn f(x)"),
        "cls(x, 3)",
        "(1)(0)",
    ),
    "functools_by_place": (
        "def run(cls, x):\n    return cls(x, 3)\n"
        + net("f = functools.partial(run, Block)\nreturn f(x)"),
        "cls(x, 3)",
        "(1)(0)",
    ),
    "callable_object": (
        "class Runner:\n    def __init__(self, cls):\n        self.cls = cls\n"
        "    def __call__(self, x):\n        return self.cls(x, 3)\n"
        + net("return Runner(Block)(x)"),
        "self.cls(x, 3)",
        "(1)(0)",
    ),
    "container_with_getitem": (
        "class Zoo:\n    def __init__(self):\n        self.d = {'a': Block}\n"
        "    def __getitem__(self, k):\n        return self.d[k]\n"
        + net("return Zoo()['a'](x, 3)"),
        "Zoo()['a'](x, 3)",
        "(1)(0)",
    ),
    "container_with_iter": (
        "class Zoo:\n    def __iter__(self):\n        yield Block\n"
        + net("for f in Zoo():\n    x = f(x, 3)\nreturn x"),
        "f(x, 3)",
        "(1)(0)",
    ),
    "parent_attribute": (
        BLOCK + "class Base(nn.Module):\n    CLS = None\n    def apply(self, x):\n"
        "        return self.CLS(x, 3)\nclass Net(Base):\n    CLS = Block\n",
        "self.CLS(x, 3)",
        "(1)(0)",
    ),
    "setattr_on_a_class": (
        BLOCK + "class Net(nn.Module):\n    def apply(self, x):\n        return Net.CLS(x, 3)\n"
        "Net.CLS = Block\n",
        "Net.CLS(x, 3)",
        "(1)(0)",
    ),
    "copied": (
        "import copy\n" + net("fs = copy.copy([Block])\nreturn fs[0](x, 3)"),
        "fs[0](x, 3)",
        "(1)(0)",
    ),
    "sorted_by_key": (
        net("for f in sorted([Block, Text], key=str):\n    x = f(x, 3)\nreturn x"),
        "f(x, 3)",
        "(1)(0)",
    ),
    "string_keys_in_a_loop": (
        net("table = {'a': Block}\nfor k in table:\n    x = table[k](x, 3)\nreturn x"),
        "table[k](x, 3)",
        "(1)(0)",
    ),
    "keys_of_a_default_dict": (
        "import collections\n"
        + net("table = collections.defaultdict(lambda: Block)\nreturn table[n](x, 3)"),
        "table[n](x, 3)",
        "(1)(0)",
    ),
    "ordered_dict": (
        "import collections\n"
        + net("table = collections.OrderedDict(a=Block)\nreturn table['a'](x, 3)"),
        "table['a'](x, 3)",
        "(1)(0)",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "call", "expected"), STYLES.values(), ids=STYLES)
def test_a_module_is_found_in_every_style(text, call, expected):
    world = facts_of(text if BLOCK in text else BLOCK + text)
    assert world.silent() == []
    if expected is not None:
        assert shape(world.site(call)) == expected


# --- splats of dicts ------------------------------------------------------------------------

SPLATS = {
    "spelt_out": ("kw = {'features': 3}", "(1)(0)"),
    "renamed": ("kw = {'features': 3, 'bias': False}", "(1)(0)"),
    "by_call": ("kw = dict(features=3, bias=False)", "(1)(0)"),
    "merged": ("kw = {**{'features': 3}, 'name': 'd'}", "(1)(0)"),
    "merged_and_renamed": ("kw = {**{'bias': False}, 'features': 3}", "LN390"),
    "filled_and_renamed": ("kw = {'features': 3}\nkw['bias'] = False", "LN390"),
    "read_and_renamed": ("kw = {'features': 3, 'bias': False}\nprint(kw)", "LN390"),
    "from_elsewhere": ("kw = other.options", "LN390"),
    "merged_from_elsewhere": ("kw = {**other.options(), 'features': 3}", "LN390"),
    "called_from_elsewhere": ("kw = dict(other.options(), features=3)", "LN390"),
    "computed_key": ("kw = {other.key(): 3}", "LN390"),
    "of_a_helper": ("kw = options()", "(1)(0)"),
}


@pytest.mark.parametrize(("statement", "expected"), SPLATS.values(), ids=SPLATS)
def test_a_splat_into_a_layer(statement, expected):
    helper = "import other\ndef options():\n    return {'features': 3}\n"
    world = facts_of(helper + net(f"{statement}\nreturn nn.Dense(x, **kw)"))
    found = world.refused("nn.Dense(x, **kw)") or shape(world.site("nn.Dense(x, **kw)"))
    assert found == expected


@pytest.mark.parametrize("method", ["apply_gradient", "compute_gradient", "init_by_shape"])
def test_a_legacy_method_of_something_unknown_is_refused(method: str) -> None:
    code = f"from flax import nn, optim\n\n\ndef step(thing, x):\n    return thing.{method}(x)\n"
    made = migration(code + "\n\nmaker = optim.Adam\n")
    assert any("what `thing` is" in d.message for d in made.diagnostics)


def test_a_method_of_that_name_in_the_project_is_no_legacy_method() -> None:
    code = """
from flax import optim


class Own:
    def apply_gradient(self, x):
        return x


def step(thing, x):
    return thing.apply_gradient(x)
"""
    made = migration(code)
    assert not any("what `thing` is" in d.message for d in made.diagnostics)
