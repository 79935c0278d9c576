"""Window in RTL, all taps at once, equals Window in NumPy: the options of test_window.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cocotb

from gatesmith.codegen import top
from gatesmith.ir import BIPOLAR, IntType
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import STALLS, Case
from gatesmith.rtl_tests.lint import lint
from gatesmith.rtl_tests.test_window import U8, window

ALL = (1, 1, 1, 1)


def parallel(
    name: str, shape: tuple[int, int, int], kernel: tuple[int, int], lanes: int, **options: Any
) -> Case:
    return window(f"all_{name}", shape, kernel, lanes=lanes, parallel=True, **options)


CASES = [
    parallel("plain", (5, 6, 2), (3, 3), 1),
    parallel("same", (4, 5, 4), (3, 3), 2, pads=ALL, elem=U8),
    parallel("bipolar", (5, 4, 6), (3, 3), 6, pads=ALL, elem=BIPOLAR),
    parallel("stride", (7, 8, 4), (3, 3), 2, strides=(2, 2), pads=(0, 1, 1, 0)),
    parallel("stride_odd", (7, 7, 3), (2, 3), 1, strides=(3, 2), pads=(1, 0, 0, 1), fill=-9),
    parallel("pool", (6, 6, 4), (2, 2), 1, strides=(2, 2)),
    parallel("dilated", (8, 7, 2), (3, 2), 1, dilations=(2, 3), pads=(2, 1, 2, 2)),
    parallel("line", (1, 20, 4), (1, 5), 2, strides=(1, 2), pads=(0, 1, 0, 2)),
    parallel("line_padded", (1, 9, 1), (3, 3), 1, dilations=(1, 2), pads=(1, 4, 1, 0)),
    parallel("down", (9, 3, 2), (3, 1), 1, pads=(1, 0, 1, 0), strides=(2, 1), fill="by channel"),
    parallel("larger", (2, 2, 2), (5, 4), 1, pads=(2, 1, 2, 2), fill="by channel"),
    parallel("far_pads", (3, 2, 1), (2, 2), 1, pads=(3, 4, 4, 5), strides=(1, 2)),
    parallel("one_pixel", (1, 1, 6), (3, 3), 2, pads=ALL, elem=BIPOLAR, fill=-1),
    parallel("whole", (4, 4, 2), (4, 4), 2),
    parallel("full", (3, 4, 2), (2, 2), 1, pads=ALL, elem=IntType(-3, 3, 2)),
    parallel("block_ram", (3, 66, 9), (2, 2), 9, pads=(0, 0, 1, 1)),
]


@cocotb.test(timeout_time=400, timeout_unit="us")
@cocotb.parametrize(source=STALLS, sink=STALLS)
async def equals_reference(dut: Any, source: bench.Stall, sink: bench.Stall) -> None:
    await bench.equal_under_stalls(dut, CASES, source, sink)


@cocotb.test(timeout_time=400, timeout_unit="us")
async def survives_resets(dut: Any) -> None:
    await bench.survive_resets(dut, CASES)


@cocotb.test(timeout_time=400, timeout_unit="us")
@cocotb.parametrize(source=STALLS)
async def keeps_schedule(dut: Any, source: bench.Stall) -> None:
    await bench.keep_schedule(dut, CASES, source)


def test_rtl_equals_reference(tmp_path: Path) -> None:
    bench.check([case.stage for case in CASES], __name__, tmp_path)


def test_every_front_end_accepts_it(tmp_path: Path) -> None:
    stages = [case.stage for case in CASES]
    files = dict(top.files(stages)) | {"tb.sv": bench.wrapper(stages)}
    for name, text in files.items():
        (tmp_path / name).write_text(text, "utf-8")
    messages = {tool: report.messages for tool, report in lint(tmp_path, "tb").items()}
    assert not any(messages.values()), messages
