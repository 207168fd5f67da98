"""Optimizer classes of the project: a rule for one parameter, or refused."""

from __future__ import annotations

import textwrap

import pytest
from support import migration

HEAD = """\
import jax.numpy as jnp
from flax import optim, struct


@struct.dataclass
class Hyper:
    learning_rate: float

"""
RULE = """
    def init_param_state(self, param):
        return ()

    def apply_param_gradient(self, step, hyper_params, param, state, grad):
        return param - hyper_params.learning_rate * grad, ()
"""
INIT = """
    def __init__(self, learning_rate):
        super().__init__(Hyper(learning_rate))
"""


def result(text: str) -> tuple[str, list[str]]:
    """The migrated text, and what was refused."""
    made = migration(HEAD + textwrap.dedent(text))
    after = made.changes[0].after if made.changes else ""
    return after, [f"{d.code} {d.message}" for d in made.diagnostics]


def test_a_plain_rule_gets_another_base():
    after, refused = result(f"class Plain(optim.OptimizerDef):\n{INIT}{RULE}\n\ntx = Plain(0.1)\n")
    assert not refused
    assert "class Plain(PerParamOptimizer):" in after
    assert after.index("class PerParamState(NamedTuple)") < after.index("class PerParamOptimizer:")
    assert "tx = Plain(0.1)\n" in after
    assert "optim" not in after.replace("PerParamOptimizer", "")


def test_classes_may_derive_from_each_other():
    after, refused = result(
        f"class A(optim.OptimizerDef):\n{INIT}{RULE}\n\nclass B(A):\n    pass\n\n\ntx = B(0.1)\n"
    )
    assert not refused
    assert "class B(A):" in after


def test_an_abstract_base_needs_no_rule_of_its_own():
    after, refused = result(f"class A(optim.OptimizerDef):\n{INIT}\n\nclass B(A):\n{RULE}\n")
    assert not refused
    assert "class A(PerParamOptimizer):" in after


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"class O(optim.Adam):\n{RULE}", "`O` derives from `optim.Adam`"),
        (f"class O(optim.OptimizerDef, dict):\n{RULE}", "more than a subclass of OptimizerDef"),
        (f"@struct.dataclass\nclass O(optim.OptimizerDef):\n{RULE}", "more than a subclass"),
        (
            (
                f"class O(optim.OptimizerDef):\n{RULE}\n    def apply_gradient(self, *args):\n"
                "        return args\n"
            ),
            "`O` defines `apply_gradient`",
        ),
        (
            f"class O(optim.OptimizerDef):\n{RULE}\n    def init(self):\n        pass\n",
            "`O` defines `init`",
        ),
        (
            (
                "class O(optim.OptimizerDef):\n    def init_param_state(self, param):\n"
                "        return ()\n"
            ),
            "`O` has no `apply_param_gradient`",
        ),
        (
            f"PerParamState = tuple\n\n\nclass O(optim.OptimizerDef):\n{RULE}",
            "`PerParamState` is needed here",
        ),
        ("x = optim.OptimizerDef.init_state\n", "no longer exists"),
    ],
)
def test_refused(text, why):
    after, refused = result(text)
    assert any(line.startswith("LN691 ") and why in line for line in refused), refused
    assert "TODO(linenify): LN691" in after
    assert "PerParamOptimizer" not in after


def test_what_uses_a_refused_class_is_refused_too():
    _, refused = result(f"class O(optim.Adam):\n{RULE}\n\ntx = O(0.1)\n")
    assert len(refused) == 2
