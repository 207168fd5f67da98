"""`linenify verify`: reads options, calls the library, hands the records to a report."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from linenify.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from linenify.verify.request import Request
    from linenify.verify.service import Settings, Verified
    from linenify.verify.target import Target
    from linenify.verify.workspace import Migrated

LEGACY_VERSIONS = ("0.1.0", "0.2.2", "0.3.0", "0.3.3", "0.3.6")


HELP = """Run the legacy and the migrated program, and compare what they compute.

Without --module or --entry, looks under each PATH for what can be run:
case.toml files, [tool.linenify.verify] in pyproject.toml, calls of
init_by_shape, and comments `# linenify: verify --input ...` on classes.

\b
Exit code:  0  equal
            1  different, or a side did not run
            2  wrong usage, or nothing to run
            3  a bug in linenify
"""


@click.command(help=HELP)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--module", metavar="FILE:CLASS", help="Verify this module class only.")
@click.option("--entry", metavar="FILE:FUNCTION", help="Run this function as a whole program.")
@click.option(
    "--input", "inputs", multiple=True, metavar="SPEC", help="f32[8,32], i32[4]<50, name=x.npy ..."
)
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A hyper-parameter.")
@click.option("--rng", "rngs", multiple=True, metavar="STREAM", help="A stream beside dropout.")
@click.option("--method", "methods", multiple=True, help="Instead of apply; may be repeated.")
@click.option("--init-method", default="", help="Initialise with another method.")
@click.option("--train", default="", metavar="NAME", help="A flag to run as True and as False.")
@click.option("--devices", default=1, type=click.IntRange(1), help="Simulated devices, for pmap.")
@click.option("--rtol", type=float, help="A tolerance instead of the measured noise.")
@click.option(
    "--linen", type=click.Path(path_type=Path), help="Compare with this migration of PATH."
)
@click.option("--keep-names", is_flag=True, help="Migrate with the names of legacy submodules.")
@click.option("--legacy-flax", type=click.Choice(LEGACY_VERSIONS), help="Default: 0.3.6.")
@click.option(
    "--legacy-wheel", type=click.Path(path_type=Path), help="The legacy wheel, when offline."
)
@click.option(
    "--oracle", type=click.Choice(["overlay", "isolated"]), default="overlay", show_default=True
)
@click.option(
    "--platform", type=click.Choice(["cpu", "gpu", "tpu"]), default="cpu", show_default=True
)
@click.option(
    "--timeout",
    default=300.0,
    type=click.FloatRange(0, min_open=True),
    show_default=True,
    help="Seconds for each case.",
)
@click.option(
    "--memory", default=0.0, type=click.FloatRange(0), metavar="GIB", help="Memory limit."
)
@click.option(
    "--stub", "stubs", multiple=True, metavar="NAME", help="A package that is imported and missing."
)
@click.option("--bisect", is_flag=True, help="Find the rewrite that makes the difference.")
@click.option("--no-cache", is_flag=True, help="Run again what was verified before.")
@click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@click.option(
    "--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw errors, .png or .svg."
)
@click.option(
    "--propose",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a case.toml for what could not be found.",
)
def verify(paths: tuple[Path, ...], **options: object) -> ExitCode:
    """Finds what can be run, runs it on both sides, reports."""
    from linenify.cli import settle

    needed = ("numpy", "jax", "flax", "optax")
    if missing := [name for name in needed if find_spec(name) is None]:
        raise UsageError(
            f"verify needs {', '.join(missing)}: pip install '.[verify]' in its checkout"
        )
    given = _Options(**options)
    given.check(paths)
    settle(paths)
    settings = given.verify_settings()
    targets, proposals = _targets(paths, given)
    _propose(proposals, given.propose, found=bool(targets))
    if not targets:
        raise UsageError(
            f"nothing to run was found under {', '.join(map(str, paths))}; "
            "name a --module with --input, or an --entry, or write a case.toml"
        )
    from linenify.verify.service import passed, verified

    migrate = partial(_migrate, keep_names=given.keep_names)
    with _live() as say, verified(targets, migrate, settings, say) as done:
        say("")
        misused = [each for each in done if each.result.misused]
        if len(misused) == len(done):
            raise UsageError(
                "; ".join(f"{each.target.name}: {each.result.message}" for each in misused)
            )
        causes: dict[str, str] = {}
        if given.bisect:
            say("looking for the rewrite that makes the difference")
            causes = _bisected(done, migrate, settings)
            say("")
        _report(done, causes, given)
        if misused:
            return ExitCode.UNUSABLE
        return ExitCode.DONE if passed([each.result for each in done]) else ExitCode.PENDING


class _Options:
    """The options, as the command line gives them."""

    module: str | None
    entry: str | None
    inputs: tuple[str, ...]
    settings: tuple[str, ...]
    rngs: tuple[str, ...]
    methods: tuple[str, ...]
    init_method: str
    train: str
    devices: int
    rtol: float | None
    linen: Path | None
    keep_names: bool
    legacy_flax: str | None
    legacy_wheel: Path | None
    oracle: str
    platform: str
    timeout: float
    memory: float
    stubs: tuple[str, ...]
    bisect: bool
    no_cache: bool
    style: str
    plot: Path | None
    propose: Path | None

    def __init__(self, **options: object) -> None:
        vars(self).update(options)

    def check(self, paths: Sequence[Path]) -> None:
        """Refuses what contradicts itself."""
        for path in (*paths, *filter(None, [self.linen, self.legacy_wheel])):
            if not path.exists():
                raise UsageError(f"{path} does not exist")
        if self.module and self.entry:
            raise UsageError("--module and --entry exclude each other")
        if not (self.module or self.entry) and (self.inputs or self.settings or self.methods):
            raise UsageError("--input, --set and --method say how to run a --module or --entry")
        if len(paths) > 1 and (self.module or self.entry or self.linen):
            raise UsageError("--module, --entry and --linen go with a single PATH")
        if self.plot and self.plot.suffix not in (".png", ".svg"):
            raise UsageError(f"--plot {self.plot}: the name ends in .png or .svg")

    def request(self) -> Request:
        """What describes the module or the program."""
        from linenify.verify.request import Request

        return Request(
            self.module or "",
            self.entry or "",
            self.inputs,
            self.settings,
            self.rngs,
            self.methods,
            self.init_method,
            self.train,
            self.legacy_flax or "",
            self.devices,
            self.rtol,
        )

    def verify_settings(self) -> Settings:
        """What describes how to run."""
        import os

        from linenify.verify.run import Limits
        from linenify.verify.service import Settings
        from linenify.verify.wheels import OVERRIDE

        if self.legacy_wheel:
            os.environ[OVERRIDE] = str(self.legacy_wheel.resolve())
        memory = int(self.memory * (1 << 30))
        limits = Limits(self.timeout, memory, self.platform, stubs=self.stubs)
        return Settings(
            limits,
            self.legacy_flax or "",
            cached=not self.no_cache,
            isolated=self.oracle == "isolated",
        )


def _targets(paths: Sequence[Path], given: _Options) -> tuple[list[Target], list[str]]:
    from linenify.verify.discovery import discovered
    from linenify.verify.request import requested

    if given.module or given.entry:
        return [requested(given.request(), paths[0], given.linen)], []
    targets: list[Target] = []
    proposals: list[str] = []
    for path in paths:
        found = discovered(path, given.linen)
        targets += found.targets
        proposals += found.proposals
    return targets, proposals


def _migrate(path: Path, *, exact: bool = False, keep_names: bool = False) -> Migrated:
    """Migrates a copy in place; returns which rules touched which legacy lines."""
    from dataclasses import replace

    from linenify.migrate import migrate
    from linenify.outcome import Severity
    from linenify.project.load import load
    from linenify.verify.workspace import Migrated, Touched
    from linenify.write import write

    project = load([path])
    asked = {"exact": exact, "keep-names": keep_names}
    options = dict(project.options) | {name: True for name, given in asked.items() if given}
    project = replace(project, options=tuple(sorted(options.items())))
    migration = migrate(project)
    write(migration.changes, project.sources, undoable=False)
    home = (path if path.is_dir() else path.parent).resolve()
    touched = (
        Touched(
            str(each.path.resolve().relative_to(home)),
            each.span.line,
            each.span.end_line,
            tuple(each.codes),
        )
        for each in migration.ledger
        if each.codes
    )

    def sites(severity: Severity) -> Iterator[str]:
        return (
            f"{each.path.resolve().relative_to(home)}:{each.span.line} {each.code} {each.message}"
            for each in migration.diagnostics
            if each.severity is severity
        )

    return Migrated(tuple(touched), tuple(sites(Severity.REFUSAL)), tuple(sites(Severity.NOTICE)))


def _propose(proposals: Sequence[str], file: Path | None, *, found: bool) -> None:
    if file is not None:
        file.write_text("\n".join(proposals) + "\n")
        click.echo(f"linenify: proposed cases are in {file}", err=True)
    elif proposals and not found:
        click.echo("# A proposal for case.toml; fill in the inputs.", err=True)
        for proposal in proposals:
            click.echo(proposal, err=True)
    elif proposals:
        click.echo(
            f"linenify: {len(proposals)} more classes could be run; --propose FILE writes cases",
            err=True,
        )


def _bisected(
    done: Sequence[Verified], migrate: Callable[..., Migrated], settings: Settings
) -> dict[str, str]:
    from linenify.verify.bisecting import Migrations, culprit

    migrations = Migrations(migrate, partial(migrate, exact=True))
    return {
        each.target.name: culprit(each, migrations, settings)
        for each in done
        if not each.result.outcome.passed
    }


def _report(done: Sequence[Verified], causes: dict[str, str], given: _Options) -> None:
    if given.style == "json":
        from linenify.verify.document import as_json

        click.echo(as_json(done, causes))
    else:
        from linenify.verify.tables import table

        for line in table(done, causes):
            click.echo(line)
    if given.plot:
        from linenify.verify.plots import draw

        draw(done, given.plot)


@contextmanager
def _live() -> Iterator[Callable[[str], None]]:
    """One line on a terminal that says what is being done; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status("starting") as line:

        def say(what: str) -> None:
            if what:
                line.update(escape(what))
                line.start()
            else:
                line.stop()

        yield say
