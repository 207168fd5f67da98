"""The command: a table, a map, a file, and the way back."""

import json
import subprocess
import sys

import numpy as np
import pytest
from continuing import LINEN
from flax import serialization
from test_conversions import optimizer

from linenify.cli import main

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("remap")
    data = serialization.msgpack_serialize(optimizer(), in_place=True)
    (folder / "checkpoint_7").write_bytes(data)
    code = main(
        [
            *("remap", str(folder), str(folder / "new.msgpack"), "--module", f"{LINEN}:Nested"),
            *("--input", "f32[2,6]", "--optimizer", "Adam", "--save-map", str(folder / "map.json")),
        ]
    )
    assert code == 0
    return folder


def test_it_writes_a_train_state_and_a_map(converted):
    made = serialization.msgpack_restore((converted / "new.msgpack").read_bytes())
    assert made.keys() == {"step", "params", "opt_state"}
    saved = json.loads((converted / "map.json").read_text())
    assert saved["version"] == 1
    assert {"at", "from", "dtype", "shape"} <= saved["to_linen"][0].keys()


def test_the_map_needs_no_module_and_leads_back(converted, tmp_path, capsys):
    new, back = tmp_path / "new", tmp_path / "back"
    with_map = ["--map", str(converted / "map.json")]
    assert main(["remap", str(converted / "checkpoint_7"), str(new), *with_map]) == 0
    assert new.read_bytes() == (converted / "new.msgpack").read_bytes()
    assert main(["remap", str(new), str(back), *with_map, "--inverse"]) == 0
    assert back.read_bytes() == (converted / "checkpoint_7").read_bytes()
    assert "leaves moved" in capsys.readouterr().err


def test_a_dry_run_prints_a_table_and_writes_nothing(converted, tmp_path, capsys):
    source = str(converted / "checkpoint_7")
    new = tmp_path / "new"
    code = main(["remap", source, str(new), "--map", str(converted / "map.json"), "--dry-run"])
    assert code == 0
    assert not new.exists()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["from", "to", "shape", "dtype", "change"]
    wanted = ["target/params/Dense_0/bias", "params/Dense_1/bias", "[6]", "float32"]
    assert wanted in [line.split() for line in lines]


def test_a_source_that_is_not_the_map_s_is_refused(converted, tmp_path, capsys):
    tree = optimizer()
    tree["target"]["params"]["Dense_1"]["bias"] = np.ones(7, "f4")
    other = tmp_path / "checkpoint_8"
    other.write_bytes(serialization.msgpack_serialize(tree))
    new = tmp_path / "new"
    code = main(["remap", str(other), str(new), "--map", str(converted / "map.json")])
    assert code == 2
    assert "Dense_1/bias: float32[7] where float32[6] was planned" in capsys.readouterr().err
    assert not new.exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["SRC", "NEW", "--input", "f32[2]"], "say how to run a --module"),
        (["SRC", "NEW", "--project", "EMPTY"], "no module class was found here"),
        (["SRC", "NEW", "--module", "a=m.py:M", "--module", "m.py:N"], "each has a name"),
        (["SRC", "NEW", "--module", "a=m.py:M", "--input", "f32[2]"], "of which model?"),
        (["SRC", "EMPTY/no/new", "--module", "x.py:M"], "there is no folder"),
        (["SRC", "NEW", "--map", "MAP", "--save-map", "EMPTY/no/new"], "there is no folder"),
        (["SRC", "SRC", "--map", "MAP", "--force"], "is the checkpoint that is read"),
        (["HOME", "SRC", "--map", "MAP", "--force"], "is the checkpoint that is read"),
        (["SRC", "EMPTY", "--map", "MAP", "--force"], "is a folder; name a file in it"),
        (["EMPTY", "NEW", "--map", "MAP"], "holds no file checkpoint_N"),
        (["ORBAX", "NEW", "--map", "MAP"], "is a checkpoint of Orbax"),
        (["NOTHING", "NEW", "--map", "MAP"], "is empty"),
        (["SRC", "--map", "MAP"], "name DST"),
        (["SRC", "NEW", "--module", "x.py:M", "--inverse"], "needs a map|goes by a map"),
        (["SRC", "MAP", "--map", "MAP"], "exists; --force replaces it"),
        (["SRC", "NEW", "--map", "SRC"], "the map cannot be read"),
        (["MAP", "NEW", "--map", "MAP"], "not a checkpoint of legacy Flax"),
        (["SRC", "NEW", "--module", "m.py:M", "--set", "1=2"], "not NAME=VALUE"),
    ],
)
def test_wrong_usage_is_explained(converted, tmp_path, capsys, arguments, complaint):
    names = {
        "SRC": str(converted / "checkpoint_7"),
        "MAP": str(converted / "map.json"),
        "NEW": str(tmp_path / "new"),
        "EMPTY": str(tmp_path),
        "HOME": str(converted),
        "ORBAX": str(tmp_path / "orbax"),
        "NOTHING": str(tmp_path / "nothing"),
        "EMPTY/no/new": str(tmp_path / "no" / "new"),
    }
    (tmp_path / "orbax").mkdir()
    (tmp_path / "orbax" / "_CHECKPOINT_METADATA").touch()
    (tmp_path / "nothing").touch()
    assert main(["remap", *(names.get(each, each) for each in arguments)]) == 2
    error = capsys.readouterr().err
    assert any(part in error for part in complaint.split("|")), error
    assert not (tmp_path / "new").exists()


def test_the_moving_process_never_imports_jax(converted, tmp_path):
    script = (
        "import sys; from linenify.cli import main; code = main(sys.argv[1:]); "
        "sys.exit(code or 'jax' in sys.modules or 'flax' in sys.modules)"
    )
    arguments = [str(converted), str(tmp_path / "new"), "--map", str(converted / "map.json")]
    done = subprocess.run([sys.executable, "-c", script, "remap", *arguments], check=False)
    assert done.returncode == 0
