"""`--keep-names`: which number every submodule gets, and where that cannot be proven."""

from __future__ import annotations

import textwrap

import pytest
from support import migrated, migration

OPTION = "keep-names"
HEAD = "from flax import nn\nimport jax\nimport jax.numpy as jnp\n\n\n"


def kept(text: str) -> str:
    return migrated(HEAD + textwrap.dedent(text), OPTION)


def in_apply(body: str, parameters: str = "self, x") -> str:
    lines = textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")
    return f"class M(nn.Module):\n  def apply({parameters}):\n{lines}\n"


def named(body: str, parameters: str = "self, x") -> list[str]:
    """What stands in `name=...` in the migrated body of an `apply`, line by line."""
    return names_in(kept(in_apply(body, parameters)))


def names_in(text: str) -> list[str]:
    return [each.partition(")(")[0].strip("'\"f") for each in _given(text)]


def _given(text: str) -> list[str]:
    return [part.split("'")[1] for part in text.split("name=")[1:] if "'" in part]


def reasons(text: str) -> list[str]:
    """Why names are not kept, class by class."""
    found = migration(HEAD + textwrap.dedent(text), OPTION).diagnostics
    return [each.message.partition("not kept: ")[2] for each in found if each.code == "LN790"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            "x = nn.Conv(x, 3, (1, 1))\nreturn nn.Dense(x, 3)",
            ["Conv_0", "Dense_1"],
            id="one-counter-for-all-classes",
        ),
        pytest.param(
            "return nn.Dense(nn.Dense(x, 3), 4)",
            ["Dense_1", "Dense_0"],
            id="arguments-come-first",
        ),
        pytest.param(
            "x = nn.Dense(x, 3, name='a')\nreturn nn.Dense(x, 3, name=None)",
            ["a", "Dense_0"],
            id="given-names-take-no-number",
        ),
        pytest.param(
            "d = nn.Dense.shared(features=3)\nreturn nn.LayerNorm(d(d(x)))",
            ["0", "LayerNorm_1"],
            id="a-shared-module-is-called-by-its-number",
        ),
        pytest.param(
            "d = nn.Dense.partial(features=3, name='d')\nreturn nn.LayerNorm(d(x))",
            ["d", "LayerNorm_0"],
            id="a-name-that-is-bound-takes-no-number",
        ),
        pytest.param(
            "if x.ndim > 2:\n  x = nn.Conv(x, 3, (1,))\nelse:\n  x = nn.Dense(x, 3)\n"
            "return nn.LayerNorm(x)",
            ["Conv_0", "Dense_0", "LayerNorm_1"],
            id="branches-that-take-equally-many",
        ),
        pytest.param(
            "if x.ndim > 2:\n  return nn.Conv(x, 3, (1,))\nreturn nn.Dense(x, 3)",
            ["Conv_0", "Dense_0"],
            id="an-early-return",
        ),
        pytest.param(
            "for i in range(2):\n  x = nn.Dense(nn.LayerNorm(x), 3)\nreturn nn.Dense(x, 1)",
            ["Dense_{2 * i + 1}", "LayerNorm_{2 * i}", "Dense_4"],
            id="a-loop-whose-rounds-are-known",
        ),
        pytest.param(
            "for i in range(1, 3):\n  x = nn.Dense(x, i)\nreturn nn.Dense(x, 1)",
            ["Dense_{i - 1}", "Dense_2"],
            id="a-loop-that-starts-from-one",
        ),
        pytest.param(
            "for i in range(2):\n  for j in range(3):\n    x = nn.Dense(x, i + j)\nreturn x",
            ["Dense_{3 * i + j}"],
            id="a-loop-in-a-loop",
        ),
        pytest.param(
            "xs = [nn.Dense(x, w) for i, w in enumerate((1, 2))]\nreturn nn.Dense(xs[0], 1)",
            ["Dense_{i}", "Dense_2"],
            id="a-comprehension",
        ),
        pytest.param(
            "def f(y, n):\n  return nn.Dense(y, n)\nreturn f(x, 3)",
            ["Dense_0"],
            id="a-function-that-is-called-once",
        ),
        pytest.param(
            "with jax.named_scope('a'):\n  x = nn.Dense(x, 3)\nreturn nn.Dense(x, 3)",
            ["Dense_0", "Dense_1"],
            id="a-context",
        ),
        pytest.param(
            "x = nn.dropout(nn.relu(nn.Dense(x, 3)), 0.1)\nreturn nn.Dense(x, 1)",
            ["Dense_0", "Dense_1"],
            id="plain-functions-have-no-number",
        ),
    ],
)
def test_numbers_that_are_written_down(body: str, expected: list[str]) -> None:
    assert named(body) == expected


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        pytest.param(
            "if x.ndim > 2:\n  x = nn.Dense(x, 3)\nreturn nn.Dense(x, 3)",
            ["numbers = itertools.count()", "name=f'Dense_{next(numbers)}'"],
            id="only-one-branch-takes-a-number",
        ),
        pytest.param(
            "x = nn.Dense(x, 3)\nwhile x.ndim > 2:\n  x = nn.Dense(x, 3)\nreturn x",
            ["name='Dense_0'", "numbers = itertools.count(1)", "name=f'Dense_{next(numbers)}'"],
            id="literal-until-then",
        ),
        pytest.param(
            "for i in range(3):\n  x = nn.Dense(x, 3)\n  if x.ndim > 2:\n    break\n"
            "return nn.LayerNorm(nn.Dense(x, 1))",
            [
                "numbers = itertools.count()",
                "first, second = next(numbers), next(numbers)",
                "name=f'LayerNorm_{second}'",
                "name=f'Dense_{first}'",
            ],
            id="nested-calls-behind-a-break-are-drawn-ahead",
        ),
        pytest.param(
            "for i in range(3):\n  if x.ndim > 2:\n    break\nelse:\n  x = nn.Dense(x, 3)\n"
            "return nn.Dense(x, 1)",
            ["numbers = itertools.count()"],
            id="the-else-of-a-loop",
        ),
        pytest.param(
            "try:\n  x = nn.Dense(x, 3)\nexcept ValueError:\n  x = nn.LayerNorm(x)\nreturn x",
            ["numbers = itertools.count()"],
            id="an-exception",
        ),
        pytest.param(
            "y = x.ndim > 2 and nn.Dense(x, 3)\nreturn nn.Dense(x, 3)",
            ["numbers = itertools.count()"],
            id="what-may-not-be-evaluated",
        ),
    ],
)
def test_numbers_that_are_drawn(body: str, lines: list[str]) -> None:
    text = kept(in_apply(body))
    assert [line for line in lines if line not in text] == []


@pytest.mark.parametrize(
    ("body", "parameters", "why"),
    [
        ("return nn.Dense(layer(x), 3)", "self, x, layer", "`layer` is not known"),
        (
            "ys = jax.vmap(lambda y: nn.Dense(y, 3))(x)\nreturn ys",
            "self, x",
            "`jax.vmap` runs code that makes submodules",
        ),
        (
            "ys = list(map(nn.Dense.partial(features=3), x))\nreturn nn.Dense(ys[0], 3)",
            "self, x",
            "`map` is handed a module class",
        ),
        (
            "def f(y, d=nn.Dense.shared(features=3)):\n  return d(y)\nreturn f(nn.Dense(x, 3))",
            "self, x",
            "it is not clear when",
        ),
        (
            "for d in [nn.LayerNorm, nn.Dense.partial(name='d')]:\n  x = d(x)\nreturn x",
            "self, x",
            "may or may not be given a name",
        ),
        (
            "f = nn.LayerNorm if x.ndim else (lambda y, name=None: y)\nreturn nn.Dense(f(x), 3)",
            "self, x",
            "makes a submodule only at times",
        ),
    ],
)
def test_what_cannot_be_proven_is_flagged_once(body: str, parameters: str, why: str) -> None:
    text = in_apply(body, parameters)
    (reason,) = reasons(text)
    assert why in reason
    assert [name for name in names_in(kept(text)) if name != "d"] == []


def test_a_helper_is_told_the_name() -> None:
    text = kept(
        """
        def conv(x, width, name=None):
          return nn.Conv(x, width, (3, 3), name=name)

        class A(nn.Module):
          def apply(self, x):
            return conv(conv(x, 3), 4, name='last')

        class B(nn.Module):
          def apply(self, x):
            return conv(nn.LayerNorm(x), 3)
        """
    )
    assert "conv(conv(x, 3, name='Conv_0'), 4, name='last')" in text
    assert "name='Conv_1')" in text.partition("class B")[2]
    assert "nn.Conv(width, (3, 3), name=name)(x)" in text


def test_a_helper_of_one_layer_is_given_its_name() -> None:
    text = kept(
        """
        def normed(x):
          return nn.relu(nn.LayerNorm(x))

        class A(nn.Module):
          def apply(self, x):
            return nn.Dense(normed(nn.Dense(normed(x), 3)), 3)
        """
    )
    assert "def normed(x, name):" in text
    assert "nn.relu(nn.LayerNorm(name=name)(x))" in text
    used = names_in(text.partition("class A")[2])
    assert sorted(used) == ["Dense_1", "Dense_3", "LayerNorm_0", "LayerNorm_2"]


def test_a_helper_that_asks_for_a_class_is_not_told_its_name() -> None:
    text = kept(
        """
        def normed(x, norm=nn.LayerNorm):
          return nn.relu(norm(x))

        class A(nn.Module):
          def apply(self, x):
            return normed(normed(x))
        """
    )
    assert "norm(name=f'{class_name(norm)}_{next(numbers)}')(x)" in text
    assert "normed(normed(x, numbers=numbers), numbers=numbers)" in text


def test_what_an_unclear_call_may_run_is_not_named() -> None:
    text = """
        TABLE = {'wide': lambda x: nn.Dense(x, 8), 'narrow': lambda x: nn.Dense(x, 2)}

        class A(nn.Module):
          def apply(self, x, kind):
            return nn.LayerNorm(TABLE[kind](nn.Dense(x, 3)))

        class B(nn.Module):
          def apply(self, x):
            return nn.LayerNorm(TABLE['wide'](x))
        """
    assert names_in(kept(text)) == []
    assert reasons(text) == [
        "`TABLE[kind]` may be one of several functions",
        "it shares code with `A`, where names are not known",
    ]


def test_a_helper_with_several_callers_is_given_the_counter() -> None:
    text = kept(
        """
        class A(nn.Module):
          def apply(self, x):
            return self.block(self.block(x, 3), 4)

          def block(self, x, width):
            return nn.LayerNorm(nn.Dense(x, width))
        """
    )
    assert "def block(self, x, width, numbers):" in text
    assert "self.block(self.block(x, 3, numbers=numbers), 4, numbers=numbers)" in text
    assert "first, second = next(numbers), next(numbers)" in text


def test_methods_to_be_overridden_are_given_the_counter_alike() -> None:
    text = kept(
        """
        class Base(nn.Module):
          def stem(self, x):
            raise NotImplementedError

          def apply(self, x):
            x = self.stem(x)
            return nn.Dense(x, 3)

        class One(Base):
          def stem(self, x):
            return nn.Dense(x, 3)

        class None_(Base):
          def stem(self, x):
            return x
        """
    )
    assert text.count("def stem(self, x, numbers):") == 3


def test_a_base_that_runs_behind_its_subclass_is_flagged_with_it() -> None:
    found = reasons(
        """
        class Base(nn.Module):
          def apply(self, x):
            return nn.Dense(x, 3)

        class Below(Base):
          def apply(self, x):
            return super().apply(nn.Dense(x, 3))

        class Above(Base):
          def apply(self, x):
            return nn.LayerNorm(super().apply(x))
        """
    )
    assert len(found) == 3


def test_a_base_that_runs_first_keeps_its_numbers() -> None:
    text = kept(
        """
        class Base(nn.Module):
          def apply(self, x):
            return nn.Dense(x, 3)

        class Above(Base):
          def apply(self, x):
            return nn.LayerNorm(super().apply(x))
        """
    )
    assert names_in(text) == ["Dense_0", "LayerNorm_1"]


def test_a_class_that_callers_choose_is_asked_for_its_name() -> None:
    text = kept(in_apply("return norm(nn.Dense(x, 3))", "self, x, norm=nn.LayerNorm"))
    assert "self.norm(name=f'{class_name(self.norm)}_1')" in text
    assert "def class_name(module_class):" in text


def test_a_partial_that_becomes_an_instance_is_named_where_it_is_made() -> None:
    text = kept(
        """
        class Encoder(nn.Module):
          def apply(self, ids, table=None):
            if table is None:
              embed = nn.Embed.partial(num_embeddings=7, features=3)
            else:
              embed = table
            x = embed(ids)
            x = nn.Dense(x, 3, name='out')
            return embed.attend(x) if table is not None else x

        class Net(nn.Module):
          def apply(self, ids):
            table = nn.Embed.shared(num_embeddings=7, features=3)
            return Encoder(ids, table)
        """
    )
    assert "embed = nn.Embed(num_embeddings=7, features=3, name='Embed_0')" in text
    assert names_in(text)[-2:] == ["0", "Encoder_1"]


def test_a_partial_that_another_number_overtakes_is_flagged() -> None:
    text = """
        class Encoder(nn.Module):
          def apply(self, ids, table=None):
            if table is None:
              embed = nn.Embed.partial(num_embeddings=7, features=3)
            else:
              embed = table
            x = nn.LayerNorm(ids)
            return embed(ids) + x

        class Net(nn.Module):
          def apply(self, ids):
            return Encoder(ids, nn.Embed.shared(num_embeddings=7, features=3))
        """
    (reason,) = reasons(text)
    assert reason == "`embed` is made in another place than it is called"


def test_strings_that_name_submodules_stay() -> None:
    text = """
        class Net(nn.Module):
          def apply(self, x):
            return nn.Dense(nn.Conv(x, 3, (1,)), 3)

        def kernel(params):
          return params['Dense_1']['kernel']
        """
    assert "params['Dense_1']" in kept(text)
    found = migration(HEAD + textwrap.dedent(text), OPTION).diagnostics
    assert [each.code for each in found] == []


def test_a_given_name_like_an_automatic_one_is_no_longer_in_the_way() -> None:
    text = in_apply("x = nn.Dense(x, 3, name='Dense_5')\nreturn nn.Dense(x, 3)")
    assert names_in(kept(text)) == ["Dense_5", "Dense_0"]
    assert [each.code for each in migration(HEAD + text, OPTION).diagnostics] == []
    assert [each.code for each in migration(HEAD + text).diagnostics] == ["LN298"]


def test_leaves_of_another_shape_are_pointed_out() -> None:
    text = in_apply(
        "x = nn.GroupNorm(x, num_groups=1)\nx = nn.DenseGeneral(x, 3, axis=(1, 2), bias=False)\n"
        "return nn.DenseGeneral(x[:, None], 3, axis=(2, 1), bias=False)"
    )
    found = migration(HEAD + text, OPTION).diagnostics
    assert [(each.code, each.span.line) for each in found] == [("LN810", 8), ("LN810", 10)]
    assert [each.code for each in migration(HEAD + text).diagnostics] == []
