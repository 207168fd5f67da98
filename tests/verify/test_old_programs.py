"""Legacy programs of 2020 run as they are: gone modules, missing packages, loose packages."""

import textwrap

import pytest
from commands import verify

from linenify.errors import ExitCode

pytestmark = pytest.mark.numeric

SWITCHED_ON = """
import jax.numpy as jnp
from flax import nn
from jax.api import jit
from jax.config import config
from jax.experimental import stax

config.enable_omnistaging()
config.update('jax_debug_nans', False)


class Net(nn.Module):

  def apply(self, x):
    return nn.Dense(jit(jnp.tanh)(jnp.msort(x)), 3)
"""

CONFIGURED = """
import gin
import gin.tf
from flax import nn
from absent.layers import Base


@gin.configurable
class Net(nn.Module):

  def apply(self, x):
    return nn.Dense(x, 3)
"""


def project(folder, **files):
    for name, text in files.items():
        path = folder / f"{name.replace('__slash__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return folder


def test_modules_and_switches_of_the_day_are_there_for_the_legacy_side(tmp_path):
    folder = project(tmp_path, main=SWITCHED_ON)
    code, document = verify(folder, "--module", f"{folder}/main.py:Net", "--input", "f32[2,3]")
    assert code == ExitCode.DONE, document
    assert document["verdict"].startswith("equal")


def test_files_of_a_root_package_may_import_each_other_by_their_bare_names(tmp_path):
    main = "from flax import nn\nfrom parts import width\n\n\nclass Net(nn.Module):\n"
    main += "  def apply(self, x):\n    return nn.Dense(x, width())\n"
    folder = project(tmp_path / "root", __init__="", main=main, parts="def width():\n  return 3\n")
    code, document = verify(folder, "--module", f"{folder}/main.py:Net", "--input", "f32[2,3]")
    assert code == ExitCode.DONE, document


def test_a_missing_package_is_named_and_a_stub_may_stand_for_it(tmp_path):
    folder = project(tmp_path, main=CONFIGURED)
    asked = ("--module", f"{folder}/main.py:Net", "--input", "f32[2,3]")
    code, document = verify(folder, *asked)
    assert code == ExitCode.PENDING
    [run] = document["cases"][0]["runs"]
    assert "--stub gin" in run["failure"]["message"]
    code, document = verify(folder, *asked, "--stub", "gin", "--stub", "absent")
    assert document["cases"][0]["refused"] == [] or code == ExitCode.PENDING
    failure = document["cases"][0]["runs"][0]["failure"]
    assert failure is None or "No module named" not in failure["message"]
