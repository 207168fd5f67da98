"""What no case runs is named with the verdict: equal numbers elsewhere say nothing about it."""

from pathlib import Path

import pytest
from commands import spoken, verify
from support import migrated

from linenify.errors import ExitCode
from linenify.verify.reaching import watched

pytestmark = [pytest.mark.numeric]

MODEL = '''
from flax import nn


class Block(nn.Module):
    """A layer and, for those who want it, its inverse."""

    def apply(self, x, width, reverse=False):
        """Forwards or backwards."""
        if reverse:
            y = nn.Dense(x, width, name='back')
            return nn.relu(y)
        return nn.Dense(x, width, name='there')


class Deep(nn.Module):
    def apply(self, x):
        return Block(x, 3)


def count(x):
    if x is None:
        return 0
    return x.shape[0]


class Other(nn.Module):
    def apply(self, x):
        return nn.Dense(x, 2)
'''


TRAIN = """
from flax import nn
from model import Other

print(Other.partial(), nn.Dense.partial(features=2))
"""

STATEMENTS = """
from flax import nn


class Block(nn.Module):
    def apply(self, x, width):
        match width:
            case 1:
                x = nn.Dense(x, 1)
            case _:
                x = nn.Dense(x, width)
        try:
            x = x + 0
        except ValueError:
            x = nn.Dense(x, 2)
        else:
            for _ in range(0):
                x = nn.Dense(x, 3)
        finally:
            x = x + 1
        while False:
            x = nn.Dense(x, 4)
        with open(__file__):
            if width > 5:
                x = nn.Dense(x, 5)
            elif width == 3:
                x = nn.Dense(
                    x,
                    6,
                )
        return x
"""

BLOCK = ("--module", "model:Block", "--input", "f32[2,4]", "--set", "width=3")


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "model.py").write_text(MODEL)
    (folder / "train.py").write_text(TRAIN)
    return folder


def test_changed_code_that_no_case_runs_is_named(project):
    code, document = verify(project, *BLOCK)
    assert code == ExitCode.DONE
    found = {each["function"]: each for each in document["unreached"]}
    branch = found.pop("Block.__call__")
    assert branch["path"] == "model.py"
    assert branch["called"]
    # `return nn.relu(y)` is as it was.
    [[first, last]] = branch["lines"]
    assert first == last
    assert found.keys() == {"Deep.__call__", "Other.__call__", ""}
    assert found[""]["path"] == "train.py"
    assert not any(each["called"] for each in found.values())


def test_what_another_case_runs_is_none_of_it(project):
    (project / "case.toml").write_text(
        """
        [[run]]
        file = "model.py"
        module = "Block"
        inputs = ["f32[2,4]"]
        hyperparameters = { width = 3, reverse = true }

        [[run]]
        file = "model.py"
        module = "Deep"
        inputs = ["f32[2,4]"]
        """
    )
    code, document = verify(project)
    assert code == ExitCode.DONE
    assert [each["function"] for each in document["unreached"]] == ["Other.__call__", ""]


def test_the_report_says_so(project):
    _, output, _ = spoken(project, *BLOCK)
    lines = output.splitlines()
    start = lines.index("not proved, since no case runs them:")
    assert lines[start + 1].strip().startswith("model.py:")
    assert lines[start + 1].endswith(" in Block.__call__")
    assert lines[start + 2 : start + 4] == [
        "    never called: model.py:Deep.__call__, model.py:Other.__call__",
        "    never imported: train.py",
    ]


def test_every_kind_of_statement_may_be_the_one_that_nothing_runs(project):
    (project / "model.py").write_text(STATEMENTS)
    code, document = verify(project, *BLOCK)
    assert code == ExitCode.DONE
    found = {each["function"]: each for each in document["unreached"]}
    text = migrated(STATEMENTS).splitlines()
    missed = [text[first - 1].strip() for first, _ in found["Block.__call__"]["lines"]]
    assert missed == [
        "x = nn.Dense(1)(x)",
        "x = nn.Dense(2)(x)",
        "x = nn.Dense(3)(x)",
        "x = nn.Dense(4)(x)",
        "x = nn.Dense(5)(x)",
    ]


def test_a_debugger_keeps_its_place(monkeypatch):
    reached = {}
    monkeypatch.setattr("sys.gettrace", lambda: print)
    with watched(lambda file: Path(file) == Path(__file__), reached):
        pass
    assert not reached
