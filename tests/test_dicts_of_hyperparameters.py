"""Hyper-parameters of optimizers that come in dicts: written out where each is surely there."""

from __future__ import annotations

import textwrap

import pytest
from support import migration

HEAD = """\
from flax import optim

OPTIONS = {'beta1': 0.8, 'eps': 1e-7}


"""

WRITTEN = {
    "a dict that is put together on the spot": (
        "return optim.Adam(lr, **{**OPTIONS, 'beta2': 0.7}).create(params)",
        "tx=optax.adam(lr, b1=OPTIONS['beta1'], b2=0.7, eps=OPTIONS['eps'])",
    ),
    "a dict that was put together before": (
        """\
        own = {**OPTIONS, 'beta2': 0.7}
        return optim.Adam(lr, **own).create(params)
        """,
        "tx=optax.adam(lr, b1=own['beta1'], b2=own['beta2'], eps=own['eps'])",
    ),
    "a dict made of a dict": (
        """\
        own = dict(OPTIONS, beta1=0.5)
        return optim.Adam(lr, **own).create(params)
        """,
        "tx=optax.adam(lr, b1=own['beta1'], eps=own['eps'])",
    ),
    "the last one counts": (
        "return optim.Adam(lr, **dict({**OPTIONS, 'eps': 0.001}, beta1=0.5)).create(params)",
        "tx=optax.adam(lr, b1=0.5, eps=0.001)",
    ),
}

STEPS = {
    "an argument": (
        """\
        def train(optimizer, grads, options):
          return optimizer.apply_gradient(grads, **options)


        def start(params, grads, lr):
          return train(optim.Adam().create(params), grads, {'learning_rate': lr, 'beta1': 0.8})
        """,
        ["['learning_rate'] = options['learning_rate']", "['b1'] = options['beta1']"],
    ),
    "made on the spot, beside a keyword": (
        """\
        def start(params, grads, lr):
          optimizer = optim.Adam().create(params)
          return optimizer.apply_gradient(grads, beta1=0.8, **{'learning_rate': lr})
        """,
        ["['learning_rate'] = lr", "['b1'] = 0.8"],
    ),
}

TAKEN_OUT = [
    "own.pop('eps')",
    "del own['eps']",
    "own.clear()",
    "cut(own)",
]


def program(body: str) -> str:
    return HEAD + "def start(params, lr):\n" + textwrap.indent(textwrap.dedent(body), "  ")


@pytest.mark.parametrize("story", WRITTEN)
def test_what_a_dict_surely_holds_is_written_out(story: str) -> None:
    body, wanted = WRITTEN[story]
    made = migration(program(body))
    assert not made.diagnostics
    assert wanted in " ".join(made.changes[0].after.split())


@pytest.mark.parametrize("removal", TAKEN_OUT)
def test_a_key_that_may_be_taken_out_again_is_not_read(removal: str) -> None:
    body = f"""\
    own = {{'beta1': 0.8, 'eps': 1e-7}}
    {removal}
    return optim.Adam(lr, **own).create(params)


    """
    made = migration(program(body) + "\ndef cut(table):\n  table.pop('eps')\n")
    assert {"LN390", "LN691"} & {d.code for d in made.diagnostics}
    assert "own['eps']" not in made.changes[0].after.replace("del own['eps']", "")


@pytest.mark.parametrize("story", STEPS)
def test_a_step_sets_what_its_dict_holds(story: str) -> None:
    body, wanted = STEPS[story]
    made = migration(HEAD + textwrap.dedent(body))
    assert not made.diagnostics
    assert all(f"opt_state.hyperparams{each}\n" in made.changes[0].after for each in wanted)


def test_a_step_whose_dict_is_not_known_is_marked() -> None:
    body = """\
    def start(params, grads, file):
      optimizer = optim.Adam().create(params)
      return optimizer.apply_gradient(grads, **file.read())
    """
    assert {"LN691"} <= {d.code for d in migration(HEAD + textwrap.dedent(body)).diagnostics}


UNKNOWN = {
    "of a step": "return train(train(start_of(params), grads, {BETA}), grads, {ELSE})",
    "of an optimizer": "return make(params, {BETA}), make(params, {ELSE})",
}


@pytest.mark.parametrize("story", UNKNOWN)
def test_a_dict_that_one_caller_reads_from_a_file_is_marked(story: str) -> None:
    helpers = """\
    import json


    def start_of(params):
      return optim.Adam(0.1).create(params)


    def train(optimizer, grads, options):
      return optimizer.apply_gradient(grads, **options)


    def make(params, options):
      return optim.Adam(0.1, **options).create(params)


    """
    calls = UNKNOWN[story].replace("{BETA}", "{'beta1': 0.8}").replace("{ELSE}", "json.load(file)")
    text = HEAD + textwrap.dedent(helpers) + f"def start(params, grads, file):\n  {calls}\n"
    assert {"LN691"} <= {d.code for d in migration(text).diagnostics}
