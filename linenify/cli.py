"""The command line: reads options, calls the library, hands the records to a report.

The only module that prints, writes files or ends the program.
"""

# `linenify --help` must answer at once, so nothing slower than click is
# imported up here: every command imports what it needs.

from __future__ import annotations

import importlib
import importlib.util
import os
import signal
import sys
import threading
import traceback
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from linenify.errors import Breach, ExitCode, LinenifyError, UsageError
from linenify.guessing import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from linenify.outcome import Migration
    from linenify.project.source import Project
    from linenify.report.run import Run

FORMATS = ("text", "json", "sarif", "github")
STDIN = Path("-")

# Commands that live beside what they command: where, and their line of help.
ELSEWHERE = {
    "undo": ("linenify.cli_undo", "Take the last --write of a project back."),
    "verify": ("linenify.cli_verify", "Run both sides and compare what they compute."),
    "remap": ("linenify.cli_remap", "Carry a legacy checkpoint over to the migrated model."),
}


HELP = """Migrate pre-Linen Flax code (flax.nn) to flax.linen.

Shows what would change in the files under PATH as a diff; --write applies it.

With - for PATH, reads one file from standard input and prints it migrated.

\b
Exit code:  0  done
            1  --check: something would change or is refused
            2  wrong usage, or a file could not be read or written
            3  a bug in linenify
"""

# The options of the default command, as `--help` shows them.
GROUPS = {
    "What to do": ("write", "check"),
    "How to migrate": ("strict", "exact", "keep_names"),
    "How to report": ("style",),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs linenify; returns the exit code."""
    try:
        with _ending_cleanly():
            code = cli.main(arguments, prog_name="linenify", standalone_mode=False)
    except click.ClickException as problem:
        problem.show()
        return problem.exit_code
    except click.Abort:
        click.echo("linenify: interrupted; no file was left half-written", err=True)
        return 130
    except Breach as problem:
        return _own_bug(problem.path)
    except LinenifyError as problem:
        click.echo(f"linenify: {problem}", err=True)
        return problem.exit_code
    except Exception:  # noqa: BLE001 - the last line of defence says so to the user
        return _own_bug()
    return code if isinstance(code, int) else ExitCode.DONE


@contextmanager
def _ending_cleanly() -> Iterator[None]:
    """SIGTERM is heard as Ctrl-C is: processes and working folders end with the program."""
    if threading.current_thread() is not threading.main_thread():
        yield  # others hear no signals
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _own_bug(path: Path | None = None) -> ExitCode:
    traceback.print_exc()
    place = f" while working on {path}" if path else ""
    click.echo(
        f"\nlinenify: this is a bug in linenify{place}; no file was left half-written.\n"
        "Please report it with the lines above and, if you can, the file.",
        err=True,
    )
    return ExitCode.BUG


class Commands(click.Group):
    """A group whose default command is `migrate`.

    `linenify PATH` and `linenify --write PATH` both mean `migrate`; a path
    that is called like a command is given as `./rules`.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts the default command in front of arguments that name none."""
        own = {*self.list_commands(ctx), "--help", "-h", "--version"}
        if args and args[0] not in own:
            self._check_spelling(ctx, args[0])
            args = ["migrate", *args]
        return super().parse_args(ctx, args)

    def _check_spelling(self, ctx: click.Context, word: str) -> None:
        """Says so when a path that does not exist looks like a command."""
        shown = [name for name in self.list_commands(ctx) if name != "migrate"]
        guess = nearest(word, shown)
        if guess and not Path(word).exists():
            raise UsageError(f"{word} does not exist; did you mean the command `{guess}`?")

    def invoke(self, ctx: click.Context) -> object:
        """Runs the command; a reader that goes away ends the run quietly."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # `linenify . | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return ExitCode.DONE

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Lists the commands that are installed, those elsewhere included."""
        elsewhere = (name for name, (place, _) in ELSEWHERE.items() if _installed(place))
        return [*super().list_commands(ctx), *elsewhere]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Finds a command; imports it only now when it lives elsewhere."""
        command = super().get_command(ctx, cmd_name)
        if command is None and cmd_name in ELSEWHERE and _installed(ELSEWHERE[cmd_name][0]):
            found = getattr(importlib.import_module(ELSEWHERE[cmd_name][0]), cmd_name)
            return found if isinstance(found, click.Command) else None
        return command

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Shows the options of the default command as the program's own, by what they are for."""
        options = [each for each in migrate.params if isinstance(each, click.Option)]
        grouped = {name for names in GROUPS.values() for name in names}
        every = [
            *options,
            *(each for each in self.get_params(ctx) if isinstance(each, click.Option)),
        ]
        rest = [each for each in every if each.name not in grouped]
        groups: list[tuple[str, list[click.Option]]] = [
            (heading, [each for each in options if each.name in names])
            for heading, names in GROUPS.items()
        ]
        for heading, members in (*groups, ("Other options", rest)):
            records = [each.get_help_record(ctx) for each in members]
            with formatter.section(heading):
                formatter.write_dl([record for record in records if record])
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands without importing those that live elsewhere."""
        rows = []
        for name in self.list_commands(ctx):
            if name in ELSEWHERE:
                rows.append((name, ELSEWHERE[name][1]))
            elif not self.commands[name].hidden:
                rows.append((name, self.commands[name].get_short_help_str(limit=70)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Shows how the default command is called, then the others."""
        formatter.write_usage(ctx.command_path, "[OPTIONS] PATH...")
        formatter.write_usage(ctx.command_path, "COMMAND ...", prefix="       ")


class GivenPath(click.Path):
    """A path; the empty text, which a shell makes of an unset variable, is none."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuses the empty text, which would mean the current folder."""
        if value == "":
            self.fail("a path is empty", param, ctx)
        return super().convert(value, param, ctx)


class _Unnamed(click.Context):
    """The context of the default command: a user does not know its name."""

    @property
    def command_path(self) -> str:
        return self.parent.command_path if self.parent else super().command_path


class _Default(click.Command):
    """The command that is run when none is named."""

    context_class = _Unnamed


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@click.command(
    cls=Commands,
    help=HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="linenify", message="%(prog)s %(version)s")
def cli() -> None:
    """Migrates the files under each PATH, unless a command is named."""


@cli.command(cls=_Default, hidden=True)
@click.argument("paths", nargs=-1, required=True, type=GivenPath())
@click.option("--write", is_flag=True, help="Change the files instead of showing a diff.")
@click.option("--check", is_flag=True, help="Exit with 1 if anything would change or is refused.")
@click.option(
    "--strict", is_flag=True, help="Leave files with refusals, and those tied to them, as they are."
)
@click.option(
    "--exact", is_flag=True, help="Imitate also what only a faulty program can tell apart."
)
@click.option(
    "--keep-names", is_flag=True, help="Name submodules as legacy did: old checkpoints load."
)
@click.option(
    "--format",
    "style",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="How to report on standard output.",
)
def migrate(
    paths: tuple[Path, ...],
    *,
    write: bool,
    check: bool,
    strict: bool,
    exact: bool,
    keep_names: bool,
    style: str,
) -> ExitCode:
    """Migrate the files under each PATH."""
    if write and check:
        raise click.UsageError("--write and --check exclude each other")
    if STDIN in paths:
        if len(paths) > 1 or write or check or style != "text":
            raise click.UsageError("- stands alone: no other path, and none of the other modes")
        return _filter_stdin(exact=exact, keep_names=keep_names)
    project = _with_options(_load(paths), exact=exact, strict=strict, keep_names=keep_names)
    run = _run(project, write=write, strict=strict)
    _report(run, style, check=check)
    return run.exit_code(check=check)


@cli.command()
@click.argument("code")
def explain(code: str) -> None:
    """Explain a code, with examples."""
    from linenify.report.catalogue import catalogue, near, page

    entries = catalogue()
    entry = entries.get(code.upper())
    if entry is None:
        guesses = " or ".join(near(code, entries.keys()))
        hint = f"did you mean {guesses}?" if guesses else "`linenify rules` lists all codes"
        raise UsageError(f"there is no code {code}; {hint}")
    click.echo(page(entry))


@cli.command()
def rules() -> None:
    """List every code with its one-line summary."""
    from linenify.report.catalogue import catalogue, listing

    for line in listing(catalogue()):
        click.echo(line)


@cli.command()
@click.argument("paths", nargs=-1, required=True, type=GivenPath())
def facts(paths: tuple[Path, ...]) -> ExitCode:
    """Print what linenify understands of the files under PATH."""
    from linenify.facts.collect import collect, describe

    project = _load(paths)
    click.echo(describe(collect(project)))
    for each in project.unreadable:
        click.echo(f"{each.path}:{each.line}:{each.column}: {each.message}", err=True)
    broken = any(not each.is_folder for each in project.unreadable)
    return ExitCode.UNUSABLE if broken else ExitCode.DONE


# What `migrate` is made of


def _load(paths: Iterable[Path]) -> Project:
    import gc

    from linenify.project.load import load

    paths = list(paths)
    settle(paths)
    project = load(paths, context=True)
    if settle([source.path for source in project.sources]):
        project = load(paths, context=True)
    gc.freeze()  # the trees stay until the end; collecting need not look at them again
    return project


def settle(paths: Iterable[Path]) -> bool:
    """Puts right what an earlier --write broke off; whether files may have changed meanwhile."""
    from linenify.writing.recovery import settle as settle_around

    settled = settle_around(paths)
    for sentence in settled.said:
        click.echo(f"linenify: {sentence}", err=True)
    return settled.moved


def _with_options(project: Project, **flags: bool) -> Project:
    from dataclasses import replace

    given = {name.replace("_", "-"): True for name, given in flags.items() if given}
    return replace(project, options=tuple(sorted((dict(project.options) | given).items())))


def _run(project: Project, *, write: bool, strict: bool) -> Run:
    from linenify.report.run import Run
    from linenify.strict import hold_back
    from linenify.write import write as write_changes

    migration = _migrate(project)
    migration, held_back = hold_back(migration, project) if strict else (migration, ())
    unwritten = write_changes(migration.changes, project.sources) if write else ()
    return Run(project, migration, write, unwritten, held_back)


def _migrate(project: Project) -> Migration:
    from linenify.migrate import migrate as migrate_project

    waiting = [source.path for source in reversed(project.sources)]
    try:
        with _progress(len(waiting)) as advance:
            return migrate_project(project, lambda _: (waiting.pop(), advance())[-1])
    except Breach:
        raise
    except Exception as problem:
        place = waiting[-1] if waiting else Path("the last steps")
        raise Breach(place, f"the migration stopped: {problem!r}") from problem


def _progress(total: int) -> AbstractContextManager[Callable[[], None]]:
    if not sys.stderr.isatty():
        return nullcontext(lambda: None)
    from linenify.report.terminal import progress_bar

    return progress_bar(total)


def _report(run: Run, style: str, *, check: bool) -> None:
    from linenify.report import machine, text
    from linenify.report.catalogue import catalogue

    match style:
        case "json":
            click.echo(machine.as_json(run))
        case "sarif":
            summaries = {code: entry.summary for code, entry in catalogue().items()}
            click.echo(machine.as_sarif(run, summaries))
        case "github":
            for line in machine.as_github(run):
                click.echo(line)
        case _ if check:
            for line in text.pending(run.migration):
                click.echo(line)
        case _ if not run.wrote:
            _print_diffs(run)
    if style == "text":
        _print_findings(text.findings(run))
    if not run.looked_at:
        click.echo(f"linenify: {text.nothing_found(run)}", err=True)
    click.echo(text.summary(run), err=True)


def _print_diffs(run: Run) -> None:
    diffs = run.diffs()
    if _coloured(sys.stdout):
        from linenify.report.terminal import print_diff

        for diff in diffs.values():
            print_diff(diff)
        return
    # Piped, a diff must apply: each one in the encoding of its file.
    encodings = {source.path: source.encoding for source in run.project.sources}
    for path, diff in diffs.items():
        click.echo(diff.encode(encodings[path], errors="backslashreplace"), nl=False)


def _print_findings(lines: Iterable[str]) -> None:
    if _coloured(sys.stderr):
        from linenify.report.terminal import print_findings

        print_findings(lines)
        return
    for line in lines:
        click.echo(line, err=True)


def _coloured(stream: TextIO) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or stream.isatty()


def _filter_stdin(*, exact: bool, keep_names: bool) -> ExitCode:
    from linenify.project.load import load_text
    from linenify.report import text
    from linenify.report.run import Run
    from linenify.write import encoded

    raw = sys.stdin.buffer.read()
    project = load_text(raw, Path("<stdin>"))
    project = _with_options(project, exact=exact, keep_names=keep_names)
    migration = _migrate(project)
    after = [encoded(c.after, s) for c in migration.changes for s in project.sources]
    click.echo(after[0] if after else raw, nl=False)
    run = Run(project, migration)
    _print_findings(text.findings(run))
    return run.exit_code(check=False)
