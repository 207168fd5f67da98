"""A hyper-parameter is read from the instance: `self.features`.

Where the method assigns to it, a local variable takes the value first.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.names import read_field, read_fields_in_text

RULE = Rule(
    code="LN202",
    name="hyperparameter-read",
    doc=__doc__,
    forms=(read_field, read_fields_in_text),
    examples=(
        (
            "x = x * features",
            "x = x * self.features",
        ),
        (
            "assert train, f'{features} features'",
            "assert self.train, f'{self.features} features'",
        ),
    ),
)
