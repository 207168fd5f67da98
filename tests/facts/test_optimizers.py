"""Which optax text each definition of `flax.optim` becomes, and which it cannot."""

from __future__ import annotations

import ast

import pytest
from support import migration

from linenify.facts.legacy.snippets import SNIPPETS
from linenify.facts.sites import Added, Unclear
from linenify.facts.training.optimizers import (
    OPTIMIZERS,
    Definition,
    check_predicate,
    definition,
    focused,
    hyperparameter,
    multi,
    traversal,
)


def defined(text: str, *per_step: str) -> Definition:
    call = ast.parse(text, mode="eval").body
    assert isinstance(call, ast.Call)
    assert isinstance(call.func, ast.Name)
    return definition(call.func.id, call, frozenset(per_step))


def becomes(text: str, *per_step: str) -> str:
    """The text of a definition, with the arguments put into its template."""
    call = ast.parse(text, mode="eval").body
    made = defined(text, *per_step).template
    for index, node in enumerate([*call.args, *(k.value for k in call.keywords)]):
        made = made.replace(f"{{{index}}}", ast.get_source_segment(text, node))
    return made


def refused(text: str, *per_step: str) -> str:
    with pytest.raises(Unclear) as caught:
        defined(text, *per_step)
    assert caught.value.code == "LN691"
    return caught.value.why


@pytest.mark.parametrize(
    ("legacy", "optax"),
    [
        ("GradientDescent(0.1)", "optax.sgd(0.1)"),
        ("GradientDescent(learning_rate=lr)", "optax.sgd(learning_rate=lr)"),
        ("Momentum(lr)", "optax.sgd(lr, momentum=0.9)"),
        ("Momentum(nesterov=False, learning_rate=lr)", "optax.sgd(learning_rate=lr, momentum=0.9)"),
        ("Momentum(lr, nesterov=n)", "optax.sgd(lr, nesterov=n, momentum=0.9)"),
        ("Momentum(lr, 0.8, 0.0)", "optax.sgd(lr, momentum=0.8)"),
        ("Adam(1e-3)", "optax.adam(1e-3)"),
        ("Adam(1e-3, 0.9, 0.98, 1e-9)", "optax.adam(1e-3, b1=0.9, b2=0.98, eps=1e-9)"),
        ("Adam(lr, weight_decay=None)", "optax.adam(lr)"),
        ("Adam(lr, weight_decay=wd)", "optax.adamw(lr, weight_decay=wd)"),
        ("AdaBelief(lr, eps=e)", "optax.adabelief(lr, eps=e, eps_root=e)"),
        ("Adadelta(lr, rho=0.8)", "optax.adadelta(lr, rho=0.8)"),
        ("RMSProp(lr)", "optax.rmsprop(lr, eps_in_sqrt=False)"),
        (
            "RMSProp(lr, 0.8, centered=True)",
            "optax.rmsprop(lr, decay=0.8, centered=True, eps_in_sqrt=False)",
        ),
        ("LARS(lr, beta=b, eps=0.1)", "optax.lars(lr, momentum=b, eps=0.1)"),
        (
            "Adafactor(lr, beta1=0.9, clipping_threshold=None)",
            "optax.adafactor(lr, momentum=0.9, clipping_threshold=None)",
        ),
        ("Adafactor(lr, epsilon2=1e-3)", "optax.adafactor(lr)"),
    ],
)
def test_the_alias_where_it_is_equal(legacy, optax):
    assert becomes(legacy) == optax
    made = defined(legacy)
    assert made.imports == ("optax",)
    assert not made.support
    assert not made.notes


@pytest.mark.parametrize(
    "legacy",
    [
        "Momentum(lr, nesterov=n, beta=b)",
        "Adam(eps=1e-9, beta2=0.98, weight_decay=0.1, learning_rate=lr)",
        "AdaBelief(lr, 0.9, 0.99, e)",
        "RMSProp(lr, 0.8, centered=True)",
        "Adafactor(lr, True, beta1=None, clipping_threshold=None)",
    ],
)
def test_the_arguments_in_place_say_the_same_as_the_template(legacy):
    made = defined(legacy)
    given = [
        (each.keyword, each.code if isinstance(each, Added) else f"{{{each.index}}}")
        for each in made.arguments
    ]
    text = ", ".join(f"{key}={code}" if key else code for key, code in given)
    assert sorted(f"{made.alias}({text})") == sorted(made.template)
    indices = [each.index for each in made.arguments if not isinstance(each, Added)]
    assert indices == sorted(indices)


LINES = """
from flax import optim


def create(params, rate):
    definition = optim.Adam(
        beta1=0.9,
        # see the appendix
        learning_rate=rate,  # per example
    )
    return definition.create(params)
"""


def test_arguments_on_lines_of_their_own_stay_there():
    after = migration(LINES).changes[0].after
    assert (
        "    definition = optax.adam(\n"
        "        b1=0.9,\n"
        "        # see the appendix\n"
        "        learning_rate=rate,  # per example\n"
        "    )\n"
    ) in after


@pytest.mark.parametrize(
    ("legacy", "optax"),
    [
        (
            "Momentum(lr, weight_decay=wd)",
            "optax.chain(optax.add_decayed_weights(wd), optax.sgd(lr, momentum=0.9))",
        ),
        (
            "AdaBelief(lr, beta1=0.8, weight_decay=0.1)",
            (
                "optax.chain(optax.scale_by_belief(b1=0.8), optax.add_decayed_weights(0.1), "
                "optax.scale_by_learning_rate(lr))"
            ),
        ),
        (
            "Adadelta(learning_rate=lr, weight_decay=0.1)",
            (
                "optax.chain(optax.scale_by_adadelta(), optax.add_decayed_weights(0.1), "
                "optax.scale_by_learning_rate(lr))"
            ),
        ),
        (
            "Adagrad(lr, eps=1e-3)",
            "optax.chain(scale_by_adagrad(eps=1e-3), optax.scale_by_learning_rate(lr))",
        ),
        (
            "LAMB(lr)",
            (
                "optax.chain(optax.scale_by_adam(eps=1e-6), scale_by_lamb_trust_ratio(), "
                "optax.scale_by_learning_rate(lr))"
            ),
        ),
        (
            "LARS(lr, weight_decay=wd, nesterov=True)",
            (
                "optax.chain(scale_by_lars_trust_ratio(weight_decay=wd), "
                "optax.scale_by_learning_rate(lr), optax.trace(decay=0.9, nesterov=True))"
            ),
        ),
        ("WeightNorm(inner, wn_eps=0.1)", "weight_norm(inner, wn_eps=0.1)"),
    ],
)
def test_a_chain_where_the_alias_differs_says_why(legacy, optax):
    assert becomes(legacy) == optax
    made = defined(legacy)
    assert made.notes
    assert all(f"{name}(" in made.template for name in made.support)
    assert set(made.support) <= set(SNIPPETS)


@pytest.mark.parametrize(
    ("legacy", "per_step", "optax"),
    [
        ("GradientDescent()", ["learning_rate"], "(optax.sgd)(learning_rate=0.0)"),
        ("GradientDescent(1)", ["learning_rate"], "(optax.sgd)(learning_rate=1.0)"),
        (
            "Momentum(lr, nesterov=n)",
            ["learning_rate"],
            "(optax.sgd, static_args=('nesterov',))(learning_rate=lr, momentum=0.9, nesterov=n)",
        ),
        (
            "Adam(lr)",
            ["learning_rate", "weight_decay"],
            "(optax.adamw, static_args=('b1', 'b2'))(learning_rate=lr, weight_decay=0.0)",
        ),
        (
            "Adam(lr, weight_decay=0)",
            ["beta1", "weight_decay"],
            "(optax.adamw, static_args=('b2',))(learning_rate=lr, b1=0.9, weight_decay=0.0)",
        ),
        (
            "Momentum(weight_decay=1e-4)",
            ["learning_rate"],
            (
                "(lambda learning_rate: optax.chain(optax.add_decayed_weights(1e-4), "
                "optax.sgd(learning_rate, momentum=0.9)))(learning_rate=0.0)"
            ),
        ),
        (
            "Momentum(lr, weight_decay=f(lr))",
            ["learning_rate"],
            (
                "(lambda learning_rate, weight_decay: "
                "optax.chain(optax.add_decayed_weights(weight_decay), "
                "optax.sgd(learning_rate, momentum=0.9)), static_args=('weight_decay',))"
                "(learning_rate=lr, weight_decay=f(lr))"
            ),
        ),
        (
            "AdaBelief(lr)",
            ["eps"],
            (
                "(lambda learning_rate, eps: "
                "optax.adabelief(learning_rate, eps=eps, eps_root=eps), "
                "static_args=('learning_rate',))(learning_rate=lr, eps=1e-16)"
            ),
        ),
        (
            "Adafactor()",
            ["learning_rate"],
            "(lambda learning_rate: optax.adafactor(learning_rate))(learning_rate=0.0)",
        ),
    ],
)
def test_what_steps_change_is_injected(legacy, per_step, optax):
    assert becomes(legacy, *per_step) == f"optax.inject_hyperparams{optax}"


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name != "WeightNorm"])
def test_every_hyperparameter_has_its_key_in_the_injected_state(name):
    for each in OPTIMIZERS[name]:
        if each.static:
            assert "cannot be set at a step" in refused(f"{name}(0.1)", each.name)
            continue
        key = hyperparameter(name, each.name)
        assert f"{key}=" in defined(f"{name}()", "learning_rate", each.name).template


@pytest.mark.parametrize(
    ("legacy", "per_step", "why"),
    [
        ("Adam()", [], "gets no learning rate"),
        ("Adam(learning_rate=None)", [], "gets no learning rate"),
        ("Adam(*args)", [], "are not spelled out"),
        ("Adam(0.1, **options)", [], "are not spelled out"),
        ("Adam(0.1, momentum=0.9)", [], "takes no argument `momentum`"),
        ("Adam(0.1, learning_rate=0.1)", [], "takes no argument `learning_rate`"),
        ("GradientDescent(0.1, 0.9)", [], "more arguments than it takes"),
        ("Adam(0.1)", ["hyper_params"], "`hyper_params` of Adam cannot be set"),
        ("Momentum(0.1)", ["nesterov"], "`nesterov` of Momentum cannot be set"),
        ("AdaBelief(0.1, eps=f())", [], "needed twice"),
        ("Adafactor(0.1, epsilon2=0.1, clipping_threshold=c)", [], "has to be spelled out"),
        ("WeightNorm(inner)", ["wn_decay"], "`wn_decay` of WeightNorm cannot be set"),
        ("WeightNorm()", [], "wraps no optimizer"),
        ("Shampoo(0.1)", [], "no counterpart in optax"),
        ("MultiOptimizer(*pairs)", [], "not a pair that is spelled out"),
        ("MultiOptimizer(pair)", [], "not a pair that is spelled out"),
        ("MultiOptimizer((f, *rest))", [], "not a pair that is spelled out"),
        ("MultiOptimizer()", [], "are not spelled out"),
        ("MultiOptimizer(((lambda p, _: 'Dense_1' in p), tx))", [], "`Dense_1` is numbered"),
    ],
)
def test_refused(legacy, per_step, why):
    assert why in refused(legacy, *per_step)


def test_several_optimizers_are_told_apart_by_labels():
    call = ast.parse("MultiOptimizer((kernels, a), (biases, b))", mode="eval").body
    made = multi(call)
    assert made.template == (
        "optax.multi_transform({'0': {0_1}, '1': {1_1}, 'frozen': optax.set_to_zero()}, "
        "label_params({0_0}, {1_0}))"
    )
    assert made.support == ("label_params",)
    assert made == definition("MultiOptimizer", call, ["learning_rate"])


def test_a_focus_is_one_optimizer_and_frozen_leaves():
    assert focused("{owner}", "{1}").template == (
        "optax.multi_transform({'0': {owner}, 'frozen': optax.set_to_zero()}, label_params({1}))"
    )


def test_a_traversal_is_its_predicate():
    for text in ("ModelParamTraversal(f)", "ModelParamTraversal(filter_fn=f)"):
        assert traversal(ast.parse(text, mode="eval").body) == "{0}"
    for text in ("ModelParamTraversal()", "ModelParamTraversal(*f)", "ModelParamTraversal(f, g)"):
        with pytest.raises(Unclear):
            traversal(ast.parse(text, mode="eval").body)


@pytest.mark.parametrize(
    "text",
    [
        "Dense_0",
        "/encoder/BatchNorm_12/scale",
        "/0/kernel",
        "3",
        "Dense_",
        "Block_[0-3]",
        r"Conv_\d+",
    ],
)
def test_predicates_by_number_are_refused(text):
    with pytest.raises(Unclear):
        check_predicate(ast.parse(f"lambda path, _: {text!r} in path"))


@pytest.mark.parametrize("text", ["kernel", "/bias", "layer_0", "head", "conv1", "Dense", "_"])
def test_predicates_by_name_stay(text):
    check_predicate(ast.parse(f"lambda path, _: {text!r} in path"))


SELECTED = """
from flax import optim, traverse_util


def build(params, predicate, focus=None):
    kernels = traverse_util.ModelParamTraversal(predicate)
    a = optim.MultiOptimizer((kernels, optim.Adam(0.1))).create(params)
    return a, optim.Adam(0.1).create(params{focus})


def is_kernel(path, _):
    return {name!r} in path


def main(params):
    return build(params, is_kernel)
"""


@pytest.mark.parametrize(
    ("name", "focus", "why"),
    [
        ("kernel", "", None),
        ("kernel", ", focus=None", None),
        ("kernel", ", focus=optim.ModelParamTraversal(is_kernel)", None),
        ("kernel", ", focus=focus", "the predicate `focus` is not known, or may be None"),
        ("kernel", ", traverse_util.t_identity['a']", "is not known, or may be None"),
        ("Dense_0", "", "`Dense_0` is numbered"),
    ],
)
def test_predicates_are_followed_to_where_they_are_written(name, focus, why):
    made = migration(SELECTED.format(name=name, focus=focus))
    said = [f"{each.code} {each.message}" for each in made.diagnostics]
    if why is None:
        assert not said
        assert "kernels = predicate" in made.changes[0].after
    else:
        assert any(line.startswith("LN691") and why in line for line in said), said
