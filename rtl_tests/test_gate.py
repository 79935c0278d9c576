"""Gate in RTL equals the frames that go on: all, none, alternating, bursts, and stalls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest
from cocotb.triggers import ClockCycles

from gatesmith.codegen import top
from gatesmith.codegen.gate import GateStage
from gatesmith.codegen.stream import Stream
from gatesmith.ir import BIPOLAR, Ints, IntType, TensorType
from gatesmith.ops.gate import Gate
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import STALLS, Case
from gatesmith.rtl_tests.test_lint import expect_clean, write

U4, I8 = IntType(0, 15), IntType(-128, 127)
Pattern = Callable[[int], list[int]]
"""Exits (1: leaves) of frames of which so many go on."""


def none(count: int) -> list[int]:
    return [0] * count


def alternating(count: int) -> list[int]:
    return [1, 0] * count


def bursts(count: int) -> list[int]:
    """Ever longer runs of frames that leave, one or two that go on behind each."""
    found: list[int] = []
    while found.count(0) < count:
        found += [1] * (len(found) % 5) + [0] * min(1 + len(found) % 2, count - found.count(0))
    return found


def at_random(count: int) -> list[int]:
    rng = np.random.default_rng(count)
    found: list[int] = []
    while found.count(0) < count:
        found.append(int(rng.random() < 0.6))
    return [*found, 1, 1]


@dataclass(frozen=True)
class Gated(Case):
    """Frames and decisions of which exactly as many go on as are asked for."""

    stage: GateStage
    pattern: Pattern

    def draw(self, frames: int, seed: int = 0) -> tuple[Ints, ...]:
        exits = np.array(self.pattern(frames))
        x = bench.draw(self.stage.x, len(exits), seed)
        best = np.random.default_rng(seed).integers(0, self.stage.decision.elem.count, len(exits))
        return x, np.stack([best, exits], axis=1)[:, None, :]


def gate(name: str, x: Stream, classes: int, pattern: Pattern) -> Gated:
    decision = Stream(IntType(0, classes - 1), 2, 1, 2)
    stage = GateStage(name, name, (f"/{name}",), f"gate_{name}", x, decision)
    return Gated(stage, lambda frames, exits: frames[exits[:, 0, 1] == 0], pattern)


WIDE, ONE, ODD = Stream(I8, 6, 4, 3), Stream(U4, 4, 1, 4), Stream(BIPOLAR, 5, 1, 1)

CASES = [
    gate("none", WIDE, 10, none),
    gate("alternating", WIDE, 10, alternating),
    gate("bursts", WIDE, 2, bursts),
    gate("random", WIDE, 1000, at_random),
    gate("one_beat", ONE, 10, at_random),
    gate("one_beat_bursts", ONE, 2, bursts),
    gate("odd", ODD, 3, at_random),
    gate("odd_none", ODD, 3, none),
]
STEADY = [case for case in CASES if case.pattern is none]


@cocotb.test(timeout_time=100, timeout_unit="us")
@cocotb.parametrize(source=STALLS, sink=STALLS)
async def equals_reference(dut: Any, source: bench.Stall, sink: bench.Stall) -> None:
    await bench.equal_under_stalls(dut, CASES, source, sink)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def survives_resets(dut: Any) -> None:
    await bench.survive_resets(dut, CASES)


@cocotb.test(timeout_time=100, timeout_unit="us")
@cocotb.parametrize(source=STALLS)
async def keeps_schedule(dut: Any, source: bench.Stall) -> None:
    await bench.keep_schedule(dut, STEADY, source)


@cocotb.test(timeout_time=100, timeout_unit="us")
@cocotb.parametrize(sink=[bench.never, bench.at_random])
async def drops_a_frame_as_fast_as_it_comes(dut: Any, sink: bench.Stall) -> None:
    """Also while the beat before it is stuck at the output."""
    benches = await bench.start(dut, CASES)
    for run, case in zip(benches, CASES, strict=True):
        beats, frames = case.stage.x.beats, 5
        run.pause(bench.never, sink)
        x = bench.draw(case.stage.x, frames)
        into = cocotb.start_soon(run.edges("s0_axis", frames * beats))
        decisions = np.tile([[[1, 1]]], (frames, 1, 1))
        await run.send((x, decisions))
        edges = await into
        assert edges[-1] - edges[0] == frames * beats - 1, case.stage.name
        await ClockCycles(dut.clk, 5)
        assert run.empty(), case.stage.name


def test_rtl_equals_reference(tmp_path: Path) -> None:
    bench.check([case.stage for case in CASES], __name__, tmp_path)


def test_unit_is_clean(tmp_path: Path) -> None:
    stages = [case.stage for case in CASES]
    write(tmp_path, dict(top.files(stages)) | {"tb.sv": bench.wrapper(stages)})
    expect_clean(tmp_path, "tb")


def test_what_does_not_fit() -> None:
    x, wrong = TensorType((4,), U4), TensorType((3,), U4)
    assert Gate().infer(x, TensorType((2,), IntType(0, 9))) == x
    with pytest.raises(ValueError, match=r"^expected a decision \(class, exit\), not u4\[3\]$"):
        Gate().infer(x, wrong)
    with pytest.raises(ValueError, match=r"^a decision of Stream"):
        GateStage("g", "g", (), "g", ONE, ONE)
