"""Verifies targets: copies, migrates, runs both sides, remembers the verdicts."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from linenify.errors import UsageError
from linenify.verify.case import CaseError, read_case
from linenify.verify.isolated import recorded
from linenify.verify.run import Job, Limits, environment, run_jobs
from linenify.verify.target import Target
from linenify.verify.verdict import CaseResult, Outcome, from_json, to_json
from linenify.verify.wheels import OVERRIDE, WheelUnavailableError, cache_home, legacy_sources
from linenify.verify.workspace import Migrate, Sides, prepare

_PACKAGES = ("linenify", "flax", "jax", "jaxlib", "numpy", "optax")


@dataclass(frozen=True, slots=True)
class Settings:
    """How to run targets.

    Attributes:
        limits: of time, memory and devices.
        flax: a legacy version for all of them; "" for what their cases say.
        cached: whether a verdict on the same files may be taken from the cache.
        isolated: whether the independent oracle is asked, too.
    """

    limits: Limits = field(default_factory=Limits)
    flax: str = ""
    cached: bool = True
    isolated: bool = False


@dataclass(frozen=True, slots=True)
class Verified:
    """A target, where its two sides were, and the verdict."""

    target: Target
    sides: Sides
    result: CaseResult
    from_cache: bool = False


@contextmanager
def verified(
    targets: Sequence[Target],
    migrate: Migrate,
    settings: Settings,
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[list[Verified]]:
    """Verifies targets; their working copies are there while the context lasts.

    `say` is told what is being done, stage by stage.

    Raises:
        UsageError: a side of a target does not exist.
    """
    with tempfile.TemporaryDirectory(prefix="linenify-") as scratch:
        sides = []
        for index, target in enumerate(targets):
            home = Path(scratch) / str(index)
            home.mkdir()
            say(f"migrating a copy of {target.name} ({index + 1} of {len(targets)})")
            sides.append(prepare(target, home, migrate, flax=settings.flax))
        results = _results([each.job for each in sides], sides, settings, say)
        yield [
            Verified(target, each, dataclasses.replace(result, case=target.name), known)
            for target, each, (result, known) in zip(targets, sides, results, strict=True)
        ]


def _results(
    jobs: Sequence[Job],
    sides: Sequence[Sides],
    settings: Settings,
    say: Callable[[str], None],
) -> list[tuple[CaseResult, bool]]:
    known: dict[int, CaseResult] = {}
    places = [_place(each, settings) for each in sides]
    if settings.cached:
        for index, place in enumerate(places):
            remembered = _remembered(place)
            if remembered is not None:
                known[index] = remembered
    new = [index for index in range(len(jobs)) if index not in known]
    _check_platform(settings.limits.platform if new else "cpu")
    say("fetching the legacy sources")
    _check_oracle([jobs[index] for index in new])
    if settings.isolated:
        say("asking the isolated oracle")
    asked = _asked([jobs[index] for index in new], settings)
    done = itertools.count(1)

    def told() -> None:
        say(f"running both sides: {next(done)} of {len(new)} cases done")

    say(f"running both sides of {len(new)} cases, {len(known)} known from before")
    fresh = dict(
        zip(
            new,
            run_jobs(asked, limits=settings.limits, progress=told),
            strict=True,
        )
    )
    for index, result in fresh.items():
        if not result.message:  # neither a time-out nor a missing wheel is for ever
            _remember(places[index], result)
    return [
        (known[index], True) if index in known else (fresh[index], False)
        for index in range(len(jobs))
    ]


def _asked(jobs: Sequence[Job], settings: Settings) -> Sequence[Job]:
    """The jobs with what the independent oracle says, if it is to be asked."""
    if not (settings.isolated and jobs):
        return jobs
    return recorded(jobs, Path(jobs[0].case).parent, settings.limits)


def _check_platform(platform: str) -> None:
    if platform == "cpu":
        return
    code = "import jax; jax.devices()"
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code],
        env=os.environ | environment(platform=platform),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UsageError(f"--platform {platform}: JAX finds no such device here ({reason})")


def _check_oracle(jobs: Sequence[Job]) -> None:
    """Fetches the legacy sources that the jobs need."""
    versions = set()
    for job in jobs:
        try:
            versions.add(job.flax or read_case(Path(job.case)).flax)
        except CaseError:
            continue  # the verdict will say so
    for each in versions:
        try:
            legacy_sources(each)
        except WheelUnavailableError as error:
            raise UsageError(f"{error} (or use --legacy-wheel)") from error


def _place(sides: Sides, settings: Settings) -> Path:
    key = hashlib.sha256()
    for part in (
        _environment(),
        sides.digest(),
        settings.flax,
        str(settings.isolated),
        os.environ.get(OVERRIDE, ""),
        repr((settings.limits.platform, settings.limits.stubs)),
    ):
        key.update(f"{part}\n".encode())
    return cache_home() / "verdicts" / f"{key.hexdigest()[:40]}.json"


def _environment() -> str:
    """Versions of everything that a verdict depends on, our own text included."""
    own = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        own.update(file.read_bytes())
    versions = []
    for package in _PACKAGES:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            versions.append(f"no {package}")
    return f"{own.hexdigest()} {', '.join(versions)}"


def _remembered(place: Path) -> CaseResult | None:
    try:
        return from_json(CaseResult, json.loads(place.read_text()))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _remember(place: Path, result: CaseResult) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=place.parent, delete=False) as stream:
        json.dump(to_json(result), stream)
    Path(stream.name).replace(place)


def passed(results: Sequence[CaseResult]) -> bool:
    """Whether all of them are equal, and something was compared at all."""
    outcomes = [result.outcome for result in results]
    return bool(outcomes) and all(each.passed and each is not Outcome.SKIPPED for each in outcomes)
