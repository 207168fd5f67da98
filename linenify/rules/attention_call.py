"""`SelfAttention` and `MultiHeadDotProductAttention` take one mask in Linen.

`causal_mask`, `padding_mask`, `key_padding_mask` and `segmentation` become the
mask that they stood for.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import split_call

RULE = Rule(
    code="LN305",
    name="attention-call",
    doc=__doc__,
    forms=(split_call,),
    examples=(
        (
            "x = nn.SelfAttention(x, num_heads=2, causal_mask=True)",
            """\
x = nn.MultiHeadDotProductAttention(num_heads=2)(
    x, mask=nn.make_causal_mask(x[..., 0]))
""",
        ),
    ),
)
