"""Width converter: the same elements in the same order at any ratio, without a bubble."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cocotb
import numpy as np

from gatesmith.codegen.stream import Stream
from gatesmith.codegen.width_converter import WidthConverterStage
from gatesmith.ir import BIPOLAR, IntType
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import STALLS, Case

I5 = IntType(-16, 15)


def convert(
    name: str,
    x: Stream,
    lanes: int,
    channels: int | None = None,
) -> Case:
    stage = WidthConverterStage(name, name, (), x, channels or x.channels, lanes)
    shape = (stage.sink.vectors, stage.sink.channels)
    return Case(stage, lambda frames: np.asarray(frames.reshape(-1, *shape), dtype=np.int64))


CASES = [
    convert("same", Stream(I5, 8, 1, 2), 2),
    convert("down", Stream(I5, 24, 1, 8), 2),
    convert("down_to_one", Stream(BIPOLAR, 30, 1, 10), 1),
    convert("up", Stream(I5, 24, 1, 2), 12),
    convert("up_from_one", Stream(BIPOLAR, 35, 1, 1), 7),
    convert("coprime_down", Stream(I5, 60, 1, 5), 3),
    convert("coprime_up", Stream(I5, 60, 1, 3), 5),
    convert("far_down", Stream(I5, 70, 1, 35), 2),
    convert("far_up", Stream(I5, 70, 1, 2), 35),
    convert("near_up", Stream(I5, 56, 1, 7), 8),
    convert("near_down", Stream(I5, 56, 1, 8), 7),
    convert("common_factor", Stream(I5, 60, 1, 6), 10),
    convert("reshape", Stream(I5, 12, 4, 6), 16, channels=48),
    convert("split", Stream(I5, 30, 1, 15), 2, channels=10),
]


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
    await bench.keep_schedule(dut, CASES, source)


def test_rtl_equals_reference(tmp_path: Path) -> None:
    bench.check([case.stage for case in CASES], __name__, tmp_path)
