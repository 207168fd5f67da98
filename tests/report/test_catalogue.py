"""Tables and pages made from the catalogue, and the README that shows one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from linenify.report import catalogue
from linenify.rules.by_hand.page import ByHand

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Rule:
    code: str
    name: str
    summary: str = "It does | something."
    doc: str = "It does something.\n\nBecause."
    kind: str = "rule"
    remedy: str = ""
    examples: tuple[tuple[str, str | None], ...] = ()
    by_hand: ByHand | None = None


ENTRIES = {
    "LN201": Rule("LN201", "apply-method"),
    "LN101": Rule(
        "LN101",
        "imports",
        kind="refusal",
        remedy="Spell it out.",
        examples=(("from flax import nn\n\nx = 1\n", "import flax.linen as nn"), ("x", None)),
    ),
}


def test_table_is_sorted_and_escaped():
    assert catalogue.table(ENTRIES).splitlines()[2:] == [
        "| `LN101` | refusal | `imports` | It does \\| something. |",
        "| `LN201` | rule | `apply-method` | It does \\| something. |",
    ]


def test_listing_stands_in_columns():
    assert list(catalogue.listing(ENTRIES)) == [
        "LN101  refusal  imports       It does | something.",
        "LN201  rule     apply-method  It does | something.",
    ]


def test_page_shows_examples_and_remedy():
    assert catalogue.page(ENTRIES["LN101"]) == (
        "LN101 imports (refusal)\n\nIt does something.\n\nBecause.\n\n"
        "Before:\n\n    from flax import nn\n\n    x = 1\n\n"
        "After:\n\n    import flax.linen as nn\n\n"
        "Left alone:\n\n    x\n\nWhat to do: Spell it out."
    )


def test_page_shows_what_an_expert_writes():
    shown = Rule("LN390", "x", by_hand=ByHand("", "old()\n", "new()\n", option="exact"))
    page = catalogue.page(shown)
    assert page.endswith("Before (with --exact):\n\n    old()\n\nBy hand:\n\n    new()")


def test_near_codes():
    assert catalogue.near("ln102", ENTRIES) == ("LN101", "LN201")


def test_the_table_of_the_readme_is_current():
    readme = (ROOT / "README.md").read_text()
    assert catalogue.with_table(readme) == readme, "run .ci/update_readme.py"
