"""Which files can matter, decided on their bytes, before anything is parsed.

A file matters when it names flax or jax, when it is imported by one that does, or
when imports join it to a file that names flax, in whichever direction: it may
use module classes without a word of flax, its functions may be handed some, and
it may call a function that these have rewritten.
Taking one file too many costs a parse; missing one would leave a caller
behind, so doubt counts as yes.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from linenify.project.source import Source

Key = TypeVar("Key", bound=Hashable)

MARK = b"TODO(linenify)"

_FLAX = re.compile(rb"\bflax\b")
_JAX = re.compile(rb"\bjax\b")

_GAP = rb"(?:[ \t\f]|\\\r?\n)"
_IMPORT = re.compile(
    rb"(?:^|[;:\r])[ \t\f]*(?:"
    rb"from" + _GAP + rb"*(?P<base>[.\w\x80-\xff]+(?:" + _GAP + rb"*\.[.\w]*)*)"
    rb"" + _GAP + rb"*import" + _GAP + rb"*"
    rb"(?P<names>\((?:[^)#]|\#[^\r\n]*)*\)|(?:[^\r\n;#\\]|\\\r?\n)*)"
    rb"|import" + _GAP + rb"+(?P<plain>(?:[^\r\n;#\\]|\\\r?\n)*)"
    rb")",
    re.MULTILINE,
)
_COMMENT = re.compile(rb"\#[^\r\n]*")
_WORD = re.compile(rb"[\w\x80-\xff]+")
_DOTTED = re.compile(rb"[\w\x80-\xff]+(?:\.[\w\x80-\xff]+)*")


@dataclass(frozen=True, slots=True)
class Outline:
    """What the bytes of one file tell: its name, and what it imports.

    Attributes:
        name: its dotted name.
        is_package: whether it is an `__init__.py`.
        names_flax: whether the word stands in it.
        names_jax: the same for jax.
        absolute: dotted names it may import; some may not exist.
        relative: the same for relative imports, already made absolute.
        marked: whether an earlier run may have left a mark in it.
        is_bare: whether nothing but comments stands in it, so that it joins nobody.
        aliases: what it is called where links lead to it.
    """

    name: str
    is_package: bool
    names_flax: bool
    names_jax: bool
    absolute: frozenset[str]
    relative: frozenset[str]
    marked: bool = False
    is_bare: bool = False
    aliases: tuple[str, ...] = ()


def outline(raw: bytes, name: str, *, is_package: bool) -> Outline:
    """Reads the outline of a file off its bytes, without parsing it."""
    package = name if is_package else name.rpartition(".")[0]
    absolute: set[str] = set()
    relative: set[str] = set()
    for match in _IMPORT.finditer(raw) if b"import" in raw else ():
        base, names, plain = match.group("base", "names", "plain")
        if plain is not None:
            for dotted in _DOTTED.findall(plain):
                absolute.update(_prefixes(_text(dotted)))
            continue
        origin = _text(re.sub(rb"[^.\w\x80-\xff]|\\\r?\n", b"", base))
        members = {_text(word) for word in _WORD.findall(_COMMENT.sub(b"", names))}
        if origin.startswith("."):
            origin = _absolute(origin, package)
            relative.update({origin, *(f"{origin}.{member}".strip(".") for member in members)})
        else:
            absolute.update(_prefixes(origin), (f"{origin}.{member}" for member in members))
    names_flax, names_jax = (word.search(raw) is not None for word in (_FLAX, _JAX))
    return Outline(
        name,
        is_package,
        names_flax,
        names_jax,
        frozenset(absolute),
        frozenset(relative),
        MARK in raw,
        is_bare=not _COMMENT.sub(b"", raw).strip(),
    )


def outline_of(source: Source) -> Outline:
    """The outline of a file that was read."""
    raw = source.text.encode("utf-8")
    found = outline(raw, source.name, is_package=source.is_package)
    return replace(found, aliases=source.aliases)


def relevant(outlines: Mapping[Key, Outline]) -> frozenset[Key]:
    """Returns the keys of the files that can matter.

    Args:
        outlines: the files of a project, under any unique key.
    """
    flax = {key for key, each in outlines.items() if each.names_flax}
    jax = {key for key, each in outlines.items() if each.names_jax}
    if not flax or len(flax | jax) == len(outlines):
        return frozenset(flax | jax)
    names = Names(outlines)
    possible: dict[Key, set[Key]] = defaultdict(set)
    taken: dict[Key, frozenset[Key]] = {}
    takers: dict[Key, set[Key]] = defaultdict(set)
    for key, each in outlines.items():
        for target in names.possibly_imported(each):
            possible[target].add(key)
        taken[key] = frozenset(names.probably_imported(each))
        for target in taken[key]:
            if not outlines[target].is_bare:
                takers[target].add(key)
    users = reachable(flax, lambda key: possible.get(key, ()))
    together = reachable(users, lambda key: taken[key] | takers.get(key, set()))
    return reachable(together | jax, lambda key: taken[key])


class Names(Generic[Key]):
    """The files of a project by every dotted name that may mean them."""

    def __init__(self, outlines: Mapping[Key, Outline]) -> None:
        self._by_name: dict[str, set[Key]] = defaultdict(set)
        self._by_suffix: dict[str, set[Key]] = defaultdict(set)
        for key, each in outlines.items():
            for name in (each.name, *each.aliases):
                self._by_name[name].add(key)
                for suffix in _suffixes(name):
                    self._by_suffix[suffix].add(key)

    def possibly_imported(self, importer: Outline) -> Iterator[Key]:
        """Yields every file that some `sys.path` makes an import of `importer` mean."""
        yield from self._relative(importer)
        for target in importer.absolute:
            yield from self._near(target, importer)
            if not _in_stdlib(target):
                yield from self._by_suffix.get(target, ())
                for suffix in _suffixes(target):
                    yield from self._by_name.get(suffix, ())

    def surely_imported(self, importer: Outline, folders: Iterable[str] = ()) -> Iterator[Key]:
        """Yields the files that the imports mean from around `importer`.

        Args:
            importer: the file that imports.
            folders: dotted names of folders that it puts on `sys.path`.
        """
        yield from self._relative(importer)
        prefixes = [f"{folder}." if folder else "" for folder in folders]
        for target in importer.absolute:
            yield from self._near(target, importer)
            for prefix in prefixes:
                yield from self._by_name.get(f"{prefix}{target}", ())

    def probably_imported(self, importer: Outline) -> Iterator[Key]:
        """Yields the files that the imports mean from where `importer` lies.

        Those relative to one of the enclosing folders, else the only one of
        that name.
        """
        yield from self._relative(importer)
        for target in importer.absolute:
            near = self._near(target, importer)
            anywhere = () if _in_stdlib(target) else self._by_suffix.get(target, ())
            yield from near or (anywhere if len(anywhere) == 1 else ())

    def _relative(self, importer: Outline) -> Iterator[Key]:
        for target in importer.relative:
            yield from self._by_name.get(target, ())

    def _near(self, target: str, importer: Outline) -> list[Key]:
        """Finds what `target` means when a folder around `importer` is on `sys.path`."""
        folders = ("", *(f"{folder}." for folder in _prefixes(importer.name)))
        return [key for folder in folders for key in self._by_name.get(f"{folder}{target}", ())]


def reachable(start: Iterable[Key], neighbours: Callable[[Key], Iterable[Key]]) -> frozenset[Key]:
    """Closes a set under a relation."""
    reached = set(start)
    waiting = list(reached)
    while waiting:
        for key in neighbours(waiting.pop()):
            if key not in reached:
                reached.add(key)
                waiting.append(key)
    return frozenset(reached)


def _absolute(relative: str, package: str) -> str:
    """Turns `..a.b` seen in a package into the dotted name it means."""
    tail = relative.lstrip(".")
    climbs = len(relative) - len(tail) - 1
    parts = package.split(".") if package else []
    kept = parts[: max(len(parts) - climbs, 0)]
    return ".".join([*kept, tail] if tail else kept)


def _prefixes(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def _suffixes(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[start:]) for start in range(len(parts)))


def _in_stdlib(target: str) -> bool:
    return target.partition(".")[0] in sys.stdlib_module_names


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", errors="surrogateescape")
