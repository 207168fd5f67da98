"""The definitions that a migrated file may carry itself.

Migrated projects never depend on linenify.  What has no stock form, such as an
optimizer that optax lacks, is written into the file that needs it, once.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

_SPELL = re.compile(r"\{spell:([\w.]+)\}")


@dataclass(frozen=True, slots=True)
class Snippet:
    """One function or class, indented by four spaces.

    Attributes:
        name: what it binds.
        text: its code; `{spell:jax.numpy}` stands for the file's name of a thing.
        imports: dotted names that it needs besides those that it spells.
        needs: snippets that it calls, which stand above it.
    """

    name: str
    text: str
    imports: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """The first line of its documentation, by which it is known again."""
        (definition,) = ast.parse(_SPELL.sub(r"\1", self.text)).body
        return summary_of(definition)


def summary_of(node: ast.stmt) -> str:
    """The first line of what documents a definition; empty where nothing does."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return (ast.get_docstring(node) or "").partition("\n")[0]
    return ""


_SCALE_BY_LAMB_TRUST_RATIO = Snippet(
    "scale_by_lamb_trust_ratio",
    '''
def scale_by_lamb_trust_ratio():
    """Scales each update by the norm of its parameter over its own norm.

    Unlike `optax.scale_by_trust_ratio`, a parameter that is all zeros gets the
    ratio 0 and stays as it is; the ratio is 1 only where both norms are zero.
    """

    def rescaled(update, param):
        param_norm = {spell:jax.numpy}.linalg.norm(param)
        update_norm = {spell:jax.numpy}.linalg.norm(update)
        ratio = {spell:jax.numpy}.where(
            param_norm + update_norm > 0.0, param_norm / update_norm, 1.0
        )
        return ratio * update

    return {spell:optax}.stateless(
        lambda updates, params: {spell:jax.tree.map}(rescaled, updates, params)
    )
''',
)

_BOUND_MODEL = Snippet(
    "BoundModel",
    '''
@{spell:flax.struct.dataclass}
class BoundModel:
    """A Linen module together with its params: a pytree that can be called.

    It stands where a program passes both around as one value. The params are
    its leaves, so that gradients and optimizers see a pytree of params.
    """

    module: {spell:flax.linen.Module} = {spell:flax.struct.field}(pytree_node=False)
    params: {spell:typing.Any}

    def __call__(self, *args, **kwargs):
        return self.apply({}, *args, **kwargs)

    def apply(self, state, *args, **kwargs):
        """Runs the module with the other collections in `state`."""
        return self.module.apply({'params': self.params, **state}, *args, **kwargs)

    def __contains__(self, name):
        return name in self.params
''',
)

SNIPPETS = {snippet.name: snippet for snippet in (_SCALE_BY_LAMB_TRUST_RATIO, _BOUND_MODEL)}
