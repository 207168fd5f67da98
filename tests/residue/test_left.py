"""Legacy code that is left in a file of Linen is seen, also when its mark was deleted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from linenify.cli import main
from linenify.facts.legacy import catalogue
from linenify.migrate import migrate
from linenify.project.load import load
from linenify.residue.left import _gone

HEAD = "from flax import linen as nn\n\n\n"
NET = (
    "class Net(nn.Module):\n  width: int = 3\n\n  @nn.compact\n  def __call__(self, x):\n"
    "    return nn.Dense(self.width)(x)\n\n\n"
)


def found(folder: Path, **files: str) -> list[tuple[str, int]]:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return [(d.code, d.span.line) for d in migrate(load([folder])).diagnostics]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("def run(s, f):\n  with nn.stateful(s) as new:\n    f()\n  return new\n", "LN690"),
        ("def run(p, x):\n  return nn.Model(Net, p)(x)\n", "LN690"),
        ("def run(x):\n  return nn.dropout(x, 0.5)\n", "LN190"),
        ("@nn.module\ndef layer(x):\n  return x\n", "LN190"),
        ("def run(key, f):\n  with nn.stochastic(key):\n    f()\n", "LN690"),
        ("class Own(nn.base.Module):\n  pass\n", "LN190"),
        ("from flax.linen import Model\n", "LN690"),
        ("WIDE = nn.Dense.partial(features=3)\n", "LN190"),
        ("WIDE = Net.partial(width=3)\n", "LN386"),
        ("def run(key):\n  return Net.init_by_shape(key, [(2, 3)])\n", "LN386"),
        ("class Old(nn.Module):\n  def apply(self, x):\n    return x\n", "LN290"),
        ("class Old(Net):\n  def apply(self, x, width):\n    return x\n", "LN386"),
        (
            (
                "class Old(nn.Module):\n  @nn.compact\n  def __call__(self, x):\n"
                "    return nn.relu(nn.Dense(x, 3))\n"
            ),
            "LN390",
        ),
        (
            (
                "class Old(nn.Module):\n  @nn.compact\n  def __call__(self, x):\n"
                "    return nn.Dense(x, features=3)\n"
            ),
            "LN390",
        ),
        ("def make(p):\n  return optim.Adam(1e-3).create(p)\n", "LN691"),
        ("def make(p):\n  return opt.Momentum(1e-3).create(p)\n", "LN691"),
        ("def make(p):\n  return Adam(1e-3)\n", "LN691"),
        ("def step(o, g):\n  return o.apply_gradient(g)\n", "LN692"),
        ("def rate(o):\n  return o.optimizer_def.hyper_params\n", "LN692"),
    ],
)
def test_what_linen_does_not_have_is_refused(tmp_path: Path, text: str, code: str) -> None:
    # LN386 is what the facts say of a Linen class of the project in legacy use.
    assert [each for each, _ in found(tmp_path, a=HEAD + NET + text)] == [code]


def test_it_is_seen_through_imports_of_other_files(tmp_path: Path) -> None:
    user = (
        "import lib.net\nfrom lib.net import Net as N\n\nA = N.shared(width=3)\nB = lib.net.Net\n"
    )
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "net.py").write_text(HEAD + NET)
    assert found(tmp_path, user=user) == [("LN386", 4)]


@pytest.mark.parametrize(
    "text",
    [
        "def run(x):\n  return nn.stochastic.Dropout(0.5)(x)\n",
        "from flax.linen import module, stochastic\n",
        "import optax as optim\n\nTX = optim.adam(1e-3)\n",
        "from torch import optim\n\nTX = optim.Adam\n",
        "def make(optim):\n  return optim.Adam(1e-3)\n",
        "from library import *\n\nTX = optim.Adam(1e-3)\n",
        "class Own(nn.Module):\n  def apply(self, variables, *args, **kwargs):\n    return 1\n",
        "class Own:\n  def apply(self, x):\n    return x\n",
        "class Own:\n  def apply_gradient(self, x):\n    return x\n\nY = Own().apply_gradient(1)\n",
        "PART = partial(nn.Dense, 3)\nX = Table.shared\n",
        (
            "class Own(nn.Module):\n  @nn.compact\n  def __call__(self, x, n=3):\n"
            "    return nn.Dense(n, use_bias=False)(x)\n"
        ),
        (
            "class Own(nn.Module):\n  @nn.compact\n  def __call__(self, n):\n"
            "    return nn.Dense(n, False)(n)\n"
        ),
    ],
)
def test_linen_code_is_left_alone(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, a=HEAD + NET + text) == []


def test_nothing_is_said_below_a_mark(tmp_path: Path) -> None:
    text = "# TODO(linenify): LN690 why\ndef run(s):\n  return nn.stateful(s)\n"
    assert found(tmp_path, a=HEAD + text) == [("LN690", 4)]  # the mark itself


REFUSED = """\
from flax import nn, optim


class Net(nn.Module):
  def apply(self, x):
    return nn.Dense(x, 3)


def make(kind, params, **options):
  return getattr(optim, kind)(**options)


def other(params):
  return optim.Adam(**json.loads(params)).create(params)


def first(key, x, keep):
  for made in Net.init(key, x):
    keep(made)
  return Net.partial(**x)
"""


def test_a_deleted_mark_is_written_again(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text(REFUSED)
    main(["--write", str(tmp_path)])
    marked = file.read_text()
    assert marked.count("TODO(linenify)") >= 3
    bare = re.sub(r"^ *# (?:TODO\(linenify\)|  ).*\n", "", marked, flags=re.MULTILINE)
    file.write_text(bare)
    assert main(["--check", str(tmp_path)]) == 1
    main(["--write", str(tmp_path)])
    assert "TODO(linenify): LN691" in file.read_text()
    assert main(["--check", str(tmp_path)]) == 1


@pytest.mark.numeric
def test_what_is_called_gone_is_not_in_linen() -> None:
    linen = pytest.importorskip("flax.linen")

    def there(path: str) -> bool:
        value: object = linen
        for name in path.split("."):
            value = getattr(value, name, None)
        return value is not None

    names = [*catalogue._BY_PATH, *catalogue.SUBMODULES]
    wrong = {name for name in names if _gone(name) is not None and there(name)}
    assert wrong == {"module", "stochastic"}  # submodules of that name
    assert all(there(name) or _gone(name) for name in catalogue.EXPORTED)
