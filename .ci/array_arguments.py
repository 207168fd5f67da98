"""Measures which arguments of JAX functions have to be arrays, and writes them down.

JAX took lists and tuples for arrays in 2020, as NumPy does, and takes them no longer.
Each function of the installed JAX gets a list in each of its places, beside arrays in
the others; that it is the list which is refused, JAX says itself.

    python .ci/array_arguments.py          # writes linenify/facts/jax/arrayarguments.py
    python .ci/array_arguments.py --check  # compares with it
"""

from __future__ import annotations

import importlib
import inspect
import sys
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

TARGET = Path(__file__).parents[1] / "linenify" / "facts" / "arrayarguments.py"
NAMESPACES = (
    *("jax.numpy", "jax.numpy.linalg", "jax.numpy.fft", "jax.nn", "jax.random", "jax.ops"),
    *("jax.scipy.special", "jax.scipy.linalg", "jax.scipy.signal", "jax.scipy.ndimage"),
    *("jax.scipy.stats.norm", "jax.image"),
)
REFUSED = ("requires ndarray or scalar arguments, got <class 'list'>",)
# Of arrays, since these are also what takes several of them may be given.
LISTS: tuple[Any, ...] = (
    [jnp.array(0.5), jnp.array(0.25)],
    [jnp.array([0.5, 0.25]), jnp.array([0.25, 1.0])],
    [jnp.array(1), jnp.array(0)],
)
FILLS: tuple[Any, ...] = (
    jnp.array([0.5, 0.25]),
    jnp.eye(2),
    jnp.array([1, 0]),
    1,
    (2,),
)
SKIPPED = frozenset({"save", "savez", "load", "fromfile", "from_dlpack", "print_environment_info"})


def refuses(function: Any, before: int, after: int, *, keyed: bool) -> bool:
    """Whether a list between so many other arguments is what the function refuses."""
    for fill in FILLS:
        first = [jax.random.key(0)] if keyed and before else []
        head = [*first, *([fill] * (before - len(first)))]
        for given in LISTS:
            try:
                function(*head, given, *([fill] * after))
            except Exception as error:  # noqa: BLE001 - whatever it is, its text decides
                if any(text in str(error) for text in REFUSED):
                    return True
            else:
                return False
    return False


def measured() -> dict[str, dict[str, list[str]]]:
    """Names of functions by namespace and by the places where they want arrays."""
    table: dict[str, dict[str, list[str]]] = {}
    for namespace in NAMESPACES:
        module = importlib.import_module(namespace)
        found: dict[str, list[str]] = defaultdict(list)
        for name in sorted(dir(module)):
            places = _places(module, name, keyed=namespace == "jax.random")
            if places:
                found[places].append(name)
        table[namespace] = found
    return table


def _places(module: Any, name: str, *, keyed: bool) -> str:
    if name.startswith("_") or name in SKIPPED:
        return ""
    function = getattr(module, name, None)
    if not callable(function) or inspect.isclass(function):
        return ""
    try:
        parameters = [*inspect.signature(function).parameters.values()]
    except (TypeError, ValueError):
        return ""
    if isinstance(function, jnp.ufunc):
        count = function.nin
        parameters = [
            inspect.Parameter(f"x{i}", inspect.Parameter.POSITIONAL_ONLY) for i in range(count)
        ]
    positional = [p for p in parameters if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD}]
    required = sum(p.default is p.empty for p in positional)
    found: list[str] = []
    for place, parameter in enumerate(positional):
        if place > max(required, 2):
            break
        if refuses(function, place, max(required - place - 1, 0), keyed=keyed):
            open_ = parameter.kind is parameter.POSITIONAL_OR_KEYWORD
            found.append(f"{place}:{parameter.name}" if open_ else f"{place}")
    if any(p.kind is p.VAR_POSITIONAL for p in parameters) and (
        refuses(function, len(positional), 0, keyed=keyed)
        or refuses(function, len(positional) + 1, 0, keyed=keyed)
    ):
        found.append(f"{len(positional)}*")
    return " ".join(found)


def text_of(table: dict[str, dict[str, list[str]]]) -> str:
    """The module that holds the table."""
    lines = [
        f'"""Arguments that have to be arrays: measured on jax {jax.__version__}.',
        "",
        "Written by `.ci/array_arguments.py`.  `0:a 1:b` are places and names, `1*` every place",
        "from that one on.",
        '"""',
        "",
        "ARRAY_ARGUMENTS = {",
    ]
    for namespace, found in table.items():
        lines.append(f'    "{namespace}": """')
        for places, names in sorted(found.items()):
            lines.append(f"{places}")
            row = "   "
            for name in names:
                if len(row) + len(name) + 1 > 96:
                    lines.append(row)
                    row = "   "
                row += f" {name}"
            lines.append(row)
        lines.append('""",')
    return "\n".join([*lines, "}", ""])


def main() -> int:
    """Measures, and writes the table or compares it."""
    warnings.simplefilter("ignore")
    made = text_of(measured())
    if "--check" in sys.argv:
        return int(made != TARGET.read_text())
    TARGET.write_text(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
