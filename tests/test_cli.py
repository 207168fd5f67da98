"""The contract of the command line, checked on the installed program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from linenify.cli import GROUPS, main

LEGACY = """\
from flax import nn


class Block(nn.Module):
  def apply(self, x, features):
    return nn.relu(nn.Dense(x, features))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    return tmp_path


@pytest.fixture
def legacy(folder):
    """A folder with one legacy file in it."""
    (folder / "model.py").write_text(LEGACY)
    return folder


@pytest.fixture
def linenify(capsysbinary):
    """Runs the command line in this process; returns code, stdout, stderr."""

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        captured = capsysbinary.readouterr()
        return code, captured.out.decode(), captured.err.decode()

    return run


def program(*arguments, **options):
    command = [sys.executable, "-m", "linenify", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, **options)


# Dry run, write, check


def test_a_dry_run_shows_a_diff_and_writes_nothing(legacy, linenify):
    code, out, err = linenify(legacy / "model.py")
    assert code == 0
    assert out.startswith("--- ")
    assert "from flax import linen as nn" in out
    assert "1 file would change" in err
    assert (legacy / "model.py").read_text() == LEGACY


def test_the_diff_on_a_pipe_applies(legacy):
    result = program("model.py")
    subprocess.run(["git", "apply", "-"], input=result.stdout, cwd=legacy, check=True)
    applied = (legacy / "model.py").read_text()
    (legacy / "model.py").write_text(LEGACY)
    program("--write", "model.py")
    assert (legacy / "model.py").read_text() == applied != LEGACY


def test_write_writes_and_prints_no_diff(legacy, linenify):
    code, out, err = linenify("--write", ".")
    assert (code, out) == (0, "")
    assert "1 file migrated" in err
    assert "from flax import linen as nn" in (legacy / "model.py").read_text()


def test_a_second_write_changes_nothing(legacy, linenify):
    linenify("--write", ".")
    once = (legacy / "model.py").read_text()
    assert linenify("--write", ".")[0] == 0
    assert (legacy / "model.py").read_text() == once


def test_check_fails_while_something_would_change(legacy, linenify):
    code, out, _ = linenify("--check", ".")
    assert code == 1
    assert out.startswith("would change model.py")
    linenify("--write", ".")
    assert linenify("--check", ".")[0] == 0


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(LEGACY.replace("\n", "\r\n").encode(), id="crlf"),
        pytest.param(LEGACY.replace("\n", "\r").encode(), id="old_mac"),
        pytest.param(b"\xef\xbb\xbf" + LEGACY.encode(), id="bom"),
        pytest.param(f"# coding: latin-1\n# \xe9\n{LEGACY}".encode("latin-1"), id="latin1"),
        pytest.param(
            f"# coding: latin-1\n# \xe9\n{LEGACY}".replace("\n", "\r").encode("latin-1"),
            id="old_mac_latin1",
        ),
        pytest.param(LEGACY.rstrip("\n").encode(), id="no_newline_at_the_end"),
    ],
)
def test_the_way_a_file_is_written_survives(legacy, raw):
    file = legacy / "model.py"
    file.write_bytes(raw)
    diff = program("model.py").stdout
    program("--write", "model.py")
    after = file.read_bytes()
    assert after != raw
    assert after[:3] == b"\xef\xbb\xbf" or not raw.startswith(b"\xef\xbb\xbf")
    assert (b"\n" in after) is (b"\n" in raw)
    assert after.count(b"\r\n") == (after.count(b"\n") if b"\r\n" in raw else 0)
    assert after.endswith(b"\n") is raw.endswith(b"\n")
    assert (b"\xe9" in after) is (b"\xe9" in raw)
    file.write_bytes(raw)
    subprocess.run(["git", "apply", "-"], input=diff, cwd=legacy, check=True)
    assert file.read_bytes() == after


def test_standard_input_comes_out_migrated(folder):
    result = program("-", input=LEGACY.encode())
    assert result.returncode == 0
    assert b"from flax import linen as nn" in result.stdout
    assert b"---" not in result.stdout


def test_standard_input_without_flax_comes_out_as_it_was(folder):
    raw = b"x = 1\r\n"
    assert program("-", input=raw).stdout == raw


# Formats


def test_json_is_all_that_is_on_stdout(legacy, linenify):
    code, out, err = linenify("--format", "json", ".")
    document = json.loads(out)
    assert (code, document["version"]) == (0, 1)
    assert document["files"][0]["changed"]
    assert "from flax import linen" in document["files"][0]["diff"]
    assert "1 file would change" in err


def test_json_goes_along_with_check(legacy, linenify):
    code, out, _ = linenify("--check", "--format=json", ".")
    assert code == 1
    assert json.loads(out)["summary"]["changed"] == 1


@pytest.mark.parametrize("style", ["sarif", "github"])
def test_an_unreadable_file_is_in_every_format(folder, linenify, style):
    (folder / "broken.py").write_text("import flax\n(")
    code, out, _ = linenify("--format", style, ".")
    assert code == 2
    assert "LN825" in out
    assert "broken.py" in out


# Exit codes


def test_nothing_to_do_is_done(folder, linenify):
    (folder / "a.py").write_text("import os\n")
    code, out, err = linenify("--check", ".")
    assert (code, out) == (0, "")
    assert "0 files would change" in err


def test_an_unreadable_file_does_not_stop_the_rest(legacy, linenify):
    (legacy / "broken.py").write_text("import flax\nx = (\n")
    code, _, err = linenify("--write", ".")
    assert code == 2
    assert "broken.py:2:5: unreadable: '(' was never closed" in err
    assert (legacy / "model.py").read_text() != LEGACY


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["nowhere"], "nowhere does not exist", id="missing_path"),
        pytest.param(["--bogus", "."], "--bogus", id="unknown_option"),
        pytest.param(["--write"], "Missing argument", id="no_path"),
        pytest.param(["--write", "--check", "."], "exclude each other", id="write_and_check"),
        pytest.param(["--format", "xml", "."], "xml", id="unknown_format"),
        pytest.param(["-", "."], "stands alone", id="stdin_and_more"),
        pytest.param(["--write", "-"], "stands alone", id="stdin_cannot_be_written"),
        pytest.param(["explain", "LN99999"], "LN99999", id="unknown_code"),
        pytest.param(["explain"], "Missing argument", id="explain_nothing"),
    ],
)
def test_wrong_usage(folder, linenify, arguments, message):
    code, out, err = linenify(*arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_an_unexpected_failure_is_ours_and_names_the_file(legacy):
    (legacy / "sitecustomize.py").write_text(
        "import linenify.migrate\n"
        "def fail(project, progress=None):\n"
        "    raise KeyError('surprise')\n"
        "linenify.migrate.migrate = fail\n"
    )
    environment = os.environ | {"PYTHONPATH": str(legacy)}
    result = program("--write", "model.py", env=environment)
    assert result.returncode == 3
    assert b"KeyError: 'surprise'" in result.stderr
    assert b"bug in linenify while working on model.py" in result.stderr
    assert (legacy / "model.py").read_text() == LEGACY


def test_a_reader_that_goes_away_is_no_failure(legacy):
    for number in range(40):
        (legacy / f"model_{number}.py").write_text(LEGACY * 20)
    command = f"{sys.executable} -m linenify . | head -1; exit ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", command], capture_output=True, check=False)
    assert (result.returncode, b"Traceback" in result.stderr) == (0, False)


# Colours


def test_no_colour_on_a_pipe(legacy):
    assert b"\x1b[" not in program(".").stdout


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colour_can_be_forced_and_refused(legacy, variables, coloured):
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM")}
    environment |= {"FORCE_COLOR": "1", "TERM": "xterm-256color"} | variables
    assert (b"\x1b[" in program(".", env=environment).stdout) is coloured


# Commands


def test_the_default_command_needs_no_name(legacy, linenify):
    assert linenify(".") == linenify("migrate", ".")


def test_a_path_called_like_a_command_is_given_with_a_dot(folder, linenify):
    (folder / "rules").mkdir()
    (folder / "rules" / "model.py").write_text(LEGACY)
    assert "linen as nn" in linenify("./rules")[1]
    assert not linenify("rules")[1].startswith("---")


def test_help_shows_options_and_commands(linenify):
    code, out, _ = linenify("--help")
    assert code == 0
    assert all(word in out for word in ("PATH", "--write", "--check", "--format", "explain"))


def test_version(linenify):
    code, out, _ = linenify("--version")
    assert code == 0
    assert out.startswith("linenify 0.")


def test_every_listed_rule_is_explained(linenify):
    code, out, _ = linenify("rules")
    assert code == 0
    for line in out.splitlines():
        rule = line.split()[0]
        code, page, _ = linenify("explain", rule.lower())
        assert code == 0
        assert page.startswith(rule)


def test_facts_are_printed(legacy, linenify):
    code, out, _ = linenify("facts", ".")
    assert code == 0
    assert "Block" in out


# Start


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["explain", "--help"]])
def test_starting_imports_nothing_slow(arguments):
    script = (
        "import sys\n"
        "from linenify.cli import main\n"
        f"main({arguments!r})\n"
        "slow = {'libcst', 'jax', 'flax', 'rich', 'numpy', 'pathspec'} & set(sys.modules)\n"
        "sys.exit(f'imported {slow}' if slow else 0)\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert result.returncode == 0, result.stderr.decode()


def test_a_run_never_imports_jax_or_flax(legacy):
    script = (
        "import sys\n"
        "from linenify.cli import main\n"
        "main(['.'])\n"
        "sys.exit(bool({'jax', 'flax', 'optax', 'numpy'} & set(sys.modules)))\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert result.returncode == 0


def test_user_code_is_never_executed(folder, linenify):
    trap = folder / "sprung"
    (folder / "model.py").write_text(f"open({str(trap)!r}, 'w')\n{LEGACY}")
    linenify("--write", ".")
    assert not trap.exists()


def test_the_example_is_migrated_whole(linenify):
    example = Path(__file__).parents[1] / "examples" / "cifar"
    code, out, _ = linenify("--format", "json", example)
    document = json.loads(out)
    assert code == 0
    assert [each["path"] for each in document["files"] if each["changed"]] == [
        str(example / "blocks.py"),
        str(example / "model.py"),
    ]
    assert document["summary"]["refused"] == 0


@pytest.mark.parametrize("seed", range(1, 5))
def test_a_partial_that_is_bound_again_to_its_name(folder, seed):
    """Whatever the order in which sets are walked, the program ends, and says the same."""
    (folder / "words.py").write_text(
        "from flax import nn\n\n\n"
        "class Words(nn.Module):\n"
        "  def apply(self, tokens, vocab, dim):\n"
        "    return nn.Embed(tokens, vocab, dim)\n\n\n"
        "def words(key, tokens):\n"
        "  net = Words.partial(vocab=10)\n"
        "  net = net.partial(dim=6)\n"
        "  return net.init(key, tokens)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "linenify", "words.py"],
        env=os.environ | {"PYTHONHASHSEED": str(seed)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "+  net = functools.partial(net, dim=6)" in done.stdout


# Bad input


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        pytest.param(b"\xff\xfe" + LEGACY.encode("utf-16-le"), "UTF-16; save", id="utf16"),
        pytest.param(LEGACY.encode() + b"x = '\0'\n", "is this a Python file", id="null"),
        pytest.param(LEGACY.encode() + b"print 'x'\n", "this is Python 2", id="print"),
        pytest.param(
            LEGACY.encode() + b"try:\n  x\nexcept A, e:\n  y\n", "this is Python 2", id="except"
        ),
        pytest.param(b"<<<<<<< HEAD\n" + LEGACY.encode(), "resolve the merge conflict", id="merge"),
        pytest.param(b"%matplotlib inline\n" + LEGACY.encode(), "notebook understands", id="magic"),
        pytest.param(LEGACY.encode() + b"# \xe9\n", "latin-1", id="latin1"),
        pytest.param(b"# coding: klingon\n" + LEGACY.encode(), "klingon", id="encoding"),
        pytest.param(bytes(range(256)) + b"flax", "not valid utf-8", id="binary"),
        pytest.param(LEGACY.encode() + b"x = (\n", "never closed", id="open"),
        pytest.param(LEGACY.encode() + b"x = " + b"-" * 5000 + b"1", "too deeply", id="deep"),
        pytest.param(LEGACY.encode() + b"if x:\n\ty\n        z\n", "tabs and spaces", id="tabs"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_a_way_out(folder, linenify, raw, said):
    (folder / "a.py").write_bytes(raw)
    code, _, err = linenify(".")
    assert code == 2
    assert err.startswith("a.py:")
    assert said in err


@pytest.mark.parametrize(
    ("path", "said"),
    [
        pytest.param("", "a path is empty", id="empty"),
        pytest.param("gone.py", "gone.py is a link to nowhere.py, which does not", id="link"),
        pytest.param("pipe.py", "neither a file nor a folder; `-` reads standard", id="fifo"),
        pytest.param("a.ipynb", "nbconvert", id="notebook"),
        pytest.param("verfy", "did you mean the command `verify`?", id="command"),
        pytest.param("--wirte", "Did you mean '--write'?", id="option"),
    ],
)
def test_a_path_that_is_none_is_named_with_a_way_out(folder, linenify, path, said):
    (folder / "gone.py").symlink_to("nowhere.py")
    os.mkfifo(folder / "pipe.py")
    (folder / "a.ipynb").write_text("{}")
    code, out, err = linenify(path)
    assert (code, out) == (2, "")
    assert said in err
    assert "migrate" not in err.partition("export")[0].replace("cannot migrate", "")


def test_a_folder_without_python_says_so(folder, linenify):
    (folder / "a.ipynb").write_text("import flax")
    code, _, err = linenify(".")
    assert code == 2
    assert "no Python file was found; 1 notebook met" in err


def test_a_lost_file_ends_every_run_with_3(legacy, linenify, monkeypatch):
    from linenify import migrate as module

    def fail(*_):
        raise KeyError("surprise")

    monkeypatch.setattr(module, "_check", fail)
    for options in ([], ["--check"], ["--write"], ["--format", "json"], ["--strict"]):
        code, out, err = linenify(*options, ".")
        assert code == 3
        assert "LN000" in out + err
    assert (legacy / "model.py").read_text() == LEGACY


def test_help_shows_each_exit_code_on_a_line_of_its_own(linenify):
    for command in ([], ["verify"], ["remap"]):
        _, out, _ = linenify(*command, "--help")
        assert "\\b" not in out
        assert "3  a bug in linenify\n" in out
    _, out, _ = linenify("--help")
    assert all(f"{heading}:\n" in out for heading in GROUPS)
    assert "linenify migrate" not in out
