"""Lone carriage returns and form feeds are taken out of what is worked on, and put back."""

from __future__ import annotations

import pytest

from linenify.project.lineends import lines_of, plain, restored

TEXT = "a = 1\nb = 2\n\nif a:\n  c = 3\n"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(TEXT, id="newlines"),
        pytest.param(TEXT.replace("\n", "\r\n"), id="windows"),
        pytest.param("x = 1\n  \f\ny = 2\n# a \f b\n", id="form_feeds_of_no_matter"),
        pytest.param("", id="empty"),
    ],
)
def test_a_text_that_all_see_alike_is_its_own_plain_form(text):
    assert plain(text) == (text, ())


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(TEXT.replace("\n", "\r"), id="old_mac"),
        pytest.param("a = 1\r\nb = 2\r\nif a:\r  c = 3\n", id="mixed"),
        pytest.param("a = 1\r\rb = 2", id="no_end"),
        pytest.param("if a:\n\f  c = 3\n", id="form_feed_before_an_indentation"),
        pytest.param("a = 1\n\fdef f():\r  \f  pass\r", id="form_feed_before_a_definition"),
    ],
)
def test_the_lines_of_the_file_come_back(text):
    made, lines = plain(text)
    assert "\r" not in made
    assert "\f" not in made
    assert compile(made, "made", "exec").co_code == compile(text, "text", "exec").co_code
    assert restored(made, lines) == text


def test_new_lines_end_as_those_around_them():
    _, lines = plain("a\r\nb\rc\r")
    assert restored("a\nb\nnew\nc\nlast\n", lines) == "a\r\nb\rnew\rc\rlast\r"
    assert restored("first\na\nb\nc", lines) == "first\r\na\r\nb\rc"


def test_a_changed_line_keeps_its_form_feed():
    made, lines = plain("if a:\n\f  c = old\n\f  d = 1\n")
    after = restored(made.replace("old", "new"), lines)
    assert after == "if a:\n\f  c = new\n\f  d = 1\n"


def test_lines_are_counted_as_python_counts_them():
    assert lines_of("a\fb\u2028c\rd\r\ne") == ["a\fb\u2028c", "d", "e"]
