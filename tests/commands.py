"""`linenify verify`, called as from a shell."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

from linenify.cli import main


def spoken(*arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a run."""
    output, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(output), redirect_stderr(errors):
        code = main(["verify", *map(str, arguments)])
    return code, output.getvalue(), errors.getvalue()


def verify(*arguments: object) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON document of a run."""
    code, output, errors = spoken("--format", "json", *arguments)
    assert output, errors
    return code, json.loads(output)
