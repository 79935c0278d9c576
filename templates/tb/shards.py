"""Run a built simulator over ranges of frames, several processes at a time, and add up.

Plain Python with no import of gatesmith: this file is copied into the tb/ folder of every build.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from gatesmith.templates.tb import toolchain
else:  # in the tb/ folder of a build
    toolchain = importlib.import_module("toolchain")

Progress = Callable[[int, int], None]
HUNG_SECONDS = 600
"""A simulator that shows no sign of life for so long is ended."""

FEW, SHORT = 64, 50_000
"""A process of its own for fewer frames, and fewer cycles, than this costs more than it saves."""

SOME, LONG = 256, 2_000_000
"""Frames of the runs that stress one thing each; fewer where they would take more cycles."""


@dataclass(frozen=True)
class Job:
    """One simulation: frames first .. first + frames - 1 of the files, under these plusargs."""

    name: str
    first: int
    frames: int
    settings: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Files:
    """Where a simulation finds its data.

    Attributes:
        data: Folder of input_K.bin and expected_K.bin, and of streams.bin if there is one.
        images: Folder of the memory images (rtl/).
        bench: Folder of bench.py (tb/).
    """

    data: Path
    images: Path
    bench: Path


def compared(build: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Stage and sink of each stream that is compared in the core, in the order of streams.svh.

    Those that carry a value of the IR in its order, frame after frame.
    """
    return [
        (stage, sink)
        for stage in build["stages"]
        if stage["compare"] and not stage.get("gated")
        for sink in stage["sinks"]
    ]


def patience(build: Mapping[str, Any]) -> dict[str, int]:
    """Watchdog and drain time that suit a design, in cycles.

    Stalls stretch what a frame takes, but hardly fourfold without a single beat in or out. What is
    in the pipeline behind the last frame comes out within the latency.
    """
    interval, latency = int(build["interval"]), int(build["latency"])
    return {"patience": 4 * (interval + latency) + 8192, "drain": latency + 64}


def split(
    build: Mapping[str, Any], name: str, frames: int, settings: Mapping[str, int]
) -> list[Job]:
    """Jobs for all frames: as many as there are processors, but none that is not worth it.

    Each has enough frames to fill the pipeline and measure the interval behind that.
    """
    interval = max(1, int(build["interval"]))
    full = int(build["latency"]) // interval + 4
    worth = max(full, min(FEW, -(-SHORT // interval)))
    count = max(1, min(os.cpu_count() or 1, frames // worth))
    edges = [frames * i // count for i in range(count + 1)]
    seed = settings.get("seed", 1)
    return [
        Job(f"{name}{i}", start, end - start, {**settings, "seed": seed + 101 * i})
        for i, (start, end) in enumerate(itertools.pairwise(edges))
    ]


def plain_jobs(build: Mapping[str, Any], frames: int) -> list[Job]:
    """Every frame, back to back, nothing stalls: interval and latency are measured here."""
    return split(build, "plain", frames, patience(build))


def most_beats(build: Mapping[str, Any]) -> int:
    """Beats of a frame on the input that has most."""
    return max(int(entry["beats"]) for entry in build["inputs"])


def slow_sinks(build: Mapping[str, Any]) -> dict[str, int]:
    """Settings of sinks that are slower than the core, by half on average, and never even.

    Stalls of some cycles do nothing to a core that gives a beat in hundreds.
    """
    beats = max(int(entry["beats"]) for entry in build["outputs"])
    return {"sink_stall": 96, "sink_gap": max(2, 3 * int(build["interval"]) // beats)}


def stall_jobs(build: Mapping[str, Any], frames: int, seed: int) -> list[Job]:
    """Every frame with all ends stalling at random; fewer with one side, and with resets.

    Random stalls hardly ever fill a core with long frames from its last stage to its first, so in
    one run the sinks wait until no source gets a beat in any more. Where tlast is wrong, about once
    a frame, the core has to say so and to compute on all the same.
    """
    base = patience(build)
    both = {**base, "source_stall": 96, "sink_stall": 96}
    interval, latency = int(build["interval"]), int(build["latency"])
    resets = {"resets": 16, "reset_gap": max(2, latency + 3 * interval)}
    some = min(frames, SOME, max(4, LONG // max(1, interval)))
    jobs = split(build, "stalled", frames, {**both, "seed": seed})
    jobs.append(Job("starved", 0, some, {**base, "source_stall": 208, "seed": seed + 1}))
    jobs.append(Job("blocked", 0, some, {**base, "sink_stall": 208, "seed": seed + 2}))
    jobs.append(Job("slow", 0, min(some, FEW), {**base, **slow_sinks(build), "seed": seed + 7}))
    jobs.append(Job("reset", 0, some, {**both, **resets, "seed": seed + 3}))
    jobs.append(Job("reset-full-speed", 0, some, {**base, **resets, "seed": seed + 4}))
    jobs.append(
        Job("full", 0, min(some, FEW), {**base, "fill": interval + latency, "seed": seed + 6})
    )
    wrong = {**both, **resets, "wrong_tlast": max(1, 256 // most_beats(build))}
    jobs.append(Job("wrong-tlast", 0, some, {**wrong, "seed": seed + 5}))
    return jobs


def run(
    simulator: Path,
    jobs: Sequence[Job],
    files: Files,
    work: Path,
    progress: Progress = lambda done, total: None,
) -> list[dict[str, Any]]:
    """Result of each job (bench.py's, with ``job`` and ``frames``), in order.

    ``settings`` is the job itself, ``wrong`` the frames that are not right in every respect,
    ``outputs`` those that are not right on each output. Each runs in work/NAME, where its log and
    time stamps stay.

    Errors: ``verify.simulator-failed`` when one ends without a verdict.
    """
    waiting, total = list(jobs), sum(job.frames for job in jobs)
    running: list[tuple[Job, Path, subprocess.Popen[bytes]]] = []
    results: dict[str, dict[str, Any]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < (os.cpu_count() or 1):
                job = waiting.pop(0)
                folder = work / job.name
                running.append((job, folder, _start(simulator, job, files, folder)))
            time.sleep(0.05)
            done = sum(int(result["frames"]) for result in results.values())
            for entry in list(running):
                job, folder, process = entry
                if process.poll() is not None:
                    running.remove(entry)
                    results[job.name] = _result(job, folder, process.returncode)
                    done += job.frames
                else:
                    done += max(0, _alive(folder, process) - job.first)
            progress(done, total)
    finally:
        for _, _, process in running:
            process.kill()
            process.wait()
    return [results[job.name] for job in jobs]


def total(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One result for several.

    Counts are added, wrong frames united, in all and by output; the first failure is that of the
    lowest frame.
    """
    parts = list(results)
    failures = [part["first"] | {"job": part["job"]} for part in parts if part["first"]]
    intervals = [part["intervals"] for part in parts if part["intervals"]]
    counted = sum(count for _, _, count, _ in intervals)
    latencies = [part["latency"] for part in parts if part["latency"] is not None]
    outputs = [part["outputs"] for part in parts]
    return {
        "frames": sum(part["frames"] for part in parts),
        "wrong": sorted({frame for part in parts for frame in part["wrong"]}),
        "outputs": [sorted(set().union(*same)) for same in zip(*outputs, strict=True)],
        "errors": sum(part["errors"] for part in parts),
        "cycles": sum(part["cycles"] for part in parts),
        "resets": sum(len(part["resets"]) for part in parts),
        "resets_mid_frame": sum(reset["mid_frame"] for part in parts for reset in part["resets"]),
        "latency": max(latencies, default=None),
        "interval_min": min((low for low, *_ in intervals), default=None),
        "interval_max": max((high for _, high, *_ in intervals), default=None),
        "interval_mean": sum(steps for *_, steps in intervals) / counted if counted else None,
        "first": min(failures, key=lambda failure: int(failure["frame"]), default=None),
    }


def late(build: Mapping[str, Any], results: Iterable[Mapping[str, Any]]) -> int | None:
    """Cycles by which a frame ended behind the predicted schedule at most; none did if below 1.

    Of runs without stalls: frame n is to have ended latency + n * interval cycles after the first
    beat. Where cycles hang on data this is the check of the interval, which is that of the worst
    case: one frame's end can be further behind the one before it when that one was quick.
    """
    interval, latency = int(build["interval"]), int(build["latency"])
    ends = [part["ends"] for part in results]
    over = (end - latency - n * interval for run in ends for n, end in enumerate(run))
    return max(over, default=None)


def on_time(build: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether runs without stalls were as fast as predicted; None where nothing was measured.

    Where cycles hang on data, no frame may be late; else neither latency nor steady interval may be
    longer.
    """
    if build.get("data_dependent"):
        over = late(build, results)
        return None if over is None else over <= 0
    latencies = [part["latency"] for part in results if part["latency"] is not None]
    intervals = [part["intervals"][1] for part in results if part["steady"]]
    if not latencies:
        return None
    fast = max(intervals, default=0) <= int(build["interval"])
    return fast and max(latencies) <= int(build["latency"])


def _start(simulator: Path, job: Job, files: Files, folder: Path) -> subprocess.Popen[bytes]:
    folder.mkdir(parents=True)
    for image in files.images.glob("*.mem"):
        (folder / image.name).symlink_to(image.resolve())
    names = ("input_*.bin", "expected_*.bin", "streams.bin")
    for beats in (path for name in names for path in files.data.glob(name)):
        (folder / beats.name).symlink_to(beats.resolve())
    settings = {"first": job.first, "frames": job.frames, **job.settings}
    seed = settings.get("seed", 1)
    command = [
        str(simulator),
        *(f"+{name}={value}" for name, value in settings.items()),
        "+verilator+error+limit+1000000",  # an assertion is counted and does not end the run
        "+verilator+rand+reset+2",  # what is not reset starts with random bits
        f"+verilator+seed+{1 + seed % 0x7FFFFFFF}",
    ]
    with (folder / "log.txt").open("wb") as log:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=_environment(files.bench),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=toolchain.die_with_parent,  # noqa: PLW1509  the caller has one thread
        )


def _environment(bench: Path) -> dict[str, str]:
    """What cocotb's own runner sets, without its special ways under pytest."""
    cocotb = toolchain.find_cocotb()
    config = importlib.import_module("cocotb_tools.config")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("COCOTB_", "GPI_", "PYGPI_"))}
    path = [str(bench.resolve()), str(cocotb.libs.parent.parent), kept.get("PYTHONPATH", "")]
    return kept | {
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYGPI_PYTHON_BIN": sys.executable,
        "GPI_USERS": f"{cocotb.python};{config.pygpi_entry_point()}",
        "TOPLEVEL_LANG": "verilog",
        "COCOTB_TOPLEVEL": "tb",
        "COCOTB_TEST_MODULES": "bench",
        "COCOTB_RESULTS_FILE": "results.xml",
        "COCOTB_TRUST_INERTIAL_WRITES": "1",
        "COCOTB_ANSI_OUTPUT": "0",
    }


def _alive(folder: Path, process: subprocess.Popen[bytes]) -> int:
    """Frames that came out so far; ends a simulator that hangs."""
    sign = folder / "progress.txt"
    try:
        beat, done = sign.stat().st_mtime, int(sign.read_text())
    except (OSError, ValueError):
        beat, done = folder.stat().st_mtime, 0
    if time.time() - beat > HUNG_SECONDS:
        process.kill()
    return done


def _result(job: Job, folder: Path, code: int) -> dict[str, Any]:
    log = (folder / "log.txt").read_text("utf-8", errors="replace")
    broken = [line for line in log.splitlines() if "Assertion failed" in line]
    try:
        result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    except (OSError, ValueError):
        ended = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
        tail = "\n".join(log.strip().splitlines()[-20:])
        raise toolchain.ToolError(
            "verify.simulator-failed",
            "the simulator stopped before its verdict",
            f"run {job.name!r} {ended}; the end of its log:\n{tail}",
            ("run it again; signal 9 often means that memory ran out",),
        ) from None
    if broken:
        result["errors"] += len(broken)
        result["first"] = result["first"] or {
            "kind": "assertion",
            "output": None,
            "frame": job.first,
            "beat": 0,
            "cycle": 0,
            "expected": "",
            "found": broken[0],
        }
    end = job.first + job.frames
    good = set(result.pop("good"))
    wrong = [frame for frame in range(job.first, end) if frame not in good]
    if result["errors"] and not wrong:  # not the data, but how it came
        wrong = [min(result["first"]["frame"], end - 1)]
    outputs = [[*out["bad"], *range(out["delivered"], end)] for out in result["outputs"]]
    told = {"job": job.name, "settings": job, "frames": job.frames, "wrong": wrong}
    return result | told | {"outputs": outputs}
