"""Which leaf is which: names that somebody gave stay with what they name."""

from linenify.verify.pairing import Place, pairings
from linenify.verify.structure import census, only_one_side


def places(*keypaths):
    return [Place(tuple(each.split("/")), (2, 2)) for each in keypaths]


def test_given_names_below_numbered_parents_are_not_exchanged():
    legacy = places("Gated_1/filter/kernel", "Gated_1/gate/kernel")
    assert list(pairings(legacy, places("Gated_0/filter/kernel", "Gated_0/gate/kernel"))) == [
        (0, 1)
    ]
    assert list(pairings(legacy, places("Gated_0/gate/kernel", "Gated_0/filter/kernel"))) == [
        (1, 0)
    ]


def test_leaves_that_only_one_side_has_are_named():
    legacy = places("Dense_0/kernel", "Norm_1/scale")
    linen = [*places("Dense_0/kernel", "Dense_0/bias"), Place(("Norm_0", "scale"), (3,))]
    messages = {gap.keypath: gap.message for gap in only_one_side(legacy, linen)}
    assert messages == {
        "Norm_0/scale": "shape [3], where legacy Norm_1/scale has [2, 2]",
        "Dense_0/bias": "only the Linen side has it: [2, 2]",
    }
    assert not list(only_one_side(legacy, places("Dense_0/kernel", "Norm_0/scale")))
    size = census("parameters", legacy, linen)
    assert (size.legacy_numbers, size.linen_leaves, size.linen_numbers) == (8, 3, 11)
