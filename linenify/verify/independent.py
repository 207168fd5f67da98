"""The legacy half of a case on real legacy Flax and its own JAX: run by `isolated`.

    python -m linenify.verify.independent RESULT.pickle < job.json

Runs in an environment without the modern Flax.  Everything that the two
environments exchange is NumPy arrays under names.
"""

from __future__ import annotations

import importlib
import json
import pickle
import sys
import types
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp


def main() -> int:
    """Runs the job on standard input, writes what it computed."""
    job = json.load(sys.stdin)
    sys.dont_write_bytecode = True
    sys.stdout = sys.stderr
    _prepare_jax()
    from linenify.verify.case import read_case
    from linenify.verify.installed import Installed
    from linenify.verify.loading import UserFiles
    from linenify.verify.record import record
    from linenify.verify.worlds import UserCodeError, World

    case = read_case(Path(job["case"]), Path(job["base"]) if job["base"] else None)
    world = World(UserFiles(Path(job["legacy"])), Installed())
    records: list[Any] = []
    for pair in case.runs:
        try:
            records.append(record(pair.legacy, world))
        except UserCodeError as error:
            records.append(error.failure.message)
    Path(sys.argv[1]).write_bytes(pickle.dumps(records))
    return 0


def _prepare_jax() -> None:
    """What the legacy package needs to be imported on a JAX that is a little younger."""
    lax_numpy = importlib.import_module("jax._src.numpy.lax_numpy")
    if not hasattr(lax_numpy, "isin"):
        vars(lax_numpy)["isin"] = jnp.isin
    xla: Any = importlib.import_module("jax.interpreters.xla")
    for name, value in (("DeviceArray", jax.Array), ("call_translations", {})):
        if not hasattr(xla, name):
            setattr(xla, name, value)
    tree: Any = jax.tree_util
    for name in ("tree_multimap", "tree_map", "tree_leaves", "tree_flatten", "tree_unflatten"):
        setattr(jax, name, getattr(tree, name.replace("multimap", "map")))
    # `flax.training.checkpoints` imports it; whoever only computes does not call it.
    for name in ("tensorflow", "tensorflow.io", "tensorflow.io.gfile"):
        sys.modules.setdefault(name, types.ModuleType(name))
    sys.modules["tensorflow"].io = sys.modules["tensorflow.io"]  # type: ignore[attr-defined]
    sys.modules["tensorflow.io"].gfile = sys.modules["tensorflow.io.gfile"]  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.exit(main())
