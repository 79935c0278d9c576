"""The timing of a block, slot by slot, is that of the RTL: under stalls at its readers, too.

FIFO depths are computed from :class:`gatesmith.codegen.stream.Timing`, so a timing that is faster
than the RTL is a slow core. Blocks whose registers move one by one are exact under every stall; a
pipeline that moves as a whole is, as long as no bubble is in it, and one that gives a beat for
several (top_k) is where its reader never stalls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from gatesmith.codegen import token_flow
from gatesmith.codegen.stream import Stage, Timing
from gatesmith.ir import Ints
from gatesmith.rtl_tests import (
    bench,
    test_fifo,
    test_fork,
    test_join,
    test_product,
    test_requantize,
    test_skid_buffer,
    test_threshold,
    test_top_k,
    test_width_converter,
)
from gatesmith.rtl_tests.bench import STALLS, Bench, Case

FRAMES = 3


def named(prefix: str, cases: Sequence[Case], count: int | None = None) -> list[Case]:
    """The first cases of a block under names that no other block has."""

    def renamed(stage: Stage) -> Stage:
        return replace(stage, name=f"{prefix}_{stage.name}")

    return [replace(case, stage=renamed(case.stage)) for case in cases[:count]]


ELASTIC = [
    *named("fifo", test_fifo.CASES),
    *named("skid", test_skid_buffer.CASES),
    *named("fork", test_fork.CASES),
    *named("convert", test_width_converter.CASES),
]
RIGID = [
    *named("threshold", test_threshold.CASES, 2),
    *named("requantize", test_requantize.CASES, 4),
    *named("join", test_join.CASES, 6),
    *named("product", test_product.CASES, 1),
]
SPARSE = named("top_k", test_top_k.CASES)
CASES = ELASTIC + RIGID + SPARSE


def slots(timing: Timing, frames: int) -> Timing:
    """Several frames of it as one."""
    lap = np.repeat(np.arange(frames), timing.gives.size)

    def repeated(rows: tuple[Ints, ...]) -> tuple[Ints, ...]:
        beats = [int(frees[-1]) for frees in timing.frees]
        return tuple(np.tile(row, frames) + lap * n for row, n in zip(rows, beats, strict=True))

    return replace(
        timing,
        needs=repeated(timing.needs),
        frees=repeated(timing.frees),
        gives=np.tile(timing.gives, frames),
    )


class Play:
    """A :class:`Timing`, edge by edge.

    Attributes:
        came: For each input, edges of its beats.
        left: For each output, edges of its beats.
    """

    def __init__(self, timing: Timing, outputs: int) -> None:
        self.timing = timing
        self.issued: list[int] = []
        self.given: list[int] = []  # edges of the slots that give
        self.came: list[list[int]] = [[] for _ in timing.needs]
        self.left: list[list[int]] = [[] for _ in range(outputs)]

    def edge(self, now: int, offered: Sequence[bool], ready: Sequence[bool]) -> None:
        """One rising edge, given which inputs are valid and which outputs are ready."""
        t = self.timing
        for left, taken in zip(self.left, ready, strict=True):
            due = len(left) < len(self.given) and self.given[len(left)] + t.delay <= now
            if due and taken:
                left.append(now)
        freed = [int(frees[len(self.issued) - 1]) if self.issued else 0 for frees in t.frees]
        for k, keep in enumerate(t.keep):
            if keep and offered[k] and len(self.came[k]) < freed[k] + keep:
                self.came[k].append(now)
        under_way = len(self.given) - min(map(len, self.left))
        if len(self.issued) == t.gives.size or under_way > t.room - 1:
            return
        s = len(self.issued)
        need = [int(needs[s]) for needs in t.needs]
        if all(self._has(k, n, now, offered[k]) for k, n in enumerate(need)):
            for k, n in enumerate(need):
                if not t.keep[k] and len(self.came[k]) < n:
                    self.came[k].append(now)
            if t.gives[s]:
                self.given.append(now)
            self.issued.append(now)

    def _has(self, k: int, need: int, now: int, offered: bool) -> bool:
        came, wait = self.came[k], self.timing.wait[k]
        if len(came) >= need:
            return need == 0 or came[need - 1] + wait <= now
        return not self.timing.keep[k] and offered


@dataclass
class Trace:
    """What the ports of a stage do, an entry an edge, from the first edge at which it runs."""

    bench: Bench

    def __post_init__(self) -> None:
        stage = self.bench.stage
        self.ends = [*stage.inward(), *stage.outward()]
        self.valid: list[list[bool]] = []
        self.ready: list[list[bool]] = []

    async def follow(self) -> None:
        """Until it is stopped."""
        dut, name = self.bench.dut, self.bench.stage.name
        ports = [[getattr(dut, f"{name}_{p}_{s}") for p in self.ends] for s in ("tvalid", "tready")]
        while True:
            await RisingEdge(dut.clk)
            self.valid.append([port.value == 1 for port in ports[0]])
            self.ready.append([port.value == 1 for port in ports[1]])


def compare(trace: Trace) -> None:
    """The trace equals what the timing says for the stalls in it.

    Each source offers a beat from the edge on at which it did in the trace.
    """
    stage = trace.bench.stage
    valid, ready = np.array(trace.valid), np.array(trace.ready)
    ins = len(stage.sources)
    found = [np.flatnonzero(valid[:, p] & ready[:, p]) for p in range(len(trace.ends))]
    # Edges at which each beat was offered first: valid, and the beat before it is taken.
    starts = [valid[:, p] & ~np.r_[False, (valid & ~ready)[:-1, p]] for p in range(ins)]
    offered = [np.flatnonzero(start) for start in starts]
    play = Play(slots(stage.timing(), FRAMES), len(stage.sinks))
    for now in range(len(valid)):
        offers = [
            len(came) < len(edges) and edges[len(came)] <= now
            for came, edges in zip(play.came, offered, strict=True)
        ]
        play.edge(now, offers, ready[now, ins:].tolist())
    for port, rtl, said in zip(trace.ends, found, [*play.came, *play.left], strict=True):
        np.testing.assert_array_equal(rtl, said, err_msg=f"{stage.name} {port}")


@cocotb.test(timeout_time=100, timeout_unit="us")
@cocotb.parametrize(source=STALLS, sink=STALLS)
async def keeps_timing(dut: Any, source: bench.Stall, sink: bench.Stall) -> None:
    cases = ELASTIC
    if source is bench.never:
        cases = CASES if sink is bench.never else ELASTIC + RIGID
    benches = await bench.start(dut, cases)
    traces = [Trace(one) for one in benches]
    following = [cocotb.start_soon(trace.follow()) for trace in traces]
    for one in benches:
        one.pause(source, sink)
    pairs = zip(benches, cases, strict=True)
    await bench.together(*(bench.stream_frames(one, case, FRAMES) for one, case in pairs))
    for task, trace in zip(following, traces, strict=True):
        task.cancel()
        compare(trace)


def test_rtl_keeps_timing(tmp_path: Path) -> None:
    for case in CASES:
        beats = [[x.beats for x in xs] for xs in (case.stage.sources, case.stage.sinks)]
        token_flow.check(case.stage.name, case.stage.timing(), *beats)
    bench.check([case.stage for case in CASES], __name__, tmp_path)
