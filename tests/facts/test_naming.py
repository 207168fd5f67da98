"""What submodules are called in legacy Flax and in Linen."""

from __future__ import annotations

from pathlib import Path

import pytest

from linenify.facts.collect import collect
from linenify.project.load import load

HEAD = "from flax import nn\n\n\nclass M(nn.Module):\n  def apply(self, x):\n"


def named(folder: Path, body: str) -> list[tuple[str, str]]:
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    (folder / "m.py").write_text(HEAD + lines + "    return x\n")
    (names,) = collect(load([folder])).names
    return [(legacy, linen) for legacy, linen, _ in names.children]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            "x = nn.Conv(x, 3, (1, 1))\nx = nn.Dense(x, 3)",
            [("Conv_0", "Conv_0"), ("Dense_1", "Dense_0")],
            id="one-counter-against-one-for-each-class",
        ),
        pytest.param(
            "x = nn.Dense(nn.Dense(x, 3), 4)",
            [("Dense_0", "Dense_1"), ("Dense_1", "Dense_0")],
            id="nested-calls-count-the-other-way-round",
        ),
        pytest.param(
            "x = nn.Dense(x, 3, name='a')\nx = nn.Dense(x, 3)",
            [("a", "a"), ("Dense_0", "Dense_0")],
            id="explicit-names-do-not-count",
        ),
        pytest.param(
            "d = nn.Dense.shared(features=3)\nx = nn.LayerNorm(d(x))",
            [("0", "Dense_0"), ("LayerNorm_1", "LayerNorm_0")],
            id="an-unnamed-shared-module-is-a-bare-number",
        ),
        pytest.param(
            "x = nn.SelfAttention(x, num_heads=1)",
            [("MultiHeadDotProductAttention_0", "MultiHeadDotProductAttention_0")],
            id="self-attention-is-named-after-what-it-is-made-from",
        ),
        pytest.param(
            "for _ in range(2):\n  x = nn.Dense(x, 3)\nx = nn.LayerNorm(x)",
            [("Dense_#", "Dense_#"), ("LayerNorm_#", "LayerNorm_0")],
            id="numbers-behind-a-loop-are-not-known",
        ),
    ],
)
def test_names_on_both_sides(tmp_path: Path, body: str, expected: list[tuple[str, str]]) -> None:
    assert named(tmp_path, body) == expected


def test_an_explicit_name_that_linen_would_give_away_is_refused(tmp_path: Path) -> None:
    body = "    x = nn.Conv(x, 3, (1, 1))\n    x = nn.Dense(x, 3)\n"
    (tmp_path / "m.py").write_text(HEAD + body + "    return nn.Dense(x, 3, name='Dense_0')\n")
    (file,) = collect(load([tmp_path])).files.values()
    assert [finding.code for finding in file.refusals] == ["LN298"]
