"""Lambdas that stand beside module classes and take whatever those take."""

from __future__ import annotations

import pytest

from linenify.outcome import Severity
from tests.support import HEAD, migration

PROGRAMS = {
    "in branches": (
        """
def norm_of(kind):
  if kind == 'group':
    norm = nn.GroupNorm.partial(num_groups=2)
  else:
    norm = lambda x, *args, **kwargs: x
  return norm
class Block(nn.Module):
  def apply(self, x, kind='none'):
    norm = norm_of(kind)
    return norm(nn.Dense(x, 4), name='last')
""",
        ("norm = lambda *args, **kwargs: lambda x: x", "norm(name='last')(nn.Dense(4)(x))"),
    ),
    "in a table, with a field by position": (
        """
TABLE = {'none': lambda h, *rest, **named: h, 'group': nn.GroupNorm}
class Net(nn.Module):
  def apply(self, x, kind='none'):
    pick = TABLE[kind]
    return pick(x, 2, name='a')
""",
        ("'none': lambda *rest, **named: lambda h: h", "return pick(2, name='a')(x)"),
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_takes_two_steps_as_the_classes_do(name: str) -> None:
    text, expected = PROGRAMS[name]

    result = migration(HEAD + text)

    assert not [d.message for d in result.diagnostics if d.severity is not Severity.NOTICE]
    assert all(line in result.changes[0].after for line in expected)


def test_inputs_that_nothing_names_are_flagged() -> None:
    text = """
TABLE = {'sum': lambda *inputs, **named: sum(inputs), 'wide': nn.Dense}
class Net(nn.Module):
  def apply(self, x, kind='sum'):
    return TABLE[kind](x, 4)
"""

    assert "LN392" in {d.code for d in migration(HEAD + text).diagnostics}
