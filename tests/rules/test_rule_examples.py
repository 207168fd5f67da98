"""Every example of every rule, through the whole pipeline."""

from __future__ import annotations

import pytest

from linenify.rules import CATALOGUE
from tests.support import rewritten

EXAMPLES = [
    pytest.param(before, after, rule.option, id=f"{rule.code}-{number}")
    for rule in CATALOGUE.values()
    for number, (before, after) in enumerate(rule.examples)
]


@pytest.mark.parametrize(("before", "after", "option"), EXAMPLES)
def test_an_example_is_true(before, after, option):
    assert rewritten(before, option) == (before if after is None else after).strip("\n")


@pytest.mark.parametrize("rule", CATALOGUE.values(), ids=CATALOGUE)
def test_an_entry_is_complete(rule):
    assert rule.name == rule.name.lower()
    assert " " not in rule.name
    assert rule.summary.endswith(".")
    assert rule.kind in {"rule", "refusal", "notice", "error"}
    assert rule.kind == "rule" or rule.remedy
