"""Window in RTL, a tap a beat, equals Window in NumPy: every option, kernels beyond the map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cocotb
import numpy as np

from gatesmith.codegen import top
from gatesmith.codegen.stream import Stream
from gatesmith.codegen.window import WindowStage
from gatesmith.ir import BIPOLAR, Array, Ints, IntType
from gatesmith.ops.window import Window
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import STALLS, Case
from gatesmith.rtl_tests.lint import lint

U8, I4, U1 = IntType(0, 255), IntType(-8, 7), IntType(0, 1)
ONE = (1, 1)


def window(
    name: str,
    shape: tuple[int, int, int],
    kernel: tuple[int, int],
    *,
    lanes: int,
    elem: IntType = I4,
    strides: tuple[int, int] = ONE,
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilations: tuple[int, int] = ONE,
    fill: int | str = 0,
    groups: int = 1,
    parallel: bool = False,
) -> Case:
    channels = shape[2]
    values = np.array([fill]) if isinstance(fill, int) else np.arange(channels) - 2
    if parallel:
        groups = channels // lanes
    op = Window(kernel, strides, pads, dilations, Array(values), groups)
    x = Stream(elem, channels, shape[0] * shape[1], lanes)
    lanes_out = lanes * (op.taps if parallel else 1)
    module = f"window_{name}"
    stage = WindowStage(name, name, (f"/{name}",), module, op, shape, x, groups, lanes_out)
    sink = stage.sink

    def reference(frames: Ints) -> Ints:
        y = op.run(frames.reshape(-1, *shape))
        return np.asarray(y, np.int64).reshape(-1, sink.vectors, sink.channels)

    return Case(stage, reference)


CASES = [
    window("plain", (4, 5, 4), (3, 3), lanes=2),
    window("same", (4, 3, 2), (3, 2), lanes=1, pads=(1, 1, 1, 0)),
    window("bipolar", (3, 4, 4), (3, 3), lanes=4, elem=BIPOLAR, pads=(1, 1, 1, 1)),
    window("stride", (7, 6, 2), (3, 3), lanes=2, strides=(2, 2), pads=(0, 1, 1, 0)),
    window("subsample", (7, 9, 4), ONE, lanes=2, strides=(2, 2)),
    window("subsample_even", (6, 8, 1), ONE, lanes=1, strides=(3, 2), elem=U1),
    window("pool", (4, 8, 4), (2, 2), lanes=1, strides=(2, 2), groups=4, elem=U8),
    window("grouped", (3, 4, 8), (2, 2), lanes=2, pads=(1, 0, 0, 1), groups=2, fill=-9),
    window("depthwise", (4, 3, 4), (3, 3), lanes=2, pads=(1, 1, 1, 1), groups=2, strides=(2, 1)),
    window("dilated", (6, 6, 1), (3, 2), lanes=1, dilations=(2, 3), pads=(2, 1, 2, 2)),
    window("line", (1, 20, 2), (1, 5), lanes=1, strides=(1, 2), pads=(0, 1, 0, 2)),
    window("line_dilated", (1, 9, 3), (1, 3), lanes=3, dilations=(1, 2), pads=(0, 4, 0, 0)),
    window("larger", (2, 2, 2), (5, 4), lanes=1, pads=(2, 1, 2, 2), fill="by channel", elem=U8),
    window("far_pads", (2, 2, 1), (2, 2), lanes=1, pads=(3, 4, 4, 5), strides=(2, 2)),
    window("one_pixel", (1, 1, 6), (3, 3), lanes=2, pads=(1, 1, 1, 1), elem=BIPOLAR, fill=-1),
    window("whole", (4, 4, 2), (4, 4), lanes=2),
    window("nothing", (1, 1, 1), ONE, lanes=1),
    window("only_fill", (2, 2, 1), ONE, lanes=1, pads=(1, 1, 0, 0), strides=(3, 3), fill=3),
    window("fills", (3, 3, 6), (2, 2), lanes=2, pads=(1, 0, 0, 1), fill="by channel", groups=3),
    window("block_ram", (2, 66, 9), (2, 1), lanes=9),
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
