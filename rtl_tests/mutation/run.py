"""``gatesmith mutate``: mutants of a build, how many its bench kills, and what the others are."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from gatesmith.errors import UserError
from gatesmith.rtl_tests.mutation.choose import choose
from gatesmith.rtl_tests.mutation.design import Rtl
from gatesmith.rtl_tests.mutation.equivalence import BEYOND, EQUIVALENT, Judged, judge
from gatesmith.rtl_tests.mutation.model import build_model, image_files, slang_refuses
from gatesmith.rtl_tests.mutation.mutant import IMAGE, KINDS, Mutant
from gatesmith.rtl_tests.mutation.runs import Bench, Killed, kill_all
from gatesmith.rtl_tests.simulator import user_errors
from gatesmith.rtl_tests.verify import read_build

Progress: TypeAlias = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Mutated:
    """What was found.

    Attributes:
        design: Name of the build.
        seed: Of the choice.
        sites: Mutants that there could be, without those of memory images.
        mutants: Those that were made, by number.
        stillborn: Those that no tool accepts.
        killed: Verdict of the bench, by number.
        judged: What the survivors are, by number.
        seconds: Wall time of each step.
    """

    design: str
    seed: int
    sites: int
    mutants: Mapping[int, Mutant]
    stillborn: tuple[Mutant, ...]
    killed: Mapping[int, Killed | None]
    judged: Mapping[int, Judged]
    seconds: Mapping[str, float]

    @property
    def equivalent(self) -> list[int]:
        """Survivors that no bench can kill."""
        return [n for n, found in self.judged.items() if found.verdict == EQUIVALENT]

    @property
    def survivors(self) -> list[int]:
        """Those that are not killed, and not proven equivalent."""
        equivalent = set(self.equivalent)
        return [n for n, found in self.killed.items() if found is None and n not in equivalent]

    @property
    def rate(self) -> float:
        """Share of those that could be killed, that are."""
        able = len(self.killed) - len(self.equivalent)
        return (able - len(self.survivors)) / able if able else 1.0

    def as_json(self) -> dict[str, Any]:
        """What ``gatesmith mutate --json`` prints."""
        runs = Counter(found.run for found in self.killed.values() if found)
        kinds: dict[str, dict[str, int]] = {}
        for n, found in self.killed.items():
            row = kinds.setdefault(
                self.mutants[n].kind, {"mutants": 0, "killed": 0, "equivalent": 0}
            )
            row["mutants"] += 1
            row["killed"] += found is not None
        for n in self.equivalent:
            kinds[self.mutants[n].kind]["equivalent"] += 1
        return {
            "design": self.design,
            "seed": self.seed,
            "sites": self.sites,
            "mutants": len(self.killed),
            "stillborn": len(self.stillborn),
            "killed": sum(found is not None for found in self.killed.values()),
            "equivalent": len(self.equivalent),
            "survivors": len(self.survivors),
            "kill_rate": round(self.rate, 5),
            "kinds": {key: kinds[key] for key in KINDS if key in kinds},
            "killed_in": dict(runs.most_common()),
            "killed_by": dict(Counter(f.by for f in self.killed.values() if f).most_common()),
            "equivalents": [self._told(n) for n in self.equivalent],
            "surviving": [self._told(n) for n in self.survivors],
            "seconds": {key: round(value, 1) for key, value in self.seconds.items()},
        }

    def _told(self, number: int) -> dict[str, Any]:
        return {**self.mutants[number].as_json(), **self.judged[number].as_json()}


def mutate(
    folder: Path,
    progress: Progress,
    *,
    mutants: int = 200,
    seed: int = 1,
    frames: int | None = None,
    jobs: int | None = None,
    prove: bool = True,
    timeout: float = 30.0,
) -> Mutated:
    """Mutants of a build, through the bench that it carries along.

    Args:
        folder: What ``gatesmith build`` wrote.
        progress: Told what is being done.
        mutants: How many are made.
        seed: Of their choice.
        frames: Of the vectors of the build; all by default.
        jobs: Simulators at a time.
        prove: Whether survivors are given to Yosys and ABC.
        timeout: Seconds for the proof of one.

    Errors: ``mutate.*``, ``verify.*``, ``synth.*``, ``cli.bad-value``.
    """
    _check(mutants, timeout)
    build = read_build(folder)
    seconds: dict[str, float] = {}
    clock = time.monotonic()

    def lap(step: str) -> None:
        nonlocal clock
        seconds[step] = time.monotonic() - clock
        clock = time.monotonic()

    progress("mutants", 0, 1)
    rtl = Rtl.of(folder, str(build["top"]))
    chosen, stillborn, sites = choose(rtl, mutants, seed, lambda m: slang_refuses(rtl, m))
    made = dict(enumerate(chosen, 1))
    progress("mutants", 1, 1)
    lap("choose")
    progress("model", 0, 1)
    in_model = {n: m for n, m in made.items() if m.how != IMAGE}
    simulator, refused = build_model(folder, rtl, in_model, lambda _: None)
    progress("model", 1, 1)
    lap("build")
    with user_errors(folder):
        bench = Bench.of(folder, simulator, frames).measured()
    lap("intact")
    images = {n: image_files(rtl, m) for n, m in made.items() if n not in refused}
    killed = kill_all(bench, images, jobs, lambda done, all_: progress("runs", done, all_))
    lap("runs")
    left = {n: made[n] for n, found in killed.items() if found is None}
    judged = judge(rtl, build, left, progress, timeout=timeout if prove else 0.0, jobs=jobs)
    lap("proofs")
    beyond = [n for n, found in judged.items() if found.verdict == BEYOND]
    for n in beyond:
        del killed[n], judged[n]
    gone = (*stillborn, *(made[n] for n in sorted([*refused, *beyond])))
    return Mutated(str(build["name"]), seed, sites, made, gone, killed, judged, seconds)


def _check(mutants: int, timeout: float) -> None:
    if mutants < 1 or timeout < 1:
        raise UserError(
            "cli.bad-value",
            "there has to be something to do, and time for it",
            where=f"--mutants {mutants} --timeout {timeout:g}",
            why="expected 1 mutant and 1 second, or more",
            fix=("give larger numbers, or leave them out",),
        )
