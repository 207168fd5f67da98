"""`linenify remap`: reads its options, calls `linenify.checkpoint`, prints what came of it."""

# The process that moves the bytes never imports JAX: it stays small.

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from linenify.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from linenify.checkpoint.asking import Asking
    from linenify.checkpoint.conversion import Plan
    from linenify.checkpoint.errors import Keypath
    from linenify.checkpoint.planning import Kind
    from linenify.checkpoint.reading import Tree
    from linenify.checkpoint.request import Request
    from linenify.checkpoint.run import Conversion

KINDS = ("train-state", "variables", "params")
FORMATS = ("msgpack", "orbax", "safetensors")


HELP = """Carry a legacy checkpoint over to the migrated model.

SRC is a file that legacy Flax wrote, a folder of checkpoint_N, or an archive of named arrays
(.npz, .safetensors).  DST gets params, collections and optimizer state under their Linen names.

\b
linenify remap ckpt/ new.msgpack --module model.py:ResNet --set num_classes=1000
    --input "f32[1,224,224,3]" --optimizer "Momentum(beta=0.9)"

\b
Without --module, looks under the working folder (or --project) for a class that
fits the checkpoint, and for the shapes that it is initialised with.  Several
models that one optimizer trains are named: --module gen=gan.py:Generator
--input "gen:f32[2,8]" --set gen:width=3 --module disc=gan.py:Discriminator ...

\b
Exit code:  0  done
            2  wrong usage, or something cannot be read, matched or written
            3  a bug in linenify
"""


@click.command(help=HELP, short_help="Carry a legacy checkpoint over to the migrated model.")
@click.argument("source", metavar="SRC", type=click.Path(path_type=Path, exists=True))
@click.argument("destination", metavar="[DST]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--module",
    "modules",
    multiple=True,
    metavar="FILE:CLASS",
    help="The module class; found where this is left out.  NAME=FILE:CLASS for each of several.",
)
@click.option(
    "--project",
    default="",
    metavar="PATH",
    help="Where to find it, and where imports start from.  [default: here]",
)
@click.option(
    "--input", "inputs", multiple=True, metavar="SPEC", help='As "f32[8,32,32,3]" or name=SPEC.'
)
@click.option(
    "--set", "fields", multiple=True, metavar="NAME=VALUE", help="A hyper-parameter of the class."
)
@click.option("--rng", "rngs", multiple=True, metavar="NAME", help="A stream besides dropout.")
@click.option(
    "--method", "methods", multiple=True, metavar="NAME", help="Initialise by this method."
)
@click.option(
    "--optimizer",
    default="",
    metavar="EXPR",
    help='The legacy optimizer: "Adam(weight_decay=0.1)".',
)
@click.option(
    "--per-step", multiple=True, metavar="NAME", help="A hyper-parameter that each step sets."
)
@click.option(
    "--bound-model/--plain-params",
    "bound",
    default=None,
    help="Whether the program keeps its Model as a BoundModel; read off its text if not given.",
)
@click.option("--schedule", is_flag=True, help="The learning rate is an optax schedule.")
@click.option("--tx", default="", metavar="FILE:NAME", help="The migrated optax transformation.")
@click.option("--legacy", default="", metavar="FILE[:CLASS]", help="Confirm with legacy source.")
@click.option("--legacy-flax", default="", metavar="VERSION", help="The Flax that it ran on.")
@click.option("--at", default="", metavar="KEYPATH", help="The optimizer, model or params to take.")
@click.option("--as", "kind", type=click.Choice(KINDS), help="What to write.")
@click.option("--format", "style", type=click.Choice(FORMATS), help="How; told by DST's ending.")
@click.option(
    "--map", "map_file", type=click.Path(path_type=Path, exists=True), help="A saved map."
)
@click.option("--save-map", type=click.Path(path_type=Path), help="Write the map as JSON.")
@click.option("--inverse", is_flag=True, help="From Linen back to legacy; needs --map.")
@click.option("--dry-run", is_flag=True, help="Print the map as a table; write nothing.")
@click.option("--force", is_flag=True, help="Replace a DST that is there.")
@click.option("--timeout", default=600.0, show_default=True, help="Seconds for tracing the module.")
@click.option("--no-cache", is_flag=True, help="Trace again what was traced before.")
def remap(
    source: Path,
    destination: Path | None,
    *,
    modules: tuple[str, ...],
    map_file: Path | None,
    save_map: Path | None,
    inverse: bool,
    dry_run: bool,
    force: bool,
    style: str | None,
    kind: str | None,
    at: str,
    timeout: float,
    no_cache: bool,
    **traced: Any,
) -> ExitCode:
    """Reads, plans, checks, writes."""
    if missing := [name for name in ("numpy", "jax", "flax") if find_spec(name) is None]:
        raise UsageError(
            f"remap needs {', '.join(missing)}: pip install '.[verify]' in its checkout"
        )
    from linenify.checkpoint import run, sources
    from linenify.checkpoint.asking import Asking
    from linenify.checkpoint.options import requested
    from linenify.cli import settle

    settle([Path(traced.get("project") or ".")])
    if destination is None and not dry_run:
        raise click.UsageError("name DST, or ask for --dry-run")
    if modules and map_file:
        raise click.UsageError("--module and --map exclude each other")
    if inverse and not map_file:
        raise click.UsageError("--inverse goes by a map that --save-map wrote; name it with --map")
    if destination is not None and not dry_run:
        _check_free(destination, source, force=force)
    if save_map is not None:
        _check_folder(save_map)
    conversion: Conversion | None = None
    if map_file is not None:
        tree = sources.read(source)
        plan = _saved(map_file)
    else:
        request = requested(modules, traced)
        with Asking(timeout, remembering=not no_cache) as ask:
            if modules:
                ask.begin(request)
            tree = sources.read(source)
            conversion = _converted(tree, request, _kind(kind), _keypath(at), ask)
        plan = conversion.plan
        for note in conversion.notes:
            click.echo(f"note: {note}", err=True)
    made = run.checked(plan, tree, inverse=inverse)
    if dry_run:
        _print_table(plan, inverse=inverse)
    if save_map is not None:
        _save(plan, save_map)
    if destination is not None and not dry_run:
        _write(made, destination, style, inverse=inverse)
        click.echo(_summary(conversion, plan, destination), err=True)
    return ExitCode.DONE


def _converted(
    tree: Tree, request: Request, kind: Kind | None, at: Keypath, ask: Asking
) -> Conversion:
    from linenify.checkpoint.run import convert

    if request.module or request.parts:
        return convert(tree, request, kind, at, ask)
    from linenify.checkpoint.choosing import chosen
    from linenify.checkpoint.finding import found_under

    project = Path(request.project or ".")
    if not project.exists():
        raise UsageError(f"--project {project}: there is no such folder")
    return chosen(tree, found_under(project), request, kind, at, ask)


def _check_free(destination: Path, source: Path, *, force: bool) -> None:
    """Complains about a destination before anything is done."""
    if destination.exists():
        if not force:
            raise UsageError(f"{destination} exists; --force replaces it")
        if any(destination.samefile(file) for file in _files(source)):
            raise UsageError(f"{destination} is the checkpoint that is read; name another DST")
    _check_folder(destination)


def _files(source: Path) -> list[Path]:
    return [source, *source.iterdir()] if source.is_dir() else [source]


def _check_folder(file: Path) -> None:
    if not file.absolute().parent.is_dir():
        raise UsageError(f"{file} cannot be written: there is no folder {file.parent}")


def _kind(kind: str | None) -> Any:
    from linenify.checkpoint.planning import Kind

    return Kind(kind) if kind else None


def _keypath(text: str) -> Keypath:
    return tuple(filter(None, text.split("/")))


def _saved(path: Path) -> Plan:
    from linenify.checkpoint.conversion import loaded

    try:
        return loaded(path.read_text())
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: the map cannot be read: {error}") from error


def _save(plan: Plan, path: Path) -> None:
    from linenify.checkpoint.conversion import dumped
    from linenify.checkpoint.writing import write_pieces

    try:
        write_pieces(path, [dumped(plan).encode()])
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error}") from error


def _write(tree: Any, destination: Path, style: str | None, *, inverse: bool) -> None:
    from linenify.checkpoint.outputs import Format, format_of, total, write

    chosen = Format(style) if style else format_of(destination)
    if inverse and chosen is not Format.MSGPACK:
        raise UsageError("legacy Flax reads msgpack only")
    if chosen is not Format.ORBAX and destination.is_dir():
        raise UsageError(f"{destination} is a folder; name a file in it, or ask for --format orbax")
    try:
        with _progress(total(tree, chosen)) as advance:
            write(destination, tree, chosen, advance)
    except OSError as error:
        raise UsageError(f"{destination} cannot be written: {error}") from error


@contextmanager
def _bar(size: int) -> Iterator[Callable[[int], None]]:
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("remap"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("remap", total=size)
        yield lambda count: shown.advance(task, count)


def _progress(size: int) -> AbstractContextManager[Callable[[int], None]]:
    return _bar(size) if sys.stderr.isatty() else nullcontext(lambda _: None)


def _summary(conversion: Conversion | None, plan: Plan, destination: Path) -> str:
    from linenify.checkpoint.conversion import sources as taken

    count = len(taken(plan.forward))
    size = destination.stat().st_size if destination.is_file() else None
    of = "" if size is None else f" ({size:,} bytes)"
    state = f", optimizer {conversion.optimizer}" if conversion and conversion.optimizer else ""
    return f"{destination}{of}: {count} leaves moved{state}"


def _print_table(plan: Plan, *, inverse: bool) -> None:
    rows = [("from", "to", "shape", "dtype", "change")]
    rows += _table(plan.backward if inverse else plan.forward, ())
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        from rich.console import Console
        from rich.table import Table

        table = Table(*rows[0])
        for row in rows[1:]:
            table.add_row(*row)
        Console().print(table)
        return
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def _table(skeleton: Any, at: Keypath) -> list[tuple[str, str, str, str, str]]:
    from linenify.checkpoint.conversion import Ref
    from linenify.checkpoint.errors import spelled

    if isinstance(skeleton, dict):
        return [row for key, value in skeleton.items() for row in _table(value, (*at, key))]
    if not isinstance(skeleton, Ref):
        return [("-", spelled(at), "", "", "as new")] if skeleton.value is not None else []
    shape = "" if skeleton.shape is None else str(list(skeleton.shape))
    changes = ", ".join(_words(c.name, c.values) for c in skeleton.changes)
    return [(spelled(skeleton.source), spelled(at), shape, skeleton.dtype, changes)]


def _words(name: str, values: Sequence[int]) -> str:
    return f"{name} {list(values)}" if values else name
