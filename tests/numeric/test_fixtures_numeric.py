"""Every fixture computes the same on both sides, as committed and as the command verifies it."""

from pathlib import Path

import pytest

from linenify.verify.case import read_case
from linenify.verify.discovery import discovered
from linenify.verify.run import Limits
from linenify.verify.service import Settings, verified
from linenify.verify.verdict import lines

pytestmark = [pytest.mark.numeric, pytest.mark.slow, pytest.mark.xdist_group("fixtures")]

FIXTURES = Path(__file__).parents[2] / "fixtures"


def runnable_cases():
    """The fixtures that have a Linen side and say how to run it."""
    for case in sorted(FIXTURES.glob("*/case.toml")):
        folder = case.parent
        if any((folder / side).exists() for side in ("linen.py", "linen")) and read_case(case).runs:
            yield folder.name


@pytest.fixture(scope="module")
def verdicts(request):
    """The verdicts on the selected cases, all in one process that stays warm."""
    selected = {
        item.callspec.params["case"]
        for item in request.session.items
        if item.path == Path(__file__) and hasattr(item, "callspec")
    }
    cases = sorted(selected)
    targets = [target for case in cases for target in discovered(FIXTURES / case, None).targets]
    settings = Settings(Limits(workers=1), cached=False)
    with verified(targets, migrated_by_nobody, settings) as done:
        return dict(zip(cases, [each.result for each in done], strict=True))


def migrated_by_nobody(path):
    raise AssertionError(f"{path} has a Linen side of its own")


@pytest.mark.parametrize("case", list(runnable_cases()))
def test_both_sides_agree(case, verdicts):
    result = verdicts[case]
    assert result.outcome.passed, "\n" + "\n".join(lines(result))
