"""One file rewritten: a single pass over its tree, then its imports."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass

import libcst as cst

from linenify.facts.deciding.support import missing
from linenify.facts.legacy.snippets import Snippet
from linenify.facts.sites import FileFacts
from linenify.project.source import Source
from linenify.rewrite.engine import Engine
from linenify.rewrite.importing import settle_imports
from linenify.rewrite.promises import BrokenPromise
from linenify.rules.base import Context
from linenify.syntax.imports import read_names, with_member
from linenify.syntax.positions import placed
from linenify.syntax.support import with_definitions


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The new text of a file and how often each rule fired."""

    text: str
    rules: Counter[str]


def rewrite(source: Source, facts: FileFacts) -> Rewritten:
    """Does everything that the facts ask for in one file.

    Raises:
        BrokenPromise: libcst does not print what it read, or a site was not met.
    """
    parsed = placed(source.text)
    if parsed.text != source.text:
        raise BrokenPromise("the file does not come back unchanged from the parser")
    engine = Engine(source, parsed, facts)
    module = parsed.module.visit(engine)
    missed = engine.missed()
    if missed:
        raise BrokenPromise(f"a site was not found in the tree: {missed[0]}")
    module = _with_support(module, source, facts, engine)
    module = settle_imports(module, source, facts, engine)
    text = module.code
    taken = read_names(ast.parse(text)) & facts.borrowed.keys() if facts.borrowed else ()
    for name in sorted(taken):
        module = with_member(module, facts.borrowed[name], name)
    return Rewritten(module.code if taken else text, engine.rules)


def _with_support(
    module: cst.Module, source: Source, facts: FileFacts, engine: Engine
) -> cst.Module:
    snippets = _used(module, missing(source.tree, facts.support), facts.offered)
    if not snippets:
        return module
    context = Context(module, facts.linen, engine.bound, taken=engine.taken)
    spelt = [context.spelt(snippet.text) for snippet in snippets]
    for snippet, (_, needed) in zip(snippets, spelt, strict=True):
        engine.imports |= needed.union(snippet.imports)
    return with_definitions(module, [text for text, _ in spelt])


def _used(module: cst.Module, snippets: list[Snippet], offered: set[str]) -> list[Snippet]:
    """The snippets that the rewritten code, another file, or one that it uses, names.

    What asked for the others stays as it was.
    """
    if not snippets:
        return snippets
    names = read_names(ast.parse(module.code)) | offered
    used: list[Snippet] = []
    for snippet in reversed(snippets):  # those that others need come first
        if snippet.name in names:
            used.insert(0, snippet)
            names |= set(snippet.needs)
    return used
