"""Colours and the bar."""

from __future__ import annotations

import pytest

from linenify.report import terminal

DIFF = "--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-a[1] :tada: \n+b[bold]\n"


def test_a_diff_keeps_its_text(monkeypatch, capsys):
    monkeypatch.setenv("NO_COLOR", "1")
    terminal.print_diff(DIFF)
    assert capsys.readouterr().out == DIFF


def test_a_diff_is_coloured_by_line(monkeypatch, capsys):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal.print_diff(DIFF)
    assert "\x1b[31m-a[1] :tada: \x1b[0m" in capsys.readouterr().out


@pytest.mark.parametrize(("patience", "drawn"), [(0.0, True), (60.0, False)])
def test_the_bar_appears_only_when_it_takes_long(monkeypatch, capsys, patience, drawn):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(terminal, "_PATIENCE", patience)
    with terminal.progress_bar(3) as advance:
        for _ in range(3):
            advance()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert ("migrating" in captured.err) is drawn
