"""A function that JAX has dropped is a value: one that means the same takes its place.

Where `jax.ops.index_add` is bound by `functools.partial`, chosen by a condition, kept in
a table or handed on, the file gets a function of that name. So every call of the value
does what was chosen, and stays as it is.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.names import rename, wrap

RULE = Rule(
    code="LN110",
    name="gone-jax-function",
    doc=__doc__,
    forms=(rename, wrap),
    examples=(
        (
            """\
from jax import lax


def order(tie=lax.tie_in):
  return tie
""",
            """\
from jax import lax


def order(tie=lambda x, y: y):
  return tie
""",
        ),
    ),
)
