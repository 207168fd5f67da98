"""By hand: functions of JAX that have gone or take other arguments."""

from __future__ import annotations

from linenify.rules.by_hand.page import ByHand

PAGES = {
    "LN191": ByHand(
        why="""\
What takes the place of the function needs its arguments apart; a tuple that is spread out
shows none.  `tie_in(x, y)` gave `y`, and nothing has to be tied any more.""",
        before="""\
from jax import lax


def tied(pair):
  return lax.tie_in(*pair)
""",
        after="""\
def tied(pair):
  _, y = pair
  return y
""",
        check="tied((1, 2)) == 2",
    ),
    "LN195": ByHand(
        why="""\
Where a function that has gone is a value (in a table, handed on), another function has to
stand there.  linenify defines one of the old name, unless the file means something else by it.""",
        before="""\
import jax


def index_update(table, row):
  return {**table, **row}


UPDATES = {'set': jax.ops.index_update}
""",
        after="""\
import jax.numpy as jnp


def index_update(table, row):
  return {**table, **row}


def set_at(x, index, y):
  return jnp.asarray(x).at[index].set(y)


UPDATES = {'set': set_at}
""",
        check="UPDATES['set'](x, 0, 5.0)[0, 0] == 5.0",
    ),
    "LN196": ByHand(
        why="""\
`jnp.clip` takes `min` and `max` where it took `a_min` and `a_max`.  A variable that may hold
it or another function cannot be called in one way; by position both understand it.""",
        before="""\
import jax.numpy as jnp

from project.limits import soft_clip


def limited(x, hard):
  limit = jnp.clip if hard else soft_clip
  return limit(x, a_min=0.0, a_max=1.0)
""",
        after="""\
import jax.numpy as jnp

from project.limits import soft_clip


def limited(x, hard):
  limit = jnp.clip if hard else soft_clip
  return limit(x, 0.0, 1.0)
""",
        check="limited(x, True).shape == (2, 4)",
    ),
}
