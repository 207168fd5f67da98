"""`initialize_carry` is a method of an instance and takes the shape of the input."""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import reshape

RULE = Rule(
    code="LN307",
    name="initialize-carry",
    doc=__doc__,
    forms=(reshape,),
    examples=(
        (
            "carry = nn.GRUCell.initialize_carry(jax.random.PRNGKey(0), (2,), features)",
            """\
carry = nn.GRUCell(self.features, parent=None).initialize_carry(
    jax.random.PRNGKey(0), (2, self.features))
""",
        ),
    ),
)
