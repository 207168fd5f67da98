"""`linenify verify` from the outside: what it prints, and how it ends."""

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from commands import spoken, verify

from linenify.errors import ExitCode

pytestmark = pytest.mark.numeric

EXAMPLE = Path(__file__).parents[2] / "examples" / "cifar"

MODEL = """
import jax
import jax.numpy as jnp
from flax import nn, optim


class Block(nn.Module):
    def apply(self, x, features, train=True, scale=1.0):
        x = nn.Dense(x, features)
        x = nn.BatchNorm(x, use_running_average=not train)
        return nn.dropout(nn.relu(x), 0.5, deterministic=not train) * scale


class Pair(nn.Module):
    def apply(self, ids, x, mask=None):
        y = nn.Embed(ids, 7, 3, name='table') + nn.Dense(x, 3)
        return y if mask is None else y * mask[..., None]

    @nn.module_method
    def encode(self, ids):
        return nn.Embed(ids, 7, 3, name='table')


class Classifier(nn.Module):
    def apply(self, image, classes):
        return nn.Dense(image.reshape((image.shape[0], -1)), classes)


# linenify: verify --input f32[3,4] --set features=2 --train train
class Commented(Block):
    def apply(self, x, features, train=True):
        return super().apply(x, features, train=train)


def initialise(key):
    module = Classifier.partial(classes=5)
    return module.init_by_shape(key, [((2, 4, 4, 1), jnp.float32)])
"""

PROGRAM = """
import jax
import jax.numpy as jnp
from flax import nn


class Net(nn.Module):
    def apply(self, x):
        return nn.Dense(nn.tanh(nn.Dense(x, 4)), 1)


def evaluate(scale=1.0):
    x = jnp.arange(6.).reshape(2, 3) * scale
    y, _ = Net.init(jax.random.PRNGKey(0), x)
    return {'losses': [jnp.sum(y), jnp.sum(y ** 2)], 'y': y}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "model.py").write_text(textwrap.dedent(MODEL))
    (folder / "program.py").write_text(textwrap.dedent(PROGRAM))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


@pytest.fixture(scope="module", autouse=True)
def _sources(tmp_path_factory):
    """The legacy sources come from the user's cache, whatever a test makes its own."""
    from linenify.verify.wheels import OVERRIDE, legacy_sources

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(OVERRIDE, str(legacy_sources()))
        yield


def test_a_module_by_its_dotted_name_and_by_its_file(project):
    options = ("--input", "f32[3,4]", "--set", "features=2", "--train", "train")
    code, document = verify(project, "--module", "model:Block", *options)
    assert code == ExitCode.DONE
    assert document["verdict"].startswith("equal")
    assert document["first_difference"] is None
    [case] = document["cases"]
    assert [run["name"] for run in case["runs"]] == [
        "1 Block(features=2, train=True)",
        "2 Block(features=2, train=False)",
    ]
    compared = {each["what"] for run in case["runs"] for each in run["comparisons"]}
    assert compared == {"initial", "outputs", "gradients", "collections", "steps"}
    again = verify(project, "--module", f"{project}/model.py:Block", *options)
    assert again[1]["cases"][0]["from_cache"]


def test_inputs_by_name_with_ranges_and_from_files(project, tmp_path):
    np.save(tmp_path / "mask.npy", np.array([1.0, 0.0], np.float32))
    code, document = verify(
        project,
        *("--module", "model.Pair", "--input", "i32[2]<7", "--input", "f32[2,5]"),
        *("--input", "mask=mask.npy"),
    )
    assert code == ExitCode.DONE, document
    code, document = verify(
        project, "--module", "model:Pair", "--method", "encode", "--input", "ids=i32[2]<7"
    )
    assert code == ExitCode.DONE, document


def test_another_migration_is_compared_and_taken_apart(project, tmp_path):
    from linenify.cli_verify import _migrate

    linen = tmp_path / "linen.py"
    linen.write_text((project / "model.py").read_text())
    _migrate(linen)
    linen.write_text(linen.read_text().replace("nn.relu(x)", "nn.tanh(x)"))
    code, document = verify(
        project / "model.py",
        *("--module", "Block", "--linen", linen, "--input", "f32[3,4]", "--set", "features=2"),
        "--bisect",
    )
    assert code == ExitCode.PENDING
    assert document["verdict"] == "different"
    assert document["first_difference"] == "Dropout_0"
    [run] = document["cases"][0]["runs"]
    assert run["departure"]["linen_line"].startswith("linen.py:")
    assert run["departure"]["legacy_line"].startswith("model.py:")
    assert not run["departure"]["inputs_equal"]
    assert "nn.tanh(x)" in document["cases"][0]["cause"]


def test_a_program(project):
    code, document = verify(project, "--entry", "program:evaluate", "--set", "scale=2.0")
    assert code == ExitCode.DONE, document
    [run] = document["cases"][0]["runs"]
    assert [curve["keypath"] for curve in run["curves"]] == ["losses"]


def test_what_can_be_run_is_found(project, tmp_path):
    proposed = tmp_path / "proposed.toml"
    code, document = verify(project, "--propose", proposed)
    assert code == ExitCode.DONE, document
    names = {case["case"].rpartition(":")[2] for case in document["cases"]}
    assert names == {"Commented", "Classifier"}
    assert 'module = "Pair"' in proposed.read_text()


def test_runs_of_pyproject(project):
    (project / "pyproject.toml").write_text(
        '[[tool.linenify.verify.run]]\nmodule = "Net"\nfile = "program.py"\ninputs = ["f32[2,3]"]\n'
    )
    code, document = verify(project)
    assert code == ExitCode.DONE
    assert any("pyproject" in case["case"] for case in document["cases"])


def test_files_of_the_user_stay_as_they_are(project):
    (project / "program.py").write_text(
        (project / "program.py").read_text()
        + "\nopen('trace.txt', 'w').write('x')\n"
        + "open(__file__, 'a').write('# touched')\n"
    )
    before = {file: file.read_bytes() for file in project.parent.rglob("*") if file.is_file()}
    verify(project, "--entry", "program:evaluate")
    after = {
        file: file.read_bytes()
        for file in project.parent.rglob("*")
        if file.is_file() and "cache" not in file.relative_to(project.parent).parts
    }
    assert after == before


def test_what_a_program_and_its_children_print_is_no_result(project):
    (project / "program.py").write_text(
        "import os\ndef evaluate():\n    print('{}')\n    os.system('echo [1]')\n    return 1.0\n"
    )
    code, document = verify(project, "--entry", "program:evaluate")
    assert code == ExitCode.DONE, document


@pytest.mark.parametrize(
    ("lines", "limits", "message"),
    [
        ("raise ValueError('no luck')", (), "ValueError: no luck"),
        ("import os\nos._exit(7)", (), "died: exit status 7"),
        ("import os\nos.abort()", (), "died: SIGABRT; the legacy side is at program.py:2"),
        (
            "import time\ntime.sleep(60)",
            ("--timeout", "20"),
            "no result after 20 seconds: the legacy side is at program.py:2 in evaluate",
        ),
        ("x = bytearray(8 << 30)", ("--memory", "4"), "MemoryError"),
    ],
    ids=["raises", "ends", "dies", "hangs", "eats memory"],
)
def test_what_goes_wrong_in_user_code_is_a_verdict(project, lines, limits, message):
    (project / "program.py").write_text(f"def evaluate():\n    {lines.replace(chr(10), '; ')}\n")
    code, output, _ = spoken(project, "--entry", "program:evaluate", *limits)
    assert code == ExitCode.PENDING
    assert message in output
    if "raises" in message or "ValueError" in message:
        assert "program.py:2 in evaluate" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "nowhere does not exist"),
        (("project", "--module", "model:Missing"), "defines no `Missing`"),
        (("project", "--module", "nofile:Block"), "there is no file for `nofile:Block`"),
        (("project", "--module", "Block"), "name the file"),
        (("project", "--module", "model:Block", "--entry", "program:evaluate"), "exclude"),
        (("project", "--input", "f32[2]"), "--module or --entry"),
        (("project", "--module", "model:Block", "--set", "features"), "write name=value"),
        (("project", "--module", "model:Blok"), "did you mean `Block`"),
        (("project", "--module", "model:Block", "--input", "f32[2,"), "cannot read the input"),
        (("project", "--module", "model:Block", "--input", "f31[2]"), "no known dtype"),
        (("project", "--module", "model:Block", "--input", "f64[2]"), "JAX_ENABLE_X64"),
        (("project", "--module", "model:Block", "--input", "i32[2]5..5"), "empty range"),
        (("project", "--module", "model:Block", "--input", "x.npz"), "no such file"),
        (("project", "--module", "model:Block", "--input", "f32[2,3]"), "takes (x, features"),
        (("project", "--module", "model:Pair", "--method", "decode"), "it has encode"),
        (("project", "--module", "model:jnp"), "no module class"),
        (("project", "--module", "model:Block", "--set", "features=jnp.no"), "cannot evaluate"),
        (("project", "--entry", "program:evaluate", "--set", "size=3"), "evaluate(scale=1.0)"),
        (("project", "--entry", "program:evaluate", "--train", "train"), "for a --module only"),
        (("project", "--module", "model:Block", "--plot", "x.pdf"), ".png or .svg"),
    ],
)
def test_wrong_usage_says_what_to_do(project, arguments, message):
    code, output, errors = spoken(*arguments)
    assert code == ExitCode.UNUSABLE
    assert message in errors
    assert not output


def test_sizes_and_structure_come_first(project, tmp_path):
    from linenify.cli_verify import _migrate

    linen = tmp_path / "linen.py"
    linen.write_text((project / "model.py").read_text())
    _migrate(linen)
    linen.write_text(linen.read_text().replace("nn.Dense(self.features)", "nn.Dense(3)"))
    options = ("--module", "Block", "--input", "f32[3,4]", "--set", "features=2")
    code, document = verify(project / "model.py", "--linen", linen, *options)
    assert code == ExitCode.PENDING
    [run] = document["cases"][0]["runs"]
    assert run["sizes"]["parameters"] == {
        "legacy": {"leaves": 4, "numbers": 14},
        "linen": {"leaves": 4, "numbers": 21},
    }
    [parameters, collections] = run["comparisons"]
    messages = {leaf["keypath"]: leaf["message"] for leaf in parameters["leaves"]}
    assert messages["Dense_0/kernel"] == "shape [4, 3], where legacy Dense_0/kernel has [4, 2]"
    assert collections["what"] == "collections"
    _, output, _ = spoken(project / "model.py", "--linen", linen, *options)
    assert "parameters: legacy 14 in 4 leaves; Linen 21 in 4 leaves" in output


def test_what_only_a_faulty_program_shows_is_listed(project):
    (project / "model.py").write_text(
        "from flax import nn\n\n\n"
        "class Words(nn.Module):\n"
        "    def apply(self, ids):\n"
        "        return nn.Embed(ids, 3, 2)\n"
    )
    code, document = verify(project, "--module", "model:Words", "--input", "i32[9]<9")
    assert code == ExitCode.PENDING
    assert any("LN801" in line for line in document["cases"][0]["noticed"])


def test_a_platform_that_is_not_there(project):
    code, _, errors = spoken(
        project, "--module", "model:Block", "--input", "f32[2,3]", "--platform", "tpu"
    )
    assert code == ExitCode.UNUSABLE
    assert "--platform tpu: JAX finds no such device here" in errors


def test_nothing_to_run(tmp_path):
    (tmp_path / "empty.py").write_text("x = 1\n")
    code, _, errors = spoken(tmp_path)
    assert code == ExitCode.UNUSABLE
    assert "nothing to run was found" in errors


def test_a_plot(project, tmp_path):
    file = tmp_path / "errors.svg"
    spoken(project, "--entry", "program:evaluate", "--plot", file)
    assert "losses" in file.read_text() or "<svg" in file.read_text()


def test_help_is_there():
    from linenify.cli_verify import verify as command

    result = CliRunner().invoke(command, ["--help"])
    assert "--linen" in result.output


def test_the_migration_may_keep_names(project):
    code, document = verify(
        project,
        *("--module", "model:Block", "--keep-names"),
        *("--input", "f32[3,4]", "--set", "features=2"),
    )
    assert code == ExitCode.DONE, document
    [run] = document["cases"][0]["runs"]
    assert {each["what"] for each in run["comparisons"]} >= {"initial", "collections"}
    from linenify.cli_verify import _migrate

    _migrate(project, keep_names=True)  # what the command does to its copy
    assert "name='BatchNorm_1'" in (project / "model.py").read_text()


def test_the_bundled_example_is_found_and_equal():
    code, document = verify(EXAMPLE)
    assert code == ExitCode.DONE, document
    assert len(document["cases"]) == 2


def test_what_ends_the_command_ends_what_it_started(project, tmp_path):
    started = tmp_path / "started"
    (project / "program.py").write_text(
        "import os, pathlib, time\n"
        "from flax import nn\n\n\n"
        "def hang():\n"
        f"    pathlib.Path({str(started)!r}).write_text(str(os.getpid()))\n"
        "    time.sleep(300)\n"
    )
    command = [sys.executable, "-m", "linenify", "verify", project, "--entry", "program:hang"]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as running:
        wait_until(lambda: started.exists() and started.read_text())
        running.terminate()
        _, said = running.communicate(timeout=30)
    assert running.returncode == 130
    assert said.strip() == "linenify: interrupted; no file was left half-written"
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)
    assert not list(tmp_path.glob("linenify-*"))


def wait_until(condition):
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it has not come to that")
