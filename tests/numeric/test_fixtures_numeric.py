"""Every fixture computes the same on both sides, as committed and as the command verifies it."""

import fcntl
import hashlib
import json
from pathlib import Path

import pytest

from linenify.verify.case import read_case
from linenify.verify.discovery import discovered
from linenify.verify.run import Limits
from linenify.verify.service import Settings, verified
from linenify.verify.verdict import CaseResult, from_json, lines, to_json

pytestmark = [pytest.mark.numeric, pytest.mark.slow]

FIXTURES = Path(__file__).parents[2] / "fixtures"
CHUNKS = 2


def runnable_cases():
    """The fixtures that have a Linen side and say how to run it."""
    for case in sorted(FIXTURES.glob("*/case.toml")):
        folder = case.parent
        if any((folder / side).exists() for side in ("linen.py", "linen")) and read_case(case).runs:
            yield folder.name


@pytest.fixture(scope="session")
def verdicts(request, tmp_path_factory):
    """Runs the selected cases in two worker processes, however the tests are spread.

    Each pytest process takes a chunk of cases that nobody runs, and leaves the
    verdicts for the others; only then does it wait for those it needs itself.
    """
    selected = {
        item.callspec.params["case"]
        for item in request.session.items
        if item.path == Path(__file__) and hasattr(item, "callspec")
    }
    shared = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        shared = shared.parent  # the base of all pytest-xdist processes
    places = [shared / f"verdicts-{chunk}.json" for chunk in range(CHUNKS)]
    for chunk, place in enumerate(places):
        run_chunk(place, sorted(case for case in selected if chunk_of(case) == chunk), wait=False)

    def verdict(case):
        place = places[chunk_of(case)]
        run_chunk(place, (), wait=True)
        return from_json(CaseResult, json.loads(place.read_text())[case])

    return verdict


def run_chunk(place, cases, *, wait):
    with place.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return
        if not place.exists():
            targets = [
                target for case in cases for target in discovered(FIXTURES / case, None).targets
            ]
            settings = Settings(Limits(workers=1), cached=False)
            with verified(targets, migrated_by_nobody, settings) as done:
                results = [to_json(each.result) for each in done]
            place.write_text(json.dumps(dict(zip(cases, results, strict=True))))


def migrated_by_nobody(path):
    raise AssertionError(f"{path} has a Linen side of its own")


def chunk_of(case):
    return hashlib.sha256(case.encode()).digest()[0] % CHUNKS


@pytest.mark.parametrize("case", list(runnable_cases()))
def test_both_sides_agree(case, verdicts):
    result = verdicts(case)
    assert result.outcome.passed, "\n" + "\n".join(lines(result))
