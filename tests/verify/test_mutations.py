"""The verifier is verified: wrong migrations are planted, each must be seen, and where."""

import re
import shutil
import tomllib
from pathlib import Path

import pytest

from linenify.verify.run import Job, Limits, run_jobs
from linenify.verify.verdict import Outcome

pytestmark = [pytest.mark.numeric, pytest.mark.slow, pytest.mark.xdist_group("mutations")]

FIXTURES = Path(__file__).parents[2] / "fixtures"
MUTATIONS = {
    (fixture, name): mutation
    for fixture, mutations in tomllib.loads(
        Path(__file__).with_name("mutations.toml").read_text()
    ).items()
    for name, mutation in mutations.items()
}


def planted(fixture, mutation, folder):
    """The job that runs one run of a fixture against its mutated Linen side."""
    source = FIXTURES / fixture
    case = re.split(r"^(?=\[\[run\]\])", (source / "case.toml").read_text(), flags=re.MULTILINE)
    folder.mkdir()
    (folder / "case.toml").write_text(case[mutation["run"]])
    if (source / "linen").is_dir():
        shutil.copytree(source / "linen", folder / "linen")
        linen, file = folder / "linen", folder / "linen" / mutation["file"]
        legacy = source / "legacy"
    else:
        shutil.copy(source / "linen.py", folder)
        linen = file = folder / "linen.py"
        legacy = source / "legacy.py"
    text = file.read_text()
    assert mutation["old"] in text, f"{fixture}: {mutation['old']!r} is not there any more"
    file.write_text(text.replace(mutation["old"], mutation["new"], 1))
    memory = folder.parent / f"{fixture} {mutation['run']}"  # of what legacy does in that run
    memory.mkdir(exist_ok=True)
    return Job(str(folder / "case.toml"), str(legacy), str(linen), memory=str(memory))


@pytest.fixture(scope="module")
def verdicts(request, tmp_path_factory):
    base = tmp_path_factory.mktemp("mutations")
    selected = {
        (item.callspec.params["fixture"], item.callspec.params["name"])
        for item in request.session.items
        if item.path == Path(__file__) and hasattr(item, "callspec")
    }
    wanted = [each for each in MUTATIONS if each in selected]
    jobs = [planted(each[0], MUTATIONS[each], base / "-".join(each)) for each in wanted]
    return dict(zip(wanted, run_jobs(jobs, limits=Limits(workers=1)), strict=True))


def test_there_are_enough_of_them():
    assert len(MUTATIONS) >= 40


@pytest.mark.parametrize(("fixture", "name"), MUTATIONS)
def test_a_wrong_migration_is_different(verdicts, fixture, name):
    result = verdicts[fixture, name]
    assert result.outcome is Outcome.DIFFERENT, result


@pytest.mark.parametrize(("fixture", "name"), MUTATIONS)
def test_the_first_submodule_that_departs_is_named(verdicts, fixture, name):
    [run] = verdicts[fixture, name].runs
    assert run.first is not None
    assert run.first.linen == MUTATIONS[fixture, name]["first"]
