"""Which leaf is which: readings of two rows of places."""

import numpy as np
import pytest

from linenify.verify.pairing import Place, pairings, relayout

pytestmark = pytest.mark.numeric


def places(*texts):
    """`"Dense_0/kernel 3 4"` is a leaf of shape (3, 4)."""
    split = [text.split() for text in texts]
    return [Place(tuple(path.split("/")), tuple(map(int, shape))) for path, *shape in split]


def test_creation_order_wins_over_numbers():
    legacy = places("Dense_0/kernel 3 3", "Dense_1/kernel 3 3")
    linen = places("Dense_1/kernel 3 3", "Dense_0/kernel 3 3")
    first, *others = pairings(legacy, linen)
    assert first == (0, 1)
    assert (1, 0) in others


def test_given_names_decide_where_the_order_differs():
    legacy = places("cell/ii/kernel 3 3", "cell/hi/kernel 3 3", "Dense_1/kernel 3 2")
    linen = places("Dense_0/kernel 3 2", "cell/hi/kernel 3 3", "cell/ii/kernel 3 3")
    assert list(pairings(legacy, linen)) == [(2, 1, 0)]


def test_given_names_stay_with_what_they_name():
    legacy = places("query/kernel 3 3", "key/kernel 3 3")
    linen = places("key/kernel 3 3", "query/kernel 3 3")
    assert list(pairings(legacy, linen)) == [(1, 0)]


@pytest.mark.parametrize(
    ("legacy", "linen"),
    [
        (places("w 3"), places("w 3", "b 3")),
        (places("w 3"), places("w 4")),
        (places("a/w 3", "b/w 4"), places("a/w 4", "b/w 5")),
    ],
    ids=["count", "shape", "one shape"],
)
def test_no_reading(legacy, linen):
    assert list(pairings(legacy, linen)) == []


def test_renamed_leaves_pair_in_order():
    assert list(pairings(places("w 3", "b 1"), places("kernel 3", "bias 1"))) == [(0, 1)]


@pytest.mark.parametrize(
    ("old", "new"),
    [((2, 3), (2, 3)), ((1, 1, 1, 8), (8,)), ((5, 4, 6), (4, 5, 6)), ((), ())],
)
def test_a_leaf_takes_the_new_layout(old, new):
    leaf = np.arange(np.prod(old)).reshape(old)
    laid_out = relayout(old, new)(leaf)
    assert laid_out.shape == new
    assert sorted(laid_out.ravel()) == sorted(leaf.ravel())


def test_another_size_is_no_layout():
    assert relayout((2, 6), (3, 4)) is None
