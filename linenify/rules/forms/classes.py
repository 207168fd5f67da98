"""Definitions: hyper-parameters become fields, `apply` becomes `__call__`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

import libcst as cst

from linenify.facts.sites import (
    Decorated,
    Field,
    FunctionModuleSite,
    MethodSite,
    ModuleClassSite,
)
from linenify.rules.base import Context, Rewrite, TakenParameter
from linenify.rules.forms.signatures import shortened
from linenify.syntax.blocks import is_docstring
from linenify.syntax.build import code, expression, from_template, standing_alone, tuple_of
from linenify.syntax.comments import comments_of, is_blank, own_line, split_blanks

BLANK = cst.EmptyLine(indent=False)
TYPING = frozenset(
    {
        "Any",
        "Callable",
        "ClassVar",
        "Dict",
        "Iterable",
        "List",
        "Literal",
        "Mapping",
        "Optional",
        "Sequence",
        "Set",
        "Tuple",
        "Type",
        "Union",
    }
)
_WORD = re.compile(r"(?<![.\w])[A-Za-z_]\w*")
_MAKERS = frozenset({"dict", "list", "set", "bytearray"})
_ARRAYS = frozenset({"jnp", "np", "onp", "numpy", "jax.numpy"})

Statement = cst.BaseStatement


def module_class(node: cst.ClassDef, site: ModuleClassSite, context: Context) -> Rewrite:
    """Declares the fields of a module class, and `setup` where it needs one."""
    node = _wearing(node, site, context)
    fields, imports = _field_lines(site.fields, context)
    node = _opened(node) if fields or site.children or site.dropped else node
    if site.keyword_only:
        node = _keyword_only(node)
    if not fields and not site.children and not site.dropped:
        return Rewrite(node, imports)
    body = node.body
    assert isinstance(body, cst.IndentedBlock)
    kept, comments = _without(body.body, site.dropped)
    added: list[Statement] = list(fields)
    if site.children:
        added.append(_setup(site, context, body, comments))
    elif comments and added:
        first = fields[0]
        lines = [*map(own_line, comments), *first.leading_lines]
        added[0] = first.with_changes(leading_lines=lines)
    statements = _inserted(kept, added, len(fields)) if added else list(kept)
    return Rewrite(node.with_changes(body=body.with_changes(body=statements)), imports)


def module_method(function: cst.FunctionDef, site: MethodSite, context: Context) -> Rewrite:
    """Turns `apply` and module methods into methods of a Linen module."""
    signature = shortened(function, site, context)
    node, imports = _decorated(signature.function, site, context)
    node = node.with_changes(body=_with_locals(node.body, site, context))
    return Rewrite(node, imports | _needed(site, context), parameters=signature.taken)


def function_to_class(
    function: cst.FunctionDef, site: FunctionModuleSite, context: Context
) -> Rewrite:
    """Turns a function under `@nn.module` into a class of the same name."""
    consumed = frozenset(field.parameter for field in site.fields)
    signature = shortened(
        function, site.method, replace(context, consumed=consumed), site.method.receiver
    )
    body = _block(signature.function.body)
    docstring, rest = _parted(body.body)
    if docstring is not None:
        body = body.with_changes(body=_first_unspaced(rest) or [_pass_line()])
    method = signature.function.with_changes(
        body=_with_locals(body, site.method, context),
        decorators=[
            *([_compact(context)] if site.method.compact else []),
            *_staying(function.decorators, site.method),
        ],
        leading_lines=[],
        lines_after_decorators=[],
    )
    place = context.place(context.original)
    fields, imports = _field_lines(
        site.fields, replace(context, parameters={place: signature.taken})
    )
    if docstring is not None and fields:
        fields[0] = _spaced(fields[0])
    if docstring is not None or fields:
        method = method.with_changes(leading_lines=[BLANK])
    statements = [*([docstring] if docstring is not None else []), *fields, method]
    module = context.spell("flax.linen.Module")
    outer, above = _taken_over(function, site.method)
    made = cst.ClassDef(
        name=function.name,
        bases=[cst.Arg(module.node)],
        lpar=cst.LeftParen(),
        rpar=cst.RightParen(),
        body=cst.IndentedBlock(statements, indent=body.indent),
        decorators=outer,
        leading_lines=[*function.leading_lines, *above],
        lines_after_decorators=function.lines_after_decorators,
    )
    imports |= module.imports | _needed(site.method, context)
    return Rewrite(made, imports)


# --- fields ----------------------------------------------------------------------------------


def _field_lines(
    fields: Iterable[Field], context: Context
) -> tuple[list[cst.SimpleStatementLine], frozenset[str]]:
    lines: list[cst.SimpleStatementLine] = []
    imports: frozenset[str] = frozenset()
    for field in fields:
        place = (field.method.line, field.method.column)
        taken = context.parameters.get(place, {}).get(field.parameter)
        line, more = _field_line(field, taken, context)
        lines.append(line)
        imports |= more
    return lines, imports


def _field_line(
    field: Field, taken: TakenParameter | None, context: Context
) -> tuple[cst.SimpleStatementLine, frozenset[str]]:
    imports: frozenset[str] = frozenset()
    written = taken.node.annotation if taken is not None else None
    if written is not None:
        annotation = written.annotation
    else:
        annotation = expression(field.annotation or "Any")
        words = set(_WORD.findall(field.annotation or "Any"))
        imports |= {f"typing.{word}" for word in words & TYPING}
    default: cst.BaseExpression | None = None
    if field.default is not None:
        default = expression(field.default)
    elif not field.required and taken is not None:
        default = taken.node.default
    if default is not None:
        default, more = _frozen(default, context)
        imports |= more
    target = cst.Name(field.name)
    statement = cst.AnnAssign(
        target,
        cst.Annotation(standing_alone(annotation)),
        standing_alone(default) if default is not None else None,
    )
    trailing = cst.TrailingWhitespace()
    if taken is not None and taken.behind is not None:
        trailing = cst.TrailingWhitespace(
            whitespace=cst.SimpleWhitespace("  "), comment=cst.Comment(taken.behind)
        )
    above = [own_line(comment) for comment in taken.above] if taken is not None else []
    return cst.SimpleStatementLine([statement], above, trailing), imports


def _frozen(
    default: cst.BaseExpression, context: Context
) -> tuple[cst.BaseExpression, frozenset[str]]:
    """A default that a dataclass accepts: mutable ones are made anew each time."""
    match default:
        case cst.List():
            return tuple_of(default), frozenset()
        case cst.Name(value=name) if name in context.mutable:
            return _made_anew(default, context)
        case cst.Dict() | cst.Set() | cst.DictComp() | cst.SetComp() | cst.ListComp():
            return _made_anew(default, context)
        case cst.Call(func=cst.Name(value=name)) if name in _MAKERS:
            return _made_anew(default, context)
        case cst.Call(func=cst.Attribute(value=owner)) if code(owner) in _ARRAYS:
            return _made_anew(default, context)
    return default, frozenset()


def _made_anew(
    default: cst.BaseExpression, context: Context
) -> tuple[cst.BaseExpression, frozenset[str]]:
    field = context.spell("dataclasses.field")
    factory = cst.Arg(
        value=cst.Lambda(params=cst.Parameters(), body=default),
        keyword=cst.Name("default_factory"),
        equal=cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace("")),
    )
    return cst.Call(field.node, [factory]), field.imports


# --- bodies ----------------------------------------------------------------------------------


def _inserted(
    statements: Sequence[Statement], added: Sequence[Statement], fields: int
) -> list[Statement]:
    """Puts new statements before the first `def`, with one blank line around each group."""
    kept = [each for each in statements if not _is_bare_pass(each)]
    place = next((i for i, s in enumerate(kept) if isinstance(s, cst.FunctionDef)), len(kept))
    new = list(added)
    following = kept[place] if place < len(kept) else None
    blanks: tuple[cst.EmptyLine, ...] = ()
    if isinstance(following, cst.FunctionDef):
        blanks, rest = split_blanks(following.leading_lines)
        # What a blank line parts from the `def` does not speak of it.
        parted = max((i + 1 for i, line in enumerate(rest) if is_blank(line)), default=0)
        blanks, rest = (*blanks, *rest[:parted]), rest[parted:]
        kept[place] = following.with_changes(leading_lines=[BLANK, *rest])
    if place > 0 and not blanks:
        blanks = (BLANK,)
    first = new[0]
    new[0] = first.with_changes(leading_lines=[*blanks, *_leading(first)])
    if 0 < fields < len(new):
        new[fields] = new[fields].with_changes(leading_lines=[BLANK, *_leading(new[fields])])
    return [*kept[:place], *new, *kept[place:]]


def _leading(statement: Statement) -> Sequence[cst.EmptyLine]:
    lines: Sequence[cst.EmptyLine] = getattr(statement, "leading_lines", ())
    return lines


def _without(
    statements: Sequence[Statement], dropped: Sequence[str]
) -> tuple[list[Statement], list[str]]:
    """Drops helper methods; the first that stays takes over their distance."""
    kept: list[Statement] = []
    comments: list[str] = []
    blanks: tuple[cst.EmptyLine, ...] | None = None
    for statement in statements:
        if isinstance(statement, cst.FunctionDef) and statement.name.value in dropped:
            comments.extend(comments_of(statement))
            if blanks is None:
                blanks = split_blanks(statement.leading_lines)[0]
            continue
        if blanks is not None and isinstance(statement, cst.FunctionDef):
            rest = split_blanks(statement.leading_lines)[1]
            statement = statement.with_changes(leading_lines=[*blanks, *rest])  # noqa: PLW2901
        blanks = None
        kept.append(statement)
    return kept, comments


def _setup(
    site: ModuleClassSite, context: Context, body: cst.IndentedBlock, comments: Sequence[str]
) -> cst.FunctionDef:
    lines = [
        cst.SimpleStatementLine(
            [
                cst.Assign(
                    [cst.AssignTarget(cst.Attribute(cst.Name(site.receiver), cst.Name(name)))],
                    standing_alone(context.children[name]),
                )
            ]
        )
        for name in site.children
    ]
    indent = next(
        (
            each.body.indent
            for each in body.body
            if isinstance(each, cst.FunctionDef) and isinstance(each.body, cst.IndentedBlock)
        ),
        None,
    )
    return cst.FunctionDef(
        name=cst.Name("setup"),
        params=cst.Parameters([cst.Param(cst.Name(site.receiver))]),
        body=cst.IndentedBlock(lines, indent=indent),
        leading_lines=[own_line(comment) for comment in comments],
    )


def _keyword_only(node: cst.ClassDef) -> cst.ClassDef:
    argument = cst.Arg(
        keyword=cst.Name("kw_only"),
        value=cst.Name("True"),
        equal=cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace("")),
    )
    plain = [base.with_changes(comma=cst.MaybeSentinel.DEFAULT) for base in node.bases[-1:]]
    return node.with_changes(bases=[*node.bases[:-1], *plain], keywords=[*node.keywords, argument])


def _opened(node: cst.ClassDef) -> cst.ClassDef:
    return node.with_changes(body=_block(node.body))


def _block(body: cst.BaseSuite) -> cst.IndentedBlock:
    """A one-line suite as a block."""
    if isinstance(body, cst.IndentedBlock):
        return body
    assert isinstance(body, cst.SimpleStatementSuite)
    line = cst.SimpleStatementLine(body.body, trailing_whitespace=body.trailing_whitespace)
    return cst.IndentedBlock([line])


def _is_bare_pass(statement: Statement) -> bool:
    return (
        isinstance(statement, cst.SimpleStatementLine)
        and len(statement.body) == 1
        and isinstance(statement.body[0], cst.Pass)
        and not any(comments_of(statement))
    )


def _pass_line() -> cst.SimpleStatementLine:
    return cst.SimpleStatementLine([cst.Pass()])


def _parted(
    statements: Sequence[Statement],
) -> tuple[Statement | None, list[Statement]]:
    """The docstring and the rest."""
    if statements and is_docstring(statements[0]):
        return statements[0], list(statements[1:])
    return None, list(statements)


def _with_locals(body: cst.BaseSuite, site: MethodSite, context: Context) -> cst.BaseSuite:
    if not site.locals:
        return body
    block = _block(body)
    docstring, rest = _parted(block.body)
    lines: list[Statement] = [
        cst.SimpleStatementLine(
            [
                cst.Assign(
                    [cst.AssignTarget(cst.Name(name))],
                    _copied(cst.Attribute(cst.Name(site.receiver), cst.Name(field)), copy, context),
                )
            ]
        )
        for name, field, copy in site.locals
    ]
    if rest:
        blanks, other = split_blanks(_leading(rest[0]))
        lines[0] = lines[0].with_changes(leading_lines=blanks)
        rest[0] = rest[0].with_changes(leading_lines=other)
    head = [docstring] if docstring is not None else []
    return block.with_changes(body=[*head, *lines, *rest])


def _copied(value: cst.BaseExpression, template: str, context: Context) -> cst.BaseExpression:
    if not template:
        return value
    return from_template(context.spelt(template)[0], {"node": value})


def _needed(site: MethodSite, context: Context) -> frozenset[str]:
    """What the file has to import for what is put around fields."""
    return frozenset().union(*(context.spelt(copy)[1] for _, _, copy in site.locals))


def _first_unspaced(statements: Sequence[Statement]) -> list[Statement]:
    if not statements:
        return []
    rest = split_blanks(_leading(statements[0]))[1]
    return [statements[0].with_changes(leading_lines=rest), *statements[1:]]


def _spaced(line: cst.SimpleStatementLine) -> cst.SimpleStatementLine:
    return line.with_changes(leading_lines=[BLANK, *line.leading_lines])


# --- decorators ------------------------------------------------------------------------------


def _compact(context: Context) -> cst.Decorator:
    return cst.Decorator(context.spell("flax.linen.compact").node)


def _decorated(
    function: cst.FunctionDef, site: MethodSite, context: Context
) -> tuple[cst.FunctionDef, frozenset[str]]:
    """`@nn.module_method` goes, or makes room for `@nn.compact`."""
    moved = {d.place for d in site.moved}
    place = site.decorator
    imports: frozenset[str] = frozenset()
    if site.compact:
        imports = context.spell("flax.linen.compact").imports
        compact = _compact(context)
        decorators = [d for i, d in enumerate(function.decorators) if i not in moved]
        if place is not None:
            old = function.decorators[place]
            decorators[decorators.index(old)] = old.with_changes(decorator=compact.decorator)
        else:
            decorators.insert(0 if site.wrapped else len(decorators), compact)
        return function.with_changes(decorators=decorators), imports
    decorators = _staying(function.decorators, site)
    if place is None:
        return function.with_changes(decorators=decorators), imports
    gone = function.decorators[place]
    lines = [*function.leading_lines, *gone.leading_lines, *map(own_line, _behind(gone))]
    return function.with_changes(decorators=decorators, leading_lines=lines), imports


def _staying(decorators: Sequence[cst.Decorator], site: MethodSite) -> list[cst.Decorator]:
    """The decorators of a function that its `__call__` keeps."""
    gone = {site.decorator, *(d.place for d in site.moved)}
    return [d for place, d in enumerate(decorators) if place not in gone]


def _taken_over(
    function: cst.FunctionDef, site: MethodSite
) -> tuple[list[cst.Decorator], list[cst.EmptyLine]]:
    """The decorators that the class of a function gets, and what stood above `@nn.module`."""
    moved = [_named(function.decorators[d.place], d) for d in site.moved]
    if site.decorator is None:
        return moved, []
    gone = function.decorators[site.decorator]
    return moved, [*gone.leading_lines, *map(own_line, _behind(gone))]


def _wearing(node: cst.ClassDef, site: ModuleClassSite, context: Context) -> cst.ClassDef:
    """A class with the decorators of its `apply` that configure its fields."""
    original = context.original
    if not site.decorators or not isinstance(original, cst.ClassDef):
        return node
    methods = [s for s in original.body.body if isinstance(s, cst.FunctionDef)]
    apply = next(m for m in methods if m.name.value == "apply")
    moved = [_named(apply.decorators[d.place], d) for d in site.decorators]
    return node.with_changes(decorators=[*node.decorators, *moved])


def _named(decorator: cst.Decorator, moved: Decorated) -> cst.Decorator:
    """A decorator that says the name by which its function went."""
    if moved.name is None:
        return decorator
    made = decorator.decorator
    called = made if isinstance(made, cst.Call) else cst.Call(made)
    name = cst.Arg(cst.SimpleString(repr(moved.name)))
    return decorator.with_changes(decorator=called.with_changes(args=[name, *called.args]))


def _behind(decorator: cst.Decorator) -> list[str]:
    comment = decorator.trailing_whitespace.comment
    return [comment.value] if comment is not None else []
