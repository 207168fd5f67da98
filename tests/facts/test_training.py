"""Training code: what Models, optimizers and contexts become, and what stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from linenify.migrate import migrate
from linenify.outcome import Severity
from linenify.project.load import load_text

HEAD = """\
from flax import nn, optim
import jax
import jax.numpy as jnp


class Net(nn.Module):
  def apply(self, x, width=3, train=True):
    x = nn.Dense(x, width)
    x = nn.dropout(x, 0.5, deterministic=not train)
    return nn.Dense(x, 1)


class Norm(nn.Module):
  def apply(self, x, train=True):
    return nn.BatchNorm(x, use_running_average=not train)


"""


def migrated(body: str) -> str:
    """The migrated text behind the two classes."""
    text, _ = run(body)
    return text


def run(body: str) -> tuple[str, list[str]]:
    result = migrate(load_text((HEAD + body).encode(), Path("train.py")))
    errors = [d.message for d in result.diagnostics if d.severity is Severity.ERROR]
    assert not errors, errors
    after = result.changes[0].after if result.changes else HEAD + body
    codes = [d.code for d in result.diagnostics if d.severity is Severity.REFUSAL]
    return after.partition("return nn.BatchNorm")[2], codes


def codes(body: str) -> set[str]:
    return set(run(body)[1])


# --- Models -----------------------------------------------------------------------------------


def test_a_model_is_its_params_where_the_module_can_be_named():
    text = migrated("""\
def make(key, x):
  _, params = Net.init(key, x)
  return nn.Model(Net, params)

def predict(model, x):
  return model(x, train=False)

def main(key, x):
  return predict(make(key, x), x)
""")
    assert "def predict(params, x):" in text
    assert "return Net().apply({'params': params}, x, train=False)" in text
    assert "return params" in text


def test_models_of_two_classes_in_one_variable_stay_objects():
    text = migrated("""\
def predict(model, x):
  return model(x)

def main(key, x):
  _, a = Net.init(key, x)
  _, b = Norm.init(key, x)
  return [predict(nn.Model(kind, p), x) for kind, p in ((Net, a), (Norm, b))]
""")
    assert "predict(BoundModel(kind(), p), x)" in text
    # One of them has statistics, which legacy let go where nothing collected them.
    assert "return model.apply({}, x, mutable=['batch_stats'])[0]" in text


def test_a_model_whose_type_is_asked_for_stays_an_object():
    _, found = run("""\
def main(params, thing):
  model = nn.Model(Net, params)
  return model if isinstance(thing, int) else [model, isinstance(model, dict)]
""")
    assert found == []
    assert "BoundModel(Net(), params)" in migrated("""\
def main(params, thing):
  model = nn.Model(Net, params)
  return model if isinstance(thing, int) else [model, isinstance(model, dict)]
""")


def test_a_model_handed_to_a_stranger_stays_an_object():
    text = migrated("""\
import somewhere

def main(params, x):
  return somewhere.wrap(nn.Model(Net, params))(x)
""")
    assert "somewhere.wrap(BoundModel(Net(), params))(x)" in text


def test_a_model_under_a_transform_is_a_partial_of_apply():
    text = migrated("""\
def main(params, xs):
  model = nn.Model(Norm.partial(train=False), params)
  return [model]

def each(key, xs):
  _, params = Plain.init(key, xs)
  model = nn.Model(Plain, params)
  return jax.vmap(model)(xs), [model]

class Plain(nn.Module):
  def apply(self, x):
    return nn.Dense(x, 2)
""")
    assert "jax.vmap(functools.partial(Plain().apply, {'params': params}))(xs)" in text


def test_a_partial_that_is_only_run_is_an_instance():
    text = migrated("""\
def main(key, x):
  module = Net.partial(width=7)
  _, params = module.init(key, x)
  return nn.Model(module, params)(x, train=False)
""")
    assert "module = Net(width=7)" in text
    assert "module.init(key, x)['params']" in text


def test_params_of_numbered_children_get_their_linen_names():
    text = migrated("""\
class Deep(nn.Module):
  def apply(self, x):
    return nn.Dense(nn.Conv(x, 2, (3,)), 1)

def main(key, x):
  _, params = Deep.init(key, x)
  return params['Dense_1']['kernel'], params['Conv_0']
""")
    assert "params['Dense_0']['kernel'], params['Conv_0']" in text


def test_a_string_that_may_name_a_numbered_child_is_flagged():
    found = codes("""\
class Deep(nn.Module):
  def apply(self, x):
    return nn.Dense(nn.Conv(x, 2, (3,)), 1)

def frozen(path):
  return path.startswith('Dense_1') or path == '/Dense_1/kernel'
""")
    assert found == {"LN694"}


# --- optimizers -------------------------------------------------------------------------------


TRAIN = """\
def step(optimizer, x, lr):
  def loss_fn(model):
    return jnp.mean(model(x, train=False) ** 2)
  loss, grad = jax.value_and_grad(loss_fn)(optimizer.target)
  return optimizer.apply_gradient(grad%s), loss

def main(key, x):
  _, params = Net.init(key, x)
  optimizer = optim.Momentum(learning_rate=0.1).create(nn.Model(Net, params))
  optimizer, loss = step(optimizer, x, 0.5)
  return optimizer.state.step, optimizer.target, loss
"""


def test_an_optimizer_is_a_train_state():
    text = migrated(TRAIN % "")
    assert "train_state.TrainState.create(" in text
    assert "tx=optax.sgd(learning_rate=0.1, momentum=0.9)" in text
    assert "state.apply_gradients(grads=grad), loss" in text
    assert "return state.step, state.params, loss" in text


def test_a_learning_rate_of_each_step_is_set_before_it():
    text = migrated(TRAIN % ", learning_rate=lr")
    assert "optax.inject_hyperparams(optax.sgd)" in text
    before, _, after = text.partition("state.opt_state.hyperparams['learning_rate'] = lr\n")
    assert after.lstrip().startswith("return state.apply_gradients(grads=grad), loss")
    assert before


def test_a_step_without_what_others_pass_goes_back_to_the_default():
    text = migrated(
        TRAIN % ", learning_rate=lr"
        + """
def warm(optimizer, grad):
  return optimizer.apply_gradient(grad)

def both(key, x):
  _, params = Net.init(key, x)
  optimizer = optim.Momentum(learning_rate=0.1).create(nn.Model(Net, params))
  return warm(step(optimizer, x, 0.5)[0], params)
"""
    )
    warm = text.partition("def warm(")[2].partition("def both(")[0]
    assert "hyperparams['learning_rate'] = 0.1" in warm


@pytest.mark.parametrize(
    ("use", "code"),
    [
        ("optimizer.state.param_states", "LN692"),
        ("optimizer.optimizer_def", "LN692"),
        ("optimizer.replace(target=params, state=None)", "LN692"),
        ("optimizer.state_dict()", "LN692"),
        ("[optimizer.optimize(lambda model: 0.) for _ in 'ab']", "LN693"),
        ("[optimizer.optimize(unseen_loss)]", "LN693"),
        ("[optimizer.compute_gradient(unseen_loss)]", "LN693"),
    ],
)
def test_what_a_train_state_does_not_have_is_flagged(use, code):
    body = f"""\
def main(params):
  optimizer = optim.Adam(learning_rate=0.1).create(params)
  return {use}
"""
    assert codes(body) == {code}


def test_a_variable_keeps_its_name_when_a_caller_gives_it_by_name():
    text = migrated("""\
def predict(model, x):
  return model(x, train=False)

def main(params, x):
  return predict(model=nn.Model(Net, params), x=x)
""")
    assert "def predict(model, x):" in text
    assert "{'params': model}" in text


def test_a_variable_keeps_its_name_when_the_new_one_is_taken():
    text = migrated("""\
def main(params, state):
  optimizer = optim.Adam(learning_rate=0.1).create(params)
  return optimizer.target, state
""")
    assert "return optimizer.params, state" in text


# --- contexts ---------------------------------------------------------------------------------


def test_a_state_goes_in_and_comes_out():
    text = migrated("""\
def main(params, old, x):
  with nn.stateful(old) as new:
    y = Norm.call(params, x)
  return y, new
""")
    assert "y, new = Norm().apply({'params': params, **old}, x, mutable=['batch_stats'])" in text
    assert "with" not in text


def test_a_frozen_state_only_goes_in():
    text = migrated("""\
def main(params, old, x):
  with nn.stateful(old, mutable=False):
    return Norm.call(params, x, train=False)
""")
    assert "return Norm().apply({'params': params, **old}, x, train=False)" in text


def test_initial_state_is_parted_from_params():
    text = migrated("""\
def main(key, x):
  with nn.stateful() as state:
    _, params = Norm.init(key, x)
  return params, state
""")
    assert "state, params = core.pop(variables, 'params')" in text


def test_the_second_run_of_a_context_has_a_key_of_its_own():
    text = migrated("""\
def main(params, key, x):
  with nn.stochastic(key):
    a = Net.call(params, x)
    b = Net.call(params, x)
  return a, b
""")
    assert "rngs={'dropout': key}" in text
    assert "rngs={'dropout': jax.random.fold_in(key, 1)}" in text


def test_a_loop_splits_the_key_of_its_context():
    text = migrated("""\
def main(params, seed, xs):
  total = []
  with nn.stochastic(jax.random.PRNGKey(seed)):
    for x in xs:
      y = Net.call(params, x)
      total.append(y)
  return total
""")
    assert "rng = jax.random.PRNGKey(seed)" in text
    assert "rng, key = jax.random.split(rng)\n    y = Net()" in text


def test_a_function_takes_the_key_from_callers_that_disagree():
    text = migrated("""\
def forward(params, x):
  return Net.call(params, x)

def main(params, key, x):
  with nn.stochastic(key):
    noisy = forward(params, x)
  return noisy, forward(params, x)
""")
    assert "def forward(params, x, rngs=None):" in text
    assert "noisy = forward(params, x, rngs={'dropout': key})" in text
    assert "return noisy, forward(params, x)" in text


def test_a_function_takes_the_state_of_its_callers_and_gives_the_new_one():
    text = migrated("""\
def forward(params, x):
  return Norm.call(params, x)

def main(params, old, x):
  with nn.stateful(old) as new:
    y = forward(params, x)
  return y, new
""")
    assert "def forward(params, x, state):" in text
    assert "outputs, new_state = Norm().apply({'params': params, **state}, x, " in text
    assert "return outputs, new_state" in text
    assert "  y, new = forward(params, x, state=old)\n" in text


def test_an_overridden_method_leaves_the_state_to_its_callers():
    _, found = run("""\
class Base:
  def loss(self, params, x):
    y = Norm.call(params, x)
    return y

  def step(self, params, old, x):
    with nn.stateful(old) as new:
      value = self.loss(params, x)
    return value, new

class Other(Base):
  def loss(self, params, x):
    return x
""")
    assert "LN590" in found


@pytest.mark.parametrize(
    "body",
    [
        """\
def forward(params, x):
  return Norm.call(params, x)

def main(params, old, x):
  with nn.stateful(old) as new:
    y = forward(params, x)
  return y, new

def look(params, old, x):
  with nn.stateful(old, mutable=False):
    return forward(params, x)
""",
        """\
def main(params, old, xs):
  with nn.stateful(old) as new:
    ys = [Norm.call(params, x) for x in xs]
  return ys, new
""",
        """\
def main(old):
  with nn.stateful(old) as new:
    print(new)
""",
    ],
    ids=["far", "loop", "nothing-runs"],
)
def test_a_context_that_cannot_be_taken_apart_stays(body):
    text, found = run(body)
    assert "LN590" in found
    assert "with nn.stateful(old) as new:" in text


def test_every_call_that_takes_a_key_gets_one_of_its_own():
    text = migrated("""\
def noise(x):
  return x + jax.random.normal(nn.make_rng(), x.shape)

def twice(x, key):
  with nn.stochastic(key):
    return noise(noise(x))

def often(x, key):
  with nn.stochastic(key):
    for _ in range(3):
      x = noise(x)
  return x
""")
    assert "def noise(x, rngs=None):" in text
    assert text.count("jax.random.fold_in(key, 0)") == text.count("jax.random.fold_in(key, 1)") == 1
    assert "rng, subkey = jax.random.split(rng)\n    x = noise(x, rngs={'dropout': subkey})" in text


def test_a_run_without_state_in_a_stateful_context_gives_an_empty_one():
    text = migrated("""\
class Plain(nn.Module):
  def apply(self, x):
    return nn.Dense(x, 2)

def main(params, old, x):
  model = nn.Model(Plain, params)
  with nn.stateful(old) as new:
    y = model(x)
  return y, new
""")
    assert "y, new = Plain().apply({'params': params, **old}, x, mutable=[])" in text


def test_a_record_that_is_replaced_still_holds_its_optimizer():
    text = migrated("""\
import typing

class Run(typing.NamedTuple):
  opt: optim.Optimizer
  best: float = 0.

def main(params, other):
  run = Run(optim.Adam(learning_rate=0.1).create(params))
  run = run._replace(**{'opt': run.opt, 'best': other})
  return run.opt.state.step, run.opt.target
""")
    assert "return run.opt.step, run.opt.params" in text


def test_params_that_have_a_variable_get_no_second_one():
    text = migrated("""\
def main(key, x):
  _, params = Net.init(key, x)
  model = nn.Model(Net, params)
  return lambda y: model(y)
""")
    assert "  return lambda y: Net().apply({'params': params}, y)\n" in text
    assert "model" not in text


@pytest.mark.parametrize(
    "body",
    [
        "  params = None\n  return model(x)\n",
        "  return [model(params) for params in x]\n",
        "  def inner(params):\n    return model(params)\n  return inner(x)\n",
        "  y = model(x)\n  del model\n  return y, params\n",
    ],
    ids=["set-again", "in-a-comprehension", "captured", "deleted"],
)
def test_params_whose_variable_means_something_else_get_one_of_their_own(body):
    text = migrated(f"""\
def main(key, x):
  _, params = Net.init(key, x)
  model = nn.Model(Net, params)
{body}""")
    assert "model_params = params\n" in text


def test_what_nobody_gives_a_function_is_refused_where_it_is_annotated():
    text, found = run("""\
def predict(model: nn.Model, x):
  return model(x)

def step(optimizer: optim.Optimizer, grad):
  return optimizer.apply_gradient(grad)

def keep(model: nn.Model, log):
  log.append(1)
""")
    assert found.count("LN690") == 2
    assert "def predict(model: 'nn.Model', x):" in text
    assert "def step(optimizer: 'optim.Optimizer', grad):" in text
    assert "def keep(model: Any, log):" in text


def test_specs_that_may_be_shapes_or_pairs_are_told_apart_where_they_are_used():
    calls = {"shapes": "[(1, 3)]", "pairs": "[((1, 3), jnp.float32)]"}
    text = """
class Net(nn.Module):
    def apply(self, x):
        return nn.Dense(x, 2)

def create(key, specs):
    return Net.init_by_shape(key, specs)

def main(key):
"""
    for kinds in (["shapes"], ["pairs"], ["shapes", "pairs"]):
        made = [f"    create(key, {calls[kind]})\n" for kind in kinds]
        after, found = run(text + "".join(made))
        assert found == []
        assert ("map(ones_of, specs)" in after) == (len(kinds) == 2), kinds


DOTTED = """\
import flax
import jax


class Net(flax.nn.Module):
  def apply(self, x, act, width=2):
    return act(flax.nn.Dense(x, width))


def build(key, x):
  module = Net.partial(act=flax.nn.relu, width=3)
  _, params = module.init(key, x)
  return flax.nn.Model(module, params)


def create_optimizer(model):
  return flax.optim.Adam(1e-3).create(model)


def main(key, x):
  model = build(key, x)
  optimizer = create_optimizer(model)
  return optimizer.target(x), model(x)
"""


def test_a_module_that_is_built_again_elsewhere_says_the_new_names():
    result = migrate(load_text(DOTTED.encode(), Path("example.py")))
    text = result.changes[0].after
    assert text.count("Net(act=flax.linen.relu, width=3)") == 2
    assert "flax.nn" not in text
    assert not [d for d in result.diagnostics if d.severity is Severity.REFUSAL]
