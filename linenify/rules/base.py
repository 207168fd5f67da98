"""What a rule is, what it is told, and what it answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import libcst as cst

from linenify.facts.sites import Site
from linenify.rules.by_hand.page import ByHand
from linenify.syntax.build import expression

LINEN = "flax.linen"
_SPELL = re.compile(r"\{spell:([\w.]+)\}")


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of legacy code and what becomes of it.

    Refusals and notices stand in the same catalogue, without forms.

    Attributes:
        code: permanent, never given to another rule.
        name: names the legacy pattern, in kebab case.
        doc: the page: one sentence, then why.
        forms: the functions that rewrite its sites.
        examples: code before and after; None where it is left alone.
        kind: `rule`, `refusal` or `notice`.
        remedy: what the reader should do, where linenify cannot.
        option: the option without which it does nothing, such as `keep-names`.
        by_hand: what an expert writes where linenify does not decide.
    """

    code: str
    name: str
    doc: str
    forms: tuple[Rewriter, ...] = ()
    examples: tuple[tuple[str, str | None], ...] = ()
    kind: str = "rule"
    remedy: str = ""
    option: str = ""
    by_hand: ByHand | None = None

    @property
    def summary(self) -> str:
        """The first sentence of its page."""
        return " ".join(self.doc.strip().partition("\n\n")[0].split())


@dataclass(frozen=True, slots=True)
class TakenParameter:
    """A parameter that left a signature to become a field, and its comments."""

    node: cst.Param
    above: tuple[str, ...] = ()
    behind: str | None = None


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A node that replaces the one at the site.

    Attributes:
        node: the replacement.
        imports: dotted names that the file must be able to spell.
        children: submodules that `setup` is to construct.
        parameters: parameters that left a signature.
        before: statements that have to run before the one with the node.
    """

    node: cst.CSTNode
    imports: frozenset[str] = frozenset()
    children: tuple[tuple[str, cst.BaseExpression], ...] = ()
    parameters: Mapping[str, TakenParameter] = field(default_factory=dict)
    before: tuple[cst.SimpleStatementLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """The site is recognised and stays as it is."""

    reason: str


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a file names something, and what it has to import for that."""

    node: cst.BaseExpression
    imports: frozenset[str] = frozenset()

    @property
    def text(self) -> str:
        """The name as text."""
        return cst.Module(body=[]).code_for_node(self.node)


class Holes(dict[str, cst.BaseExpression]):
    """What the marks of a template stand for."""

    def __init__(
        self,
        known: Mapping[str, cst.BaseExpression],
        repeated: Callable[[str], cst.BaseExpression],
    ) -> None:
        super().__init__(known)
        self._repeated = repeated

    def __missing__(self, mark: str) -> cst.BaseExpression:
        return self._repeated(mark)

    def __or__(self, more: Mapping[str, cst.BaseExpression]) -> Holes:  # type: ignore[override]
        return Holes({**self, **more}, self._repeated)


@dataclass(frozen=True, slots=True)
class Context:
    """What a rule may ask about the place of its node.

    Attributes:
        original: the node before anything in it was rewritten.
        linen: how the file names `flax.linen`.
        bound: what the imports at the top of the file bind: name -> dotted path.
        mutable: names at the top of the file that hold a list, dict or set.
        site: what is decided for another original node.
        place: line and column of an original node.
        indent: column of the statement around the node.
        hanging: by how much more the line of the node is indented, where it is no first line.
        step: one level of indentation.
        alone: whether the node needs no parentheses where it stands.
        nested: whether what is made around the node will break its lines, too.
        children: constructors handed up for `setup`.
        parameters: parameters handed up, by the place of their `def`.
        consumed: parameters of this method that become fields of this class.
        taken: names that the file binds to something other than an import.
        repeated: an expression elsewhere in the file as it has been rewritten, by its mark.
    """

    original: cst.CSTNode
    linen: str = "nn"
    bound: Mapping[str, str] = field(default_factory=dict)
    mutable: Mapping[str, str] = field(default_factory=dict)
    site: Callable[[cst.CSTNode], Site | None] = lambda _: None
    place: Callable[[cst.CSTNode], tuple[int, int]] = lambda _: (0, 0)
    indent: int = 0
    hanging: str = ""
    step: str = "    "
    alone: bool = False
    nested: bool = False
    children: Mapping[str, cst.BaseExpression] = field(default_factory=dict)
    parameters: Mapping[tuple[int, int], Mapping[str, TakenParameter]] = field(default_factory=dict)
    consumed: frozenset[str] = frozenset()
    taken: frozenset[str] = frozenset()
    repeated: Callable[[str], cst.BaseExpression] = field(default=expression)

    def holes(self, known: Mapping[str, cst.BaseExpression]) -> Holes:
        """What fills the marks of a template; `known`, or an expression elsewhere."""
        return Holes(known, self.repeated)

    def spell(self, path: str) -> Spelling:
        """Names a dotted path in this file."""
        if path == LINEN or path.startswith(LINEN + "."):
            rest = path[len(LINEN) :]
            return Spelling(expression(self.linen + rest), frozenset({LINEN}))
        names = {target: local for local, target in self.bound.items()}
        head, tail = path, ""
        while head:
            if head in names and not (head == "flax" and path.startswith("flax.training.")):
                return Spelling(expression(names[head] + tail))
            head, _, last = head.rpartition(".")
            tail = f".{last}{tail}"
        package = path.partition(".")[0]
        if package == "typing":
            return Spelling(expression(path.removeprefix("typing.")), frozenset({path}))
        if package in {"functools", "dataclasses", "itertools"}:
            return Spelling(expression(path), frozenset({package}))
        if package == "numpy":
            return Spelling(
                expression(f"np{path.removeprefix(package)}"), frozenset({"numpy as np"})
            )
        if path.startswith("jax.numpy"):
            tail = path.removeprefix("jax.numpy")
            return Spelling(expression(f"jnp{tail}"), frozenset({"jax.numpy as jnp"}))
        if path.startswith("flax.training."):
            return self._of_submodule(path)
        module, _, member = path.rpartition(".")
        submodule = module.rpartition(".")[2]
        if module.count(".") == 1 and package == "flax" and submodule not in self.taken:
            return Spelling(expression(f"{submodule}.{member}"), frozenset({module}))
        if package in {"jax", "flax", "optax"}:
            return Spelling(expression(path), frozenset({package}))
        return Spelling(expression(path))

    def _of_submodule(self, path: str) -> Spelling:
        """A member of a module that `import flax` does not bring along."""
        module, _, member = path.rpartition(".")
        local = module.rpartition(".")[2]
        if local in self.taken:
            alias = f"flax_{local}"
            return Spelling(expression(f"{alias}.{member}"), frozenset({f"{module} as {alias}"}))
        return Spelling(expression(f"{local}.{member}"), frozenset({module}))

    def spelt(self, template: str) -> tuple[str, frozenset[str]]:
        """A template with its `{spell:path}` marks replaced, and what they need."""
        imports: set[str] = set()

        def name(match: re.Match[str]) -> str:
            spelling = self.spell(match[1])
            imports.update(spelling.imports)
            return spelling.text

        return _SPELL.sub(name, template), frozenset(imports)


Outcome = Rewrite | Refusal | None
Rewriter = Callable[[Any, Any, Context], Outcome]
