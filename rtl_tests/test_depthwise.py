"""Depthwise in RTL equals Depthwise in NumPy, which equals a naive loop."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest

from gatesmith.codegen.depthwise import DepthwiseStage
from gatesmith.codegen.stream import Stream
from gatesmith.ir import BIPOLAR, TERNARY, Array, Ints, IntType, TensorType
from gatesmith.ops.depthwise import Depthwise
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import STALLS, Case
from gatesmith.rtl_tests.lint import lint
from gatesmith.rtl_tests.slots import check_timing

U8, I4, I8 = IntType(0, 255), IntType(-8, 7), IntType(-128, 127)
ODD, ONE = IntType(-3, 3, 2), IntType(1, 1)
ALL = True  # all taps in a beat
Pads = tuple[int, int, int, int]


def depthwise(
    name: str,
    x: IntType,
    w: IntType,
    kernel: tuple[int, int],
    channels: int,
    *,
    pe: int,
    all_taps: bool = False,
    pixels: int = 2,
) -> Case:
    """The windows of a map of ``pixels`` windows, one below the other."""
    taps = kernel[0] * kernel[1]
    rng = np.random.default_rng(len(name))
    weights = w.lo + w.step * rng.integers(0, w.count, (taps, channels))
    op = Depthwise(kernel, kernel, (0, 0, 0, 0), (1, 1), Array([0]), Array(weights), w)
    lanes = taps * pe if all_taps else pe
    stream = Stream(x, taps * pe, pixels * channels // pe, lanes)
    stage = DepthwiseStage(
        name, name, (f"/{name}/Conv",), f"depthwise_{name}", op, channels, stream, pe
    )

    def reference(frames: Ints) -> Ints:
        y: Ints = np.asarray(op.run(from_windows(frames, kernel, channels)), np.int64)
        return y.reshape(len(frames), pixels, channels)

    return Case(stage, reference)


def from_windows(frames: Ints, kernel: tuple[int, int], channels: int) -> Ints:
    """Map (frames, pixels * kh, kw, channels) of windows (pixel, group; tap, channel in group)."""
    pe = frames.shape[-1] // (kernel[0] * kernel[1])
    split = frames.reshape(len(frames), -1, channels // pe, *kernel, pe)
    ordered = np.moveaxis(split, 2, 4)  # (frames, pixels, kh, kw, groups, pe)
    return ordered.reshape(len(frames), -1, kernel[1], channels)


CASES = [
    depthwise("signed", I8, I8, (3, 3), 6, pe=2),
    depthwise("signed_taps", I8, I8, (3, 3), 6, pe=2, all_taps=ALL),
    depthwise("unsigned", U8, IntType(0, 15), (2, 3), 4, pe=1, pixels=3),
    depthwise("mixed_taps", U8, I4, (5, 1), 3, pe=3, all_taps=ALL, pixels=5),
    depthwise("one_group", U8, I4, (1, 3), 4, pe=4, pixels=3),
    depthwise("one_tap", I4, I4, (1, 1), 6, pe=3, pixels=3),
    depthwise("xnor", BIPOLAR, BIPOLAR, (3, 3), 8, pe=4),
    depthwise("xnor_taps", BIPOLAR, BIPOLAR, (4, 4), 6, pe=2, all_taps=ALL),
    depthwise("bipolar_weights", U8, BIPOLAR, (3, 1), 4, pe=2),
    depthwise("bipolar_inputs", BIPOLAR, I4, (3, 3), 2, pe=1),
    depthwise("padded_bipolar", TERNARY, BIPOLAR, (3, 3), 4, pe=2),
    depthwise("padded_bipolar_taps", TERNARY, BIPOLAR, (3, 3), 4, pe=2, all_taps=ALL),
    depthwise("ternary", I4, TERNARY, (3, 3), 4, pe=2),
    depthwise("zero_one", IntType(0, 3), IntType(0, 1), (2, 2), 2, pe=2, all_taps=ALL),
    depthwise("odd_inputs", ODD, ODD, (2, 2), 4, pe=2),
    depthwise("odd_inputs_taps", ODD, I4, (2, 2), 4, pe=1, all_taps=ALL),
    depthwise("zero", I4, IntType(0, 0), (2, 1), 2, pe=1),
    depthwise("sum", I8, ONE, (2, 2), 6, pe=3, pixels=3),
    depthwise("sum_taps", U8, ONE, (3, 3), 4, pe=2, all_taps=ALL),
    depthwise("sum_bipolar", BIPOLAR, ONE, (2, 2), 4, pe=2),
    depthwise("sum_bipolar_taps", BIPOLAR, ONE, (3, 3), 4, pe=4, all_taps=ALL),
    depthwise("sum_odd", ODD, ONE, (2, 1), 2, pe=2),
    depthwise("sum_one_tap", I4, ONE, (1, 1), 2, pe=2, pixels=5),
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


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stage.name)
def test_type_of_the_stage_is_that_of_the_operator(case: Case) -> None:
    stage = case.stage
    assert isinstance(stage, DepthwiseStage)
    shape = (stage.sink.vectors * stage.op.kernel[0], stage.op.kernel[1], stage.channels)
    assert stage.op.infer(TensorType(shape, stage.x.elem)).elem == stage.sink.elem


def naive(op: Depthwise, x: Ints) -> Ints:
    (kh, kw), (sh, sw), (dh, dw), (top, left, _, _) = op.kernel, op.strides, op.dilations, op.pads
    frames, height, width, channels = x.shape
    fill = np.broadcast_to(op.fill.data, channels)
    rows, columns, _ = op.infer(TensorType(x.shape[1:], I8)).shape
    y = np.zeros((frames, rows, columns, channels), np.int64)
    for f, p, q, c in np.ndindex(*y.shape):
        for i, j in product(range(kh), range(kw)):
            r, s = p * sh + i * dh - top, q * sw + j * dw - left
            inside = 0 <= r < height and 0 <= s < width
            y[f, p, q, c] += op.weights.data[i * kw + j, c] * (x[f, r, s, c] if inside else fill[c])
    return y


@pytest.mark.parametrize(
    ("kernel", "strides", "pads", "dilations", "size"),
    [
        ((3, 3), (1, 1), (1, 1, 1, 1), (1, 1), (5, 4)),
        ((3, 2), (2, 1), (0, 1, 2, 0), (1, 1), (6, 5)),
        ((2, 3), (1, 2), (1, 2, 0, 1), (3, 2), (7, 6)),
        ((1, 1), (2, 3), (0, 0, 0, 0), (1, 1), (4, 7)),
        ((5, 5), (1, 1), (2, 2, 2, 2), (1, 1), (3, 2)),
        ((1, 4), (1, 1), (0, 3, 0, 0), (1, 1), (1, 4)),
        ((2, 2), (3, 3), (0, 0, 0, 0), (1, 1), (4, 6)),
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
    weights = Array(rng.integers(-9, 10, (kernel[0] * kernel[1], 3)))
    for fill in (Array([-7]), Array([0, 5, 200])):
        op = Depthwise(kernel, strides, pads, dilations, fill, weights, IntType(-9, 9))
        x = rng.integers(-128, 128, (2, *size, 3))
        found = op.run(x)
        np.testing.assert_array_equal(found, naive(op, x))
        t = op.infer(TensorType((*size, 3), I8))
        assert found.shape[1:] == t.shape and t.int_elem.contains(found)
        big = x << 40  # beyond int32
        np.testing.assert_array_equal(op.run(big), naive(op, big))


def test_range_is_that_of_the_worst_channel() -> None:
    weights = Array([[1, 2], [-3, 0]])
    op = Depthwise((1, 2), (1, 1), (0, 0, 0, 0), (1, 1), Array([0]), weights, I4)
    assert op.infer(TensorType((1, 4, 2), IntType(-1, 5))).elem == IntType(-16, 10)
    padded = Depthwise((1, 2), (1, 1), (0, 1, 0, 0), (1, 1), Array([0, 9]), weights, I4)
    assert padded.infer(TensorType((1, 4, 2), IntType(-1, 5))).elem == IntType(-28, 18)
    ones = Array(np.ones((2, 2), np.int64))
    pool = Depthwise((1, 2), (1, 1), (0, 0, 0, 0), (1, 1), Array([0]), ones, ONE)
    assert pool.infer(TensorType((1, 4, 2), BIPOLAR)).elem == IntType(-2, 2, 2)
    bipolar = Depthwise((1, 2), (1, 1), (0, 1, 0, 0), (1, 1), Array([0]), ones, BIPOLAR)
    assert bipolar.infer(TensorType((1, 4, 2), BIPOLAR)).elem == IntType(-2, 2)


def test_what_does_not_fit() -> None:
    ones = Array(np.ones((6, 4), np.int64))
    op = Depthwise((2, 3), (1, 1), (0, 0, 0, 0), (1, 1), Array([0]), ones, ONE)
    with pytest.raises(ValueError, match=r"^6 weights of a channel for a kernel of \(2, 2\)$"):
        Depthwise((2, 2), (1, 1), (0, 0, 0, 0), (1, 1), Array([0]), ones, ONE)
    with pytest.raises(ValueError, match=r"^fill of shape \(3,\) for 4 channels$"):
        Depthwise((2, 3), (1, 1), (0, 0, 0, 0), (1, 1), Array([0, 0, 0]), ones, ONE)
    with pytest.raises(ValueError, match=r"^depthwise weights of 4 channels for i8\[3, 3, 5\]$"):
        op.infer(TensorType((3, 3, 5), I8))
    with pytest.raises(ValueError, match=r"^no window fits"):
        op.infer(TensorType((3, 2, 4), I8))
    with pytest.raises(ValueError, match=r"^3 lanes are neither one nor all of 6 taps of 2 "):
        DepthwiseStage("d", "d", (), "d", op, 4, Stream(I8, 12, 2, 3), 2)
    with pytest.raises(ValueError, match=r"^2 x 6 elements are no 6 taps of 2 channels$"):
        DepthwiseStage("d", "d", (), "d", op, 4, Stream(I8, 6, 2, 2), 2)
