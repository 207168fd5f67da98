"""Notebooks and configurations, which linenify reads and never changes."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence

from linenify.outcome import Change, Diagnostic, Severity
from linenify.project.nodes import walk
from linenify.project.source import Document, Project, Span
from linenify.residue.strings import LEGACY_NAME

NOT_PYTHON = "LN824"

_EXPORT = "export it first (jupyter nbconvert --to script), or migrate its cells by hand"
_BY_HAND = "linenify changes Python only; change it by hand"
_LEGACY_IMPORT = re.compile(
    r"\bfrom\s+flax\s+import\s+(?:\w+(?:\s+as\s+\w+)?\s*,\s*)*(?:nn|optim)\b"
    r"|\b(?:from|import)\s+flax\.(?:deprecated\.)?(?:nn|optim)\b"
    r"|\bfrom\s+flax\.deprecated\s+import\s+nn\b"
)
_BINDING = re.compile(
    r"^[ \t]*(?:[\w/]+/)?(?P<owner>(?:\w+\.)*\w+)\.(?P<name>\w+)[ \t]*=", re.MULTILINE
)
_REFERENCE = re.compile(r"@(?:[\w/]+/)?nn\.(?P<name>\w+)")
_GONE_OF_NN = frozenset({"Model", "Collection", "stateful", "stochastic", "dropout"})


def in_documents(project: Project, changes: Sequence[Change]) -> Iterator[Diagnostic]:
    """Yields a notice for each place that the migration leaves behind."""
    if not project.documents:
        return
    taken = _taken_per_call(project, changes)
    for document in project.documents:
        if document.path.suffix == ".ipynb":
            yield from _notebook(document)
            continue
        for match in LEGACY_NAME.finditer(document.text):
            yield _notice(document, match.start(), f"`{match[0]}` is named here", _BY_HAND)
        if document.path.suffix == ".gin":
            yield from _bindings(document, taken)


def _notebook(document: Document) -> Iterator[Diagnostic]:
    try:
        cells = json.loads(document.text)["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, LookupError, TypeError):
        code = [document.text]  # some other format of notebook
    count = sum(bool(_LEGACY_IMPORT.search(text) or LEGACY_NAME.search(text)) for text in code)
    if count:
        cells_said = "one cell" if count == 1 else f"{count} cells"
        message = f"the notebook uses legacy Flax (in {cells_said}) and is not migrated"
        yield _notice(document, 0, message, _EXPORT)


def _bindings(document: Document, taken: Mapping[tuple[str, str], str]) -> Iterator[Diagnostic]:
    for match in _BINDING.finditer(document.text):
        owner, name = match["owner"].rpartition(".")[2], match["name"]
        why = taken.get((owner, name))
        if why is not None:
            message = f"`{owner}.{name}` is bound here, and {why}"
            yield _notice(
                document,
                match.start("owner"),
                message,
                "bind the argument of the function that passes it, or give it the role `field`",
            )
    for match in _REFERENCE.finditer(document.text):
        if match["name"] in _GONE_OF_NN:
            message = f"`nn.{match['name']}` is named here, which Linen does not have"
            yield _notice(document, match.start(), message, _BY_HAND)


def _taken_per_call(project: Project, changes: Sequence[Change]) -> dict[tuple[str, str], str]:
    """Arguments of module classes that are no field: class and name, and why not."""
    found: dict[tuple[str, str], str] = {}
    after = {change.path: change.after for change in changes}
    for source in project.sources:
        tree = ast.parse(after[source.path]) if source.path in after else source.tree
        for node in walk(tree):
            if not isinstance(node, ast.ClassDef):
                continue
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and method.name == "__call__":
                    names = [*method.args.posonlyargs, *method.args.args, *method.args.kwonlyargs]
                    found |= {
                        (node.name, argument.arg): "Linen takes it at the call"
                        for argument in names[1:]
                    }
    return found


def _notice(document: Document, start: int, message: str, remedy: str) -> Diagnostic:
    line = document.text.count("\n", 0, start) + 1
    column = start - (document.text.rfind("\n", 0, start) + 1)
    span = Span(line, column, line, column + 1)
    return Diagnostic(NOT_PYTHON, document.path, span, message, remedy, Severity.NOTICE)
