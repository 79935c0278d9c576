"""``gatesmith regress``: networks by number, in batches, until there are enough or time is up.

A batch is a job of a process; what comes of it hangs on the seed and the numbers in it alone. Time
decides how many batches there are, and never which. Failures are made smaller and saved when all
batches are done.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from gatesmith.errors import UserError
from gatesmith.rtl_tests.csim import find_headers
from gatesmith.rtl_tests.regress import bundle, coverage
from gatesmith.rtl_tests.regress.outcome import MISMATCH, REFUSED, Outcome
from gatesmith.rtl_tests.regress.recipe import Recipe
from gatesmith.rtl_tests.regress.shrink import MOST_ROUNDS, shrink
from gatesmith.rtl_tests.regress.worker import Tools, run_numbers, run_recipes
from gatesmith.rtl_tests.simulator import user_errors
from gatesmith.templates.tb import toolchain

BATCH = 16
"""Networks of a batch: what they share takes seconds, and memory grows with them."""

AP_INT_EVERY = 8
"""One batch in so many is compiled with all arithmetic in ap_int, as synthesis sees it."""

MOST_REFUSED = 0.25
"""Share of the drawn networks that may be refused: with more, the grammar tests too little."""

FEW = 40
"""Draws below which that share says nothing."""

Progress: TypeAlias = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How much is run.

    Attributes:
        networks: How many; None: as many as ``minutes`` allow.
        minutes: How long; the batch that is under way is finished.
        seed: Of everything.
        jobs: Processes; None: one a processor.
        failures: Folder for bundles.
        batch: Networks of a batch.
        rounds: Of shrinking, at most, for each failure.
    """

    networks: int | None = None
    minutes: float | None = None
    seed: int = 1
    jobs: int | None = None
    failures: Path = Path("regress")
    batch: int = BATCH
    rounds: int = MOST_ROUNDS

    def check(self) -> None:
        """Errors: ``cli.contradicting-options``, ``cli.missing-option``, ``cli.bad-value``."""
        where = "gatesmith regress"
        if self.networks is not None and self.minutes is not None:
            raise UserError(
                "cli.contradicting-options",
                "--networks and --minutes both say how much is run",
                where=where,
                why="one of them ends the run",
                fix=("leave one of them out",),
            )
        if self.networks is None and self.minutes is None:
            raise UserError(
                "cli.missing-option",
                "it is not said how much to run",
                where=where,
                why="networks can be drawn for ever",
                fix=("add --minutes M", "add --networks N"),
            )
        values = {"--networks": self.networks, "--minutes": self.minutes, "--jobs": self.jobs}
        for option, value in values.items():
            if value is not None and not 0 < value < float("inf"):
                raise UserError(
                    "cli.bad-value",
                    f"{option} is {value:g}",
                    where=where,
                    why="it must be above 0",
                    fix=(f"give {option} a number above 0",),
                )
        if self.seed < 0:
            raise UserError(
                "cli.bad-value",
                f"--seed is {self.seed}",
                where=where,
                why="seeds are 0 and above",
                fix=("give --seed a number from 0 on",),
            )


@dataclass(frozen=True, slots=True)
class Regressed:
    """A run.

    Attributes:
        settings: What was asked for.
        outcomes: By number, without a gap.
        bundles: Folder of each failure, and what it became: small recipe, layer.
        seconds: Wall time, shrinking included.
    """

    settings: Settings
    outcomes: tuple[Outcome, ...]
    bundles: dict[int, dict[str, Any]] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def refused_share(self) -> float:
        """Part of the drawn networks that the product refused."""
        refused = sum(len(outcome.refusals) for outcome in self.outcomes)
        drawn = refused + sum(o.state != REFUSED for o in self.outcomes)
        return refused / drawn if drawn else 0.0

    @property
    def ok(self) -> bool:
        """Whether nothing failed, and not too much was refused."""
        drawn = len(self.outcomes) + sum(len(o.refusals) for o in self.outcomes)
        sound = drawn < FEW or self.refused_share <= MOST_REFUSED
        return sound and not any(outcome.failed for outcome in self.outcomes)

    def as_json(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        ran = [outcome for outcome in self.outcomes if outcome.ran]
        refusals = Counter(code for outcome in self.outcomes for code in outcome.refusals)
        original: Counter[str] = Counter()
        skipped: Counter[str] = Counter()
        for outcome in ran:
            told = outcome.original
            original.update({key: n for key, n in told.items() if isinstance(n, int)})
            skipped.update([str(told["skipped"])] if "skipped" in told else [])
        return {
            "ok": self.ok,
            "networks": len(ran),
            "mismatches": sum(outcome.state == MISMATCH for outcome in self.outcomes),
            "failures": [self._failure(outcome) for outcome in self.outcomes if outcome.failed],
            "seed": self.settings.seed,
            "frames": sum(outcome.frames for outcome in ran),
            "cycles": sum(outcome.cycles for outcome in ran),
            "refused": dict(sorted(refusals.items())),
            "refused_share": round(self.refused_share, 4),
            "never_built": [o.number for o in self.outcomes if o.state == REFUSED],
            "off_schedule": self._off_schedule(),
            "original": {**original, "skipped": dict(sorted(skipped.items()))},
            "families": dict(sorted(Counter(outcome.family for outcome in ran).items())),
            "coverage": coverage.table(outcome.marks for outcome in ran),
            "versions": bundle.versions(),
            "seconds": round(self.seconds, 1),
        }

    def _off_schedule(self) -> dict[str, Any]:
        """Networks whose interval or latency is not the predicted one, by kind."""
        found: dict[str, list[dict[str, Any]]] = {"interval": [], "late": [], "latency": []}
        for outcome in self.outcomes:
            if outcome.timing is not None:
                told = {key: outcome.timing[key] for key in ("expected", "found")}
                found[outcome.timing["kind"]].append({"number": outcome.number, **told})
        return {**found, "counts": {kind: len(own) for kind, own in found.items()}}

    def _failure(self, outcome: Outcome) -> dict[str, Any]:
        told = {"number": outcome.number, "state": outcome.state, "failure": outcome.failure}
        return {**told, **self.bundles.get(outcome.number, {})}


def regress(settings: Settings, tools: Tools, progress: Progress) -> Regressed:
    """Run it.

    Errors: those of :meth:`Settings.check`, ``verify.no-simulator``, ``verify.no-compiler``,
    ``verify.no-cocotb``, ``verify.no-ap-types``.
    """
    settings.check()
    with user_errors(Path("gatesmith regress")):
        toolchain.find_verilator()
        toolchain.find_compiler()
        toolchain.find_cocotb()
        if tools.hls:
            find_headers()
    started = time.monotonic()
    outcomes = tuple(o for part in _batches(settings, tools, progress) for o in part)
    bundles: dict[int, dict[str, Any]] = {}
    failed = [outcome for outcome in outcomes if outcome.failed]
    for done, outcome in enumerate(failed):
        progress("make failures smaller", done, len(failed))
        bundles[outcome.number] = _saved(outcome, settings, tools)
        progress("make failures smaller", done + 1, len(failed))
    return Regressed(settings, outcomes, bundles, time.monotonic() - started)


def _saved(outcome: Outcome, settings: Settings, tools: Tools) -> dict[str, Any]:
    """Make a failure smaller and save it."""
    failure = outcome.failure or {}
    engine, types = failure.get("engine"), str(failure.get("types", "fast"))
    wanted = replace(
        tools,
        rtl=engine in ("rtl", "timing"),
        hls=engine == "hls",
        original=tools.original if engine == "original" else None,
    )

    def judge(recipes: Sequence[Recipe]) -> list[Outcome]:
        return run_recipes(recipes, wanted, types)

    small = shrink(outcome, judge, settings.rounds)
    place, located = bundle.save(settings.failures, outcome, small, settings.seed, tools)
    return {"bundle": str(place), "small": small.recipe, "located": located}


def _batches(settings: Settings, tools: Tools, progress: Progress) -> list[list[Outcome]]:
    """Outcomes of the batches, in order."""
    jobs = settings.jobs or os.cpu_count() or 1
    began = time.monotonic()
    found: dict[int, list[Outcome]] = {}
    clock = _Clock(settings, began, progress)
    plan = _plan(settings)
    if jobs == 1:
        for index, numbers in plan:
            if not clock.more(found):
                break
            found[index] = run_numbers(settings.seed, numbers, tools, _types(index))
            clock.show(found)
        return [found[index] for index in sorted(found)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        running: dict[Future[list[Outcome]], int] = {}
        over = False
        while True:
            while not over and len(running) < jobs:
                job = next(plan, None) if clock.more(found) else None
                if job is None:
                    over = True
                    break
                index, numbers = job
                future = pool.submit(run_numbers, settings.seed, numbers, tools, _types(index))
                running[future] = index
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                found[running.pop(future)] = future.result()
            clock.show(found)
    return [found[index] for index in sorted(found)]


def _plan(settings: Settings) -> Iterator[tuple[int, list[int]]]:
    """Batches by index, without end where time ends the run."""
    index, first = 0, 0
    while settings.networks is None or first < settings.networks:
        end = first + settings.batch
        if settings.networks is not None:
            end = min(end, settings.networks)
        yield index, list(range(first, end))
        index, first = index + 1, end


def _types(index: int) -> str:
    """How the HLS C++ of a batch is compiled."""
    return "ap_int" if index % AP_INT_EVERY == 1 else "fast"


@dataclass(slots=True)
class _Clock:
    """Whether there is time for one more batch: as long as they took so far."""

    settings: Settings
    began: float
    progress: Progress

    def more(self, found: dict[int, list[Outcome]]) -> bool:
        if self.settings.minutes is None:
            return True
        longest = max(
            (sum(outcome.seconds for outcome in part) for part in found.values()), default=0.0
        )
        spent = time.monotonic() - self.began
        return not found or spent + longest <= 60 * self.settings.minutes

    def show(self, found: dict[int, list[Outcome]]) -> None:
        done = sum(map(len, found.values()))
        if self.settings.networks is not None:
            self.progress("networks", done, self.settings.networks)
        elif self.settings.minutes is not None:
            spent, whole = int(time.monotonic() - self.began), int(60 * self.settings.minutes)
            self.progress(f"seconds ({done} networks)", min(spent, whole), whole)
