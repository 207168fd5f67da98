"""`is_stateful` asks whether the collection is there, or may be changed."""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import reshape

RULE = Rule(
    code="LN402",
    name="is-stateful",
    doc=__doc__,
    forms=(reshape,),
    examples=(),
)
