"""Arguments of JAX functions that are written otherwise today, and functions as values."""

from __future__ import annotations

import pytest
from facts.support import facts_of

from tests.support import migrated, migration

HEAD = "from functools import partial\nimport jax\nimport jax.numpy as jnp\nimport numpy as np\n"


def after(line: str, before: str = "x, a, b, c, *rest") -> str:
    """The last line of a function that gives `line`."""
    return migrated(f"{HEAD}def f({before}):\n  {line}\n").rstrip("\n").rpartition("\n")[2].strip()


def codes(text: str) -> list[str]:
    return [d.code for d in migration(HEAD + text).diagnostics]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("jnp.pad(x, 1, 'constant', 0)", "jnp.pad(x, 1, 'constant', constant_values=0)"),
        ("jnp.clip(x, a_max=1)", "jnp.clip(x, max=1)"),
        ("jnp.clip(a_min=0, a_max=1, a=x)", "jnp.clip(x, min=0, max=1)"),
        ("jnp.clip(x, 0, 1, None)", "jnp.clip(x, 0, 1)"),
        ("jnp.reshape(x, newshape=(2, -1))", "jnp.reshape(x, shape=(2, -1))"),
        ("np.percentile(x, 5, interpolation='lower')", "np.percentile(x, 5, method='lower')"),
        ("jnp.sort(x, -1, 'quicksort')", "jnp.sort(x, -1)"),
        ("jnp.dot(x, a, 'highest')", "jnp.dot(x, a, precision='highest')"),
        ("jnp.where(condition=c, x=a, y=b)", "jnp.where(c, a, b)"),
        ("jax.jit(c, (0,))", "jax.jit(c, static_argnums=(0,))"),
        ("partial(jnp.clip, a_min=0)", "partial(jnp.clip, min=0)"),
        ("jnp.mean([a, b])", "jnp.mean(jnp.array([a, b]))"),
        ("jnp.mean(a=[a, b])", "jnp.mean(a=jnp.array([a, b]))"),
        ("jnp.clip([a, b], a_min=0)", "jnp.clip(jnp.array([a, b]), min=0)"),
        ("jnp.product([a, b])", "jnp.prod(jnp.array([a, b]))"),
        ("jnp.msort([a, b])", "jnp.sort(jnp.array([a, b]), axis=0)"),
        ("jnp.prod(x.shape[1:])", "jnp.prod(jnp.array(x.shape[1:]))"),
        ("jnp.max(rest)", "jnp.max(jnp.array(rest))"),
        ("jnp.where(c, x, [1., 2.])", "jnp.where(c, x, jnp.array([1., 2.]))"),
        ("jax.nn.logsumexp((a, b))", "jax.nn.logsumexp(jnp.array((a, b)))"),
        ("jnp.linalg.norm([v for v in a])", "jnp.linalg.norm(jnp.array([v for v in a]))"),
        ("jnp.take(x, [0, 1], axis=0)", "jnp.take(x, jnp.array([0, 1]), axis=0)"),
        ("(jnp.mean if c else jnp.sum)([a])", "(jnp.mean if c else jnp.sum)(jnp.array([a]))"),
        ("jnp.concatenate([x, a])", "jnp.concatenate([x, a])"),
        ("jnp.sum(x, axis=[0, 1])", "jnp.sum(x, axis=[0, 1])"),
        ("np.mean([a, b])", "np.mean([a, b])"),
    ],
)
def test_a_call_is_written_as_it_is_today(old: str, new: str) -> None:
    assert after(f"return {old}") == f"return {new}"


@pytest.mark.parametrize(
    "call",
    [
        "jnp.clip(x, 0, 1, out)",
        "jnp.sort(x, kind='mergesort')",
        "jnp.concatenate([x, [1., 2.]])",
        "jax.nn.softmax(x, initial=0.)",
    ],
)
def test_what_is_taken_no_longer_is_flagged(call: str) -> None:
    assert codes(f"def f(x, out):\n  return {call}\n") == ["LN196"]


def test_a_name_is_what_reaches_it() -> None:
    made = migrated(
        HEAD + "def f(xs, c):\n  losses = [x for x in xs]\n  a = jnp.mean(losses)\n"
        "  losses = jnp.stack(losses)\n  b = jnp.mean(losses)\n"
        "  kept = xs if c else [0.]\n  return a, b, jnp.max(kept)\n"
    )
    assert "a = jnp.mean(jnp.array(losses))\n" in made
    assert "b = jnp.mean(losses)\n" in made
    assert "jnp.max(jnp.array(kept))\n" in made


def test_names_may_be_set_to_each_other() -> None:
    made = migrated(
        HEAD + "def f(n):\n  a, b = [1.], [2.]\n  for _ in range(n):\n    a = b\n    b = a\n"
        "  c = d = [3.]\n  for _ in range(n):\n    c = d\n    d = c\n"
        "  return jnp.sum(a), jnp.sum(c)\n"
    )
    assert "return jnp.sum(jnp.array(a)), jnp.sum(jnp.asarray(c))\n" in made


# --- updates -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "new"),
    [
        ("index_add(x, 0, 1.)", "jnp.asarray(x).at[0].add(1.)"),
        ("index_add(jnp.sin(x), 0, 1.)", "jnp.sin(x).at[0].add(1.)"),
        ("index_mul(x * 2, 0, 1.)", "jnp.asarray(x * 2).at[0].multiply(1.)"),
        ("index_add(y=a, x=x + jnp.pi, idx=b)", "jnp.asarray(x + jnp.pi).at[b].add(a)"),
        ("index_add(y=a, x=+jnp.ones(3), idx=b)", "(+jnp.ones(3)).at[b].add(a)"),
        ("index_min(x, jax.ops.index[0, 1:], a)", "jnp.asarray(x).at[0, 1:].min(a)"),
        (
            "index_min(x, b, a, unique_indices=True)",
            "jnp.asarray(x).at[b].min(a, unique_indices=True)",
        ),
        ("index_max(x, [0, 1], a)", "jnp.asarray(x).at[jnp.array([0, 1])].max(a)"),
        ("index_max(x, (0, 1), a)", "jnp.asarray(x).at[(0, 1)].max(a)"),
        ("index[1:, None]", "jnp.s_[1:, None]"),
    ],
)
def test_an_update_is_spelt_out(call: str, new: str) -> None:
    assert after(f"return jax.ops.{call}") == f"return {new}"


@pytest.mark.parametrize(
    ("lines", "known"),
    [
        ("x = jnp.zeros(3)", True),
        ("if c:\n    x = jnp.zeros(3)", False),
        ("if c:\n    x = jnp.zeros(3)\n  else:\n    x = jnp.ones(3)", True),
        ("x = np.zeros(3)\n  for i in c:\n    x = jnp.sin(x)", False),
        ("x = jnp.zeros(3)\n  for i in c:\n    x = jax.ops.index_add(x, i, 1.)", True),
        ("x, _ = a", False),
        ("x = jnp.zeros(3)\n  x += 1", False),
    ],
)
def test_an_array_of_jax_needs_no_asarray(lines: str, *, known: bool) -> None:
    made = migrated(f"{HEAD}def f(x, a, c):\n  {lines}\n  return jax.ops.index_add(x, 0, 2.)\n")
    assert f"return {'x' if known else 'jnp.asarray(x)'}.at[0].add(2.)\n" in made


ADDED = "return jax.ops.index_add(x, i, 1.)"
SCAN = f"""\
def f(xs):
  def step(x, i):
    x = jax.ops.index_mul(x, i, 2.)
    {ADDED}, i
  return jax.lax.scan(step, xs, xs)
"""


@pytest.mark.parametrize(
    ("code", "traced"),
    [
        (f"@jax.jit\ndef f(x, i):\n  {ADDED}\n", True),
        (f"@partial(jax.jit, static_argnums=(1,))\ndef f(x, i):\n  {ADDED}\n", True),
        (f"@partial(jax.jit, static_argnums=0)\ndef f(x, i):\n  {ADDED}\n", False),
        (f"@partial(jax.jit, static_argnames='x')\ndef f(x, i):\n  {ADDED}\n", False),
        (SCAN, True),
        (f"{SCAN}\n\nstep = 3\n", True),
    ],
)
def test_what_jax_traces_is_an_array_of_jax(code: str, *, traced: bool) -> None:
    assert ("asarray" not in migrated(HEAD + code)) is traced


def test_a_guarded_import_stays_as_it_is() -> None:
    text = (
        "try:\n  from jax.ops import index_add\nexcept ImportError:\n"
        "  def index_add(x, idx, y):\n    return x.at[idx].add(y)\n\n\n"
        "def f(x):\n  return index_add(x, 0, 1.)\n"
    )
    assert migrated(text) == text


def test_a_function_is_defined_once_for_all_its_values() -> None:
    made = migrated(
        "import jax\nfrom jax.ops import index_add as plus\n\n\n"
        "def f(x, op=plus):\n  return op(x, 0, 1.), jax.vmap(plus)(x, x, x)\n\n\n"
        "T = {'a': jax.ops.index_add}\n"
    )
    assert made.count("def index_add(") == 1
    assert "op=index_add" in made
    assert "jax.vmap(index_add)" in made
    assert "{'a': index_add}" in made
    assert "from jax.ops" not in made


def test_a_name_that_is_taken_is_said() -> None:
    text = "import jax\n\n\ndef index_add(x):\n  return x\n\n\nT = [jax.ops.index_add]\n"
    assert [d.code for d in migration(text).diagnostics] == ["LN195"]


def test_another_file_takes_the_function_from_where_it_is_defined() -> None:
    world = facts_of(
        {
            "pkg.tools": "from jax.ops import index_add\n\n\ndef f(x):\n  return x\n",
            "pkg.use": "from pkg.tools import index_add\nfrom pkg import tools\n\n"
            "TABLE = [index_add, tools.index_add]\n\n\ndef f(x):\n  return index_add(x, 0, 1.)\n",
        }
    )
    assert world.refusals() == []
    assert world.facts.files["pkg.tools"].support == ["index_add"]
    assert world.facts.files["pkg.use"].expressions == {}


def test_a_function_under_its_own_name_stays_where_it_is_named() -> None:
    head = "from functools import partial\nfrom jax.ops import index_add\n\n\n"
    made = migrated(f"{head}f = partial(index_add, idx=0)\n")
    assert made.endswith("f = partial(index_add, idx=0)\n")
    assert "def index_add(" in made
