"""Compares both sides of cases, in this process.

    python -m linenify.verify.worker --case fixtures/NAME [--case fixtures/OTHER ...]
    python -m linenify.verify.worker --legacy a.py --linen b.py --case-file c.toml

prints a table for each case and exits with 1 unless all sides are equal.
`--case` takes `legacy.py` or `legacy/` and `linen.py` or `linen/` of the folder,
and `case.toml`, whose format is described in `linenify.verify.case`, the notation
of inputs in `linenify.verify.inputs`.  `--case-file` defaults to a `case.toml`
beside the legacy file; with `--flax 0.2.2` another legacy version is used.

Four things are compared: `initial` (initial parameters and collections; every
sampler of `jax.random` is replaced by one that ignores its key), then, with
random numbers in all of them, `outputs`, `gradients` and `collections`.  The
first word of a line says how equal: identical (to the last bit), close (within
the tolerance), different, error (a side raised), skipped (nothing to compare).

`linenify.verify.run` starts this program in a subprocess, with `--json`: jobs as
JSON on the standard input, one line of JSON for each result on the output.
"""

# Everything of JAX is imported late, after the environment is in place.

from __future__ import annotations

import argparse
import dataclasses
import faulthandler
import json
import os
import pickle
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from linenify.verify.case import CaseError, read_case
from linenify.verify.run import Job, devices_of, environment, job_of, run_jobs
from linenify.verify.stubs import stubbed
from linenify.verify.verdict import CaseResult, failed_case, lines, to_json
from linenify.verify.wheels import WheelUnavailableError, legacy_sources

if TYPE_CHECKING:
    from linenify.verify.overlay import Overlay


def main() -> int:
    """The command line."""
    options = _options()
    sys.dont_write_bytecode = True
    results = _apart_from_prints()
    faulthandler.enable()  # where it was when it died,
    faulthandler.register(signal.SIGUSR1)  # and where it hangs
    if options.memory:
        resource.setrlimit(resource.RLIMIT_DATA, (options.memory, options.memory))
    with stubbed(options.stub):
        return _compared(options, results)


def _compared(options: argparse.Namespace, results: TextIO) -> int:
    if options.json:
        for result in _results(Job(**job) for job in json.load(sys.stdin)):
            print(json.dumps(to_json(result)), file=results, flush=True)
        return 0
    passed = True
    jobs = list(_jobs(options))
    devices = {devices_of(job) for job in jobs}
    if len(devices) == 1:
        os.environ.update(environment(devices.pop()))
    # The number of devices is fixed when JAX starts.
    for result in run_jobs(jobs) if devices else _results(iter(jobs)):
        print(*lines(result), sep="\n", file=results, flush=True)
        passed = passed and result.outcome.passed
    return 0 if passed else 1


def _apart_from_prints() -> TextIO:
    """The output, for results alone: what user code, and what it starts, prints is diverted."""
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return results


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m linenify.verify.worker")
    parser.add_argument("--case", action="append", type=Path, default=[], metavar="FOLDER")
    parser.add_argument("--legacy", type=Path)
    parser.add_argument("--linen", type=Path)
    parser.add_argument("--case-file", type=Path)
    parser.add_argument("--flax", default="", metavar="VERSION")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--stub", action="append", default=[], metavar="NAME")
    parser.add_argument("--memory", type=int, default=0, metavar="BYTES")
    options = parser.parse_args()
    if bool(options.legacy) != bool(options.linen):
        parser.error("--legacy and --linen go together")
    if not (options.json or options.case or options.legacy):
        parser.error("name a --case, or --legacy and --linen")
    return options


def _jobs(options: argparse.Namespace) -> Iterator[Job]:
    for folder in options.case:
        yield dataclasses.replace(job_of(folder), flax=options.flax)
    if options.legacy:
        case = options.case_file or options.legacy.parent / "case.toml"
        yield Job(str(case), str(options.legacy), str(options.linen), flax=options.flax)


def _results(jobs: Iterator[Job]) -> Iterator[CaseResult]:
    overlays: dict[str, Overlay] = {}
    for job in jobs:
        try:
            yield _result(job, lambda version: _overlay(version, overlays))
        except (CaseError, WheelUnavailableError, OSError) as error:
            yield failed_case(job.case, str(error), misused=isinstance(error, CaseError))


def _overlay(version: str, loaded: dict[str, Overlay]) -> Overlay:
    from linenify.verify.overlay import Overlay

    if version not in loaded:
        loaded[version] = Overlay(legacy_sources(version))
    return loaded[version]


def _result(job: Job, overlay: Callable[[str], Overlay]) -> CaseResult:
    from linenify.verify.cases import run_case
    from linenify.verify.loading import UserFiles
    from linenify.verify.remembering import Memory

    case = read_case(Path(job.case), Path(job.base) if job.base else None)
    sides = UserFiles(Path(job.legacy)), UserFiles(Path(job.linen))
    records = pickle.loads(Path(job.independent).read_bytes()) if job.independent else ()  # noqa: S301 - our own
    legacy = overlay(job.flax or case.flax)
    memory = Memory(Path(job.memory)) if job.memory else None
    return run_case(job.case, case, *sides, legacy, records, locate=job.locate, memory=memory)


if __name__ == "__main__":
    sys.exit(main())
