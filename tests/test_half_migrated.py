"""Projects that are half migrated: finished to the same text, or flagged; never rewritten twice."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from stories import Case, cases, migrated
from support import migration

SEVERAL_FILES = [case for case in cases() if case.legacy.is_dir()]


def put(root: Path, texts: dict[str, str]) -> Path:
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return root


@pytest.mark.parametrize("case", SEVERAL_FILES, ids=[c.folder.name for c in SEVERAL_FILES])
def test_one_file_taken_back_to_legacy_is_migrated_again_or_flagged(case: Case, tmp_path: Path):
    legacy = case.sources()
    whole = migrated(case.legacy, case.options)[1]
    taken_back = [name for name in legacy if legacy[name] != whole[name]]
    assert taken_back
    for index, name in enumerate(taken_back):
        half = put(tmp_path / str(index), whole | {name: legacy[name]})
        again, texts = migrated(half, case.options)
        flagged = [d for d in again.diagnostics if d.severity.value != "notice"]
        assert texts == whole or flagged


LEGACY = {
    "Inner": """
class Inner(nn.Module):

  def apply(self, x, depth, width):
    for _ in range(depth):
      x = nn.Dense(x, width)
    return x
""",
    "Outer": """
class Outer(nn.Module):

  def apply(self, x, depth, width):
    return Inner(x, depth, width)
""",
}
HEAD = "from flax import linen\nfrom flax import nn\nimport functools\nimport jax\n\n"
LINEN_INNER = """
class Inner(linen.Module):
  depth: int
  width: int

  @linen.compact
  def __call__(self, x):
    for _ in range(self.depth):
      x = linen.Dense(self.width)(x)
    return x
"""
OUTER = """
class Outer(linen.Module):
  depth: int
  width: int
{}
"""


def both(text: str) -> tuple[str, list[str]]:
    """The migrated text, and the codes of what was refused."""
    found = migration(HEAD + text)
    refused = [d.code for d in found.diagnostics if d.severity.value == "refusal"]
    assert not [d.message for d in found.diagnostics if d.code in ("LN000", "LN299")]
    after = found.changes[0].after if found.changes else HEAD + text
    ast.parse(after)
    return after, refused


@pytest.mark.parametrize(
    "body",
    [
        "  @linen.compact\n  def __call__(self, x):\n    return Inner(self.depth, self.width)(x)",
        """  @linen.compact
  def __call__(self, x):
    block = functools.partial(Inner, width=self.width)
    return block(depth=self.depth)(x)
""",
        """  @linen.compact
  def __call__(self, x):
    inner = Inner(width=self.width, depth=2, name='inner')
    return inner(inner(x))
""",
        """  def setup(self):
    self.inner = Inner(self.depth, width=self.width)

  def __call__(self, x):
    return self.inner(x)
""",
        """  def setup(self):
    self.layers = [Inner(1, width=w) for w in (3, 4)]

  def __call__(self, x):
    for layer in self.layers:
      x = layer(x)
    return x
""",
    ],
)
def test_a_linen_class_that_calls_a_legacy_class_stays(body):
    after, refused = both(LEGACY["Inner"] + OUTER.format(body))
    assert refused == []
    assert OUTER.format(body) in after
    assert "depth: int\n  width: int\n\n  @nn.compact\n  def __call__(self, x):" in after


@pytest.mark.parametrize(
    "use",
    [
        "params = Inner(2, 3).init(jax.random.PRNGKey(0), x)['params']",
        "y = Inner(depth=2, width=3).apply({'params': params}, x)",
        "net = Inner(depth=2, width=3)\ny = net.apply({'params': params}, x)",
        "make = functools.partial(Inner, depth=2)\ny = make(width=3).apply({'params': params}, x)",
    ],
)
def test_a_program_in_linen_form_stays(use):
    text = LEGACY["Inner"] + f"\n\ndef main(params, x):\n  {use.replace(chr(10), chr(10) + '  ')}\n"
    after, refused = both(text)
    assert refused == []
    assert use.replace("\n", "\n  ") in after
    assert "width: int" in after


@pytest.mark.parametrize(
    "use",
    [
        pytest.param("Inner(self.depth)(x)", id="a_field_is_missing"),
        pytest.param("Inner(self.depth, self.width, 4)(x)", id="too_many"),
        pytest.param("Inner(self.depth, size=self.width)(x)", id="unknown"),
        pytest.param("Inner(self.depth, self.width)(x, x)", id="too_many_inputs"),
        pytest.param("Inner(self.depth, self.width)()", id="no_input"),
        pytest.param("Inner(self.depth, self.width)(x, train=True)", id="unknown_input"),
    ],
)
def test_a_call_in_linen_form_that_will_not_fit_keeps_the_class_as_it_is(use):
    body = f"  @linen.compact\n  def __call__(self, x):\n    return {use}"
    after, refused = both(LEGACY["Inner"] + OUTER.format(body))
    assert "LN385" in refused
    assert "def apply(self, x, depth, width):" in after
    assert f"    return {use}" in after


@pytest.mark.parametrize(
    "use",
    [
        "return Inner(x, depth, width)",
        "return Inner(x, depth=depth, width=width, name='inner')",
        "block = Inner.partial(width=width)\n    return block(x, depth)",
        "inner = Inner.shared(depth=depth, width=width)\n    return inner(inner(x))",
    ],
)
def test_a_legacy_class_that_uses_a_linen_class_is_refused_and_kept(use):
    outer = f"\nclass Outer(nn.Module):\n\n  def apply(self, x, depth, width):\n    {use}\n"
    after, refused = both(LINEN_INNER + outer)
    assert "LN386" in refused
    assert all(line in after for line in outer.splitlines())


@pytest.mark.parametrize(
    "use",
    [
        "_, params = Inner.init(key, x, depth=2, width=3)",
        "y = Inner.call(params, x, depth=2, width=3)",
        "model = nn.Model(Inner.partial(depth=2, width=3), params)",
        "_, params = Inner.init_by_shape(key, [(2, 3)], depth=2, width=3)",
    ],
)
def test_a_legacy_program_around_a_linen_class_is_flagged(use):
    _, refused = both(LINEN_INNER + f"\n\ndef main(key, x, params):\n  {use}\n")
    assert "LN386" in refused


def test_a_migrated_subclass_of_a_legacy_class_stays():
    base = """
class Base(nn.Module):

  def apply(self, x, width):
    return nn.Dense(x, width)
"""
    sub = """
class Sub(Base):
  scale: float = 2.0

  @linen.compact
  def __call__(self, x):
    return self.scale * super().__call__(x)
"""
    after, refused = both(base + "\n" + sub)
    assert refused == []
    assert sub in after
    assert "  width: int\n\n  @nn.compact\n  def __call__(self, x):" in after


def test_a_legacy_subclass_of_a_migrated_class_is_flagged_and_kept():
    sub = """
class Sub(Inner):

  def apply(self, x, depth, width, scale):
    return scale * super().apply(x, depth, width)
"""
    after, refused = both(LINEN_INNER + "\n" + sub)
    assert refused == ["LN386"]
    assert sub in after


def test_a_linen_class_with_an_apply_of_its_own_is_no_legacy_class():
    text = """
class Net(linen.Module):

  def apply(self, variables, *args, rngs=None, **kwargs):
    return super().apply(variables, *args, rngs=rngs, **kwargs)
"""
    after, refused = both(text)
    assert refused == []
    assert text in after
