"""One mutant through the shipped bench: which run kills it, and how.

The runs are those of ``gatesmith verify --stall`` on the vectors that the build carries along, one
after the other until one of them notices. It is a process for each, started by main.sv and not by
cocotb: a thousand runs are not a thousand starts of Python. Judged is what verify judges: errors of
the bench, assertions, frames that are missing, and whether frames come as early as build.json says.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatesmith.templates.tb import bench as judging
from gatesmith.templates.tb import shards, toolchain
from gatesmith.templates.tb.shards import Job

SLOWER = 5
"""Times as many cycles, and as many seconds, as the intact core takes: then the run is ended."""
LEAST_SECONDS = 20.0
ASSERTION = re.compile(r"Assertion failed in (?!.*bench: )")
SAID = re.compile(r"bench: \d+ errors; the first: kind (\d+) ")


@dataclass(frozen=True, slots=True)
class Killed:
    """What noticed a mutant.

    Attributes:
        run: Name of the run: plain0, stalled0, starved, ...
        by: Kind of the first error (templates/tb/bench.py); ``assertion``, ``late``, ``crash``,
            ``no-end``.
    """

    run: str
    by: str


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """The runs of a build.

    Attributes:
        folder: Build folder.
        build: Its build.json.
        simulator: Model with all mutants.
        jobs: Runs, the quickest first.
        cycles: That each takes with the intact core, by name; empty while that is measured.
        seconds: Likewise.
    """

    folder: Path
    build: Mapping[str, Any]
    simulator: Path
    jobs: Sequence[Job]
    cycles: Mapping[str, int]
    seconds: Mapping[str, float]

    @staticmethod
    def of(folder: Path, simulator: Path, frames: int | None) -> Bench:
        """With the vectors of the build; ``frames``: only so many."""
        build = json.loads((folder / "build.json").read_text("utf-8"))
        entry = build["inputs"][0]
        size = (folder / "vectors" / "input_0.bin").stat().st_size
        there = size // (entry["beats"] * entry["tdata_bits"] // 8)
        count = min(there, frames or there)
        jobs = [*shards.plain_jobs(build, count), *shards.stall_jobs(build, count, seed=1)]
        return Bench(folder, build, simulator, jobs, {}, {})

    def measured(self) -> Bench:
        """With the cycles and the seconds of the intact core, which must pass.

        Errors: ToolError ``mutate.not-right``.
        """
        cycles, seconds = {}, {}
        for job in self.jobs:
            started = time.monotonic()
            with tempfile.TemporaryDirectory(prefix="gatesmith-mutate-") as name:
                found = self._run(job, 0, {}, Path(name))
                if found is not None:
                    raise toolchain.ToolError(
                        "mutate.not-right",
                        "the core fails before anything is changed",
                        f"run {job.name!r}: {found.by}",
                        ("gatesmith verify DIR --data DIR/vectors/sample.npz --stall",),
                    )
                lines = (Path(name) / "times.txt").read_text("ascii").splitlines()
            ends = [int(line.split()[2]) for line in lines if line[0] in "ior"]
            cycles[job.name] = max(ends, default=0)
            seconds[job.name] = time.monotonic() - started
        return Bench(self.folder, self.build, self.simulator, self.jobs, cycles, seconds)

    def kill(self, number: int, images: Mapping[str, str]) -> Killed | None:
        """What notices a mutant, or None.

        Args:
            number: In the model.
            images: Memory images that are others.
        """
        for job in self.jobs:
            with tempfile.TemporaryDirectory(prefix="gatesmith-mutate-") as name:
                found = self._run(job, number, images, Path(name))
            if found is not None:
                return found
        return None

    def _run(self, job: Job, number: int, images: Mapping[str, str], work: Path) -> Killed | None:
        for image in (self.folder / "rtl").glob("*.mem"):
            if image.name not in images:
                (work / image.name).symlink_to(image.resolve())
        for name, text in images.items():
            (work / name).write_text(text, "ascii")
        for beats in (self.folder / "vectors").glob("*.bin"):
            (work / beats.name).symlink_to(beats.resolve())
        limit = SLOWER * self.cycles.get(job.name, 0) + (1 << 16 if self.cycles else 0)
        settings = {"first": job.first, "frames": job.frames, **job.settings, "mutant": number}
        seed = int(settings.get("seed", 1))
        command = [
            str(self.simulator),
            *(f"+{key}={value}" for key, value in settings.items()),
            *([f"+stop_at={limit}"] if limit else []),
            "+verilator+error+limit+1000000",
            "+verilator+rand+reset+2",
            f"+verilator+seed+{1 + seed % 0x7FFFFFFF}",
        ]
        patience = SLOWER * self.seconds.get(job.name, 60.0) + LEAST_SECONDS
        code, log = _ended(command, work, patience)
        return self._verdict(job, code, log, work)

    def _verdict(self, job: Job, code: int | None, log: str, work: Path) -> Killed | None:
        if code is None:
            return Killed(job.name, "no-end")
        said = SAID.search(log)
        if said is not None:
            return Killed(job.name, judging.KINDS[int(said[1])])
        if ASSERTION.search(log):
            return Killed(job.name, "assertion")
        if code or f"{job.frames} of {job.frames} frames equal" not in log:
            ended = "bench: ended after frame" in log
            return Killed(job.name, "no-end" if ended else "crash")
        if job.name.startswith("plain"):
            with (work / "times.txt").open(encoding="ascii") as lines:
                told = judging.timing(lines)
            if shards.on_time(self.build, [told]) is False:
                return Killed(job.name, "late")
        return None


def _ended(command: Sequence[str], work: Path, seconds: float) -> tuple[int | None, str]:
    """Exit code, None after so many seconds; and what it said."""
    log = work / "log.txt"
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=work,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        try:
            code: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    with log.open("rb") as file:
        head = file.read(1 << 20)
        file.seek(max(0, log.stat().st_size - (1 << 16)))
        return code, (head + file.read()).decode("utf-8", "replace")


def kill_all(
    bench: Bench,
    mutants: Mapping[int, Mapping[str, str]],
    jobs: int | None,
    progress: Callable[[int, int], None],
) -> dict[int, Killed | None]:
    """Verdict on every mutant, several at a time.

    Args:
        bench: What runs.
        mutants: By number the memory images that are others.
        jobs: Simulators at a time; one a core by default.
        progress: Told how many are decided.
    """
    found: dict[int, Killed | None] = {}
    progress(0, len(mutants))
    with ThreadPoolExecutor(jobs or os.cpu_count()) as pool:
        waiting = {pool.submit(bench.kill, n, images): n for n, images in mutants.items()}
        try:
            for job in as_completed(waiting):
                found[waiting[job]] = job.result()
                progress(len(found), len(mutants))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return dict(sorted(found.items()))
