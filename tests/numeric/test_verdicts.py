"""The harness itself: it must see every difference, and survive every program."""

import textwrap

import pytest

from linenify.verify.run import Job, run_jobs
from linenify.verify.verdict import CaseResult, Outcome, from_json, to_json

pytestmark = [pytest.mark.numeric, pytest.mark.xdist_group("verdicts")]

LEGACY = """
from flax import nn

class Block(nn.Module):
    def apply(self, x, features=3, train=True):
        x = nn.Dense(x, features)
        x = nn.BatchNorm(x, use_running_average=not train)
        return nn.Dense(nn.dropout(x, 0.5, deterministic=not train), features)
"""

LINEN = """
from flax import linen as nn

class Block(nn.Module):
    features: int = 3

    @nn.compact
    def __call__(self, x, train=True):
        x = nn.Dense(self.features)(x)
        x = nn.BatchNorm(use_running_average=not train)(x)
        x = nn.Dropout(0.5)(x, deterministic=not train)
        return nn.Dense(self.features)(x)
"""

CASE = """
[[run]]
module = "Block"
inputs = ["f32[4,3]"]
rngs = ["dropout"]
state = true
"""

NESTED = """
from flax import nn

class Block(nn.Module):
    def apply(self, x):
        return nn.Dense(nn.Dense(x, 3), 3)
"""

NESTED_LINEN = """
from flax import linen as nn

class Block(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(3)(nn.Dense(3)(x))
"""

PLAIN_CASE = '[[run]]\nmodule = "Block"\ninputs = ["f32[4,3]"]\n'

FUNCTION_LEGACY = """
from flax import nn, optim
import jax

def train(x):
    _, params = nn.Dense.partial(features=2).init(jax.random.PRNGKey(0), x)
    model = nn.Model(nn.Dense.partial(features=2), params)
    optimizer = optim.GradientDescent(0.5).create(model)
    gradient = jax.grad(lambda model: (model(x) ** 2).sum())(optimizer.target)
    return optimizer.apply_gradient(gradient).target.params
"""

FUNCTION_LINEN = """
from flax import linen as nn
import jax

def train(x):
    model = nn.Dense(features=2)
    params = model.init(jax.random.PRNGKey(7), x)['params']
    gradient = jax.grad(lambda p: (model.apply({'params': p}, x) ** 2).sum())(params)
    return jax.tree_util.tree_map(lambda p, g: p - 0.5 * g, params, gradient)
"""

# name: legacy, linen, case
PROGRAMS = {
    "equal": (LEGACY, LINEN, CASE),
    "other_epsilon": (LEGACY, LINEN.replace("BatchNorm(", "BatchNorm(epsilon=1e-3, "), CASE),
    "other_momentum": (LEGACY, LINEN.replace("BatchNorm(", "BatchNorm(momentum=0.9, "), CASE),
    "other_initializer": (
        LEGACY,
        LINEN.replace(
            "Dense(self.features)(x)", "Dense(self.features, bias_init=nn.initializers.ones)(x)"
        ),
        CASE,
    ),
    "no_bias": (
        LEGACY,
        LINEN.replace("Dense(self.features)", "Dense(self.features, use_bias=False)"),
        CASE,
    ),
    "other_rate": (LEGACY, LINEN.replace("Dropout(0.5)", "Dropout(0.4)"), CASE),
    "stopped_gradient": (
        LEGACY,
        LINEN.replace(
            "__call__(self, x, train=True):",
            "__call__(self, x, train=True):\n        import jax; x = jax.lax.stop_gradient(x)",
        ),
        CASE,
    ),
    "half_precision": (
        LEGACY,
        LINEN.replace("Dense(self.f", "Dense(dtype='bfloat16', features=self.f"),
        CASE,
    ),
    "nested_calls": (NESTED, NESTED_LINEN, PLAIN_CASE),
    "legacy_raises": (LEGACY.replace("x = nn.Dense(x, features)", "x.no_such"), LINEN, CASE),
    "linen_still_legacy": (NESTED, NESTED, PLAIN_CASE),
    "linen_uses_old_jax": (NESTED, "import jax\njax.tree_map\n" + NESTED_LINEN, PLAIN_CASE),
    "syntax_error": (NESTED, "class Block(", PLAIN_CASE),
    "dies": (NESTED, NESTED_LINEN + "\nimport os; os._exit(3)\n", PLAIN_CASE),
    "bad_case": (NESTED, NESTED_LINEN, PLAIN_CASE.replace("inputs", "inptus")),
    "bad_input": (NESTED, NESTED_LINEN, PLAIN_CASE.replace("f32", "f33")),
    "prints_and_exits": (NESTED, "print('{')\nraise SystemExit(0)\n", PLAIN_CASE),
    "function": (
        FUNCTION_LEGACY,
        FUNCTION_LINEN,
        '[[run]]\nfunction = "train"\ninputs = ["f32[4,3]"]\n',
    ),
    "older_flax": (NESTED, NESTED_LINEN, 'flax = "0.2.2"\n' + PLAIN_CASE),
    "equal_again": (LEGACY, LINEN, CASE),
}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    jobs = [written(tmp_path_factory.mktemp(name), *program) for name, program in PROGRAMS.items()]
    return dict(zip(PROGRAMS, run_jobs(jobs), strict=True))


def written(folder, legacy, linen, case):
    texts = {"legacy.py": legacy, "linen.py": linen, "case.toml": case}
    for name, text in texts.items():
        (folder / name).write_text(textwrap.dedent(text))
    return Job(*(str(folder / name) for name in ("case.toml", "legacy.py", "linen.py")))


def outcomes(result):
    return {comparison.what: comparison.outcome.passed for comparison in result.runs[0].comparisons}


@pytest.mark.parametrize("name", ["equal", "equal_again", "nested_calls", "function", "older_flax"])
def test_equal_programs_are_equal(verdicts, name):
    assert verdicts[name].outcome.passed, verdicts[name]


@pytest.mark.parametrize(
    ("name", "differing"),
    [
        ("other_momentum", {"collections"}),
        ("other_epsilon", {"outputs", "gradients"}),
        ("other_rate", {"outputs", "gradients"}),
        ("other_initializer", {"initial"}),
        ("stopped_gradient", {"gradients"}),
        ("half_precision", {"outputs", "gradients"}),
        ("no_bias", {"parameters"}),
    ],
)
def test_a_difference_is_seen_where_it_is(verdicts, name, differing):
    assert verdicts[name].outcome is Outcome.DIFFERENT
    seen = {what for what, passed in outcomes(verdicts[name]).items() if not passed}
    assert differing <= seen
    assert "initial" in differing or "initial" not in seen


@pytest.mark.parametrize(
    ("name", "side", "message"),
    [
        ("legacy_raises", "legacy", "AttributeError"),
        ("linen_still_legacy", "linen", "ImportError: cannot import name 'nn'"),
        ("linen_uses_old_jax", "linen", "tree_map"),
        ("syntax_error", "linen", "SyntaxError"),
        ("prints_and_exits", "linen", "SystemExit"),
    ],
)
def test_user_errors_are_part_of_the_verdict(verdicts, name, side, message):
    failure = verdicts[name].runs[0].failure
    assert failure.side == side
    assert message in failure.message


def test_user_frames_are_named(verdicts):
    frames = verdicts["legacy_raises"].runs[0].failure.frames
    assert frames[-1].startswith("legacy.py:")
    assert frames[-1].endswith(" in apply")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dies", "the process died"),
        ("bad_case", "unknown key inptus"),
        ("bad_input", "has no known dtype: f33"),
    ],
)
def test_a_case_that_cannot_run_says_why(verdicts, name, message):
    assert verdicts[name].outcome is Outcome.ERROR
    assert message in verdicts[name].message


def test_a_hanging_program_is_given_up(tmp_path):
    job = written(tmp_path, NESTED, "import time\ntime.sleep(60)\n", PLAIN_CASE)
    [result] = run_jobs([job], timeout=6)
    assert "no result after 6 seconds" in result.message


def test_verdicts_survive_json(verdicts):
    for result in verdicts.values():
        assert from_json(CaseResult, to_json(result)) == result
