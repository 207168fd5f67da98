"""A file that the first look leaves alone is looked at again with the others migrated."""

from __future__ import annotations

from pathlib import Path

from linenify.facts.collect import collect
from linenify.facts.sites import FileFacts
from linenify.migrate import _Attempt, _late
from linenify.project.source import Project
from tests.facts.support import source_of

TEXT = "import jax\n\n\ndef halved(tree):\n  return jax.tree_map(lambda x: x / 2, tree)\n"


def test_what_a_second_look_finds_in_an_unchanged_file_is_migrated_at_once() -> None:
    source = source_of(TEXT)
    told = collect(Project((source,))).files[source.name]

    late = _late(_Attempt(source, FileFacts()), told)

    assert late is not None
    assert late.change is not None
    assert "jax.tree.map(lambda x: x / 2, tree)" in late.change.after


def test_a_file_that_was_withheld_stays_as_it_was() -> None:
    source = source_of(TEXT)
    told = collect(Project((source,))).files[source.name]

    assert _late(_Attempt(source, FileFacts(), broken="it was"), told) is None
    assert _late(_Attempt(source, FileFacts(), waits=Path("other.py")), told) is None


def test_nothing_found_is_nothing_changed() -> None:
    source = source_of(TEXT)

    assert _late(_Attempt(source, FileFacts()), FileFacts()) is None
