"""Archives of named arrays, folders of checkpoints, and what is written besides msgpack."""

import random

import ml_dtypes
import numpy as np
import pytest

from linenify.checkpoint.errors import CheckpointError
from linenify.checkpoint.leaf import Leaf, Slice, of_array
from linenify.checkpoint.outputs import Format, format_of, write
from linenify.checkpoint.sources import newest, read

ARRAYS = {
    "params/Dense_0/kernel": np.arange(12, dtype="f4").reshape(3, 4),
    "params/Dense_0/bias": np.arange(4, dtype="f8"),
    "params/turned": np.asfortranarray(np.arange(6, dtype="i4").reshape(2, 3)),
    "step": np.asarray(3, "i4"),
    "big_endian": np.arange(3, dtype=">f4"),
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_numpy_archives(tmp_path, save):
    save(tmp_path / "a.npz", **ARRAYS)
    tree = read(tmp_path / "a.npz")
    assert np.array_equal(
        tree["params"]["Dense_0"]["kernel"].numpy(), ARRAYS["params/Dense_0/kernel"]
    )
    assert np.array_equal(tree["params"]["turned"].numpy(), ARRAYS["params/turned"])
    assert np.array_equal(tree["big_endian"].numpy(), ARRAYS["big_endian"])
    assert tree["step"].item() == 3
    part = tree["params"]["Dense_0"]["kernel"].parts[0]
    assert isinstance(part, Slice) == (save is np.savez)


def test_pickles_in_archives_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", evil=np.asarray([{}], object))
    with pytest.raises(CheckpointError, match="evil: an array of pickled objects"):
        read(tmp_path / "a.npz")


def test_the_newest_checkpoint_of_a_folder_is_read(tmp_path):
    for name in ("checkpoint_9", "checkpoint_10", "checkpoint_tmp", "other_11"):
        (tmp_path / name).write_bytes(b"\x80")
    assert newest(tmp_path).name == "checkpoint_10"
    with pytest.raises(CheckpointError, match="holds no file model_N"):
        newest(tmp_path, "model_")


def test_safetensors_there_and_back(tmp_path):
    half = np.ones((2, 2), ml_dtypes.bfloat16)
    tree = {"params": {"a": of_array(np.arange(3.0)), "b": of_array(half)}, "step": 3, "e": {}}
    path = tmp_path / "new.safetensors"
    write(path, tree, format_of(path))
    back = read(path)
    assert back["params"]["a"].numpy().tolist() == [0, 1, 2]
    assert back["params"]["b"].dtype == "bfloat16"
    assert back["step"].item() == 3


def test_orbax(tmp_path):
    ocp = pytest.importorskip("orbax.checkpoint")
    tree = {"params": {"a": of_array(np.arange(3, dtype="f4")), "none": {}}, "step": 3}
    seen = []
    write(tmp_path / "new", tree, Format.ORBAX, seen.append)
    with ocp.StandardCheckpointer() as checkpointer:
        back = checkpointer.restore(tmp_path / "new")
    assert np.asarray(back["params"]["a"]).tolist() == [0, 1, 2]
    assert {path.name for path in tmp_path.iterdir()} == {"new"}
    with pytest.raises(CheckpointError, match="exists"):
        write(tmp_path / "new", tree, Format.ORBAX)
    with pytest.raises(CheckpointError, match="no name for a file"):
        write(tmp_path / "other", {"..": of_array(np.ones(1))}, Format.ORBAX)
    assert {path.name for path in tmp_path.iterdir()} == {"new"}


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
def test_damaged_archives_are_refused(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    if suffix == "npz":
        np.savez(path, **ARRAYS)
    else:
        write(path, {"a": of_array(np.arange(30.0)), "b": of_array(np.ones(3))}, format_of(path))
    data = path.read_bytes()
    draw = random.Random(1)
    for _ in range(1500):
        raw = bytearray(data)
        for _ in range(draw.randint(1, 3)):
            raw[draw.randrange(len(raw))] = draw.randrange(256)
        path.write_bytes(raw[: draw.choice([len(raw), draw.randrange(len(raw))])])
        try:
            tree = read(path)
        except CheckpointError:
            continue
        for leaf in leaves(tree):
            assert sum(map(len, leaf.blocks())) == leaf.nbytes


def leaves(tree):
    if isinstance(tree, Leaf):
        yield tree
    for value in tree.values() if isinstance(tree, dict) else ():
        yield from leaves(value)
