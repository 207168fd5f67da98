"""Imports of `flax.nn` and `flax.deprecated.nn` name `flax.linen` instead.

Local names stay as they are, so that the rest of the file reads the same.  A
name that nothing reads any more goes; other names of the statement stay.
"""

from __future__ import annotations

from linenify.rules.base import Rule

RULE = Rule(
    code="LN101",
    name="legacy-import",
    doc=__doc__,
    forms=(),
    examples=(
        (
            """\
from flax import nn

act = nn.relu
""",
            """\
from flax import linen as nn

act = nn.relu
""",
        ),
        (
            """\
from flax.nn import Dense, relu

layers = [Dense, relu]
""",
            """\
from flax.linen import Dense, relu

layers = [Dense, relu]
""",
        ),
        (
            """\
import flax.nn

act = flax.nn.relu
""",
            """\
import flax.linen

act = flax.linen.relu
""",
        ),
    ),
)
