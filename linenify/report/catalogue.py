"""The catalogue of rules as tables and pages."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

TABLE_START = "<!-- rules: written by linenify.report.catalogue, kept current by a test -->"
TABLE_END = "<!-- end of rules -->"


class Entry(Protocol):
    """One rule, refusal or notice, as the catalogue describes it."""

    @property
    def code(self) -> str:
        """Its permanent code, such as `LN203`."""

    @property
    def name(self) -> str:
        """Its name in kebab case."""

    @property
    def summary(self) -> str:
        """One sentence about it."""

    @property
    def doc(self) -> str:
        """The full text of its page."""

    @property
    def kind(self) -> str:
        """What it is: `rule`, `refusal` or `notice`."""

    @property
    def remedy(self) -> str:
        """What the reader should do about it, if anything."""

    @property
    def examples(self) -> Sequence[tuple[str, str | None]]:
        """Code before and after; None where it is left alone."""

    @property
    def by_hand(self) -> Worked | None:
        """What an expert makes of it, where linenify does not decide."""


class Worked(Protocol):
    """A program at which a code is reported, and what takes its place."""

    @property
    def before(self) -> str:
        """The program as it was."""

    @property
    def after(self) -> str:
        """The program as an expert writes it."""

    @property
    def option(self) -> str:
        """The option without which the code is not reported."""

    @property
    def file(self) -> str:
        """What the file is called."""

    @property
    def beside(self) -> Mapping[str, str]:
        """Other files of the same project."""


def catalogue() -> Mapping[str, Entry]:
    """Loads every rule, refusal and notice, by code."""
    import linenify.rules  # brings in libcst, which most commands do without

    entries: Mapping[str, Entry] = getattr(linenify.rules, "CATALOGUE", {})
    return entries


def table(entries: Mapping[str, Entry] | None = None) -> str:
    """Renders the catalogue as a Markdown table."""
    entries = catalogue() if entries is None else entries
    rows = (
        f"| `{each.code}` | {each.kind} | `{each.name}` | {_cell(each.summary)} |"
        for each in _sorted(entries)
    )
    return "\n".join(("| Code | Kind | Name | |", "|---|---|---|---|", *rows))


def with_table(document: str, entries: Mapping[str, Entry] | None = None) -> str:
    """Replaces what stands between the two marks of a Markdown document."""
    head, _, rest = document.partition(TABLE_START)
    _, _, tail = rest.partition(TABLE_END)
    return f"{head}{TABLE_START}\n\n{table(entries)}\n\n{TABLE_END}{tail}"


def listing(entries: Mapping[str, Entry]) -> Iterator[str]:
    """Yields a line for each rule, in columns."""
    width = max((len(each.name) for each in entries.values()), default=0)
    for each in _sorted(entries):
        yield f"{each.code}  {each.kind:<7}  {each.name:<{width}}  {each.summary}"


def page(entry: Entry) -> str:
    """Renders everything there is to say about one rule."""
    parts = [f"{entry.code} {entry.name} ({entry.kind})", entry.doc.strip() or entry.summary]
    parts += [_example(before, after) for before, after in entry.examples]
    if entry.by_hand is not None:
        parts += _by_hand(entry.by_hand)
    if entry.remedy:
        parts.append(f"What to do: {entry.remedy}")
    return "\n\n".join(parts)


def _by_hand(worked: Worked) -> Iterator[str]:
    with_option = f" (with --{worked.option})" if worked.option else ""
    yield f"Before{with_option}:\n\n{_indented(worked.before)}"
    yield f"By hand:\n\n{_indented(worked.after)}"
    for name, text in worked.beside.items():
        yield f"Where {name} is:\n\n{_indented(text)}"


def near(code: str, known: Collection[str]) -> tuple[str, ...]:
    """Finds the codes that someone who typed `code` may have meant."""
    return tuple(difflib.get_close_matches(code.upper(), sorted(known), n=3, cutoff=0.5))


def _example(before: str, after: str | None) -> str:
    if after is None:
        return f"Left alone:\n\n{_indented(before)}"
    return f"Before:\n\n{_indented(before)}\n\nAfter:\n\n{_indented(after)}"


def _indented(code: str) -> str:
    lines = code.strip("\n").splitlines()
    return "\n".join(f"    {line}" if line.strip() else "" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _sorted(entries: Mapping[str, Entry]) -> list[Entry]:
    return [entries[code] for code in sorted(entries)]
