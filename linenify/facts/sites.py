"""What is to happen at one place: the records that rules receive."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from linenify.outcome import Because
from linenify.project.source import Span

# A site carries decisions, never syntax: which arguments go where, which name
# replaces which.  Arguments are referred to by their place in the call.


Stem = tuple[ast.AST, str]  # a place that others wait for, and what was found there


class Unclear(Exception):  # noqa: N818 - an answer, not an error
    """A site that cannot be rewritten, with the code and the reason.

    Attributes:
        code: the permanent code.
        why: what is said to the reader.
        about: an expression that may be several things, where that is the reason.
        because: another place that the reason stems from, and what was found there.
    """

    def __init__(
        self,
        code: str,
        why: str,
        *,
        about: ast.expr | None = None,
        because: Stem | None = None,
    ) -> None:
        super().__init__(f"{code} {why}")
        self.code = code
        self.why = why
        self.about = about
        self.because = because


@dataclass(frozen=True, slots=True)
class Given:
    """An argument of the original call, by index, under a keyword or by position."""

    index: int
    keyword: str | None = None


@dataclass(frozen=True, slots=True)
class Added:
    """An argument that the original did not spell out.

    `code` is an expression; `{0}` in it stands for the original argument 0 and
    `{linen}` for the way the file names `flax.linen`.
    """

    keyword: str | None
    code: str


Argument = Given | Added


def repeated(span: Span) -> str:
    """The mark in a template that stands for an expression elsewhere in the file.

    It is filled with that expression as it has been rewritten.
    """
    return f"{{node_{span.line}_{span.column}_{span.end_line}_{span.end_column}}}"


@dataclass(frozen=True, slots=True)
class ModuleCall:
    """A module class is called: construct it, then call the instance.

    `construct` is None when the callee is an instance already.  `child` is set
    when `setup` constructs the submodule: the call becomes `self.<child>(...)`.
    """

    construct: tuple[Argument, ...] | None
    call: tuple[Argument, ...]
    callee: str | None = None  # absolute name that replaces the callee
    child: str | None = None
    receiver: str = "self"  # the name of `self` where `child` is set
    rule: str = "LN301"
    after: str | None = None  # template around the finished call, `{result}`
    method: str | None = None  # `M.encode(x)` on the class: `M(...).encode(x)`
    wrap: str | None = None  # template around what is called, `{func}`
    before: tuple[str, ...] = ()  # statements put before its own, `{result}` in them
    shift: int = 0  # how many columns to the right it will stand
    name: str | None = None  # what the submodule is called, as an expression


def one_of(sites: Iterable[ModuleCall]) -> ModuleCall | None:
    """What several classes make of a call, where it is the same; whichever rule says so."""
    by_rule = sorted(set(sites), key=lambda site: site.rule)
    if len({replace(site, rule="") for site in by_rule}) != 1:
        return None
    return by_rule[0]


@dataclass(frozen=True, slots=True)
class Bind:
    """`M.partial(...)` or `M.shared(...)`."""

    arguments: tuple[Argument, ...]
    instance: bool
    callee: str | None = None
    child: str | None = None  # `setup` constructs it
    static: bool = False  # a class attribute: Linen would take a partial for a method
    rule: str = "LN302"
    name: str | None = None  # what the submodule is called, as an expression


@dataclass(frozen=True, slots=True)
class Reshaped:
    """A call that becomes another expression, written as a template.

    `{0}` is argument 0, `{0_1}` element 1 of a tuple there, `{func}` the original
    callee, `{owner}` what stands before its last dot, `{linen}` the file's name
    for `flax.linen`, and `{spell:jax.jit}` the file's name for any other thing.
    """

    template: str
    rule: str
    imports: tuple[str, ...] = ()
    before: tuple[str, ...] = ()  # statements put before its own


@dataclass(frozen=True, slots=True)
class Reordered:
    """A call whose arguments move; `callee` replaces the called name."""

    arguments: tuple[Argument, ...]
    rule: str
    attribute: str | None = None
    before: tuple[str, ...] = ()  # statements put before its own


@dataclass(frozen=True, slots=True)
class Renamed:
    """A name or attribute chain that now is spelt differently (absolute path)."""

    target: str
    rule: str = "LN102"


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A name that is used as a value and needs something around it: `{node}`.

    `{owner}` is what stands before the last dot of an attribute.
    """

    template: str
    rule: str = "LN302"
    imports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AttributeSite:
    """`a.b.c` loses its last `skip` attributes, and may get another one."""

    skip: int
    attribute: str | None
    rule: str


@dataclass(frozen=True, slots=True)
class TextSite:
    """A string that names something which is called differently now."""

    text: str
    rule: str = "LN615"


@dataclass(frozen=True, slots=True)
class ContextSite:
    """A `with` statement that loses some of its items, and itself with the last one.

    Attributes:
        drop: places of the items that go.
        before: statements that stand in front of its body then.
    """

    drop: tuple[int, ...]
    before: tuple[str, ...]
    rule: str


@dataclass(frozen=True, slots=True)
class EnumeratedLoop:
    """A loop whose rounds are counted: `for x in xs` becomes `for i, x in enumerate(xs)`.

    With `idle`, its variable was not read: `for _ in range(n)` becomes `for i in range(n)`.
    """

    index: str
    idle: bool = False
    rule: str = "LN701"


@dataclass(frozen=True, slots=True)
class FieldRead:
    """A hyper-parameter read in a method: `self.<field>`."""

    receiver: str
    field: str
    wrap: str | None = None  # e.g. "list({node})" where a list is needed and a tuple arrives
    rule: str = "LN202"


@dataclass(frozen=True, slots=True)
class FieldsInText:
    """Hyper-parameters read inside an f-string."""

    reads: tuple[tuple[str, str], ...]  # (name, replacement)
    rule: str = "LN202"


@dataclass(frozen=True, slots=True)
class Field:
    """One dataclass field of a migrated class."""

    name: str
    parameter: str  # the parameter it comes from
    method: Span  # of the `def` that has this parameter
    annotation: str | None  # inferred; None: the parameter's own
    default: str | None = None  # replaces the parameter's own default
    required: bool = False


@dataclass(frozen=True, slots=True)
class Decorated:
    """A decorator of `apply` that goes to the class, by its place; `name`: what it is to say."""

    place: int
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ModuleClassSite:
    """A class statement of a module class."""

    fields: tuple[Field, ...]
    keyword_only: bool = False
    children: tuple[str, ...] = ()  # not empty: `setup` form, attributes in this order
    receiver: str = "self"
    dropped: tuple[str, ...] = ()  # helper methods that only built children
    decorators: tuple[Decorated, ...] = ()  # those of `apply` that it takes over
    rule: str = "LN201"


@dataclass(frozen=True, slots=True)
class MethodSite:
    """A method of a module class.

    Attributes:
        name: its new name.
        removed: parameters that became fields.
        compact: whether it gets `@nn.compact`.
        locals: hyper-parameters that the body assigns to, the fields they start from,
            and what is put around those that it changes in place: `dict({node})`.
        attributes: names of `self.<name>` that become local variables here.
        extra: parameters added, filled by the callers from those variables.
        decorator: the place of `@nn.module_method` or `@nn.module` among its decorators.
        moved: the decorators that its class takes over.
        wrapped: whether decorators stay that run it: `@nn.compact` stands above them.
    """

    name: str
    receiver: str
    removed: tuple[str, ...]
    compact: bool
    locals: tuple[tuple[str, str, str], ...] = ()
    extra: tuple[str, ...] = ()
    removed_kwargs: bool = False
    decorator: int | None = None
    moved: tuple[Decorated, ...] = ()
    wrapped: bool = False
    rule: str = "LN201"


@dataclass(frozen=True, slots=True)
class FunctionModuleSite:
    """A function under `@nn.module`: becomes a class of the same name."""

    fields: tuple[Field, ...]
    method: MethodSite
    rule: str = "LN205"


@dataclass(frozen=True, slots=True)
class ParameterSite:
    """A function or lambda that gets one more parameter, last or first.

    LN207: a two-argument initialiser that a layer calls with a dtype, too.
    """

    parameter: str
    rule: str = "LN207"
    first: bool = False


@dataclass(frozen=True, slots=True)
class DictKeys:
    """A dict display whose string keys are renamed: pairs of (old, new)."""

    renames: tuple[tuple[str, str], ...]
    rule: str = "LN301"


@dataclass(frozen=True, slots=True)
class Curried:
    """A lambda that stands beside module classes: `lambda x, name=None: x`.

    It takes what a constructor takes and returns a function of the inputs:
    `lambda name=None: lambda x: x`.
    """

    inputs: tuple[str, ...]
    rule: str = "LN301"


@dataclass(frozen=True, slots=True)
class ParamOverride:
    """An override of `Module.param`: Linen gives the initializer before the shape.

    `def param(self, name, shape, initializer)` becomes
    `def param(self, name, initializer, shape, *args)`.
    """

    rule: str = "LN203"


@dataclass(frozen=True, slots=True)
class AsTuple:
    """A list display that is written as a tuple: `[4, 3]` becomes `(4, 3)`."""

    rule: str = "LN209"


@dataclass(frozen=True, slots=True)
class ClassVariable:
    """An annotated class attribute of a module class, not meant as a field."""

    rule: str = "LN201"


@dataclass(frozen=True, slots=True)
class ImportedName:
    """One alias of an import statement.

    Attributes:
        index: its place in the statement.
        local: the name it binds.
        target: the absolute dotted name it binds from now on, e.g.
            `flax.linen` or `flax.linen.Dense`; None when nothing replaces it.

    An alias that nothing reads after the rewrite goes, unless it was unused
    before; one without a target stays while a refused site still reads it.
    """

    index: int
    local: str
    target: str | None
    gone: bool = False  # the import cannot work any more: it goes, its uses are flagged
    member: bool = False  # of a module: only `from` can import it


@dataclass(frozen=True, slots=True)
class ImportSite:
    """An import statement that binds legacy names; other aliases stay as they are."""

    names: tuple[ImportedName, ...]
    rule: str = "LN101"


@dataclass(frozen=True, slots=True)
class StatementSite:
    """A statement that goes, or turns into `pass` where it was the only one.

    Attributes:
        keep: for `del a, b`: the names that stay.
        lines: for an assignment: the statements that take its place, `{value}`
            in them stands for what was assigned.
        column: where it starts, if others of its line are not meant.
    """

    rule: str
    keep: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    column: int | None = None


Site = (
    ModuleCall
    | Bind
    | Reshaped
    | Reordered
    | Renamed
    | Wrapped
    | AttributeSite
    | TextSite
    | ContextSite
    | EnumeratedLoop
    | FieldRead
    | FieldsInText
    | ModuleClassSite
    | MethodSite
    | FunctionModuleSite
    | ParameterSite
    | DictKeys
    | Curried
    | ParamOverride
    | ClassVariable
    | AsTuple
    | ImportSite
    | StatementSite
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A refusal or notice at an expression, and the statement that holds it."""

    code: str
    span: Span
    statement: int  # first line of the enclosing statement
    message: str
    remedy: str
    because: Because | None = None  # the place it stems from, where that is another one


@dataclass(slots=True)
class FileFacts:
    """Everything that is to happen in one file; filled by `plan`, then only read.

    `expressions` is keyed by kind of node and full extent, `definitions` by
    kind and start, since the two parsers disagree on where a block ends.
    """

    expressions: dict[tuple[str, Span], Site] = field(default_factory=dict)
    definitions: dict[tuple[str, int, int], Site] = field(default_factory=dict)
    statements: dict[int, StatementSite] = field(default_factory=dict)
    shared: dict[int, int] = field(default_factory=dict)  # column of the one meant on a line
    broken: str | None = None  # how deciding failed here: a bug of linenify
    refusals: list[Finding] = field(default_factory=list)
    notices: list[Finding] = field(default_factory=list)
    linen: str = "nn"  # how this file names flax.linen, after the rewrite
    linen_bound: bool = True  # False: the import `from flax import linen as nn` must be added
    frozen: list[tuple[int, int, str]] = field(default_factory=list)  # lines left alone, code
    references: list[tuple[Span, str]] = field(default_factory=list)  # legacy names read
    comments: dict[int, str] = field(default_factory=dict)  # put above a statement, by its line
    support: list[str] = field(default_factory=list)  # snippets to define behind the imports
    offered: set[str] = field(default_factory=set)  # snippets that other files import from it
    borrowed: dict[str, str] = field(default_factory=dict)  # snippets of other files, and which
    inserted: dict[int, list[str]] = field(default_factory=dict)  # statements above one, by line
    kept: set[str] = field(default_factory=set)  # names of imports that other files take from here
    unlisted: set[str] = field(default_factory=set)  # names that leave `__all__`
