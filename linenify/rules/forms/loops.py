"""Loops: rounds that are counted."""

from __future__ import annotations

import libcst as cst

from linenify.facts.sites import EnumeratedLoop
from linenify.rules.base import Context, Rewrite


def enumerate_loop(node: cst.For, site: EnumeratedLoop, context: Context) -> Rewrite:
    """Counts the rounds of a loop.

    for width, rate in layers:  ->  for i, (width, rate) in enumerate(layers):
    """
    del context
    if site.idle:
        return Rewrite(node.with_changes(target=cst.Name(site.index)))
    target = node.target
    if isinstance(target, cst.Tuple) and not target.lpar:
        target = target.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    index = cst.Element(cst.Name(site.index))
    pair = cst.Tuple([index, cst.Element(target)], lpar=[], rpar=[])
    iterated = node.iter
    if isinstance(iterated, cst.Tuple) and not iterated.lpar:
        iterated = iterated.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    called = cst.Call(cst.Name("enumerate"), [cst.Arg(iterated)])
    space = cst.SimpleWhitespace(" ")
    made = node.with_changes(target=pair, iter=called, whitespace_after_in=space)
    return Rewrite(made)
