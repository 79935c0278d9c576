"""Gather in RTL equals Gather in NumPy: crops, pads, repeats, transposes, maps of no order."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest

from gatesmith.codegen import token_flow
from gatesmith.codegen.gather import GatherStage, granularity
from gatesmith.codegen.stream import Stream
from gatesmith.ir import BIPOLAR, Array, Ints, IntType, TensorType
from gatesmith.ops.gather import Gather
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import STALLS, Case
from gatesmith.rtl_tests.test_lint import expect_clean, write

U4, I8, POPCOUNT = IntType(0, 15), IntType(-128, 127), IntType(-10, 10, 2)


def frame(*shape: int) -> Ints:
    """Elements by their row-major place."""
    return np.arange(np.prod(shape)).reshape(shape)


def pad(x: Ints, *around: tuple[int, int], mode: str = "constant") -> Ints:
    values = {"constant_values": -1} if mode == "constant" else {}
    return np.asarray(np.pad(x, around, mode=mode, **values))  # type: ignore[call-overload]


def gather(
    name: str,
    shape: tuple[int, ...],
    index: Ints,
    *,
    x: IntType = I8,
    fill: int = 0,
    lanes: int = 0,
) -> Case:
    op = Gather(index.shape, Array(index.ravel()), fill)
    lanes = lanes or granularity(index.ravel(), shape[-1], index.shape[-1])
    out = op.infer(TensorType(shape, x)).int_elem
    source = Stream(x, shape[-1], int(np.prod(shape[:-1])), lanes)
    sink = Stream(out, index.shape[-1], int(np.prod(index.shape[:-1])), lanes)
    stage = GatherStage(name, name, (f"/{name}",), f"gather_{name}", op, source, sink)

    def reference(frames: Ints) -> Ints:
        return np.asarray(op.run(frames), np.int64).reshape(len(frames), sink.vectors, -1)

    return Case(stage, reference)


def stuffed(x: Ints) -> Ints:
    """Zeros between the pixels, as for a transposed convolution."""
    height, width, channels = x.shape
    wide = np.full((2 * height - 1, 2 * width - 1, channels), -1)
    wide[::2, ::2] = x
    return wide


X = frame(4, 5, 4)  # (H, W, C)

IN_ORDER = [
    gather("same", X.shape, X),
    gather("same_beat", (4,), frame(4)),
    gather("crop", X.shape, X[1:4, 2:4]),
    gather("crop_start", X.shape, X[2:, 3:]),
    gather("crop_end", X.shape, X[:2, :3]),
    gather("first_beat", X.shape, X[:1, :1]),
    gather("last_beat", X.shape, X[-1:, -1:]),
    gather("channels", X.shape, X[:2, :, 1:3]),
    gather("subsample", X.shape, X[::2, ::3]),
    gather("subsample_wide", (5, 9, 1), frame(5, 9, 1)[1::3, ::2]),
    gather("pad", X.shape, pad(X, (1, 2), (2, 1), (0, 0)), fill=-128),
    gather("pad_long", (7, 7, 1), pad(frame(7, 7, 1), (1, 1), (1, 1), (0, 0)), x=U4),
    gather("pad_wider", X.shape, pad(X, (1, 1), (1, 1), (0, 0)), x=U4, fill=-3),
    gather("pad_bits", X.shape, pad(X, (0, 0), (1, 0), (0, 0)), x=BIPOLAR),
    gather("pad_popcount", X.shape, pad(X, (1, 0), (0, 2), (0, 0)), x=POPCOUNT, fill=7),
    gather("pad_channels", (3, 4), pad(frame(3, 4), (0, 0), (4, 8)), fill=5),
    gather("pad_end", (3,), pad(frame(3)[:, None], (0, 4), (0, 0))),
    gather("stuff", (3, 4, 2), stuffed(frame(3, 4, 2))),
    gather("repeat", (4, 1), frame(4, 1).repeat(3, 0)),
    gather("spread", (2,), frame(1, 2).repeat(5, 0)),
    gather("repeat_pad", (3, 1), pad(frame(3, 1).repeat(2, 0), (1, 3), (0, 0))),
    gather("repeat_odd", (5,), np.array([[0, 0, 0, 1, 2, 2, 3, 4, 4]])),
    gather("fill_between", (2,), np.array([[0], [-1], [0], [1], [-1], [-1], [1], [-1]])),
    gather("drop_odd", (60, 1), frame(60, 1)[np.unique(np.arange(60) ** 2 % 53)]),
    gather("filled_beat", (2,), np.full((1, 1), -1), fill=3),
]

S = frame(3, 4, 2)
RING = [
    gather("transpose", (5, 7), frame(5, 7).T),
    gather("to_first", S.shape, S.transpose(2, 0, 1)),
    gather("to_last", (3, 4, 5), frame(3, 4, 5).transpose(1, 2, 0), x=BIPOLAR),
    gather("rows", S.shape, S.transpose(1, 0, 2)),
    gather("upsample", S.shape, S.repeat(2, 0).repeat(2, 1)),
    gather("upsample_lanes", S.shape, S.repeat(3, 0), lanes=1),
    gather("uneven", S.shape, S[[0, 0, 1, 2, 2]][:, [0, 1, 1, 2, 3, 3]]),
    gather("shuffle", (4, 12), frame(4, 3, 4).transpose(0, 2, 1).reshape(4, 12)),
    gather("to_space", (2, 3, 8), frame(2, 3, 2, 2, 2).transpose(0, 2, 1, 3, 4).reshape(4, 6, 2)),
    gather("to_depth", (4, 6, 2), frame(2, 2, 3, 2, 2).transpose(0, 2, 1, 3, 4).reshape(2, 3, 8)),
    gather("reflect", S.shape, pad(S, (1, 2), (2, 1), (0, 0), mode="reflect")),
    gather("edge", S.shape, pad(S, (2, 1), (1, 0), (0, 0), mode="edge"), lanes=1),
    gather("circular", S.shape, pad(S, (1, 1), (2, 0), (0, 0), mode="wrap")),
    gather("flip", S.shape, S[:, ::-1]),
    gather("upside_down", S.shape, S[::-1]),
    gather("shift", S.shape, pad(S[1:, 1:], (0, 1), (0, 1), (0, 0)), fill=9),
    gather("shift_down", S.shape, pad(S[:-1, :-2], (1, 0), (2, 0), (0, 0)), x=BIPOLAR),
    gather("crop_turned", S.shape, S[1:3, 1:4].transpose(1, 0, 2)),
    gather("pad_turned", S.shape, pad(S.transpose(1, 0, 2), (1, 1), (2, 1), (0, 0)), fill=-1),
    gather("tile", (3, 2), np.tile(frame(3, 2), (4, 1))),
    gather("swap", (2,), np.array([[1, 0]])),
    gather("backwards", (70, 1), frame(70, 1) * 37 % 70),
    gather("filled", (3,), np.full((4, 1), -1), fill=3),
]


def anything(number: int) -> Ints:
    """A map drawn at random: addresses of 1 to 30 places, last the number of places."""
    rng = np.random.default_rng(number)
    ins, outs = int(rng.integers(1, 30)), int(rng.integers(1, 40))
    index = rng.integers(-1 if number % 3 == 0 else 0, ins, outs)
    if number % 4 == 1:
        index = np.sort(index)
    if number % 4 == 2:
        index = rng.permutation(ins)
    return np.append(index, ins)


def random_case(number: int) -> Case:
    index, ins = anything(number)[:-1, None], int(anything(number)[-1])
    return gather(f"any{number}", (ins, 1), index, x=U4, fill=number % 20 - 2)


RANDOM = [random_case(number) for number in range(16)]
CASES = IN_ORDER + RING + RANDOM

WORD = IntType(0, 2**40 - 1)
M = frame(12, 8, 1)
LONG = [  # wide enough for rings cut in many blocks, long enough for memories in block RAM
    gather("rows_reflect", M.shape, pad(M, (2, 1), (3, 1), (0, 0), mode="reflect"), x=WORD),
    gather("rows_edge", M.shape, pad(M, (1, 2), (3, 0), (0, 0), mode="edge"), x=WORD),
    gather("rows_shift", M.shape, pad(M[1:, 1:], (0, 1), (0, 1), (0, 0)), x=WORD, fill=7),
    gather("rows_uneven", M.shape, M[np.arange(24) * 2 // 5], x=WORD),
    gather("rows_crop", M.shape, M[3:9, ::-1], x=WORD),
    gather("long", (10, 24, 1), frame(10, 24, 1).transpose(1, 0, 2), x=WORD),
    gather("long_odd", (500, 1), np.random.default_rng(3).integers(-1, 500, (500, 1)), x=WORD),
    gather("long_pairs", (580, 1), (np.arange(580) ^ 1)[:, None], x=WORD),
    gather(
        "long_odd_even", (324, 2), frame(324, 2)[np.arange(263) + np.arange(263) % 2 * 61], x=WORD
    ),
]


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(source=STALLS, sink=STALLS)
async def equals_reference(dut: Any, source: bench.Stall, sink: bench.Stall) -> None:
    await bench.equal_under_stalls(dut, CASES, source, sink)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def survives_resets(dut: Any) -> None:
    await bench.survive_resets(dut, CASES)


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(source=STALLS)
async def keeps_schedule(dut: Any, source: bench.Stall) -> None:
    await bench.keep_schedule(dut, CASES, source)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def equals_reference_in_blocks(dut: Any) -> None:
    await bench.equal_under_stalls(dut, LONG, bench.at_random, bench.at_random)


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(source=[bench.never, bench.at_random])
async def keeps_schedule_in_blocks(dut: Any, source: bench.Stall) -> None:
    await bench.keep_schedule(dut, LONG, source)


def stages(cases: Sequence[Case]) -> list[GatherStage]:
    found = [case.stage for case in cases]
    return [stage for stage in found if isinstance(stage, GatherStage)]


def test_rtl_equals_reference(tmp_path: Path) -> None:
    assert all(stage.slots is not None for stage in stages(IN_ORDER))
    assert all(stage.slots is None for stage in stages(RING))
    assert {stage.ram_style for stage in stages(LONG)} == {"block", "distributed"}
    assert {stage.blocks_style for stage in stages(LONG)} == {"block", "distributed"}
    assert {stage.ring.uniform for stage in stages(LONG)} == {True, False}
    bench.check([case.stage for case in CASES + LONG], __name__, tmp_path)


def test_block_is_clean(tmp_path: Path) -> None:
    write(tmp_path, bench.texts([case.stage for case in CASES + LONG]))
    expect_clean(tmp_path, "tb")


def test_timing_fits_the_streams() -> None:
    for stage in stages(CASES + LONG):
        token_flow.check(stage.name, stage.timing(), [stage.x.beats], [stage.out.beats])


BIG = frame(224, 224, 3)


@pytest.mark.parametrize(
    "index",
    [
        BIG.transpose(2, 0, 1),
        BIG.transpose(1, 0, 2),
        BIG[10:200, 5:100],
        BIG[::2, ::2],
        BIG[:, ::-1],
        BIG.repeat(2, 0).repeat(2, 1),
        pad(BIG, (1, 1), (1, 1), (0, 0)),
        pad(BIG, (3, 3), (3, 3), (0, 0), mode="reflect"),
        pad(BIG, (3, 3), (3, 3), (0, 0), mode="edge"),
        frame(112, 112, 12).reshape(112, 112, 2, 2, 3).transpose(0, 2, 1, 3, 4).reshape(BIG.shape),
    ],
)
def test_big_frames_have_small_tables(index: Ints) -> None:
    started = time.process_time()
    channels = index.shape[-1]
    lanes = granularity(index.ravel(), 3, channels)
    op = Gather(index.shape, Array(index.ravel()))
    x = Stream(IntType(0, 255), 3, 224 * 224, lanes)
    out = Stream(x.elem, channels, index.size // channels, lanes)
    stage = GatherStage("big", "big", (), "big", op, x, out)
    tables = sum(len(text) for name, text in stage.files().items() if name.endswith(".mem"))
    assert tables < 10_000, tables  # characters
    assert time.process_time() - started < 1


def test_what_does_not_fit_is_refused() -> None:
    op = Gather((1, 4), Array([1, 0, 3, 2]))
    x = Stream(I8, 4, 1, 2)
    with pytest.raises(ValueError, match=r"^beats of 2 elements do not move as a whole$"):
        GatherStage("g", "g", (), "g", op, x, x)
    with pytest.raises(ValueError, match=r"^2 lanes in, 1 out$"):
        GatherStage("g", "g", (), "g", op, x, Stream(I8, 4, 1, 1))
    with pytest.raises(ValueError, match=r"^a result of i8 for "):
        GatherStage("g", "g", (), "g", op, Stream(I8, 4, 1, 1), Stream(U4, 4, 1, 1))
    with pytest.raises(ValueError, match=r"^a result of 4 elements for "):
        GatherStage("g", "g", (), "g", op, x, Stream(I8, 4, 2, 2))
