"""A file appears whole or not at all, and a second run goes on where the first one stopped."""

import json

import numpy as np
import pytest

from linenify.checkpoint import writing
from linenify.checkpoint.leaf import Leaf, Slice, of_array
from linenify.checkpoint.writing import size_of, write_pieces


class StopError(Exception):
    pass


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source"
    path.write_bytes(np.random.default_rng(1).bytes(100_000))
    return path


@pytest.fixture
def pieces(source):
    leaf = Leaf("uint8", (90_000,), (Slice(source, 1000, 90_000),))
    turned = of_array(np.arange(60_000, dtype="f4").reshape(200, 300)).transpose((1, 0))
    return [b"begin", leaf, b"middle", turned, leaf.reshape((90, 1000)), b"end"]


def whole(pieces):
    return b"".join(p if isinstance(p, bytes) else b"".join(p.blocks()) for p in pieces)


def test_pieces_follow_each_other(tmp_path, pieces):
    seen = []
    write_pieces(tmp_path / "new", pieces, seen.append)
    assert (tmp_path / "new").read_bytes() == whole(pieces)
    assert sum(seen) == size_of(pieces) == len(whole(pieces))
    assert {path.name for path in tmp_path.iterdir()} == {"source", "new"}


@pytest.mark.parametrize("after", [1, 40_000, 100_000, 250_000, 400_000])
def test_an_interrupted_run_leaves_nothing_and_goes_on(tmp_path, pieces, monkeypatch, after):
    monkeypatch.setattr(writing, "_BLOCK", 7_000)
    monkeypatch.setattr(writing, "_SYNC", 20_000)
    seen = 0

    def stop(count):
        nonlocal seen
        seen += count
        if seen > after:
            raise StopError

    with pytest.raises(StopError):
        write_pieces(tmp_path / "new", pieces, stop)
    assert not (tmp_path / "new").exists()

    steps = []
    write_pieces(tmp_path / "new", pieces, steps.append)
    assert (tmp_path / "new").read_bytes() == whole(pieces)
    assert steps[0] > after  # what was there is counted first
    assert {path.name for path in tmp_path.iterdir()} == {"source", "new"}


def test_after_a_crash_only_what_reached_the_disk_is_kept(tmp_path, pieces, monkeypatch):
    monkeypatch.setattr(writing, "_BLOCK", 7_000)
    seen = 0

    def stop(count):
        nonlocal seen
        seen += count
        if seen > 50_000:
            raise StopError

    with pytest.raises(StopError):
        write_pieces(tmp_path / "new", pieces, stop)
    partial = tmp_path / ".new.linenify"
    raw = partial.read_bytes()
    partial.write_bytes(raw[:20_000] + bytes(len(raw)))
    journal = tmp_path / ".new.linenify.json"
    journal.write_text(json.dumps(json.loads(journal.read_text()) | {"bytes": 20_000}))
    write_pieces(tmp_path / "new", pieces)
    assert (tmp_path / "new").read_bytes() == whole(pieces)


def test_leftovers_of_other_work_are_not_continued(tmp_path, pieces, source, monkeypatch):
    monkeypatch.setattr(writing, "_BLOCK", 7_000)
    monkeypatch.setattr(writing, "_SYNC", 20_000)

    def stop(_):
        if stop.left == 0:
            raise StopError
        stop.left -= 1

    stop.left = 12
    with pytest.raises(StopError):
        write_pieces(tmp_path / "new", pieces, stop)
    source.write_bytes(bytes(100_000))
    write_pieces(tmp_path / "new", pieces)
    assert (tmp_path / "new").read_bytes() == whole(pieces)


def test_what_stood_there_stays_until_the_end(tmp_path, pieces):
    destination = tmp_path / "new"
    destination.write_bytes(b"before")

    def stop(_):
        raise StopError

    with pytest.raises(StopError):
        write_pieces(destination, pieces, stop)
    assert destination.read_bytes() == b"before"


def test_a_leaf_is_turned_and_negated_on_the_way():
    array = np.arange(6, dtype="f4").reshape(2, 3)
    leaf = of_array(array).transpose((1, 0)).negate()
    assert np.array_equal(leaf.numpy(), -array.T)
    assert np.array_equal(leaf.negate().transpose((1, 0)).numpy(), array)
    assert np.array_equal(of_array(array).repeat(2).first().numpy(), array)
