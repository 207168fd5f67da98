"""A call of a shared module keeps its inputs only."""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import split_call

RULE = Rule(
    code="LN304",
    name="instance-call",
    doc=__doc__,
    forms=(split_call,),
    examples=(),
)
