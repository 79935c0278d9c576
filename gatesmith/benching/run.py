"""Check every engine against the reference, then time it: the rows of a benchmark.

1. An engine that cannot run here, or cannot compute this network, is a row that says why.
2. An integer engine that gives one wrong code is not timed.
3. Each batch size is timed on its own; one that does not fit memory ends the row, and the smaller
   ones stay.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from gatesmith.benching.fpga import fpga
from gatesmith.benching.machine import machine
from gatesmith.benching.read import Loaded, read
from gatesmith.benching.result import BatchTime, Benched, Row
from gatesmith.benching.settings import Settings
from gatesmith.cpu_gpu_baselines import joules, outcome
from gatesmith.cpu_gpu_baselines.engines import Engine, Opened, Unavailable
from gatesmith.cpu_gpu_baselines.timing import measure
from gatesmith.errors import UserError, raise_all
from gatesmith.figures import operations, parameters
from gatesmith.ir import Graph
from gatesmith.ops.dense import Dense
from gatesmith.ops.depthwise import Depthwise
from gatesmith.pipeline import Progress, quiet

WALKED = "onnxruntime"
"""The engine that computes what comparison.py walks."""

CHUNK = 256  # frames of the walk at a time
NO_MEMORY = ("out of memory", "failed to allocate", "bad alloc", "can't allocate", "bad_alloc")


def bench(place: Path, data: Path, settings: Settings, progress: Progress = quiet) -> Benched:
    """Time a model or a build with every engine.

    Errors: ``bench.engine``, ``bench.input``, ``bench.no-build``, ``cli.bad-value``, those of the
    frontend and of lowering, ``verify.*``.
    """
    settings.check()
    if not place.is_dir():
        _no_build(place, settings)
    loaded = read(
        place,
        data,
        frames=settings.frames,
        labels=settings.labels,
        input_spec=settings.input_spec,
        progress=progress,
    )
    network = loaded.network
    core = None
    if network.build is not None:
        core = fpga(place, network.build, data, settings, progress)
    where = machine()
    rows = list(_rows(loaded, settings, progress))
    where["load_average_after"] = round(os.getloadavg()[0], 2)
    return Benched(
        datetime.now(UTC).isoformat(timespec="seconds"),
        _about(network.name, network.integer, len(loaded.subject)),
        where,
        _told(settings, loaded),
        rows,
        core,
        _notes(loaded, settings, where),
    )


def _no_build(model: Path, settings: Settings) -> None:
    """Errors: ``bench.no-build``."""
    given = {"--measure": settings.measure, "--clock-mhz": settings.clock_mhz}
    raise_all(
        [
            UserError(
                "bench.no-build",
                "a model has no cycles",
                where=f"{option} {value:g}",
                why=f"{model} is no build folder",
                fix=(f"gatesmith build {model} -o DIR, and bench DIR", f"leave {option} out"),
            )
            for option, value in given.items()
            if value
        ]
    )


def _rows(loaded: Loaded, settings: Settings, progress: Progress) -> Iterator[Row]:
    engines = settings.chosen()
    for done, engine in enumerate(engines.values()):
        progress("engines", done, len(engines))
        counts = settings.thread_counts() if engine.threaded else (settings.thread_counts()[-1],)
        for threads in counts:
            row = _row(engine, threads, loaded, settings)
            yield row
            if row.skipped is not None:
                break  # another number of threads mends nothing
    progress("engines", len(engines), len(engines))


def _row(engine: Engine, threads: int, loaded: Loaded, settings: Settings) -> Row:
    """One engine: opened, checked, timed. Whatever it raises is the row's, not the command's."""
    row = Row(engine=engine.name, kind=engine.kind, device=engine.device)
    row.threads = threads if engine.threaded else None
    try:
        opened = engine.open(loaded.subject, threads)
        row.note, row.weight_bytes = opened.note, opened.weight_bytes
        _check(row, opened, loaded)
        if row.equal is not False:
            _time(row, opened, len(loaded.subject), settings)
    except Unavailable as error:
        row.skipped = str(error)
    except Exception as error:  # of a package that is not ours: the other rows still run
        first = (str(error).strip().splitlines() or [""])[0]
        row.skipped = f"it failed: {type(error).__name__}: {first}"
    return row


def _check(row: Row, opened: Opened, loaded: Loaded) -> None:
    subject = loaded.subject
    if row.kind == "integer":
        found = outcome.integers(opened, subject)
        row.equal = found.differing == 0
        if not row.equal:
            row.problems.append(f"wrong from frame {found.first} on: not timed")
        elif loaded.classes is not None and subject.labels is not None:
            row.top1 = float((loaded.classes == subject.labels).mean())
    else:
        found = outcome.floats(opened, subject, loaded.network.ends, loaded.classes)
        if found.right is not None:
            row.top1 = found.right / len(subject)
        if row.engine == WALKED:
            row.unexplained = _unexplained(loaded)
    row.compared, row.compared_what = found.compared, found.what
    row.differing = found.differing


def _unexplained(loaded: Loaded) -> int | None:
    """Differences inside the file that float32 rounding does not account for."""
    walk, subject = loaded.comparison, loaded.subject
    if walk is None:
        return None
    if not walk.result()[0] and not walk.result()[1]:  # once for all numbers of threads
        nodes = {node.name: node for node in loaded.network.real}
        for start in range(0, len(subject), CHUNK):
            frames = slice(start, start + CHUNK)
            part = {nodes[name]: x[frames] for name, x in subject.reals.items()}
            walk.compare(walk.given(part))
    quantizers, outputs = walk.result()
    return sum(part.unexplained for part in (*walk.constants, *quantizers, *outputs))


def _time(row: Row, opened: Opened, frames: int, settings: Settings) -> None:
    sizes = [size for size in sorted(set(settings.batches)) if size <= frames]
    with opened.active():
        for size in sizes:
            try:
                bound = opened.bind(np.arange(size))
                timing = measure(bound.call, settings.seconds / len(sizes))
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                row.problems.append(f"out of memory at a batch of {size}")
                break
            row.batches.append(BatchTime.of(size, timing))
        if not row.batches:
            return
        best = max(row.batches, key=lambda entry: entry.throughput)
        row.batch, row.throughput = best.batch, best.throughput
        if row.batches[0].batch == 1:
            row.latency_us = row.batches[0].median_us
        if settings.energy:
            _energy(row, opened, best.batch)


def _energy(row: Row, opened: Opened, size: int) -> None:
    counter = joules.meter(row.device)
    if isinstance(counter, str):
        row.energy_why = counter
        return
    used, calls = joules.joules(counter, opened.bind(np.arange(size)).call)
    row.energy_uj, row.energy_why = 1e6 * used / (calls * size), counter.name


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory, of the machine or of a GPU, was not enough."""
    return isinstance(error, MemoryError) or any(w in str(error).lower() for w in NO_MEMORY)


def _about(name: str, graph: Graph, frames: int) -> dict[str, Any]:
    bits = sum(
        node.op.weights.data.size * node.op.weight_type.bits
        for node in graph
        if isinstance(node.op, Dense | Depthwise)
    )
    return {
        "name": name,
        "frames": frames,
        "parameters": sum(map(parameters, graph)),
        "operations": sum(map(operations, graph)),
        "weight_bytes": -(-bits // 8),
    }


def _told(settings: Settings, loaded: Loaded) -> dict[str, Any]:
    return {
        "seconds": settings.seconds,
        "batches": sorted(set(settings.batches)),
        "threads": list(settings.thread_counts()),
        "frames": len(loaded.subject),
    }


def _notes(loaded: Loaded, settings: Settings, where: Mapping[str, Any]) -> Sequence[str]:
    frames, notes = len(loaded.subject), []
    if left := [size for size in sorted(set(settings.batches)) if size > frames]:
        notes.append(f"batches {', '.join(map(str, left))} left out: the data has {frames} frames")
    load, cores = where["load_average_after"], where["cores"]
    if load > cores + 1:
        notes.append(
            f"other work runs here (load {load} on {cores} cores): several threads suffer most"
        )
    if loaded.network.build is None:
        notes.append("no FPGA figures: give a build folder in the place of the model")
    elif settings.clock_mhz is None:
        notes.append("the FPGA's figures are cycles only: state a clock with --clock-mhz")
    return notes
