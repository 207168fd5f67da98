"""Decorators of `apply`: those that configure go to the class, those that hand on stay."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from linenify.migrate import migrate
from linenify.project.load import load_text

WRAPPERS = """
def counted(fn):
    @functools.wraps(fn)
    def inner(*args, **kwargs):
        SEEN.append(fn.__name__)
        return fn(*args, **kwargs)
    return inner

def labelled(label):
    def decorate(function):
        def run(self, *rest, **named):
            SEEN.append(label)
            result = function(self, *rest, **named)
            return result
        return run
    return decorate

def looking(fn):
    def inner(*args, **kwargs):
        print(args[1].shape)
        return fn(*args, **kwargs)
    return inner

def changing(fn):
    def inner(self, *args, **kwargs):
        kwargs['size'] = 3
        return fn(self, *args, **kwargs)
    return inner
"""
HEADER = """
import functools
import gin
import gin as settings
import jax
from gin import configurable, REQUIRED
from flax import nn
SEEN = []
"""


def migrated(text):
    whole = HEADER + WRAPPERS + textwrap.dedent(text)
    migration = migrate(load_text(whole.encode(), Path("net.py")))
    (change,) = migration.changes
    return change.after, [d.code for d in migration.diagnostics if d.severity != "notice"]


@pytest.mark.parametrize(
    ("decorator", "expected"),
    [
        ("@gin.configurable('Net')", "@gin.configurable('Net')"),
        ('@configurable("a.Net", denylist=["size"])', '@configurable("a.Net", denylist=["size"])'),
        ("@settings.configurable(name_or_fn='Net')", "@settings.configurable(name_or_fn='Net')"),
        ("@gin.configurable", "@gin.configurable('apply')"),
        ("@configurable(module='nets')", "@configurable('apply', module='nets')"),
    ],
)
def test_a_configuring_decorator_goes_to_the_class_under_its_name(decorator, expected):
    text, refused = migrated(
        f"""
        class Net(nn.Module):
            {decorator}
            def apply(self, x, size=4):
                return nn.Dense(x, size)
        """
    )
    assert refused == []
    assert f"{expected}\nclass Net(nn.Module):" in text
    assert "    @nn.compact\n    def __call__(self, x):" in text


def test_a_configured_function_under_nn_module_becomes_a_configured_class():
    text, refused = migrated(
        """
        @nn.module
        @gin.configurable
        def tail(x, size=REQUIRED):
            return nn.Dense(x, size)
        """
    )
    assert refused == []
    assert "@gin.configurable\nclass tail(nn.Module):\n    size: int = REQUIRED\n" in text


def test_what_a_configuration_gives_is_left_out_by_callers():
    text, refused = migrated(
        """
        class Block(nn.Module):
            @gin.configurable('Block')
            def apply(self, x, size, mask, depth=REQUIRED):
                for _ in range(depth):
                    x = nn.Dense(x * mask, size)
                return x

        class Net(nn.Module):
            def apply(self, x, mask):
                return Block(x=x, mask=mask)

        def run(key, x, mask):
            return Net.init(key, x, mask)
        """
    )
    assert refused == []
    assert "Block()(x=x, mask=mask)" in text


def test_what_must_be_configured_is_a_field_also_where_a_run_gives_it():
    text, refused = migrated(
        """
        class Net(nn.Module):
            @gin.configurable('Net')
            def apply(self, x, size=REQUIRED):
                return nn.Dense(x, size)

        def run(key, x):
            _, params = Net.init(key, x, size=3)
            return Net.call(params, x, size=3)
        """
    )
    assert refused == []
    assert "return Net(size=3).apply({'params': params}, x)" in text


def test_a_configured_partial_made_at_import_stays_one():
    text, refused = migrated(
        """
        class Net(nn.Module):
            @gin.configurable('Net')
            def apply(self, x, size=REQUIRED, depth=1):
                for _ in range(depth):
                    x = nn.Dense(x, size)
                return x

        NET = Net.partial(depth=2)

        def run(key, x):
            _, params = NET.init(key, x)
            return NET.call(params, x)
        """
    )
    assert refused == []
    assert "NET = functools.partial(Net, depth=2)" in text
    assert "return NET().apply({'params': params}, x)" in text


@pytest.mark.parametrize("decorator", ["@counted", "@labelled('net')"])
def test_a_decorator_that_hands_all_on_stays_below_compact(decorator):
    text, refused = migrated(
        f"""
        class Net(nn.Module):
            {decorator}
            def apply(self, x, size=4):
                return nn.Dense(self.half(x, size), size)

            @nn.module_method
            {decorator}
            def half(self, x, size=4):
                return x / size
        """
    )
    assert refused == []
    assert f"    @nn.compact\n    {decorator}\n    def __call__(self, x):" in text
    assert f"    {decorator}\n    def half(self, x):" in text


def test_one_goes_and_the_other_stays():
    text, refused = migrated(
        """
        @nn.module
        @counted
        @gin.configurable(module='nets')
        def tail(x, size=2):
            return nn.Dense(x, size)
        """
    )
    assert refused == []
    assert "@gin.configurable(module='nets')\nclass tail(nn.Module):" in text
    assert "    @nn.compact\n    @counted\n    def __call__(self, x):" in text


@pytest.mark.parametrize(
    "body",
    [
        "@looking\ndef apply(self, x, size=4):\n    return nn.Dense(x, size)",
        "@changing\ndef apply(self, x, size=4):\n    return nn.Dense(x, size)",
        "@functools.lru_cache()\ndef apply(self, x, size=4):\n    return nn.Dense(x, size)",
        "@gin.configurable('N', denylist=['x'])\ndef apply(self, x, size=4):\n    return x * size",
        "@gin.configurable('N', **OPTIONS)\ndef apply(self, x, size=4):\n    return x * size",
        """\
@gin.configurable('N')
def apply(self, x, size=4):
    return x * size
@nn.module_method
def half(self, x, size=4):
    return x / size
""",
        """\
@counted
@nn.module_method
def half(self, x, size=4):
    return x / size
def apply(self, x, size=4):
    return nn.relu(x * size)
""",
    ],
)
def test_a_decorator_that_may_mean_something_else_there_is_flagged(body):
    text, refused = migrated(
        "OPTIONS = {}\nclass Net(nn.Module):\n" + textwrap.indent(body, "    ")
    )
    assert refused == ["LN291"]
    assert "class Net(nn.Module)" in text


def test_a_configured_class_with_subclasses_is_flagged():
    _, refused = migrated(
        """
        class Net(nn.Module):
            @gin.configurable('Net')
            def apply(self, x, size=4):
                return nn.Dense(x, size)

        class Deep(Net):
            pass
        """
    )
    assert "LN291" in refused
