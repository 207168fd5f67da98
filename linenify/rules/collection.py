"""A legacy Collection is a plain dict of variable collections.

An empty one is `{}`, and `as_dict()` has nothing left to do.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import reshape

RULE = Rule(
    code="LN403",
    name="collection",
    doc=__doc__,
    forms=(reshape,),
    examples=(
        (
            """\
from flax import nn

state = nn.Collection()
""",
            """\
state = {}
""",
        ),
    ),
)
