"""JAX transformations over modules become their lifted counterparts.

`lax.scan` over a module is `nn.scan`, `jax.remat` is `nn.remat`: Linen has to
carry parameters and keys through the transformation.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import reorder, reshape
from linenify.rules.forms.names import rename
from linenify.rules.forms.signatures import with_parameter

RULE = Rule(
    code="LN308",
    name="scan-over-module",
    doc=__doc__,
    forms=(reshape, rename, with_parameter, reorder),
    examples=(),
)
