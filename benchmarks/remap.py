"""`linenify remap` against `cp`, and against Flax's own restore, convert and save.

    python benchmarks/remap.py [--size 2.0] [--folder DIR]

Makes a legacy checkpoint of the given size in GiB (a ResNet-like stack of equal
layers, Adam), and times ways to carry it over, the best of three runs each,
with the peak memory of the largest process.  Files are in the page cache
for all of them, and all of them sync what they write (cp: `cp && sync FILE`).  `remap
--module` starts a process that imports JAX to trace the module; where the same module
was traced before, as for the second checkpoint of a model, it need not; `--map` never does.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from linenify.checkpoint.leaf import Leaf, of_array
from linenify.checkpoint.packing import packed

WIDTH = 4096  # a kernel is 64 MiB, and there are three of each

MODEL = f"""
from flax import linen as nn


class Stack(nn.Module):
    layers: int

    @nn.compact
    def __call__(self, x):
        x = nn.LayerNorm()(x)
        for _ in range(self.layers):
            x = nn.relu(nn.Dense({WIDTH})(x))
        return x
"""

FLAX_WAY = """
import sys
from flax import serialization
from flax.training import checkpoints
tree = serialization.msgpack_restore(open(sys.argv[1], "rb").read())
tree = checkpoints.convert_pre_linen(tree)
with open(sys.argv[2], "wb") as file:
    file.write(serialization.msgpack_serialize(tree))
    file.flush()
    import os
    os.fsync(file.fileno())
"""


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=float, default=2.0, help="GiB")
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        measure(Path(scratch), options.size, options.runs)


def measure(folder: Path, size: float, runs: int) -> None:
    """Makes the checkpoint, runs each way, prints what it took."""
    layers = max(1, round(size * 2**30 / (3 * 4 * WIDTH * (WIDTH + 1))))
    source = folder / "checkpoint_7"
    make(source, layers)
    (folder / "model.py").write_text(MODEL)
    size_mib = source.stat().st_size / 2**20
    print(f"{size_mib:.0f} MiB, {layers} layers, largest leaf {4 * WIDTH**2 / 2**20:.0f} MiB")
    remap = [
        *(sys.executable, "-m", "linenify", "remap", str(source), "DST", "--force"),
        *("--map", str(folder / "map.json")),
    ]
    traced = [
        *(sys.executable, "-m", "linenify", "remap", str(source), "DST", "--force"),
        *("--module", f"{folder / 'model.py'}:Stack", "--input", f"f32[1,{WIDTH}]"),
        *("--set", f"layers={layers}", "--optimizer", "Adam", "--save-map"),
        str(folder / "map.json"),
    ]
    ways = {
        "cp, synced": ["sh", "-c", f'cp "{source}" "DST" && sync "DST"'],
        "linenify remap --module": [*traced, "--no-cache"],
        "the same, traced before": traced,
        "linenify remap --map": remap,
        "flax: restore, convert, save": [sys.executable, "-c", FLAX_WAY, str(source), "DST"],
    }
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    timed(traced, folder / "new")
    taken = dict.fromkeys(ways, float("inf"))
    peaks = dict.fromkeys(ways, 0.0)
    for number in range(runs):  # in turn, so that a busy moment hits all of them
        for name, command in ways.items():
            if number and name.startswith("flax"):
                continue
            seconds, peak = timed(command, folder / "new")
            taken[name] = min(taken[name], seconds)
            peaks[name] = max(peaks[name], peak)
    for name, seconds in taken.items():
        rate = size_mib / seconds
        print(f"{name:30} {seconds:7.2f} s  {rate:7.0f} MiB/s  peak {peaks[name]:6.0f} MiB")
    base, ours = taken["cp, synced"], taken["linenify remap --map"]
    traced_time, again = taken["linenify remap --module"], taken["the same, traced before"]
    theirs = taken["flax: restore, convert, save"]
    print(
        f"of cp's throughput: {base / ours:.2f} (traced before {base / again:.2f}, "
        f"with tracing {base / traced_time:.2f}); "
        f"times faster than flax: {theirs / ours:.1f} ({theirs / traced_time:.1f})"
    )


def make(path: Path, layers: int) -> None:
    """Writes what legacy Flax would have written, one leaf at a time."""
    draw = np.random.default_rng(0)
    kernel = draw.standard_normal((WIDTH, WIDTH), np.float32)
    leaf, bias = of_array(kernel), of_array(kernel[0])

    def per_layer(make_leaf: Callable[[Leaf], object]) -> dict[str, object]:
        norm = {"bias": make_leaf(bias), "scale": make_leaf(bias)}
        dense = {
            f"Dense_{n}": {"bias": make_leaf(bias), "kernel": make_leaf(leaf)}
            for n in range(1, layers + 1)
        }
        return {"params": {"LayerNorm_0": norm, **dense}}

    tree = {
        "target": per_layer(lambda array: array),
        "state": {
            "step": of_array(np.int32(7)),
            "param_states": per_layer(lambda array: {"grad_ema": array, "grad_sq_ema": array}),
        },
    }
    with path.open("wb") as file:
        for piece in packed(tree):
            for block in [piece] if isinstance(piece, bytes) else piece.blocks():
                file.write(block)


def timed(command: list[str], destination: Path) -> tuple[float, float]:
    """Seconds; the peak memory, in MiB, of the largest process that took part."""
    for leftover in destination.parent.glob("*new*"):
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    command = [part.replace("DST", str(destination)) for part in command]
    script = (
        "import json, resource, subprocess, sys, time\n"
        "start = time.perf_counter()\n"
        "subprocess.run(sys.argv[1:], check=True, stderr=subprocess.DEVNULL)\n"
        "seconds = time.perf_counter() - start\n"
        "print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]))\n"
    )
    subprocess.run(["sync"], check=True)
    done = subprocess.run(
        [sys.executable, "-c", script, *command], check=True, capture_output=True, text=True
    )
    seconds, peak = json.loads(done.stdout.splitlines()[-1])
    return seconds, peak / 1024


if __name__ == "__main__":
    main()
