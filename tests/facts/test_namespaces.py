"""Objects that only hold what they are given hand module classes on."""

from __future__ import annotations

import pytest
from facts.support import project_of

from linenify.migrate import migrate

TEXT = """\
import argparse
import collections
import types
from flax import nn


class Net(nn.Module):

    def apply(self, x, kind=nn.LayerNorm):
        {made}
        return {used}
"""


@pytest.mark.parametrize(
    ("made", "used", "expected"),
    [
        pytest.param(
            "parts = types.SimpleNamespace(norm=kind)",
            "parts.norm(x)",
            "return parts.norm()(x)",
            id="given_to_a_namespace",
        ),
        pytest.param(
            "parts = argparse.Namespace(); parts.dense = nn.Dense",
            "parts.dense(x, 3)",
            "return parts.dense(3)(x)",
            id="set_on_a_namespace",
        ),
        pytest.param(
            "parts = collections.OrderedDict(dense=nn.Dense)",
            "parts['dense'](x, 3)",
            "return parts['dense'](3)(x)",
            id="in_an_ordered_dict",
        ),
    ],
)
def test_a_module_class_is_followed_through_it(made, used, expected):
    found = migrate(project_of(TEXT.format(made=made, used=used)))
    assert [d.code for d in found.diagnostics if d.severity == "refusal"] == []
    assert expected in found.changes[0].after
