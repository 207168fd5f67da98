"""Modules under JAX transforms: what has run before stays, the rest is lifted or flagged."""

from __future__ import annotations

import textwrap

import pytest
from facts.support import HEADER, facts_of

HELPER = """
def layer(h):
    return nn.tanh(nn.Dense(h, 3))
"""


def world(body, extra=""):
    head = "class Net(nn.Module):\n    def apply(self, xs, deep=True):\n"
    dense = "dense = nn.Dense.shared(features=3, name='dense')\n"
    text = textwrap.indent(dense + textwrap.dedent(body).strip() + "\n", " " * 8)
    return facts_of(HEADER + HELPER + head + text + extra)


def lifted(found, text):
    site = found.site(text)
    return site is not None and "{linen}" in getattr(site, "template", "")


@pytest.mark.parametrize(
    "before",
    [
        "dense(xs[0])",
        "if self.is_initializing():\n    step(xs[0], xs[0])",
        "if self.is_initializing() or deep:\n    dense(xs[0])",
        "first = self.is_initializing()\nif first:\n    dense(xs[0])",
        "def warm(h):\n    return dense(h)\nwarm(xs[0])",
        "if not self.is_initializing():\n    pass\nelse:\n    dense(xs[0])",
        "if self.is_initializing():\n    return step(xs[0], xs[0])",
    ],
)
def test_a_scan_over_what_has_run_before_stays(before):
    step = "def step(c, x):\n    return dense(c + x), c\n"
    found = world(step + before + "\nreturn jax.lax.scan(step, xs[0], xs)[1]")
    assert found.refusals() == []
    assert found.site("jax.lax.scan(step, xs[0], xs)") is None


@pytest.mark.parametrize(
    "before",
    [
        "",
        "if deep:\n    dense(xs[0])",
        "if not self.is_initializing():\n    dense(xs[0])",
        "def unused(h):\n    return dense(h)",
        "deep and dense(xs[0])",
    ],
)
def test_a_scan_over_what_may_not_have_run_is_lifted(before):
    step = "def step(c, x):\n    return dense(c + x), c\n"
    found = world(step + before + "\nreturn jax.lax.scan(step, xs[0], xs)[1]")
    assert found.refusals() == []
    assert lifted(found, "jax.lax.scan(step, xs[0], xs)")


def test_a_direct_call_that_comes_later_does_not_count():
    found = world(
        """
        last, ys = jax.lax.scan(lambda c, x: (dense(c + x), c), xs[0], xs)
        return ys + dense(last)
        """
    )
    assert lifted(found, "jax.lax.scan(lambda c, x: (dense(c + x), c), xs[0], xs)")


def test_two_scans_are_not_a_direct_call_for_each_other():
    found = world(
        """
        a = jax.lax.scan(lambda c, x: (dense(c + x), c), xs[0], xs)
        b = jax.lax.scan(lambda c, x: (dense(c - x), c), xs[0], xs)
        return a[1] + b[1]
        """
    )
    assert lifted(found, "jax.lax.scan(lambda c, x: (dense(c + x), c), xs[0], xs)")
    assert lifted(found, "jax.lax.scan(lambda c, x: (dense(c - x), c), xs[0], xs)")


@pytest.mark.parametrize(
    "call",
    [
        "jax.lax.fori_loop(0, 3, lambda i, h: dense(h), xs)",
        "jax.lax.while_loop(lambda h: False, lambda h: dense(h), xs)",
        "jax.lax.cond(deep, lambda h: dense(h), lambda h: h, xs)",
        "jax.lax.switch(0, [lambda h: dense(h), lambda h: h], xs)",
        "jax.lax.switch(0, (layer, jnp.tanh), xs)",
        "jax.jit(lambda h: dense(h))(xs)",
        "jax.pmap(lambda h: dense(h))(xs)",
        "jax.jit(layer)(xs)",
        "jax.lax.fori_loop(0, 3, lambda i, h: layer(h), xs)",
        "jax.lax.fori_loop(0, 3, lambda i, h: h + self.param('w', (3,), nn.initializers.ones), xs)",
        "functools.partial(jax.jit, static_argnums=())(layer)(xs)",
        "jax.jit(lambda x: jax.lax.scan(lambda c, y: (dense(c), y), x, None, 2)[0])(xs)",
    ],
)
def test_first_runs_in_a_transform_that_is_not_lifted_are_flagged(call):
    assert set(world(f"return {call}").refusals()) == {"LN394"}


@pytest.mark.parametrize(
    "call",
    [
        "jax.lax.fori_loop(0, 3, lambda i, h: dense(h), xs)",
        "jax.lax.cond(deep, lambda h: dense(h), lambda h: h, xs)",
        "jax.lax.switch(0, [lambda h: dense(h), lambda h: h], xs)",
        "jax.jit(lambda h: dense(h))(xs)",
        "jax.vmap(lambda h: dense(h))(xs)",
    ],
)
def test_the_same_transforms_stay_behind_a_direct_call(call):
    found = world(f"xs = dense(xs)\nreturn {call}")
    assert found.refusals() == []
    assert found.site(call) is None


def test_a_body_that_reaches_the_instance_through_a_closure_is_flagged():
    found = world(
        """
        def advance(h):
            return dense(h)
        def step(c, x):
            return advance(c), x
        return jax.lax.scan(step, xs[0], xs)[1]
        """
    )
    assert found.refusals() == ["LN394"]


def test_a_method_reached_through_a_closure_is_flagged():
    found = world(
        """
        def advance(h):
            return self.cell(h)
        def step(c, x):
            return advance(c), x
        return jax.lax.scan(step, xs[0], xs)[1]
        """,
        "    def cell(self, h):\n        return nn.Dense(h, 3)\n",
    )
    assert found.refusals() == ["LN394"]


def test_a_direct_call_in_the_caller_counts_for_a_helper():
    helper = """
def roll(unit, xs):
    return jax.lax.scan(lambda c, x: (unit(c + x), c), xs[0], xs)[1]
"""
    found = world("dense(xs[0])\nreturn roll(dense, xs)", helper)
    assert found.refusals() == []


@pytest.mark.parametrize("decorator", ["jax.jit", "functools.partial(jax.jit, static_argnums=())"])
def test_a_function_under_a_tracing_decorator_is_flagged(decorator):
    found = world(f"@{decorator}\ndef head(h):\n    return nn.Dense(h, 2)\nreturn head(xs)")
    assert found.refusals() == ["LN394"]


@pytest.mark.parametrize(
    ("call", "inner"),
    [
        ("jax.vmap(pair)", "lambda x, y: {0}(x, y)"),
        ("jax.vmap(pair, in_axes=(0, None))", "lambda x, y: {0}(x, y)"),
        ("jax.vmap(pair, (0, None))", "lambda x, y: {0}(x, y)"),
        ("jax.vmap(open_ended)", "lambda *xs: {0}(*xs)"),
        ("jax.vmap(open_ended)(xs)", "lambda x: {0}(x)"),
        ("jax.vmap(Pair.partial(width=2))", "lambda x, y: {0}(x, y)"),
    ],
)
def test_a_mapped_module_takes_what_it_took(call, inner):
    found = world(
        f"""
        pair = Pair.shared(name='pair')
        open_ended = Open.shared(name='open')
        f = {call}
        return f(xs, xs)
        """,
        """
class Pair(nn.Module):
    def apply(self, x, y, width=3):
        return nn.Dense(x * y.sum(), width)
class Open(nn.Module):
    def apply(self, x, mask=None):
        return nn.Dense(x, 2) if mask is None else x * mask
""",
    )
    first = call.removesuffix("(xs)")
    assert found.refusals() == []
    assert inner in found.site(first).template
