"""Whole training programs on both sides: equal ones are equal, wrong ones are seen."""

import textwrap

import pytest

from linenify.verify.run import Job, run_jobs
from linenify.verify.verdict import Outcome

pytestmark = [pytest.mark.numeric, pytest.mark.xdist_group("programs")]

LEGACY = """
from flax import nn, optim
import jax
import jax.numpy as jnp

class Net(nn.Module):
    def apply(self, x, features=4, train=True):
        x = nn.relu(nn.Dense(x, 8))
        x = nn.BatchNorm(x, use_running_average=not train, momentum=0.8)
        x = nn.dropout(x, 0.3, deterministic=not train)
        return nn.Dense(nn.Dense(x, 4), 4)

@jax.jit
def step(optimizer, state, batch, key):
    def loss_fn(model):
        with nn.stateful(state) as after, nn.stochastic(key):
            logits = model(batch)
        return jnp.mean(logits ** 2), after
    (loss, state), grad = jax.value_and_grad(loss_fn, has_aux=True)(optimizer.target)
    return optimizer.apply_gradient(grad), state, loss

def main():
    key = jax.random.PRNGKey(0)
    with nn.stateful() as state, nn.stochastic(key):
        _, params = Net.init_by_shape(key, [(6, 3)])
    optimizer = optim.Momentum(learning_rate=0.1, beta=0.9).create(nn.Model(Net, params))
    losses = []
    for _ in range(4):
        key, batch_key, dropout_key = jax.random.split(key, 3)
        batch = jax.random.normal(batch_key, (6, 3))
        optimizer, state, loss = step(optimizer, state, batch, dropout_key)
        losses.append(loss)
    with nn.stateful(state, mutable=False):
        logits = optimizer.target(jnp.ones((2, 3)), train=False)
    return {'losses': losses, 'optimizer': optimizer, 'statistics': state, 'logits': logits,
            'steps': optimizer.state.step}
"""

LINEN = """
from flax import linen as nn
from flax.training import train_state
import jax
import jax.numpy as jnp
import optax

class Net(nn.Module):
    features: int = 4

    @nn.compact
    def __call__(self, x, train=True):
        x = nn.relu(nn.Dense(8)(x))
        x = nn.BatchNorm(use_running_average=not train, momentum=0.8)(x)
        x = nn.Dropout(0.3)(x, deterministic=not train)
        return nn.Dense(4)(nn.Dense(4)(x))

@jax.jit
def step(state, batch_stats, batch, key):
    def loss_fn(params):
        variables = {'params': params, 'batch_stats': batch_stats}
        logits, after = state.apply_fn(
            variables, batch, rngs={'dropout': key}, mutable=['batch_stats'])
        return jnp.mean(logits ** 2), after['batch_stats']
    (loss, batch_stats), grads = jax.value_and_grad(loss_fn, has_aux=True)(state.params)
    return state.apply_gradients(grads=grads), batch_stats, loss

def main():
    key = jax.random.key(5)
    variables = jax.jit(Net().init)({'params': key, 'dropout': key}, jnp.ones((6, 3)))
    state = train_state.TrainState.create(
        apply_fn=Net().apply, params=variables['params'], tx=optax.sgd(0.1, momentum=0.9))
    batch_stats = variables['batch_stats']
    losses = []
    for _ in range(4):
        key, batch_key, dropout_key = jax.random.split(key, 3)
        batch = jax.random.normal(batch_key, (6, 3))
        state, batch_stats, loss = step(state, batch_stats, batch, dropout_key)
        losses.append(loss)
    logits = Net().apply(
        {'params': state.params, 'batch_stats': batch_stats}, jnp.ones((2, 3)), train=False)
    return {'losses': losses, 'optimizer': state, 'statistics': {'batch_stats': batch_stats},
            'logits': logits, 'steps': state.step}
"""

GAN = """
from flax import nn, optim
import jax
import jax.numpy as jnp

class Generator(nn.Module):
    def apply(self, z):
        return nn.Dense(jnp.tanh(nn.Dense(z, 5)), 3)

class Critic(nn.Module):
    def apply(self, x):
        return nn.Dense(jnp.tanh(nn.Dense(x, 5)), 1)

def main():
    _, generator = Generator.create(jax.random.PRNGKey(0), jnp.ones((4, 3)))
    _, critic = Critic.create(jax.random.PRNGKey(1), jnp.ones((4, 3)))
    optimizers = [optim.GradientDescent(0.1).create(model) for model in (generator, critic)]
    for number in range(2):
        z = jax.random.normal(jax.random.PRNGKey(number), (4, 3))
        one, other = optimizers
        grad = jax.grad(lambda g: other.target(g(z)).mean())(one.target)
        one = one.apply_gradient(grad)
        grad = jax.grad(lambda c: -c(one.target(z)).mean() + c(z).mean())(other.target)
        optimizers = one, other.apply_gradient(grad)
    return tuple(optimizer.target for optimizer in optimizers), grad
"""

GAN_LINEN = """
from flax import linen as nn
import jax
import jax.numpy as jnp

class Generator(nn.Module):
    @nn.compact
    def __call__(self, z):
        hidden = nn.Dense(5, name='hidden')
        return nn.Dense(3, name='a_last')(jnp.tanh(hidden(z)))

class Critic(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(1)(jnp.tanh(nn.Dense(5)(x)))

def descent(params, grads):
    return jax.tree_util.tree_map(lambda p, g: p - 0.1 * g, params, grads)

def main():
    generator, critic = Generator(), Critic()
    one = generator.init(jax.random.PRNGKey(0), jnp.ones((4, 3)))['params']
    other = critic.init(jax.random.PRNGKey(1), jnp.ones((4, 3)))['params']
    g = lambda params, z: generator.apply({'params': params}, z)
    c = lambda params, x: critic.apply({'params': params}, x)
    for number in range(2):
        z = jax.random.normal(jax.random.PRNGKey(number), (4, 3))
        one = descent(one, jax.grad(lambda p: c(other, g(p, z)).mean())(one))
        grad = jax.grad(lambda p: -c(p, g(one, z)).mean() + c(p, z).mean())(other)
        other = descent(other, grad)
    return (one, {'params': other}), grad
"""

PMAP = """
from flax import jax_utils, nn, optim
import jax
import jax.numpy as jnp

class Net(nn.Module):
    def apply(self, x):
        return nn.Dense(x, 2)

def step(optimizer, batch):
    loss, grad = jax.value_and_grad(lambda model: (model(batch) ** 2).mean())(optimizer.target)
    return optimizer.apply_gradient(jax.lax.pmean(grad, 'batch')), jax.lax.pmean(loss, 'batch')

def main():
    _, model = Net.create(jax.random.PRNGKey(0), jnp.ones((1, 3)))
    optimizer = jax_utils.replicate(optim.Momentum(0.1).create(model))
    batch = jnp.arange(2 * 4 * 3.).reshape(2, 4, 3) / 10
    assert jax.device_count() == 2
    optimizer, loss = jax.pmap(step, 'batch')(optimizer, batch)
    return {'loss': loss, 'target': jax_utils.unreplicate(optimizer).target}
"""

PMAP_LINEN = """
from flax import jax_utils, linen as nn
from flax.training.train_state import TrainState
import jax
import jax.numpy as jnp
import optax

class Net(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(2)(x)

def step(state, batch):
    loss_fn = lambda params: (state.apply_fn({'params': params}, batch) ** 2).mean()
    loss, grads = jax.value_and_grad(loss_fn)(state.params)
    state = state.apply_gradients(grads=jax.lax.pmean(grads, 'batch'))
    return state, jax.lax.pmean(loss, 'batch')

def main():
    variables = Net().init(jax.random.key(0), jnp.ones((1, 3)))
    state = jax_utils.replicate(TrainState.create(
        apply_fn=Net().apply, params=variables['params'], tx=optax.sgd(0.1, momentum=0.9)))
    batch = jnp.arange(2 * 4 * 3.).reshape(2, 4, 3) / 10
    assert jax.device_count() == 2
    state, loss = jax.pmap(step, 'batch')(state, batch)
    return {'loss': loss, 'target': jax_utils.unreplicate(state).params}
"""

CASE = '[[run]]\nfunction = "main"\n'
TWO_DEVICES = "devices = 2\n" + CASE

# Linen's LayerNorm does not round its scale to half precision, and converts its input twice:
# what gradients go through is rounded elsewhere, inside of Flax. The users' own classes,
# shared, bound and made of functions, return the same dtypes.
HALF = """
from flax import nn, optim
import jax
import jax.numpy as jnp

class Tower(nn.Module):
    def apply(self, x, width, dtype=jnp.bfloat16):
        x = nn.LayerNorm(nn.Dense(x, width, dtype=dtype), dtype=jnp.float32)
        return nn.LayerNorm(nn.Dense(x, width, dtype=dtype), dtype=dtype)

@nn.module
def head(x, width, dtype=jnp.bfloat16):
    return nn.Dense(nn.tanh(nn.Dense(x, width, dtype=dtype)), 3, dtype=jnp.float32)

class Net(nn.Module):
    def apply(self, x, width):
        tower = Tower.shared(width=width, name='tower')
        return head(tower(x), width=width, name='head')

@jax.jit
def step(optimizer, x):
    def loss_fn(model):
        return jnp.mean((model(x) - 1.0) ** 2)
    loss, grad = jax.value_and_grad(loss_fn)(optimizer.target)
    return optimizer.apply_gradient(grad), loss

def main():
    net = Net.partial(width=8)
    x = jax.random.normal(jax.random.PRNGKey(1), (4, 6))
    _, params = net.init(jax.random.PRNGKey(0), x)
    optimizer = optim.GradientDescent(0.1).create(nn.Model(net, params))
    losses = []
    for _ in range(3):
        optimizer, loss = step(optimizer, x)
        losses.append(loss)
    return losses, optimizer
"""

HALF_LINEN = """
from flax import linen as nn
from flax.training import train_state
import jax
import jax.numpy as jnp
import optax
from typing import Any

class Tower(nn.Module):
    width: int
    dtype: Any = jnp.bfloat16

    @nn.compact
    def __call__(self, x):
        x = nn.LayerNorm(dtype=jnp.float32)(nn.Dense(self.width, dtype=self.dtype)(x))
        return nn.LayerNorm(dtype=self.dtype)(nn.Dense(self.width, dtype=self.dtype)(x))

class head(nn.Module):
    width: int
    dtype: Any = jnp.bfloat16

    @nn.compact
    def __call__(self, x):
        return nn.Dense(3, dtype=jnp.float32)(nn.tanh(nn.Dense(self.width, dtype=self.dtype)(x)))

class Net(nn.Module):
    width: int

    @nn.compact
    def __call__(self, x):
        tower = Tower(width=self.width, name='tower')
        return head(width=self.width, name='head')(tower(x))

@jax.jit
def step(state, x):
    def loss_fn(params):
        return jnp.mean((state.apply_fn({'params': params}, x) - 1.0) ** 2)
    loss, grad = jax.value_and_grad(loss_fn)(state.params)
    return state.apply_gradients(grads=grad), loss

def main():
    net = Net(width=8)
    x = jax.random.normal(jax.random.PRNGKey(1), (4, 6))
    params = net.init(jax.random.PRNGKey(0), x)['params']
    state = train_state.TrainState.create(apply_fn=net.apply, params=params, tx=optax.sgd(0.1))
    losses = []
    for _ in range(3):
        state, loss = step(state, x)
        losses.append(loss)
    return losses, state
"""

# While legacy initialises, only the first call of what is shared makes parameters.
SHARED = """
from flax import nn
import jax
import jax.numpy as jnp

class Net(nn.Module):
    def apply(self, x):
        x = nn.Dense(x, 4)
        turn = nn.Dense.shared(features=4, name='turn')
        return nn.GroupNorm(turn(nn.tanh(turn(x))), num_groups=2)

def main():
    _, model = Net.create(jax.random.PRNGKey(0), jnp.ones((1, 2, 3)))
    return model(jax.random.normal(jax.random.PRNGKey(1), (4, 2, 3)))
"""

SHARED_LINEN = """
from flax import linen as nn
import jax
import jax.numpy as jnp

class Net(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Dense(4)(x)
        turn = nn.Dense(4, name='turn')
        return nn.GroupNorm(num_groups=4)(turn(nn.tanh(turn(x))))

def main():
    variables = Net().init(jax.random.PRNGKey(0), jnp.ones((1, 2, 3)))
    return Net().apply(variables, jax.random.normal(jax.random.PRNGKey(1), (4, 2, 3)))
"""

LEAVES_A_FILE = """
import os

def main():
    found = os.path.exists('checkpoint')
    open('checkpoint', 'w').close()
    return found
"""

# The step is an array of 32 bits in legacy, and a plain `int` at first in Linen.
DECAYED = LEGACY.replace(
    "apply_gradient(grad)",
    "apply_gradient(grad, learning_rate=0.1 / (1 + optimizer.state.step / 3))",
)
DECAYED_LINEN = LINEN.replace(
    "    return state.apply",
    "    state.opt_state.hyperparams['learning_rate'] = 0.1 / (1 + state.step / 3)\n"
    "    return state.apply",
).replace("optax.sgd(0.1, momentum", "optax.inject_hyperparams(optax.sgd)(0.1, momentum")

EQUAL = {
    "rate_of_the_step": (DECAYED, DECAYED_LINEN, CASE),
    "training": (LEGACY, LINEN, CASE),
    "two_models": (GAN, GAN_LINEN, CASE),
    "replicated": (PMAP, PMAP_LINEN, TWO_DEVICES),
    "half_precision": (HALF, HALF_LINEN, CASE),
    "after_replicated": (GAN, GAN_LINEN, CASE),
    "leaves_a_file": (LEAVES_A_FILE, LEAVES_A_FILE, CASE),
}

# name: text of the migration, what a careless hand makes of it, where it must show
WRONG = {
    "momentum_of_statistics": ("momentum=0.8", "momentum=0.9", "variables"),
    "momentum_of_optimizer": ("momentum=0.9", "momentum=0.99", "outputs"),
    "dropout_off": ("deterministic=not train", "deterministic=True", "outputs"),
    "nesterov": ("sgd(0.1, ", "sgd(0.1, nesterov=True, ", "outputs"),
    # In single precision these are within the noise.
    "rate_a_little_off": ("sgd(0.1, ", "sgd(0.1000001, ", "outputs"),
    "tiny_decay": (
        "tx=optax.sgd(0.1, momentum=0.9)",
        "tx=optax.chain(optax.add_decayed_weights(1e-7), optax.sgd(0.1, momentum=0.9))",
        "variables",
    ),
    "statistics_lost": ("state, batch_stats, loss = step", "state, _, loss = step", "variables"),
    "train_in_evaluation": ("ones((2, 3)), train=False", "ones((2, 3)), train=True", "error"),
    "step_off_by_one": ("'steps': state.step", "'steps': state.step + 1", "outputs"),
    "swapped_layers": (
        "nn.Dense(4)(nn.Dense(4)(x))",
        "nn.Dense(4)(nn.Dense(4)(x)) * 1.001",
        "outputs",
    ),
    "result_forgotten": ("'logits': logits,", "", "outputs"),
}


# Two steps that return little: in single precision both sides are equal to the last bit.
SHORT = """
from flax import nn, optim
import jax
import jax.numpy as jnp

class Net(nn.Module):
    def apply(self, x):
        return nn.Dense(nn.relu(nn.Dense(x, 4)), 1)

def main():
    x = jnp.linspace(-1., 1., 15).reshape(5, 3)
    _, params = Net.init(jax.random.PRNGKey(0), x)
    optimizer = optim.Adam(learning_rate=0.001).create(nn.Model(Net, params))
    losses = []
    for _ in range(2):
        loss, grad = jax.value_and_grad(lambda model: jnp.mean(model(x) ** 2))(optimizer.target)
        optimizer = optimizer.apply_gradient(grad)
        losses.append(loss)
    return losses
"""

SHORT_LINEN = """
from flax import linen as nn
import jax
import jax.numpy as jnp
import optax

class Net(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(1)(nn.relu(nn.Dense(4)(x)))

def main():
    x = jnp.linspace(-1., 1., 15).reshape(5, 3)
    params = Net().init(jax.random.key(0), x)
    tx = optax.adam(0.001, eps=1e-8)
    state = tx.init(params)
    losses = []
    for _ in range(2):
        loss, grad = jax.value_and_grad(lambda p: jnp.mean(Net().apply(p, x) ** 2))(params)
        updates, state = tx.update(grad, state)
        params = optax.apply_updates(params, updates)
        losses.append(loss)
    return losses
"""


# To round elsewhere in one's own code is another program, however little it changes.
ROUNDS_ELSEWHERE = {
    "layer_in_full_precision": (
        "tanh(nn.Dense(self.width, dtype=self.dtype)",
        "tanh(nn.Dense(self.width)",
    ),
    "input_rounded": ("(tower(x))", "(tower(x.astype(jnp.float16)))"),
}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    programs = EQUAL | {
        name: (LEGACY, LINEN.replace(old, new), CASE) for name, (old, new, _) in WRONG.items()
    }
    for name, change in ROUNDS_ELSEWHERE.items():
        programs[name] = (HALF, HALF_LINEN.replace(*change), CASE)
    programs["shared"] = (SHARED, SHARED_LINEN, CASE)
    programs["short"] = (SHORT, SHORT_LINEN, CASE)
    programs["short_and_wrong"] = (SHORT, SHORT_LINEN.replace("1e-8", "1e-9"), CASE)
    jobs = []
    for name, (legacy, linen, case) in programs.items():
        folder = tmp_path_factory.mktemp(name)
        for file, text in (("legacy.py", legacy), ("linen.py", linen), ("case.toml", case)):
            (folder / file).write_text(textwrap.dedent(text))
        jobs.append(Job(*(str(folder / file) for file in ("case.toml", "legacy.py", "linen.py"))))
    return dict(zip(programs, run_jobs(jobs), strict=True))


@pytest.mark.parametrize("name", EQUAL)
def test_a_faithful_migration_is_equal(verdicts, name):
    assert verdicts[name].outcome.passed, verdicts[name]


def test_losses_params_and_statistics_were_compared(verdicts):
    outputs, variables = verdicts["training"].runs[0].comparisons
    assert outputs.leaves == len(["losses", "logits", "steps", "step of the optimizer"])
    assert variables.leaves == len(["kernel", "bias"]) * 4 + len(["mean", "var"])


@pytest.mark.parametrize("name", WRONG)
def test_a_careless_one_is_not(verdicts, name):
    [run] = verdicts[name].runs
    place = WRONG[name][2]
    if place == "error":
        assert run.failure.side == "linen"
        return
    assert run.outcome is Outcome.DIFFERENT
    assert place in {each.what for each in run.comparisons if not each.outcome.passed}


@pytest.mark.parametrize(
    ("name", "equal"), [("nesterov", False), ("rate_a_little_off", False), ("dropout_off", True)]
)
def test_a_layer_that_was_given_other_parameters_is_not_blamed(verdicts, name, equal):
    assert verdicts[name].runs[0].first.params_equal is equal


@pytest.mark.parametrize("name", ROUNDS_ELSEWHERE)
def test_what_rounds_elsewhere_is_another_program(verdicts, name):
    assert verdicts[name].outcome is Outcome.DIFFERENT


def test_the_first_module_that_departs_is_found_behind_a_shared_one(verdicts):
    [run] = verdicts["shared"].runs
    assert (run.first.legacy, run.first.linen) == ("GroupNorm_1", "GroupNorm_0")


def test_what_single_precision_cannot_show_is_seen_in_double(verdicts):
    assert verdicts["short"].outcome is Outcome.IDENTICAL
    [run] = verdicts["short_and_wrong"].runs
    assert run.outcome is Outcome.DIFFERENT
    assert "equal in single precision only" in run.comparisons[0].worst[0].message
