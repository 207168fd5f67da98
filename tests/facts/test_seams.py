"""Seams of training code: a program never ends half in one world without a mark."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from facts.support import source_of

from linenify.migrate import migrate
from linenify.outcome import Severity
from linenify.project.source import Project

HEAD = """\
import functools
import jax
import jax.numpy as jnp
from flax import nn, optim


class Net(nn.Module):
  def apply(self, x, width=3):
    return nn.Dense(x, width)


"""


def migrated(files: str | Mapping[str, str]) -> tuple[dict[str, str], list[tuple[str, int]]]:
    """The text of every file, and the codes that were said, with their lines."""
    texts = {"main": HEAD + textwrap.dedent(files)} if isinstance(files, str) else files
    sources = tuple(source_of(textwrap.dedent(text), name) for name, text in texts.items())
    result = migrate(Project(sources))
    errors = [d.message for d in result.diagnostics if d.severity is Severity.ERROR]
    assert not errors, errors
    after = {change.path: change.after for change in result.changes}
    found = {name: after.get(s.path, s.text) for name, s in zip(texts, sources, strict=True)}
    said = [(d.code, d.line) for d in result.diagnostics]
    return found, said


def text_and_codes(body: str) -> tuple[str, set[str]]:
    found, said = migrated(body)
    return found["main"], {code for code, _ in said}


# --- out of sight ------------------------------------------------------------------------------


def test_a_builder_that_is_handed_to_unseen_code_gives_objects():
    text, said = text_and_codes("""\
        import somelib

        def build(key, x):
          _, params = Net.init(key, x)
          return nn.Model(Net, params)

        def loss(model, x):
          return model(x).sum()

        somelib.train(build, loss)
        """)
    assert "return BoundModel(Net(), params)" in text
    assert "return model(x).sum()" in text
    assert {"LN807", "LN819"} <= said


def test_functions_that_nobody_is_seen_to_call_agree_on_objects():
    text, said = text_and_codes("""\
        def build(key, x):
          _, params = Net.init(key, x)
          return nn.Model(Net, params)

        def loss(model, x):
          return model(x).sum()
        """)
    assert "return BoundModel(Net(), params)" in text
    assert "LN819" in said


def test_a_builder_alone_gives_params():
    text, said = text_and_codes("""\
        def build(key, x):
          _, params = Net.init(key, x)
          return nn.Model(Net, params)
        """)
    assert "BoundModel" not in text
    assert said.isdisjoint({"LN807", "LN819"})


def test_methods_of_strings_are_no_calls_of_models():
    text, _ = text_and_codes("""\
        def build(key, x):
          _, params = Net.init(key, x)
          return nn.Model(Net, params)

        def is_kernel(path):
          return path.endswith('kernel')
        """)
    assert "BoundModel" not in text


def test_an_optimizer_that_gets_out_of_sight_is_marked():
    _, said = text_and_codes("""\
        import somelib

        def start(key, x):
          _, params = Net.init(key, x)
          return somelib.Learner(optim.Adam(1e-3).create(nn.Model(Net, params)))
        """)
    assert "LN695" in said


def test_the_standard_library_only_stores_an_optimizer():
    _, said = text_and_codes("""\
        import pickle

        def save(key, x, file):
          _, params = Net.init(key, x)
          pickle.dump(optim.Adam(1e-3).create(nn.Model(Net, params)), file)
        """)
    assert "LN695" not in said


def test_a_run_that_stays_keeps_its_model():
    text, said = text_and_codes("""\
        def predict(params, x, options):
          model = nn.Model(Net, params)
          return model(x, *options)
        """)
    assert "model = nn.Model(Net, params)" in text
    assert "return model(x, *options)" in text
    assert {"LN390", "LN690"} <= said


def test_a_model_one_of_whose_runs_stays_is_an_object_for_the_others():
    text, said = text_and_codes("""\
        def predict(params, x, options):
          model = nn.Model(Net, params)
          return model(x), model(x, *options)
        """)
    assert "model = BoundModel(Net(), params)" in text
    assert "LN390" in said


def test_an_object_that_cannot_be_called_is_no_rival_of_a_model():
    text, said = text_and_codes("""\
        class Mesh:
          size = 2

        def area(mesh, x):
          return mesh.size * x

        def loss(model, x):
          return model(x)

        def run(function, *args):
          return function(*args)

        def main(key, x):
          _, params = Net.init(key, x)
          return run(area, Mesh(), x), run(loss, nn.Model(Net, params), x)
        """)
    assert "LN392" not in said
    assert "LN390" not in said
    assert "nn.Model" not in text


# --- methods as values -------------------------------------------------------------------------


def test_create_as_a_value_is_a_function_of_the_params():
    text, said = text_and_codes("""\
        def fit(make, model):
          return make(model).target

        def main(key, x, rate):
          _, params = Net.init(key, x)
          model = nn.Model(Net, params)
          return fit(optim.Adam(1e-3).create, model), fit(optim.Adam(rate).create, model)
        """)
    assert "lambda params: train_state.TrainState.create(apply_fn=None, params=params" in text
    assert "lambda params, tx=optax.adam(rate): train_state.TrainState.create(" in text
    assert "return make(" in text
    assert "LN692" not in said


def test_a_partial_of_create_and_a_step_that_travels_stay():
    _, said = migrated("""\
        def main(key, x, grads):
          _, params = Net.init(key, x)
          create = functools.partial(optim.Adam(1e-3).create, focus=None)
          optimizer = optim.Adam(1e-3).create(nn.Model(Net, params))
          step = optimizer.apply_gradient
          return create, step(grads)
        """)
    lines = {line for code, line in said if code == "LN692"}
    first = HEAD.count("\n") + 1
    assert {first + 2, first + 4, first + 5} <= lines


def test_the_module_of_a_model_is_an_instance():
    text, _ = text_and_codes("""\
        def halved(model):
          return nn.Model(params=model.params, module=model.module)

        def main(key, x):
          _, params = Net.init(key, x)
          model = halved(nn.Model(Net, params))
          return type(model)(model.module, params)(x)
        """)
    assert "BoundModel(model.module, model.params)" in text
    assert "BoundModel(model.module, params)" in text
    assert "module()" not in text


# --- transforms --------------------------------------------------------------------------------


def test_static_arguments_stay_where_a_model_may_be_one_of_several_things():
    text, _ = text_and_codes("""\
        @functools.partial(jax.jit, static_argnums=(1, 2))
        def run(model, times, width):
          return model(jnp.ones((times, width)))

        def main(key, x, rest):
          _, params = Net.init(key, x)
          model = nn.Model(Net, params)
          run(*[model, *rest])
          return run(model, 2, 3)
        """)
    assert "static_argnums=(1, 2)" in text


def test_starred_arguments_keep_their_places():
    text, said = text_and_codes("""\
        def run(model, x, times):
          return model(x) * times

        def main(key, x):
          _, params = Net.init(key, x)
          args = nn.Model(Net, params), x
          return run(*args, 3)
        """)
    assert "def run(params, x, times):" in text
    assert "LN392" not in said


def test_a_step_with_and_without_pmap_averages_by_the_class_of_the_state():
    text, _ = text_and_codes("""\
        def step(optimizer, grads):
          return optimizer.apply_gradient(grads)

        def main(key, x, grads, parallel=False):
          _, params = Net.init(key, x)
          optimizer = optim.Adam(1e-3).create(nn.Model(Net, params))
          if parallel:
            optimizer = optimizer.replicate()
            optimizer = jax.pmap(step, axis_name='batch')(optimizer, grads)
            return optimizer.unreplicate()
          return step(optimizer, grads)
        """)
    assert "return state.apply_gradients(grads=grads)" in text
    assert "jax_utils.replicate(ReplicatedState(**vars(state)))" in text
    assert "train_state.TrainState(**vars(jax_utils.unreplicate(state)))" in text


def test_a_step_that_only_runs_under_pmap_averages_where_it_stands():
    text, _ = text_and_codes("""\
        def step(optimizer, grads):
          return optimizer.apply_gradient(grads)

        def main(key, x, grads):
          _, params = Net.init(key, x)
          optimizer = optim.Adam(1e-3).create(nn.Model(Net, params)).replicate()
          return jax.pmap(jax.jit(step), axis_name='batch')(optimizer, grads)
        """)
    assert "grads=jax.lax.pmean(grads, axis_name='batch')" in text
    assert "ReplicatedState" not in text


# --- states, names and the class itself --------------------------------------------------------


def test_a_state_by_paths_is_marked_at_its_keys():
    _, said = migrated("""\
        def convert(arrays):
          state = {}
          for name, mean in arrays.items():
            state[f'/{name}'] = {'mean': mean}
          state.update({'/norm': {'mean': 0}})
          return nn.Collection(state)
        """)
    first = HEAD.count("\n") + 1
    lines = [line for code, line in said if code == "LN696"]
    assert sorted(lines) == [first + 3, first + 4]


def test_paths_in_other_dicts_are_nobodys_business():
    _, said = text_and_codes("ROUTES = {'/home': 1}\nprint(ROUTES['/home'])\n")
    assert "LN696" not in said


def test_a_name_that_says_state_already_does_not_stammer():
    text, _ = text_and_codes("""\
        def train(key, x):
          _, params = Net.init(key, x)
          opt_state = optim.Adam(1e-3).create(nn.Model(Net, params))
          return opt_state
        """)
    assert "state_state" not in text
    assert "return state" in text


_NETS = """\
from flax import nn


class Small(nn.Module):
  def apply(self, x):
    return nn.Dense(x, 1)


class Large(nn.Module):
  def apply(self, x):
    return nn.Dense(nn.Dense(x, 8), 1)
"""
_USER = """\
import jax
from flax import nn
{imports}


def outputs(x):
  models = []
  for net in ({nets}.Small, {nets}.Large):
    _, params = net.init(jax.random.PRNGKey(0), x)
    models.append(nn.Model(net, params))
  return [model(x) for model in models]
"""


def test_a_project_has_one_class_for_its_objects():
    found, _ = migrated(
        {
            "pkg.": "",
            "pkg.nets": _NETS,
            "pkg.one": _USER.format(imports="from . import nets", nets="nets"),
            "pkg.sub.": "",
            "pkg.sub.two": _USER.format(imports="from .. import nets", nets="nets"),
            "three": _USER.format(imports="import pkg.nets as nets", nets="nets"),
        }
    )
    assert [name for name, text in found.items() if "class BoundModel" in text] == ["pkg.nets"]
    assert "from .nets import BoundModel" in found["pkg.one"]
    assert "from ..nets import BoundModel" in found["pkg.sub.two"]
    assert "from pkg.nets import BoundModel" in found["three"]


def test_the_class_stands_below_an_import_of_its_own():
    text = migrated(
        {
            "main": '"""Runs."""\nimport sys\nimport jax\n\n\n'
            "def outputs(x):\n  from flax import nn\n\n"
            + textwrap.indent(_NETS.partition("nn\n\n\n")[2], "  ")
            + "\n  models = []\n  for net in (Small, Large):\n"
            "    _, params = net.init(jax.random.PRNGKey(0), x)\n"
            "    models.append(nn.Model(net, params))\n"
            "  return [model(x) for model in models]\n"
        }
    )[0]["main"]
    top = text.partition("class BoundModel")[0]
    assert "\nfrom flax import linen as nn\n" in top
