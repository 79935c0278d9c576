"""Shared by the RTL tests: many stages in one simulator, each with a stream driven through it.

A simulator costs ten seconds and more to build, a simulation next to nothing. So the
configurations of a block are built together: a wrapper ``tb`` instantiates each stage with ports
of its own, ``<name>_s_axis_*`` and ``<name>_m_axis_*`` (``s0_axis``, ``s1_axis``, ... where there
are several). Simulators are cached by content (gatesmith/templates/tb/toolchain.py).

The same module is the pytest side (:func:`simulate`) and the cocotb side (:class:`Bench`).
"""

from __future__ import annotations

import itertools
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from cocotb_tools import config
from cocotbext.axi import (  # type: ignore[import-untyped]
    AxiStreamBus,
    AxiStreamSink,
    AxiStreamSource,
)

from gatesmith.codegen import top
from gatesmith.codegen.stream import Stage, Stream
from gatesmith.ir import Ints
from gatesmith.templates.tb import toolchain

FRAMES = 4

Stall = Callable[..., Iterator[bool]]
"""Whether a port stalls, by cycle; given a number of the port, so that ports are independent."""


def never(port: int = 0) -> Iterator[bool]:
    return itertools.repeat(False)


def three_in_four(port: int = 0) -> Iterator[bool]:
    """Each port one cycle behind the one before it."""
    return itertools.cycle([(cycle - port) % 4 != 3 for cycle in range(4)])


def at_random(port: int = 0) -> Iterator[bool]:
    """Stalls in bursts: on average half of the time, 1 to 12 cycles long."""
    rng = random.Random(1 + port)
    while True:
        for stalled in (False, True):
            yield from itertools.repeat(stalled, rng.choice((1, 1, 2, 3, 12)))


STALLS: list[Stall] = [never, three_in_four, at_random]


# ---- frames -------------------------------------------------------------------------------------


def words(stream: Stream, values: Ints) -> list[int]:
    """Beats of frames (frames, vectors, channels), as numbers on tdata."""
    codes = stream.elem.encode(values.reshape(-1, stream.lanes))
    bits = stream.elem.bits
    return [sum(int(code) << (i * bits) for i, code in enumerate(beat)) for beat in codes]


def values(stream: Stream, beats: Sequence[int]) -> Ints:
    """Inverse of :func:`words`."""
    bits, mask = stream.elem.bits, (1 << stream.elem.bits) - 1
    codes = [[beat >> (i * bits) & mask for i in range(stream.lanes)] for beat in beats]
    array = stream.elem.decode(np.array(codes, dtype=np.int64))
    return array.reshape(-1, stream.vectors, stream.channels)


def draw(stream: Stream, frames: int, seed: int = 0) -> Ints:
    """Random frames: any value, one value in six an end of the type, one in four near zero."""
    rng = np.random.default_rng(seed)
    shape = (frames, stream.vectors, stream.channels)
    elem, kind = stream.elem, rng.integers(0, 12, shape)
    codes = rng.integers(0, elem.count, shape)
    zero = np.clip(-elem.lo // elem.step + rng.integers(-8, 9, shape), 0, elem.count - 1)
    codes = np.where(kind < 3, zero, codes)
    codes = np.where(kind == 3, 0, np.where(kind == 4, elem.count - 1, codes))
    return elem.lo + elem.step * codes


# ---- pytest side --------------------------------------------------------------------------------


def sources(stage: Stage) -> list[tuple[str, Stream]]:
    """Prefix of the ports and stream of each input."""
    return list(zip(stage.inward(), stage.sources, strict=True))


def sinks(stage: Stage) -> list[tuple[str, Stream]]:
    """Prefix of the ports and stream of each output."""
    return list(zip(stage.outward(), stage.sinks, strict=True))


def wrapper(stages: Sequence[Stage]) -> str:
    """Module ``tb``: every stage on its own, clock and reset shared."""
    ports, bodies = ["input wire logic clk /* verilator public_flat_rw */"], []
    ports.append("input wire logic rst /* verilator public_flat_rw */")
    for stage in stages:
        nets = []
        sides = [(*port, True) for port in sources(stage)]
        sides += [(*port, False) for port in sinks(stage)]
        for port, stream, inward in sides:
            for signal, bits in (("tdata", stream.width), ("tvalid", 1), ("tready", 1)):
                name = f"{stage.name}_{port}_{signal}"
                way = "input" if inward != (signal == "tready") else "output"
                ports.append(
                    f"{way} wire logic [{bits - 1}:0] {name} /* verilator public_flat_rw */"
                )
                nets.append(f".{port}_{signal}({name})")
        settings = ", ".join(f".{name}({value})" for name, value in stage.parameters.items())
        given = f"#({settings}) " if settings else ""
        bodies.append(
            f"    {stage.module} {given}u_{stage.name} (.clk(clk), .rst(rst), {', '.join(nets)});"
        )
    return (
        "module tb (\n    " + ",\n    ".join(ports) + "\n);\n" + "\n".join(bodies) + "\nendmodule\n"
    )


def texts(stages: Sequence[Stage]) -> dict[str, str]:
    """Text of every file of the wrapper and what is below it, by name."""
    return dict(top.files(stages)) | {"tb.sv": wrapper(stages)}


Mutate = Callable[[str, str], str]


def simulate(
    stages: Sequence[Stage],
    test_module: str,
    folder: Path,
    mutate: Mutate = lambda name, text: text,
) -> tuple[int, str]:
    """Run the cocotb tests of ``test_module`` on a wrapper of the stages.

    Args:
        stages: What is built; the test module must know them by name.
        test_module: Dotted name of the module with the cocotb tests.
        folder: Where the files go and the simulation runs.
        mutate: Given name and text of each file; returns the text that is used.

    Returns:
        Failed tests (all of them, if the simulation ended without a verdict), and its log.
    """
    changed = {name: mutate(name, text) for name, text in texts(stages).items()}
    return run(changed, test_module, folder)


def run(files: Mapping[str, str], test_module: str, folder: Path) -> tuple[int, str]:
    """Build module ``tb`` of these files, run the tests; returns what :func:`simulate` does."""
    try:
        library = toolchain.find_cocotb()
        toolchain.find_verilator()
    except toolchain.ToolError as error:
        pytest.skip(str(error))
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    sources = [folder / name for name in sorted(files) if name.endswith(".sv")]
    simulator = toolchain.build(sources, defines=("GATESMITH_ASSERT",))
    environment = {
        **os.environ,
        "COCOTB_TEST_MODULES": test_module,
        "COCOTB_TOPLEVEL": "tb",
        "COCOTB_RESULTS_FILE": str(folder / "results.xml"),
        "GPI_USERS": f"{library.python};{config.pygpi_entry_point()}",
        "PYGPI_PYTHON_BIN": sys.executable,
        "TOPLEVEL_LANG": "verilog",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "COCOTB_RANDOM_SEED": "1",
    }
    done = subprocess.run(
        [
            str(simulator),
            "+verilator+error+limit+1000000",  # an assertion is counted and does not end the run
            "+verilator+rand+reset+2",  # what is not reset starts with random bits
            "+verilator+seed+1",
        ],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=toolchain.die_with_parent,
    )
    log = done.stdout + done.stderr
    verdict = re.search(r"TESTS=(\d+) PASS=(\d+) FAIL=(\d+)", log)
    if verdict is None or int(verdict[1]) == 0:
        return 999, log
    assertions = log.count("Assertion failed")
    return int(verdict[3]) + assertions, log


def check(stages: Sequence[Stage], test_module: str, folder: Path) -> None:
    """:func:`simulate`, and fail if anything failed."""
    failed, log = simulate(stages, test_module, folder)
    assert failed == 0, log[-6000:]


# ---- cocotb side --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A stage, and what it must compute: an array for each source to one, or one for each sink."""

    stage: Stage
    reference: Callable[..., Ints | tuple[Ints, ...]]

    def draw(self, frames: int, seed: int = 0) -> tuple[Ints, ...]:
        """Random frames for each source."""
        streams = self.stage.sources
        return tuple(draw(x, frames, seed + 7919 * k) for k, x in enumerate(streams))

    def want(self, frames: Sequence[Ints]) -> tuple[Ints, ...]:
        """What each sink must give for these frames."""
        y = self.reference(*frames)
        return y if isinstance(y, tuple) else (y,)


class Bench:
    """One stage of the wrapper: a source before each input, a sink behind each output."""

    def __init__(self, dut: Any, stage: Stage) -> None:
        self.dut, self.stage = dut, stage
        self.sources = [self._end(AxiStreamSource, port) for port in stage.inward()]
        self.sinks = [self._end(AxiStreamSink, port) for port in stage.outward()]

    def _end(self, kind: type, port: str) -> Any:
        bus = AxiStreamBus.from_prefix(self.dut, f"{self.stage.name}_{port}")
        # byte_lanes=1: one word of tdata is one beat, however wide.
        end = kind(bus, self.dut.clk, self.dut.rst, byte_lanes=1)
        end.log.setLevel("WARNING")
        return end

    def pause(self, source: Stall, sink: Stall) -> None:
        """Stall at the ends from now on, each end on its own."""
        for k, end in enumerate(self.sources):
            end.set_pause_generator(source(2 * k))
        for k, end in enumerate(self.sinks):
            end.set_pause_generator(sink(2 * k + 1))

    def clear(self, ends: Sequence[Any]) -> None:
        """Forget what these ends have not sent or given."""
        for end in ends:
            end.clear()

    async def send(self, frames: Sequence[Ints]) -> None:
        """Put frames in the queue of each source."""
        for end, stream, data in zip(self.sources, self.stage.sources, frames, strict=True):
            await end.send(words(stream, data))

    async def receive(self, frames: int) -> tuple[Ints, ...]:
        """Next frames out of each sink."""
        found = []
        for end, stream in zip(self.sinks, self.stage.sinks, strict=True):
            beats: list[int] = []
            count = frames * stream.beats
            while len(beats) < count:
                beats += await end.read(count - len(beats))  # returns what has come
            found.append(values(stream, beats))
        return tuple(found)

    def empty(self) -> bool:
        """Whether no sink has more."""
        return all(end.empty() for end in self.sinks)

    async def edges(self, port: str, count: int, offered: bool = False) -> Ints:
        """Clock edges, from now on, at which the next ``count`` beats of a port are transferred.

        With ``offered`` the first edge at which each has its tvalid.
        """
        valid = getattr(self.dut, f"{self.stage.name}_{port}_tvalid")
        ready = getattr(self.dut, f"{self.stage.name}_{port}_tready")
        found: list[int] = []
        waiting = False  # the beat that is offered was offered before
        for cycle in itertools.count():
            await RisingEdge(self.dut.clk)
            if valid.value != 1:
                continue
            taken = ready.value == 1
            if not waiting if offered else taken:
                found.append(cycle)
                if len(found) == count:
                    break
            waiting = not taken
        return np.array(found)


async def reset(dut: Any) -> None:
    """Four cycles of reset."""
    dut.rst.value = 1
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0


async def start(dut: Any, cases: Sequence[Case]) -> list[Bench]:
    """Clock, benches, a first reset."""
    Clock(dut.clk, 10, "ns").start()
    benches = [Bench(dut, case.stage) for case in cases]
    await reset(dut)
    return benches


async def together(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run all, wait for all."""
    for task in [cocotb.start_soon(coroutine) for coroutine in coroutines]:
        await task


async def stream_frames(bench: Bench, case: Case, frames: int, seed: int = 0) -> None:
    """Frames back to back equal the reference, and nothing comes behind them."""
    x = case.draw(frames, seed)
    want = case.want(x)
    await bench.send(x)
    found = await bench.receive(frames)
    for port, got, expected in zip(case.stage.outward(), found, want, strict=True):
        np.testing.assert_array_equal(got, expected, err_msg=f"{case.stage.name} {port}")
    await ClockCycles(bench.dut.clk, 30)
    assert bench.empty(), f"{case.stage.name}: more beats than {frames} frames have"


async def equal_under_stalls(dut: Any, cases: Sequence[Case], source: Stall, sink: Stall) -> None:
    """Every case over several frames under these stalls."""
    benches = await start(dut, cases)
    for bench in benches:
        bench.pause(source, sink)
    pairs = zip(benches, cases, strict=True)
    seed = cocotb.RANDOM_SEED + STALLS.index(source) * len(STALLS) + STALLS.index(sink)
    await together(*(stream_frames(bench, case, FRAMES, seed) for bench, case in pairs))


async def survive_resets(dut: Any, cases: Sequence[Case]) -> None:
    """After a reset in mid-frame, at several moments, the next frames are right."""
    benches = await start(dut, cases)
    for moment in (1, 3, 8, 21, 50):
        for bench, case in zip(benches, cases, strict=True):
            bench.pause(at_random, at_random if moment % 2 else never)
            await bench.send(case.draw(FRAMES, seed=moment))
        await ClockCycles(dut.clk, moment)
        dut.rst.value = 1
        for bench in benches:
            bench.clear(bench.sources)
        await ClockCycles(dut.clk, 4)
        for bench in benches:
            bench.clear(bench.sinks)
        dut.rst.value = 0
        pairs = zip(benches, cases, strict=True)
        await together(*(stream_frames(bench, case, 2, seed=100 + moment) for bench, case in pairs))


async def keep_schedule(dut: Any, cases: Sequence[Case], source: Stall) -> None:
    """Output edges of a first frame are those of ``schedule``; the interval is ``interval``.

    ``schedule`` is given the edges at which the input beats were transferred; where there are
    several inputs, those at which they were offered first.
    The interval is that between the last beats of frames behind the first few, and is checked
    when the source never stalls.
    """
    benches = await start(dut, cases)

    async def one(bench: Bench, case: Case) -> None:
        stage = case.stage
        bench.pause(source, never)
        frames = 1 if source is not never else 8
        several = len(stage.sources) > 1  # one may wait for another: its beats count when offered
        into = [
            cocotb.start_soon(bench.edges(port, stream.beats, offered=several))
            for port, stream in sources(stage)
        ]
        out = [
            cocotb.start_soon(bench.edges(port, frames * stream.beats))
            for port, stream in sinks(stage)
        ]
        await stream_frames(bench, case, frames)
        want = stage.schedule(*[await task for task in into])
        for port, task in zip(stage.outward(), out, strict=True):
            name, ends = f"{stage.name} {port}", await task
            np.testing.assert_array_equal(ends[: len(want)], want, err_msg=name)
            last = ends.reshape(frames, -1)[:, -1]
            steady = np.diff(last)[3:]
            assert (steady == stage.interval).all(), (name, np.diff(last), stage.interval)

    await together(*(one(bench, case) for bench, case in zip(benches, cases, strict=True)))
