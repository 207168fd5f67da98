"""The picture of a verification can be read: nothing is cut off, and it says what it shows."""

from dataclasses import dataclass

import pytest

from linenify.verify.plots import draw
from linenify.verify.verdict import (
    CaseResult,
    Comparison,
    Curve,
    Departure,
    Gap,
    Outcome,
    RunResult,
)

pytestmark = pytest.mark.numeric


@dataclass
class Named:
    name: str


@dataclass
class Done:
    target: Named
    result: CaseResult


def done(count, curves=()):
    gaps = [
        Gap(f"block_{index}/kernel", "", 10.0**-index, 10.0**-index, 1.0, Outcome.DIFFERENT, 1e-7)
        for index in range(count)
    ]
    gaps.append(Gap("head/bias", "shape [3] and [4]"))
    comparison = Comparison("outputs", Outcome.DIFFERENT, len(gaps), (), tuple(gaps))
    first = Departure("block_0", "block_0", "outputs", "far off")
    run = RunResult("1 Net()", Outcome.DIFFERENT, (comparison,), first=first, curves=curves)
    result = CaseResult("case", Outcome.DIFFERENT, (run,))
    return [Done(Named("project: model:Net"), result)]


@pytest.fixture
def texts(tmp_path, monkeypatch):
    """Draws, and returns the texts of the picture."""
    import matplotlib as mpl

    monkeypatch.setitem(mpl.rcParams, "svg.fonttype", "none")

    def texts(verified):
        draw(verified, tmp_path / "errors.svg")
        draw(verified, tmp_path / "errors.png")
        assert (tmp_path / "errors.png").stat().st_size > 10_000
        return (tmp_path / "errors.svg").read_text()

    return texts


def test_a_title_the_leaves_and_what_is_no_number(texts):
    text = texts(done(3, (Curve("losses", (2.0, 1.0), (2.0, 1.5)),)))
    for each in (
        "project: model:Net",
        "different; first difference: block_0",
        "outputs block_2/kernel",
        "shape [3] and [4]",
        "losses",
    ):
        assert each in text


def test_of_many_leaves_the_worst_are_shown(texts):
    text = texts(done(90))
    assert "outputs block_0/kernel" in text
    assert "outputs block_89/kernel" not in text
    assert "11 more leaves are not shown" in text
