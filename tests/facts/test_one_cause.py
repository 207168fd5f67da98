"""Refusals that stem from one place name it, and what is bound there."""

from __future__ import annotations

import ast
import textwrap

import pytest
from facts.support import project_of

from linenify.facts.flow.kinds import Api, Array, External, Optimizer, order_key
from linenify.migrate import migrate

HEADER = """\
import jax
import jax.numpy as jnp
from flax import nn, optim
"""


def stems(files):
    """Where each refusal is, and the place and text that it stems from."""
    texts = {"main": files} if isinstance(files, str) else files
    whole = {name: HEADER + textwrap.dedent(text) for name, text in texts.items()}
    found = migrate(project_of(whole)).diagnostics
    return {
        (d.path.stem, d.code, d.span.line): (
            (d.because.path.stem, d.because.span.line, d.because.message) if d.because else None
        )
        for d in found
        if d.severity == "refusal"
    }


def test_a_parameter_that_callers_fill_with_several_things():
    found = stems("""
    def fit(optimizer, batch):
        loss = lambda model: jnp.mean(model(batch))
        optimizer, _, _ = optimizer.optimize(loss)
        return optimizer

    class Net(nn.Module):
        def apply(self, x):
            return nn.Dense(x, 2)

    def main(x):
        _, params = Net.init(jax.random.PRNGKey(0), x)
        model = nn.Model(Net, params)
        fit(optim.Adam(1e-3).create(model), x)
        fit(model, x)
    """)
    message = "`optimizer` is an optimizer (line 17) and a Model (line 18)"
    assert found[("main", "LN690", 7)] == ("main", 5, message)


def test_a_value_is_followed_through_files_attributes_and_results():
    found = stems(
        {
            "parts": """
            class Holder:
                def __init__(self, held):
                    self.held = held

            def scale(x):
                return x / 2

            def chosen(flag):
                if flag:
                    return scale
                return nn.LayerNorm
            """,
            "main": """
            import parts

            class Net(nn.Module):
                def apply(self, x, flag=True):
                    holder = parts.Holder(parts.chosen(flag))
                    x = holder.held(x, epsilon=1e-3)
                    norm = parts.chosen(flag)
                    return norm(x, epsilon=1e-2)
            """,
        }
    )
    places = {key: stem for key, stem in found.items() if key[1] in {"LN390", "LN392"}}
    assert places, found

    (stem,) = set(places.values())
    assert stem is not None
    home, line, message = stem
    assert (home, line) == ("parts", 12)
    assert message.startswith("`parts.chosen(flag)` is ")
    assert "the function `scale` (line 14)" in message
    assert "the module class `LayerNorm` (line 15)" in message


def test_all_that_waits_for_a_class_names_the_first_one_that_stays():
    found = stems("""
    import unseen

    class Base(nn.Module):
        @unseen.decorated
        def apply(self, x):
            return nn.Dense(x, 3)

    class Below(Base):
        def apply(self, x):
            return super().apply(x)

    class Net(nn.Module):
        def apply(self, x):
            return Below(Base(x))
    """)
    assert found[("main", "LN291", 7)] is None
    waiting = {key: stem for key, stem in found.items() if key[1] != "LN291"}
    assert {key[1] for key in waiting} == {"LN290", "LN398"}
    for stem in waiting.values():
        assert stem is not None
        assert stem[:2] == ("main", 7)


def test_a_context_waits_for_the_run_in_it():
    found = stems("""
    import unseen

    class Net(nn.Module):
        @unseen.decorated
        def apply(self, x):
            return nn.dropout(x, 0.5)

    def main(x, key):
        with nn.stochastic(key):
            _, params = Net.init(key, x)
            return Net.call(params, x)
    """)
    stem = found[("main", "LN590", 13)]
    assert stem is not None
    assert stem[:2] == ("main", 7)


@pytest.mark.parametrize("used", ["x = norm(x, nonsense=1)", "x = nn.Dense(x, *sizes)"])
def test_a_refusal_with_a_reason_of_its_own_names_no_other_place(used):
    found = stems(f"""
    class Net(nn.Module):
        def apply(self, x, sizes=(3,), norm=nn.LayerNorm):
            {used}
            return x
    """)
    assert found
    assert set(found.values()) == {None}


def test_atoms_sort_by_what_they_are_and_not_by_where_they_lie_in_memory():
    trees = [ast.parse("a = f()\nb = f()\n") for _ in range(2)]
    orders = []
    for tree in trees:
        first, second = (node.value for node in tree.body if isinstance(node, ast.Assign))
        assert isinstance(first, ast.Call)
        assert isinstance(second, ast.Call)
        atoms = {Api(Optimizer(second), "f"), Api(Optimizer(first), "f"), External("b"), Array()}
        found = sorted(atoms, key=order_key)
        orders.append([order_key(atom) for atom in found])
        assert [atom.receiver.created for atom in found if isinstance(atom, Api)] == [first, second]
    assert orders[0] == orders[1]


def test_values_whose_way_is_not_seen_are_told_by_where_they_were_made():
    found = stems("""
    class Net(nn.Module):
        def apply(self, x):
            return nn.Dense(x, 2)

    def fit(held, x):
        held.apply_gradient(x)
        return held.target(x)

    def main(params, x):
        made = {}
        made.update(one=optim.Adam(1e-3))
        made.update(two=optim.Adam(1e-3).create(nn.Model(Net, params)))
        for one in made.values():
            fit(one, x)
    """)
    stem = found[("main", "LN692", 10)]
    assert stem is not None
    assert stem[:2] == ("main", 9)
    assert "the definition of an optimizer (line 15)" in stem[2]
    assert "an optimizer (line 16)" in stem[2]


def test_a_field_is_what_the_calls_of_its_class_give():
    found = stems("""
    import dataclasses

    @dataclasses.dataclass
    class Holder:
        held: object

    def scale(x):
        return x / 2

    class Net(nn.Module):
        def apply(self, x):
            for holder in (Holder(scale), Holder(held=nn.LayerNorm)):
                x = holder.held(x, epsilon=1e-3)
            return x
    """)
    stem = found[("main", "LN392", 17)]
    assert stem is not None
    assert stem[:2] == ("main", 16)
    assert "the function `scale`" in stem[2]
    assert "the module class `LayerNorm`" in stem[2]


def test_dicts_that_differ_in_their_keys_are_told_with_their_lines():
    found = stems("""
    class Net(nn.Module):
        def apply(self, x, quick):
            options = {"momentum": 0.9}
            if quick:
                options = {"use_running_average": True}
            return nn.BatchNorm(x, **options)
    """)
    message = "`options` is a dict (line 7) and a dict (line 9)"
    assert found == {("main", "LN390", 10): ("main", 7, message)}
