"""Two runs over the same files say the same, whatever Python's sets do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import jax
from flax import nn, optim


class Left(nn.Module):
  def apply(self, x):
    return nn.Dense(x, 3)


class Right(nn.Module):
  def apply(self, x, width):
    return nn.Dense(x, width)


MAKERS = {'adam': optim.Adam, 'lamb': optim.LAMB, 'sgd': optim.GradientDescent}
NETS = {'left': Left, 'right': Right}


def train(name, net, options, x):
  _, params = NETS[net].init(jax.random.PRNGKey(0), x)
  optimizer = MAKERS[name]().create(nn.Model(NETS[net], params))
  grad = jax.grad(lambda model: model(x).sum())(optimizer.target)
  return optimizer.apply_gradient(grad, **options)
"""


def said(folder: Path, salt: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": salt}
    command = [sys.executable, "-m", "linenify", "--format", "json", "."]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True)
    return done.stdout.decode()


def test_the_report_does_not_depend_on_how_python_hashes(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    first, *others = (said(tmp_path, salt) for salt in ("1", "2", "3"))
    assert "cannot be set at a step" in first
    assert others == [first, first]
