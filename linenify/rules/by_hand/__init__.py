"""What an expert writes where linenify refuses, one worked example for each code."""

from __future__ import annotations

from collections.abc import Mapping

from linenify.rules.by_hand import arrays, calls, classes, files, notices, texts, training, values
from linenify.rules.by_hand.page import ByHand

BY_HAND: Mapping[str, ByHand] = {
    **classes.PAGES,
    **arrays.PAGES,
    **calls.PAGES,
    **training.PAGES,
    **notices.PAGES,
    **files.PAGES,
    **values.PAGES,
    **texts.PAGES,
}
