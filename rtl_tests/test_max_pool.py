"""MaxPool in RTL equals MaxPool in NumPy, which equals a naive loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest

from gatesmith.codegen.max_pool import MaxPoolStage
from gatesmith.codegen.stream import Stream
from gatesmith.ir import BIPOLAR, Ints, IntType, Real, Reals, TensorType, Values
from gatesmith.ops.max_pool import MaxPool
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import STALLS, Case
from gatesmith.rtl_tests.lint import lint
from gatesmith.rtl_tests.slots import check_timing
from gatesmith.rtl_tests.test_depthwise import from_windows

U8, I4, I8 = IntType(0, 255), IntType(-8, 7), IntType(-128, 127)
Pads = tuple[int, int, int, int]


def max_pool(
    name: str,
    x: IntType,
    kernel: tuple[int, int],
    channels: int,
    *,
    pe: int,
    all_taps: bool = False,
    pixels: int = 3,
) -> Case:
    """The windows of a map of ``pixels`` windows, one below the other."""
    op, taps = MaxPool(kernel, kernel), kernel[0] * kernel[1]
    lanes = taps * pe if all_taps else pe
    stream = Stream(x, taps * pe, pixels * channels // pe, lanes)
    stage = MaxPoolStage(name, name, (f"/{name}",), f"max_pool_{name}", op, channels, stream, pe)

    def reference(frames: Ints) -> Ints:
        y: Ints = np.asarray(op.run(from_windows(frames, kernel, channels)), np.int64)
        return y.reshape(len(frames), pixels, channels)

    return Case(stage, reference)


CASES = [
    max_pool("signed", I8, (2, 2), 6, pe=2),
    max_pool("unsigned", U8, (3, 3), 4, pe=4),
    max_pool("signed_taps", I8, (2, 2), 6, pe=2, all_taps=True),
    max_pool("nine_taps", I4, (3, 3), 4, pe=1, all_taps=True),
    max_pool("eighteen_taps", U8, (3, 6), 2, pe=2, all_taps=True, pixels=5),
    max_pool("bipolar", BIPOLAR, (2, 2), 8, pe=4),
    max_pool("bipolar_taps", BIPOLAR, (2, 2), 8, pe=8, all_taps=True, pixels=5),
    max_pool("odd", IntType(-3, 3, 2), (3, 1), 2, pe=2),
    max_pool("negative", IntType(-9, -3), (1, 2), 2, pe=1),
    max_pool("one_tap", I8, (1, 1), 4, pe=2),
    max_pool("five_taps", I8, (1, 5), 3, pe=3, all_taps=True, pixels=5),
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


def test_is_clean(tmp_path: Path) -> None:
    for name, text in bench.texts([case.stage for case in CASES]).items():
        (tmp_path / name).write_text(text, "utf-8")
    for tool, report in lint(tmp_path, "tb").items():
        assert not report.messages, (tool, *report.messages)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stage.name)
def test_timing_is_the_schedule(case: Case) -> None:
    check_timing(case.stage)


def naive(op: MaxPool, x: Values) -> Reals:
    (kh, kw), (sh, sw), (dh, dw), (top, left, _, _) = op.kernel, op.strides, op.dilations, op.pads
    frames, height, width, channels = x.shape
    rows, columns, _ = op.infer(TensorType(x.shape[1:], Real())).shape
    y = np.zeros((frames, rows, columns, channels))
    for f, p, q, c in np.ndindex(*y.shape):
        taps = [(p * sh + i * dh - top, q * sw + j * dw - left) for i, j in np.ndindex(kh, kw)]
        inside = [(r, s) for r, s in taps if 0 <= r < height and 0 <= s < width]
        y[f, p, q, c] = max(x[f, r, s, c] for r, s in inside)
    return y


@pytest.mark.parametrize(
    ("kernel", "strides", "pads", "dilations", "size"),
    [
        ((2, 2), (2, 2), (0, 0, 0, 0), (1, 1), (5, 4)),
        ((3, 3), (2, 2), (1, 1, 1, 1), (1, 1), (6, 6)),
        ((3, 2), (2, 1), (0, 1, 2, 0), (1, 1), (6, 5)),
        ((2, 3), (1, 2), (1, 1, 0, 1), (2, 2), (7, 6)),
        ((1, 1), (2, 2), (0, 0, 0, 0), (1, 1), (4, 5)),
        ((1, 1), (1, 1), (0, 0, 0, 0), (1, 1), (2, 2)),
        ((4, 1), (1, 1), (3, 0, 3, 0), (1, 1), (2, 3)),
        ((1, 3), (1, 2), (0, 1, 0, 1), (1, 1), (1, 8)),
    ],
)
def test_operator_equals_naive_loop(
    kernel: tuple[int, int],
    strides: tuple[int, int],
    pads: Pads,
    dilations: tuple[int, int],
    size: tuple[int, int],
) -> None:
    rng = np.random.default_rng(1)
    op = MaxPool(kernel, strides, pads, dilations)
    x = rng.integers(-128, -9, (2, *size, 3))
    for frames in (x, x / 7):
        found = op.run(frames)
        np.testing.assert_array_equal(found, naive(op, frames))
        assert found.dtype == frames.dtype
        t = op.infer(TensorType((*size, 3), IntType(-128, -10)))
        assert found.shape[1:] == t.shape and t.elem == IntType(-128, -10)


def test_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"^a window of .* lies wholly in the padding of i8\["):
        MaxPool((2, 2), (1, 1), (2, 0, 0, 0)).infer(TensorType((4, 4, 1), I8))
    with pytest.raises(ValueError, match=r"^a window of .* lies wholly in the padding of i8\["):
        MaxPool((1, 2), (1, 1), (0, 1, 0, 1), (1, 3)).infer(TensorType((4, 2, 1), I8))
    with pytest.raises(ValueError, match=r"^no window fits: Axis\(size=2, taps=3"):
        MaxPool((3, 1)).infer(TensorType((2, 4, 1), I8))
    with pytest.raises(ValueError, match=r"^a pool over .* does not fit i8\[4, 1\]$"):
        MaxPool((1, 1)).infer(TensorType((4, 1), I8))
    with pytest.raises(ValueError, match=r"^PE 2 does not divide 3 channels$"):
        MaxPoolStage("m", "m", (), "m", MaxPool((1, 2)), 3, Stream(I8, 4, 3, 2), 2)
