"""One finished run with something of everything in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from linenify.outcome import Change, Diagnostic, Fate, Migration, Reference, Severity
from linenify.project.load import parse
from linenify.project.source import Project, Source, Span, Unreadable
from linenify.report.run import Run
from linenify.write import Unwritten

BEFORE = "from flax import nn\nnn.relu(1)\n"
AFTER = "import flax.linen as nn\nnn.relu(1)\n"


def source(path: str, text: str = BEFORE) -> Source:
    parsed = parse(text.encode(), Path(path), Path(path).stem)
    assert isinstance(parsed, Source)
    return parsed


@pytest.fixture
def run() -> Run:
    unreadable = (Unreadable(Path("broken.py"), 3, 7, "invalid syntax", "make it valid"),)
    migration = Migration(
        changes=(Change(Path("a.py"), BEFORE, AFTER, {"LN201": 2, "LN101": 1}),),
        diagnostics=(
            Diagnostic(
                "LN310", Path("b.py"), Span(4, 0, 6, 9), "`M` is unknown, 100%", "say\nwhat: it is"
            ),
            Diagnostic(
                "LN501", Path("a.py"), Span(2, 8, 2, 9), "ids are clamped", "", Severity.NOTICE
            ),
        ),
        ledger=(
            Reference(Path("a.py"), Span(1, 5, 1, 9), "flax.nn", Fate.REWRITTEN, ("LN101",)),
            Reference(Path("b.py"), Span(4, 0, 4, 2), "flax.nn.M", Fate.FLAGGED, ("LN310",)),
        ),
        unreadable=unreadable,
        files=2,
    )
    project = Project((source("a.py"), source("b.py")), unreadable, skipped=5)
    return Run(
        project,
        migration,
        unwritten=(Unwritten(Path("c.py"), "no room", "make some"),),
        held_back=(Path("d.py"),),
    )
