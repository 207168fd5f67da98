"""Optax expressions beside the real `flax.optim`: the same params after every step."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import typing
from typing import Any

import flax
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from linenify.facts.legacy.snippets import SNIPPETS
from linenify.facts.training.optimizers import (
    OPTIMIZERS,
    WRAPPERS,
    definition,
    focused,
    hyperparameter,
)
from linenify.verify.overlay import Overlay
from linenify.verify.wheels import legacy_sources

pytestmark = pytest.mark.numeric

STEPS = 5
SHAPES = {
    "conv": {"kernel": (2, 2, 3, 4), "bias": (4,)},
    "large": {"kernel": (130, 140)},
}
SETTINGS = {"wd": 0.01, "nothing": 0, "lr": 0.05, "beta": 0.8, "yes": True, "jnp": jnp}

# Every optimizer, its arguments as programs give them.
CALLS = [
    "GradientDescent(0.1)",
    "GradientDescent(learning_rate=lr)",
    "Momentum(0.1)",
    "Momentum(learning_rate=0.1, beta=beta)",
    "Momentum(0.1, 0.9, 0.1, True)",
    "Momentum(0.1, weight_decay=0.1)",
    "Momentum(0.1, weight_decay=wd, nesterov=yes)",
    "Momentum(0.1, weight_decay=nothing)",
    "Momentum(0.1, weight_decay=0, nesterov=True)",
    "Adam(0.1)",
    "Adam(learning_rate=lr, beta1=0.8, beta2=0.98, eps=1e-3)",
    "Adam(0.1, 0.9, 0.99, 1e-9, 0.1)",
    "Adam(0.1, weight_decay=wd)",
    "Adam(0.1, beta1=beta, weight_decay=nothing)",
    "AdaBelief(0.1)",
    "AdaBelief(0.1, eps=1e-3)",
    "AdaBelief(0.1, beta1=beta, beta2=0.98, eps=1e-8, weight_decay=wd)",
    "Adadelta(0.1)",
    "Adadelta(0.1, rho=0.8, eps=1e-3, weight_decay=0.1)",
    "Adadelta(0.1, weight_decay=nothing)",
    "Adagrad(0.1)",
    "Adagrad(learning_rate=0.1, eps=1e-2)",
    "RMSProp(0.1)",
    "RMSProp(0.1, beta2=0.99, eps=1e-2)",
    "RMSProp(0.1, beta, centered=True)",
    "RMSProp(0.1, eps=1e-3, centered=yes)",
    "Adafactor(0.1)",
    "Adafactor(0.1, factored=False, multiply_by_parameter_scale=False)",
    "Adafactor(0.1, beta1=0.9, weight_decay_rate=0.01, decay_rate=0.7)",
    "Adafactor(0.1, beta1=0.9, dtype_momentum=jnp.bfloat16)",
    "Adafactor(0.1, clipping_threshold=None, min_dim_size_to_factor=4)",
    "Adafactor(0.1, epsilon1=1e-5, epsilon2=0.5)",
    "Adafactor(0.1, beta1=beta, epsilon2=0.001, weight_decay_rate=wd)",
    "Adafactor(0.1, True, True, 0.9, 0.8, 0, None, 0.01, 4, 1e-30, 0.1)",
    "LAMB(0.1)",
    "LAMB(0.1, beta1=0.8, weight_decay=0.1)",
    "LAMB(0.1, weight_decay=wd, eps=1e-3)",
    "LAMB(0.1, weight_decay=nothing)",
    "LARS(0.1)",
    "LARS(0.1, trust_coefficient=0.1, eps=1e-3, nesterov=True)",
    "LARS(0.1, weight_decay=0.1)",
    "LARS(0.1, beta=0.8, weight_decay=wd, trust_coefficient=0.1, nesterov=yes)",
    "LARS(0.1, weight_decay=nothing)",
    "WeightNorm(Adam(0.1))",
    "WeightNorm(Momentum(0.1, weight_decay=0.01), wn_decay=0.1, wn_eps=1e-3)",
    "WeightNorm(wrapped_optimizer=GradientDescent(0.1))",
    "MultiOptimizer((KERNELS, Adam(0.1)), (BIASES, Momentum(lr)))",
    "MultiOptimizer((KERNELS, LAMB(0.1, weight_decay=wd)))",
    "MultiOptimizer((KERNELS, Adam(0.1)), (BIASES, LARS(0.1)), (LARGE, Adafactor(0.1)))",
]

# With hyper-parameters that every step sets anew.
OVERRIDDEN = [
    ("GradientDescent()", ["learning_rate"]),
    ("Momentum(0.1)", ["learning_rate"]),
    ("Momentum(beta=0.9, weight_decay=wd, nesterov=yes)", ["learning_rate"]),
    ("Momentum(weight_decay=0, nesterov=True)", ["learning_rate", "beta", "weight_decay"]),
    ("Adam(1)", ["learning_rate"]),
    ("Adam(lr, beta1=beta, weight_decay=wd)", ["learning_rate"]),
    ("Adam(lr)", ["learning_rate", "beta1", "weight_decay", "eps"]),
    ("AdaBelief()", ["learning_rate"]),
    ("AdaBelief(weight_decay=0.1, eps=lr)", ["learning_rate", "beta1"]),
    ("AdaBelief(0.1, eps=1e-8)", ["eps"]),
    ("Adadelta()", ["learning_rate"]),
    ("Adadelta(weight_decay=wd)", ["learning_rate", "eps"]),
    ("Adagrad()", ["learning_rate"]),
    ("Adagrad()", ["learning_rate", "eps"]),
    ("RMSProp()", ["learning_rate"]),
    ("RMSProp(centered=yes)", ["learning_rate", "eps"]),
    ("Adafactor()", ["learning_rate"]),
    ("Adafactor(beta1=beta, min_dim_size_to_factor=4)", ["learning_rate", "weight_decay_rate"]),
    ("Adafactor(epsilon2=0.1, decay_rate=beta)", ["learning_rate"]),
    ("Adafactor(beta1=0.9, dtype_momentum=jnp.bfloat16)", ["learning_rate"]),
    ("LAMB(weight_decay=0.1)", ["learning_rate"]),
    ("LAMB(weight_decay=wd)", ["learning_rate", "beta1"]),
    ("LARS()", ["learning_rate"]),
    ("LARS(weight_decay=wd)", ["learning_rate", "trust_coefficient", "beta"]),
    ("WeightNorm(Adam())", ["learning_rate"]),
    ("MultiOptimizer((KERNELS, Adam()), (BIASES, LARS(weight_decay=wd)))", ["learning_rate"]),
]


def accepts_kernels(path: str, _: object) -> bool:
    return path.endswith("/kernel") and not path.startswith("/large")


def accepts_biases(path: str, _: object) -> bool:
    return "bias" in path


def accepts_large(path: str, _: object) -> bool:
    return path.startswith("/large")


@pytest.fixture(scope="module")
def overlay() -> Overlay:
    return Overlay(legacy_sources())


def started(dtype: Any) -> tuple[Any, list[Any]]:
    """Params, with biases of zeros, and the gradients of some steps; one leaf gets none once."""
    random = np.random.default_rng(0)
    is_shape = lambda x: isinstance(x, tuple)  # noqa: E731
    draw = lambda shape: jnp.asarray(random.normal(size=shape), dtype)  # noqa: E731
    params = jax.tree.map(lambda s: draw(s) * (len(s) > 1), SHAPES, is_leaf=is_shape)
    grads = [jax.tree.map(draw, SHAPES, is_leaf=is_shape) for _ in range(STEPS)]
    grads[1]["conv"]["kernel"] *= 1e-5
    grads[2]["conv"]["bias"] *= 0.0
    grads[3]["conv"]["kernel"] *= 0.0
    return params, grads


def overrides(names: list[str], step: int) -> dict[str, float]:
    """What a step passes; each hyper-parameter moves at its own pace."""
    base = {"learning_rate": 0.1, "eps": 1e-3, "beta": 0.8, "beta1": 0.8, "trust_coefficient": 0.1}
    return {name: base.get(name, 0.01) / (1 + step / (2 + i)) for i, name in enumerate(names)}


class Migrated:
    """The optax side: the text that linenify emits, evaluated."""

    def __init__(self, call: str, names: list[str]) -> None:
        self.support: dict[str, Any] = {
            "optax": optax,
            "jax": jax,
            "flax": flax,
            "NamedTuple": typing.NamedTuple,
            "KERNELS": accepts_kernels,
            "BIASES": accepts_biases,
            "LARGE": accepts_large,
            **SETTINGS,
        }
        self.made: list[tuple[str, str]] = []
        self.names = names
        self.text = self._migrated(ast.parse(call, mode="eval").body)
        self.tx = eval(self.text, self.support)

    def _migrated(self, node: ast.expr) -> str:
        """The text of an expression with its optimizer definitions rewritten."""
        name = node.func.id if isinstance(node, ast.Call) else ""
        if name not in OPTIMIZERS and name != "MultiOptimizer":
            return ast.unparse(node)
        made = definition(name, node, self.names)
        text = made.template.replace("{jnp}", "jnp")
        for index, value in enumerate([*node.args, *(k.value for k in node.keywords)]):
            if isinstance(value, ast.Tuple):
                for place, each in enumerate(value.elts):
                    text = text.replace(f"{{{index}_{place}}}", self._migrated(each))
            else:
                text = text.replace(f"{{{index}}}", self._migrated(value))
        for snippet in made.support:
            self.define(snippet)
        self.made.append((name, text))
        return text

    def define(self, name: str) -> None:
        """Runs the code of a snippet where the text can see it."""
        for needed in SNIPPETS[name].needs:
            self.define(needed)
        exec(re.sub(r"\{spell:([\w.]+)\}", r"\1", SNIPPETS[name].text), self.support)

    def run(self, params: Any, grads: list[Any], given: list[dict[str, float]]) -> list[Any]:
        """The params after each step, taken as a compiled function."""
        keys = {
            legacy: hyperparameter(name, legacy)
            for name, _ in self.made
            for legacy in self.names
            if name not in WRAPPERS
        }

        @jax.jit
        def step(params, state, grads, values):
            if values:
                changed = {keys[name]: value for name, value in values.items()}
                state = optax.tree_utils.tree_set(state, **changed)
            updates, state = self.tx.update(grads, state, params)
            return optax.apply_updates(params, updates), state

        state = self.tx.init(params)
        found = []
        for each, values in zip(grads, given, strict=True):
            params, state = step(params, state, each, values)
            found.append(params)
        return found


def legacy_run(
    overlay: Overlay, call: str, params: Any, grads: list[Any], given: list[dict[str, float]]
) -> list[Any]:
    """The params after each step of the legacy optimizer."""
    with overlay.visible():
        from flax import traverse_util

        scope = {
            "KERNELS": traverse_util.ModelParamTraversal(accepts_kernels),
            "BIASES": traverse_util.ModelParamTraversal(accepts_biases),
            "LARGE": traverse_util.ModelParamTraversal(accepts_large),
            **vars(overlay.optim),
            **SETTINGS,
        }
        optimizer = eval(call, scope).create(params)

        def step(optimizer, grads, values):
            return optimizer.apply_gradient(grads, **values)

        if "weight_decay" not in given[0]:  # legacy asks whether it is 0
            step = jax.jit(step)
        found = []
        for each, values in zip(grads, given, strict=True):
            optimizer = step(optimizer, each, values)
            found.append(optimizer.target)
    return found


def worst(ours: list[Any], theirs: list[Any], params: Any) -> float:
    """The largest error of a leaf, relative to the largest change that a step made in it."""
    found = 0.0
    steps = [jax.tree.leaves(tree) for tree in (params, *theirs)]
    for leaf, history in enumerate(zip(*steps, strict=True)):
        assert all(np.all(np.isfinite(each)) for each in history)
        change = max(float(jnp.max(jnp.abs(b - a))) for a, b in itertools.pairwise(history))
        for tree, other in zip(ours, history[1:], strict=True):
            one = jax.tree.leaves(tree)[leaf]
            assert (one.dtype, one.shape) == (other.dtype, other.shape)
            error = float(jnp.max(jnp.abs(one - other)))
            found = max(found, error / change if error else 0.0)
    return found


def compared(overlay: Overlay, call: str, names: list[str], dtype: Any) -> tuple[float, Any]:
    """The worst error of a run on both sides, and the params that it ends with."""
    params, grads = started(dtype)
    given = [overrides(names, step) for step in range(STEPS)]
    theirs = legacy_run(overlay, call, params, grads, given)
    ours = Migrated(call, names).run(params, grads, given)
    return worst(ours, theirs, params), (ours[-1], theirs[-1])


def allowed(call: str) -> float:
    """In float64, where only the order of operations is left; Adafactor computes in float32."""
    if call.startswith(("GradientDescent", "Momentum")):
        return 0.0
    if "bfloat16" in call:
        return 5e-3
    return 3e-6 if "Adafactor" in call else 1e-12


@pytest.mark.parametrize("call", CALLS)
def test_it_is_equal(overlay, call):
    with jax.enable_x64(True):
        error, _ = compared(overlay, call, [], jnp.float64)
    assert error <= allowed(call)


@pytest.mark.parametrize(("call", "names"), OVERRIDDEN)
def test_it_is_equal_with_hyperparameters_per_step(overlay, call, names):
    with jax.enable_x64(True):
        error, _ = compared(overlay, call, names, jnp.float64)
    assert error <= max(allowed(call), 1e-12 if "weight_decay" in names else 0.0)  # not compiled


SINGLE = [next(call for call in CALLS if call.startswith(name)) for name in OPTIMIZERS]


@pytest.mark.parametrize("call", SINGLE)
def test_it_is_equal_in_single_precision(overlay, call):
    _, (ours, theirs) = compared(overlay, call, [], jnp.float32)
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6 * float(jnp.max(jnp.abs(other))))


def test_focus_freezes_the_rest(overlay):
    params, grads = started(jnp.float32)
    with overlay.visible():
        from flax import traverse_util

        kernels = traverse_util.ModelParamTraversal(accepts_kernels)
        optimizer = overlay.optim.Momentum(0.1).create(params, focus=kernels)
        theirs = optimizer.apply_gradient(grads[0]).target
    migrated = Migrated("Momentum(0.1)", [])
    made = focused(migrated.text, "KERNELS")
    for snippet in made.support:
        migrated.define(snippet)
    migrated.tx = eval(made.template, migrated.support)
    (ours,) = migrated.run(params, grads[:1], [{}])
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=0)
    assert np.array_equal(ours["large"]["kernel"], params["large"]["kernel"])
    assert not np.array_equal(ours["conv"]["kernel"], params["conv"]["kernel"])


def test_labels_refuse_leaves_that_two_predicates_accept():
    migrated = Migrated("MultiOptimizer((KERNELS, Adam(0.1)), (KERNELS, Adam(0.1)))", [])
    with pytest.raises(ValueError, match="several optimizers match /conv/kernel"):
        migrated.tx.init(started(jnp.float32)[0])


def test_the_hyperparameters_of_inner_optimizers_stand_where_it_says():
    migrated = Migrated("MultiOptimizer((KERNELS, WeightNorm(Adam())))", ["learning_rate"])
    state = migrated.tx.init(started(jnp.float32)[0])
    paths = {
        name: definition(name, ast.parse(call, mode="eval").body, []).inner
        for name, call in {"MultiOptimizer": "M((a, b))", "WeightNorm": "W(a)"}.items()
    }
    path = ".".join(path for (path,) in paths.values())
    assert "learning_rate" in eval(f"state.{path}.hyperparams", {"state": state})


def test_the_catalogue_has_the_legacy_signatures(overlay):
    for name, parameters in OPTIMIZERS.items():
        real = inspect.signature(getattr(overlay.optim, name)).parameters
        assert list(real) == [each.name for each in parameters]
        for each in parameters:
            if each.default:
                assert real[each.name].default == eval(each.default, {"jnp": jnp})
            else:
                assert real[each.name].default is inspect.Parameter.empty


def test_the_catalogue_is_complete(overlay):
    definitions = {
        name
        for name, each in vars(overlay.optim).items()
        if isinstance(each, type) and issubclass(each, overlay.optim.OptimizerDef)
    }
    assert definitions - {"OptimizerDef"} == {*OPTIMIZERS, "MultiOptimizer"}
    for name in definitions - {"OptimizerDef"}:
        assert any(call.startswith(f"{name}(") for call in CALLS)
        assert any(call.startswith(f"{name}(") for call, _ in OVERRIDDEN)


class Hyper(flax.struct.PyTreeNode):
    learning_rate: float | None


@pytest.mark.parametrize("legacy", ["{tx}", "MultiOptimizer((KERNELS, {tx}))"])
def test_an_own_rule_works_wherever_a_transformation_does(overlay, legacy):
    """Compiled, scanned, and as one part of several; beside the same rule under legacy."""
    params, grads = started(jnp.float32)
    rates = jnp.linspace(0.1, 0.5, STEPS)

    def rule(base: type) -> Any:
        class Rule(base):
            def init_param_state(self, param):
                return (jnp.zeros_like(param),)

            def apply_param_gradient(self, step, hyper_params, param, state, grad):
                total = state[0] + grad / (1.0 + step)
                return param - hyper_params.learning_rate * total, (total,)

        return Rule(Hyper(None))

    with overlay.visible():
        from flax import traverse_util

        kernels = traverse_util.ModelParamTraversal(accepts_kernels)
        scope = {"tx": rule(overlay.optim.OptimizerDef), "KERNELS": kernels}
        optimizer = eval(legacy.format(tx="tx"), {**vars(overlay.optim), **scope}).create(params)
        for rate, each in zip(rates, grads, strict=True):
            optimizer = optimizer.apply_gradient(each, learning_rate=rate)

    migrated = Migrated("GradientDescent(0.1)", [])
    migrated.support["Any"] = Any
    migrated.define("PerParamOptimizer")
    tx = rule(migrated.support["PerParamOptimizer"]).with_hyperparams("learning_rate")
    if "Multi" in legacy:
        made = focused("tx", "KERNELS")
        migrated.define("label_params")
        tx = eval(made.template, {**migrated.support, "tx": tx})

    def step(carry, given):
        params, state = carry
        each, rate = given
        state = optax.tree_utils.tree_set(state, learning_rate=rate * 1.0)
        updates, state = tx.update(each, state, params)
        return (optax.apply_updates(params, updates), state), None

    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *grads)
    (ours, _), _ = jax.lax.scan(step, (params, tx.init(params)), (stacked, rates))
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(optimizer.target), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=2e-6)
