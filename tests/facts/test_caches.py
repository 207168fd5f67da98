"""Decoding caches outside of modules, and positions that modules count in them."""

from __future__ import annotations

import textwrap

import pytest
from support import migration

HEAD = """\
import jax
import jax.numpy as jnp
import numpy as np
from flax import nn


class Net(nn.Module):
    def apply(self, x, cache=None):
        return nn.SelfAttention(x, num_heads=2, causal_mask=True, cache=cache)


"""


def result(text: str, head: str = HEAD) -> tuple[str, list[str]]:
    """The migrated text, and what was refused."""
    made = migration(head + textwrap.dedent(text))
    after = made.changes[0].after if made.changes else ""
    return after, [f"{d.code} {d.message}" for d in made.diagnostics if d.code < "LN800"]


RECORD = """
def record(key, x):
    with nn.attention.Cache().mutate() as shapes:
        _, params = Net.init(key, x, cache=shapes)
    return params, shapes
"""


# --- recording -------------------------------------------------------------------------------


def test_the_initialising_run_hands_out_the_collection():
    after, refused = result(RECORD)
    assert not refused
    assert "variables = Net(decode=True).init(key, x)\n" in after
    assert "params, shapes = variables['params'], variables['cache']" in after
    assert "with " not in after


def test_shapes_that_nobody_reads_are_not_taken():
    after, refused = result(RECORD.replace("params, shapes", "params"))
    assert not refused
    assert "params = Net(decode=True).init(key, x)['params']" in after


def test_two_runs_cannot_record_in_one_cache():
    text = RECORD.replace("    return", "        Net.init(key, x, cache=shapes)\n    return")
    after, refused = result(text)
    assert any("several runs record their shapes" in each for each in refused)
    assert "TODO(linenify): LN490" in after


def test_a_state_beside_a_cache_is_refused():
    text = RECORD.replace("with nn", "with nn.stateful() as state, nn").replace(
        "shapes\n", "shapes, state\n"
    )
    text = text.replace("as shapes, state", "as shapes")
    _, refused = result(
        text, HEAD.replace("return nn.S", "x = nn.BatchNorm(x)\n        return nn.S")
    )
    assert any(each.startswith("LN490") and "a state beside a cache" in each for each in refused)


# --- decoding --------------------------------------------------------------------------------

STEP = """
def step(params, x, cache):
    with cache.mutate() as filled:
        y = Net.call(params, x, cache=filled)
    return y, filled
"""


def test_a_run_takes_the_cache_and_gives_the_next_one():
    after, refused = result(RECORD + STEP)
    assert not refused
    assert "y, new_variables = Net(decode=True).apply(" in after
    assert "'cache': cache}" in after
    assert "mutable=['cache']" in after
    assert "filled = new_variables['cache']" in after


def test_a_new_cache_that_nobody_reads_is_dropped():
    after, refused = result(RECORD + STEP.replace("return y, filled", "return y"))
    assert not refused
    assert "mutable=['cache'])[0]" in after
    assert "new_variables" not in after


def test_the_variable_that_the_next_step_opens_is_kept():
    after, refused = result(
        RECORD
        + """
        def run(params, xs, cache):
            rows = []
            for x in xs:
                with cache.mutate() as cache:
                    rows.append(Net.call(params, x, cache=cache))
            return rows
        """.replace("\n        ", "\n")
    )
    assert not refused
    assert "cache = new_variables['cache']\n" in after


def test_a_run_that_may_not_happen_leaves_the_cache_as_it_was():
    after, refused = result(
        RECORD
        + """
def step(params, x, cache, go):
    with cache.mutate() as filled:
        if go:
            x = Net.call(params, x, cache=filled)
    return x, filled
"""
    )
    assert not refused
    assert "    filled = cache\n    if go:\n" in after
    assert "'cache': filled}" in after


def test_a_nonlocal_variable_is_read_elsewhere():
    after, refused = result(
        RECORD
        + """
def stepper(params, cache):
    held = cache

    def step(x):
        nonlocal held
        with held.mutate() as held:
            return Net.call(params, x, cache=held)

    return step
"""
    )
    assert not refused
    assert "held = new_variables['cache']" in after


def test_a_model_decodes_with_an_instance_of_its_module():
    after, refused = result(
        RECORD
        + """
def step(model, x, cache):
    with cache.mutate() as filled:
        y = model(x, cache=filled)
    return y, filled


def main(key, x):
    params, shapes = record(key, x)
    return step(nn.Model(Net, params), x[:, :1], shapes.initialize_cache((2, 4)))
"""
    )
    assert not refused
    assert "Net(decode=True).apply(" in after


def test_none_in_place_of_a_cache_goes():
    after, refused = result(
        RECORD
        + """
def run(key, x):
    params, _ = record(key, x)
    return nn.Model(Net, params)(x, cache=None)
"""
    )
    assert not refused
    assert "Net().apply({'params': params}, x)" in after


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("def f(params, x, cache):\n    return Net.call(params, x, cache=cache)\n", "not opened"),
        (
            "def f(run, x, cache):\n    with cache.mutate() as new:\n        run(x, cache=new)\n",
            "no run of a module",
        ),
        (
            "def f(key, x):\n    _, cache = record(key, x)\n    return jax.tree_leaves(cache)\n",
            "lists the leaves",
        ),
        (
            "def f(key, x):\n    _, cache = record(key, x)\n    return cache.as_dict()\n",
            "uses the legacy cache",
        ),
        (
            "def f(key, x):\n    _, cache = record(key, x)\n    return cache['/']\n",
            "names a module by its legacy path",
        ),
    ],
)
def test_what_cannot_be_proven_is_flagged(text, why):
    after, refused = result(RECORD + "\n\n" + text)
    assert any(why in each for each in refused), refused
    assert "TODO(linenify)" in after


# --- shapes ----------------------------------------------------------------------------------


def test_an_empty_cache_has_the_dtype_that_was_asked_for():
    text = "def f(cache, x):\n    return cache.initialize_cache(x.shape[:2], dtype=x.dtype)\n"
    after, refused = result(RECORD + "\n\n" + text)
    assert not refused
    assert "jnp.zeros(x.shape[:2] + leaf.shape[-2:], x.dtype) if leaf.ndim else leaf" in after


def test_a_shape_that_is_computed_in_place_is_flagged():
    text = "def f(cache, a, b):\n    return cache.initialize_cache(a if b else (1, 2))\n"
    _, refused = result(RECORD + "\n\n" + text)
    assert any("is not spelled out" in each for each in refused)


# --- counters --------------------------------------------------------------------------------

COUNTER = """\
import jax.numpy as jnp
import numpy as np
from flax import nn


class Count(nn.Module):
    def apply(self, x, cache=None):
        i = 0
        if cache:
            if self.is_initializing():
                cache.store(np.array((4, 1, 1), dtype=np.int32))
            else:
                entry = cache.retrieve(None)
                i = entry.i
                cache.store(entry.replace(i=entry.i + 1))
        return x + i
"""


def test_an_index_is_a_variable():
    after, refused = result("", COUNTER)
    assert not refused
    assert "i = entry.value\n" in after
    assert "entry.value = entry.value + 1\n" in after


def test_an_entry_may_be_replaced_before_it_is_stored():
    stored = "cache.store(entry.replace(i=entry.i + 1))"
    apart = "entry = entry.replace(i=entry.i + 1)\n                cache.store(entry)"
    after, refused = result("", COUNTER.replace(stored, apart))
    assert not refused
    assert "entry.value = entry.value + 1\n" in after
    assert "store" not in after


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "        return x + i",
            "                i = entry.i\n        return x + i",
        ),  # the old one
        ("entry.replace(i=entry.i + 1)", "entry.replace(i=entry.i + 1, key=x)"),
        ("i = entry.i\n", "i = entry.key\n"),
        ("if self.is_initializing():", "if x.ndim == 3:"),
        ("cache.retrieve(None)", "cache.retrieve(0)"),
        ("                cache.store(entry.", "                for _ in x: cache.store(entry."),
    ],
)
def test_any_other_use_of_an_entry_is_flagged(old, new):
    assert COUNTER.count(old) == 1
    _, refused = result("", COUNTER.replace(old, new))
    assert any(each.startswith("LN490") for each in refused)


@pytest.mark.parametrize(
    ("test", "expected"),
    [("cache is None", "not self.decode"), ("cache is not None", "self.decode")],
)
def test_a_comparison_with_none_asks_the_flag(test, expected):
    text = HEAD.replace(
        "        return", f"        if {test}:\n            x = 2 * x\n        return"
    )
    after, refused = result("", text)
    assert not refused
    assert f"if {expected}:" in after


def test_a_handle_given_by_position_sets_the_flag():
    after, refused = result(RECORD.replace("cache=shapes", "shapes"))
    assert not refused
    assert "Net(decode=True).init(key, x)" in after


def test_a_cache_that_travels_through_a_helper_is_flagged_at_both_ends():
    after, refused = result(
        """
        def run(params, x, cache=None):
            return Net.call(params, x, cache=cache)


        def step(params, x, cache):
            with cache.mutate() as filled:
                y = run(params, x, filled)
            return y, filled
        """
    )
    assert len([each for each in refused if each.startswith("LN490")]) == 2
    assert after.count("TODO(linenify): LN490") == 2


def test_a_read_behind_the_run_does_not_hide_one_before_it():
    after, refused = result(
        RECORD
        + """
def step(params, x, cache):
    with cache.mutate() as filled:
        before = jax.tree_map(jnp.sum, filled)
        y = Net.call(params, x, cache=filled)
    return y, filled, before
"""
    )
    assert not refused
    assert "    filled = cache\n    before = jax.tree.map(jnp.sum, filled)\n" in after
