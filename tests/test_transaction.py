"""A write is all or nothing, whatever breaks it off, and can be taken back."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from linenify.cli import main
from linenify.errors import UsageError
from linenify.outcome import Change
from linenify.project.load import parse
from linenify.write import write
from linenify.writing import store as stores
from linenify.writing.recovery import settle, undo
from linenify.writing.store import Store

NAMES = ("a.py", "b.py", "pkg/c.py")


def old(name: str) -> bytes:
    return f"import flax\nx = 1  # {name}\n".encode()


def new(name: str) -> bytes:
    return old(name).replace(b"1", b"2")


@pytest.fixture
def project(tmp_path) -> Path:
    (tmp_path / "pkg").mkdir()
    for name in NAMES:
        (tmp_path / name).write_bytes(old(name))
    (tmp_path / "a.py").chmod(0o755)
    os.utime(tmp_path / "b.py", (1_000_000_000, 1_000_000_000))
    return tmp_path


def write_all(project: Path):
    """Writes the next text of each file."""
    sources = [parse((project / name).read_bytes(), project / name, name) for name in NAMES]
    changes = [Change(s.path, s.text, s.text.replace("= 1", "= 2"), {}) for s in sources]
    return write(changes, sources)


def side(project: Path) -> str:
    """Whether all files are old or all are new; anything else is a failure."""
    found = {name: (project / name).read_bytes() for name in NAMES}
    if found == {name: old(name) for name in NAMES}:
        return "old"
    assert found == {name: new(name) for name in NAMES}
    return "new"


def files(project: Path) -> set[str]:
    every = (each.relative_to(project) for each in project.rglob("*") if each.is_file())
    return {str(each) for each in every if each.parts[0] != stores.NAME}


# Interrupted at every step


class Killed(BaseException):
    """Stands for the end of the process: nobody catches it on purpose."""


STEPS = ("open", "fsync", "replace", "rename", "unlink", "mkdir", "rmdir", "chmod")


class Steps:
    """Counts calls into the system and ends the program before one of them."""

    def __init__(self, monkeypatch, end: int, *, failure: BaseException) -> None:
        self.count = 0
        self.end = end
        self.failure = failure
        for name in STEPS:
            monkeypatch.setattr(os, name, self.counted(getattr(os, name)))

    def counted(self, function):
        def call(*args, **kwargs):
            self.count += 1
            if self.count == self.end:
                raise self.failure
            return function(*args, **kwargs)

        return call


def every_step(project: Path, action, failure: BaseException):
    """Yields after ending `action` before each of its steps in turn."""
    end = 0
    while True:
        end += 1
        with pytest.MonkeyPatch.context() as patch:
            steps = Steps(patch, end, failure=failure)
            try:
                action()
            except type(failure):
                pass
        if steps.count < end:
            assert end > len(NAMES)
            return
        yield end


def test_a_program_that_is_interrupted_at_any_step_leaves_all_old_or_all_new(project):
    seen = set()
    for _ in every_step(project, lambda: write_all(project), KeyboardInterrupt()):
        settle([project])
        seen.add(side(project))
        assert files(project) == set(NAMES)
        if seen == {"new"} or side(project) == "new":
            undo(project)
        assert side(project) == "old"
    assert "old" in seen


@pytest.mark.parametrize("step", range(1, 60))
def test_a_step_that_fails_leaves_all_old_or_all_new(project, monkeypatch, step):
    with pytest.MonkeyPatch.context() as patch:
        Steps(patch, step, failure=OSError(28, "No space left on device"))
        unwritten = write_all(project)
    settle([project])
    assert side(project) == ("old" if unwritten else "new")
    assert files(project) == set(NAMES)


KILLED_AT = textwrap.dedent("""
    import os, signal, sys
    sys.path.insert(0, sys.argv[3])
    from pathlib import Path
    import test_transaction as shared
    from linenify.writing.recovery import undo

    count = 0
    def counted(function):
        def call(*args, **kwargs):
            global count
            count += 1
            if count == end:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)
        return call

    project, action = Path(sys.argv[1]), sys.argv[2]
    pid = 0
    for end in range(1, 1000):
        for name in shared.NAMES:
            (project / name).write_bytes(shared.old(name))
        if action == "undo":
            shared.write_all(project)
        pid = os.fork()
        if pid == 0:
            for name in shared.STEPS:
                setattr(os, name, counted(getattr(os, name)))
            shared.write_all(project) if action == "write" else undo(project)
            os._exit(0)
        killed = os.waitpid(pid, 0)[1] != 0
        shared.settle([project])
        print(killed, shared.side(project), *sorted(shared.files(project)))
        if not killed:
            break
        if action == "write" and shared.side(project) == "new":
            undo(project)
        assert action == "undo" or shared.side(project) == "old"
""")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("action", ["write", "undo"])
def test_a_program_that_is_killed_at_any_step_is_put_right_by_the_next_run(project, action):
    command = [sys.executable, "-c", KILLED_AT, str(project), action, str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *killed, last = [line.split() for line in done.stdout.splitlines()]
    assert len(killed) > 10
    assert all(line[0] == "True" and line[2:] == sorted(NAMES) for line in killed)
    assert {line[1] for line in killed} == {"old", "new"}
    assert last[1] == ("new" if action == "write" else "old")


def test_ctrl_c_between_two_files_takes_the_first_one_back(project, monkeypatch):
    replaced = []
    replace = os.replace

    def slow(*args):
        replace(*args)
        replaced.append(args)
        if len(replaced) == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(os, "replace", slow)
    # A process that a shell has put into the background ignores Ctrl-C.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            write_all(project)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert side(project) == "old"
    assert files(project) == set(NAMES)


# Taking back


def test_undo_takes_back_contents_modes_and_times(project):
    assert write_all(project) == ()
    assert side(project) == "new"
    assert stat.S_IMODE((project / "a.py").stat().st_mode) == 0o755
    (project / "a.py").chmod(0o600)
    assert "3 files" in undo(project / "pkg")
    assert side(project) == "old"
    assert stat.S_IMODE((project / "a.py").stat().st_mode) == 0o755
    assert (project / "b.py").stat().st_mtime == 1_000_000_000
    assert not (project / stores.NAME).exists()


def test_undo_of_nothing_says_so(project):
    with pytest.raises(UsageError, match="no write to take back"):
        undo(project)


def test_undo_leaves_everything_when_a_file_was_edited(project):
    write_all(project)
    (project / "b.py").write_text("mine\n")
    (project / "pkg/c.py").unlink()
    before = {name: (project / name).read_bytes() for name in ("a.py", "b.py")}
    with pytest.raises(UsageError, match=r"edited since(.|\n)*b\.py(.|\n)*c\.py") as refused:
        undo(project)
    assert "a.py\n" not in str(refused.value)
    assert {name: (project / name).read_bytes() for name in before} == before
    (project / "b.py").write_bytes(new("b.py"))
    (project / "pkg/c.py").write_bytes(old("pkg/c.py"))  # taken back by hand already
    undo(project)
    assert side(project) == "old"


def test_writes_are_taken_back_one_after_the_other(project):
    texts = []
    for value in "123":
        texts.append((project / "a.py").read_bytes())
        source = parse(texts[-1], project / "a.py", "a")
        later = source.text.replace(f"= {value}", f"= {int(value) + 1}")
        assert write([Change(source.path, source.text, later, {})], [source]) == ()
    for text in reversed(texts):
        undo(project)
        assert (project / "a.py").read_bytes() == text


def test_a_file_that_was_only_read_and_has_changed_stops_the_write(project):
    read = [parse((project / name).read_bytes(), project / name, name) for name in NAMES]
    (project / "b.py").write_text("import flax  # edited\n")
    change = Change(read[0].path, read[0].text, "x\n", {})
    first, other = write([change], read)
    assert (first.path.name, other.path.name) == ("b.py", "a.py")
    assert (first.waits, other.waits) == (False, True)
    assert (project / "a.py").read_bytes() == old("a.py")


# What can go wrong with the journal


@pytest.fixture
def broken_off(project):
    """A project whose write was killed after its first file."""
    write_all(project)
    (written,) = Store(project / stores.NAME).transactions()
    pending = written.become(stores.State.PENDING)
    (project / "b.py").write_bytes(old("b.py"))
    return project, pending.folder


def test_a_broken_off_write_is_taken_back(broken_off):
    project, _ = broken_off
    assert "taken back" in settle([project / "pkg"]).said[0]
    assert side(project) == "old"
    assert settle([project]).said == ()


def test_every_command_puts_it_right_first(broken_off, monkeypatch, capsys):
    project, _ = broken_off
    monkeypatch.chdir(project / "pkg")
    assert main(["facts", "c.py"]) == 0
    assert "was taken back" in capsys.readouterr().err
    assert side(project) == "old"


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1", b'{"version": 1, "checksum": ""}'])
def test_a_damaged_journal_is_named_and_nothing_changes(broken_off, damage):
    project, folder = broken_off
    before = {name: (project / name).read_bytes() for name in NAMES}
    (folder / "journal.json").write_bytes(damage)
    with pytest.raises(UsageError, match=r"journal\.json cannot be read") as refused:
        settle([project])
    assert f"delete the folder {folder}" in str(refused.value)
    assert {name: (project / name).read_bytes() for name in NAMES} == before
    assert len(list(folder.glob("*.before"))) == len(NAMES)


def test_a_damaged_backup_is_named_and_nothing_changes(broken_off):
    project, folder = broken_off
    next(folder.glob("*-c.py.before")).write_bytes(b"?")
    with pytest.raises(UsageError, match="is damaged"):
        settle([project])
    assert (project / "a.py").read_bytes() == new("a.py")


def test_an_edit_after_a_broken_off_write_is_never_lost(broken_off):
    project, folder = broken_off
    (project / "a.py").write_text("mine\n")
    with pytest.raises(UsageError, match="edited before it was put right") as refused:
        settle([project])
    assert str(project / "a.py") in str(refused.value)
    assert (project / "pkg/c.py").read_bytes() == new("pkg/c.py")
    next(folder.glob("*-a.py.before")).rename(project / "a.py")
    settle([project])
    assert side(project) == "old"


def test_a_project_that_moved_is_put_right_where_it_is(broken_off, tmp_path_factory):
    project, _ = broken_off
    moved = tmp_path_factory.mktemp("elsewhere") / "moved"
    project.rename(moved)
    settle([moved])
    assert side(moved) == "old"


# Several runs, several places


def test_a_run_waits_for_the_one_that_writes(project):
    store = Store(project / stores.NAME)
    outcome = []
    with store.locked(create=True):
        begun = store.begin()
        other = threading.Thread(target=lambda: outcome.append(write_all(project)))
        other.start()
        other.join(0.3)
        assert outcome == []
        stores.discard(begun)
    other.join()
    assert outcome == [()]
    assert side(project) == "new"


def test_two_projects_in_one_run_are_one_write(tmp_path):
    read = []
    for name in ("one", "two"):
        folder = tmp_path / name
        (folder / ".git").mkdir(parents=True)
        (folder / "m.py").write_bytes(old(name))
        read.append(parse(old(name), folder / "m.py", f"{name}.m"))
    changes = [Change(s.path, s.text, s.text.replace("= 1", "= 2"), {}) for s in read]
    assert write(changes, read) == ()
    undo(tmp_path / "two")
    assert (tmp_path / "one/m.py").read_bytes() == old("one")


def test_a_link_to_a_file_elsewhere_is_written_and_taken_back(tmp_path):
    real = tmp_path / "shared" / "real.py"
    link = tmp_path / "project" / "a.py"
    for path in (real, link):
        path.parent.mkdir()
    real.write_bytes(old("a.py"))
    link.symlink_to(real)
    source = parse(old("a.py"), link, "a")
    assert write([Change(link, source.text, source.text.replace("1", "2"), {})], [source]) == ()
    assert (link.is_symlink(), real.read_bytes()) == (True, new("a.py"))
    undo(link.parent)
    assert (link.is_symlink(), real.read_bytes()) == (True, old("a.py"))
