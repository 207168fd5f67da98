"""What flax writes is read without its bytes; what is damaged is refused, and nothing else."""

import random
import struct

import numpy as np
import pytest

from linenify.checkpoint.errors import CheckpointError
from linenify.checkpoint.leaf import Leaf
from linenify.checkpoint.packing import packed
from linenify.checkpoint.reading import read_msgpack
from linenify.checkpoint.writing import write_pieces

msgpack = pytest.importorskip("msgpack")
serialization = pytest.importorskip("flax.serialization")
ml_dtypes = pytest.importorskip("ml_dtypes")


@pytest.fixture
def tree():
    draw = np.random.default_rng(0)
    return {
        "target": {
            "params": {
                "Dense_0": {"kernel": draw.normal(size=(3, 4)).astype("f4"), "bias": np.zeros(4)},
                "half": draw.normal(size=(5,)).astype(ml_dtypes.bfloat16),
                "none of it": np.zeros((0, 3), "f2"),
                "relu": {},
            }
        },
        "state": {"step": np.int32(7), "flags": np.array([True, False])},
        "name": "ä" * 40,
        "small": -3,
        "large": 2**40,
        "negative": -70000,
        "ratio": 0.5,
        "root": 1 + 2j,
        "on": True,
        "nothing": None,
        "bytes": b"abc",
        **{f"key {index}": index * 50 for index in range(20)},
    }


def written(tmp_path, data):
    path = tmp_path / "checkpoint"
    path.write_bytes(data)
    return path


def copied(path):
    destination = path.with_name("copy")
    write_pieces(destination, list(packed(read_msgpack(path))))
    return destination.read_bytes()


def test_what_flax_writes_is_read_and_written_again_byte_for_byte(tmp_path, tree):
    data = serialization.msgpack_serialize(tree, in_place=True)
    path = written(tmp_path, data)
    read = read_msgpack(path)
    assert copied(path) == data
    kernel = read["target"]["params"]["Dense_0"]["kernel"]
    assert np.array_equal(kernel.numpy(), tree["target"]["params"]["Dense_0"]["kernel"])
    half = read["target"]["params"]["half"]
    assert half.dtype == "bfloat16"
    assert half.numpy().tobytes() == tree["target"]["params"]["half"].tobytes()
    assert read["state"]["step"].form == "scalar"
    assert read["root"] == 1 + 2j
    assert list(read) == list(tree)


def test_arrays_in_chunks_are_one_leaf(tmp_path, tree, monkeypatch):
    monkeypatch.setattr(serialization, "MAX_CHUNK_SIZE", 24)
    monkeypatch.setattr("linenify.checkpoint.packing.CHUNK_BYTES", 24)
    data = serialization.msgpack_serialize(tree)
    path = written(tmp_path, data)
    kernel = read_msgpack(path)["target"]["params"]["Dense_0"]["kernel"]
    assert (kernel.form, kernel.shape, len(kernel.parts)) == ("chunked", (3, 4), 2)
    assert np.array_equal(kernel.numpy(), tree["target"]["params"]["Dense_0"]["kernel"])
    assert copied(path) == data


@pytest.mark.parametrize(
    ("tag", "dtype"),
    [("<f4", "float32"), ("|V2", "bfloat16"), ("|b1", "bool"), ("<i8", "int64")],
)
def test_old_spellings_of_dtypes_are_kept(tmp_path, tag, dtype):
    size = {"float32": 4, "bfloat16": 2, "bool": 1, "int64": 8}[dtype]
    inside = msgpack.packb(((3,), tag, bytes(range(3 * size))), use_bin_type=True)
    data = msgpack.packb({"w": msgpack.ExtType(1, inside)})
    path = written(tmp_path, data)
    leaf = read_msgpack(path)["w"]
    assert (leaf.dtype, leaf.steps) == (dtype, ())
    assert copied(path) == data


def test_big_endian_arrays_are_turned_round(tmp_path):
    array = np.arange(4, dtype=">f4")
    inside = msgpack.packb(((4,), ">f4", array.tobytes()), use_bin_type=True)
    leaf = read_msgpack(written(tmp_path, msgpack.packb({"w": msgpack.ExtType(1, inside)})))["w"]
    assert leaf.numpy().tolist() == [0, 1, 2, 3]


def array(shape, tag, data):
    return msgpack.ExtType(1, msgpack.packb((shape, tag, data), use_bin_type=True))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        pytest.param(b"", "the file ends 1 bytes early", id="empty"),
        pytest.param(b"\xc1", "begins no value", id="unused code"),
        pytest.param(b"\x81\x01\x01", "a key is no text", id="number as key"),
        pytest.param(b"\x82\xa1a\x01\xa1a\x01", "a, byte 4: the key is there twice", id="twice"),
        pytest.param(b"\x80\x00", "1 bytes follow the end", id="trailing"),
        pytest.param(b"\xdf\xff\xff\xff\xff", "4294967295 entries", id="huge dict"),
        pytest.param(b"\x81\xa1a\xc9\xff\xff\xff\xff\x01", "a, byte", id="huge array"),
        pytest.param(b"\xdb\x00\xff\xff\xff", "bytes", id="huge text"),
        pytest.param(b"\x91" * 1000 + b"\x01", "deep", id="deep"),
        pytest.param(b"\xa1\xff", "not UTF-8", id="no text"),
        pytest.param({"a": {"b": array((2,), "float32", b"1234")}}, "a/b", id="short"),
        pytest.param({"a": array((-1,), "float32", b"")}, "sizes", id="negative size"),
        pytest.param({"a": array((True,), "int8", b"1")}, "sizes", id="true as size"),
        pytest.param({"a": array((1,), "object", b"12345678")}, "'object'", id="objects"),
        pytest.param({"a": array((1,), "<U4", b"1234567812345678")}, "dtype", id="texts"),
        pytest.param({"a": array((1 << 62, 4), "float64", b"")}, "cannot be", id="overflow"),
        pytest.param({"a": array((0,) * 40, "int8", b"")}, "40 axes", id="axes"),
        pytest.param({"a": msgpack.ExtType(9, b"x")}, "unknown type 9", id="unknown extension"),
        pytest.param(
            {"a": {"__msgpack_chunked_array__": True, "shape": {"0": 2}, "chunks": {}}},
            "chunks",
            id="no chunks",
        ),
    ],
)
def test_damage_is_named_with_keypath_and_byte(tmp_path, content, complaint):
    data = content if isinstance(content, bytes) else msgpack.packb(content)
    with pytest.raises(CheckpointError, match=complaint) as caught:
        read_msgpack(written(tmp_path, data))
    assert caught.value.offset is not None


def mutated(data, draw):
    """A few bytes changed, dropped, doubled, or everything behind a place gone."""
    raw = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        place = draw.randrange(len(raw))
        match draw.randrange(6):
            case 0:
                raw[place] = draw.randrange(256)
            case 1:
                del raw[place:]
            case 2:
                del raw[place : place + draw.randint(1, 9)]
            case 3:
                raw[place:place] = raw[place : place + draw.randint(1, 30)]
            case 4:
                raw[place : place + 4] = struct.pack(">I", draw.choice([0, 2**31, 2**32 - 1]))
            case 5:
                raw[place] ^= 1 << draw.randrange(8)
        if not raw:
            break
    return bytes(raw)


def test_six_thousand_damaged_files_are_read_or_refused(tmp_path, tree):
    """Never a crash, never more than the file has: a leaf that is read has its bytes."""
    draw = random.Random(20)
    data = serialization.msgpack_serialize(tree)
    path = tmp_path / "checkpoint"
    refused = 0
    for _ in range(6000):
        path.write_bytes(mutated(data, draw))
        try:
            found = read_msgpack(path)
        except CheckpointError:
            refused += 1
            continue
        for leaf in leaves(found):
            assert sum(map(len, leaf.blocks())) == leaf.nbytes
    assert refused > 3000


def leaves(tree):
    if isinstance(tree, Leaf):
        yield tree
    for value in tree.values() if isinstance(tree, dict) else ():
        yield from leaves(value)
