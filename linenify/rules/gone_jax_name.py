"""A name that JAX or NumPy has dropped is spelt as it is today.

Only names with the same arguments and the same result are replaced, wherever
they stand, by what they are bound to and not by how they are spelt.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.names import rename

RULE = Rule(
    code="LN103",
    name="gone-jax-name",
    doc=__doc__,
    forms=(rename,),
    examples=(
        (
            """\
import jax


def halve(tree):
  return jax.tree_map(lambda x: x / 2, tree)
""",
            """\
import jax


def halve(tree):
  return jax.tree.map(lambda x: x / 2, tree)
""",
        ),
    ),
)
