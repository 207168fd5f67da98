"""`linenify undo`: takes the last write back."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Take the last --write of a project back.")
@click.argument("path", default=".", type=click.Path(path_type=Path, exists=True))
def undo(path: Path) -> None:
    """Take the last --write of the project at PATH back, byte for byte.

    Files that were edited since are listed, and then nothing is taken back.
    Called again, it takes back the write before that one.
    """
    from linenify.writing.recovery import undo as take_back

    click.echo(f"linenify: {take_back(path)}", err=True)
