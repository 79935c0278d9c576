"""Dense with sparse weights in RTL equals Dense in NumPy: N:M patterns, and blocks of zeros.

Each stage alone, then small networks that are built of them from end to end.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

import gatesmith
from gatesmith.codegen.dense import DenseStage
from gatesmith.codegen.dense_blocks import DenseBlocksStage
from gatesmith.codegen.dense_nm import DenseNmStage, Sparsity, sparsity
from gatesmith.codegen.stream import Stage, Stream
from gatesmith.ir import BIPOLAR, TERNARY, Array, Ints, IntType
from gatesmith.ops.dense import Dense
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import STALLS, Case
from gatesmith.rtl_tests.lint import lint
from gatesmith.rtl_tests.qonnx_builder import Net
from gatesmith.rtl_tests.slots import check_timing
from gatesmith.rtl_tests.test_timing import FRAMES, Trace, compare

U1, U8, I4, I8 = IntType(0, 1), IntType(0, 255), IntType(-8, 7), IntType(-128, 127)
ODD = IntType(-3, 3, 2)  # the values of a two-bit quantizer without zero


def case(stage: Stage, op: Dense) -> Case:
    """A stage of a Dense with as many vectors as its groups, or a multiple."""

    def reference(frames: Ints) -> Ints:
        grouped = frames.reshape(len(frames), -1, op.groups * op.weights.shape[1])
        y: Ints = np.asarray(op.run(grouped), np.int64)
        return y.reshape(len(frames), stage.source.vectors, -1)

    return Case(stage, reference)


def not_zero(rng: np.random.Generator, w: IntType, shape: tuple[int, ...]) -> Ints:
    values = w.lo + w.step * np.arange(w.count)
    return rng.choice(values[values != 0], shape)


def nm(  # noqa: PLR0917
    name: str,
    x: IntType,
    w: IntType,
    ins: int,
    outs: int,
    pattern: tuple[int, int],
    *,
    lanes: int,
    pe: int,
    vectors: int = 1,
    groups: int = 1,
) -> Case:
    """Weights that are N:M sparse; most groups of M have N that are not zero, some have fewer."""
    rng = np.random.default_rng(len(name))
    kept, of = pattern
    weights = not_zero(rng, w, (groups * outs, ins // of, of))
    rank = rng.permuted(np.broadcast_to(np.arange(of), weights.shape), axis=-1)
    most = np.where(rng.random(rank.shape[:2]) < 0.8, kept, rng.integers(0, kept + 1))
    most[0], rank[0] = kept, np.arange(of)  # no other pattern is as sparse
    weights[rank >= most[..., None]] = 0
    op = Dense(Array(weights.reshape(groups * outs, ins)), w, groups)
    assert sparsity(op.weights) == Sparsity(kept, of)
    stream = Stream(x, ins, vectors * groups, lanes)
    origin = (f"/{name}/MatMul",)
    return case(DenseNmStage(name, name, origin, f"nm_{name}", op, stream, pe), op)


def blocks(
    name: str,
    x: IntType,
    w: IntType,
    kept: Sequence[Sequence[str]],
    *,
    simd: int,
    pe: int,
    vectors: int = 1,
) -> Case:
    """``kept`` are, for each group, the input beats (digits) of the blocks of each output beat."""
    rng = np.random.default_rng(len(name))
    sf = 1 + max(int(beat) for group in kept for beats in group for beat in beats)
    groups, nf = len(kept), len(kept[0])
    weights = np.zeros((groups, nf, pe, sf, simd), np.int64)
    for g, group in enumerate(kept):
        for n, beats in enumerate(group):
            for beat in map(int, beats):
                block = not_zero(rng, w, (pe, simd))
                block[rng.random((pe, simd)) < 0.2] = 0
                block[rng.integers(pe), rng.integers(simd)] = w.hi
                weights[g, n, :, beat] = block
    op = Dense(Array(weights.reshape(groups * nf * pe, sf * simd)), w, groups)
    stream = Stream(x, sf * simd, vectors * groups, simd)
    origin = (f"/{name}/MatMul",)
    return case(DenseBlocksStage(name, name, origin, f"blocks_{name}", op, stream, pe), op)


NM = [
    nm("half", I8, I8, 32, 6, (2, 4), lanes=8, pe=2, vectors=2),
    nm("half_whole", U8, I4, 16, 6, (2, 4), lanes=16, pe=3, vectors=3),
    nm("half_one_pass", I4, I4, 24, 3, (2, 4), lanes=4, pe=3, vectors=2),
    nm("half_one_beat", I4, I8, 8, 2, (2, 4), lanes=8, pe=2, vectors=4),
    nm("one_of_two", U8, IntType(0, 15), 12, 4, (1, 2), lanes=2, pe=1, vectors=2),
    nm("one_of_four", IntType(0, 3), I4, 20, 4, (1, 4), lanes=4, pe=2),
    nm("three_of_eight", I8, I4, 16, 4, (3, 8), lanes=8, pe=2),
    nm("five_of_sixteen", I4, I4, 32, 4, (5, 16), lanes=16, pe=1),
    nm("one_of_sixteen", I4, I4, 48, 2, (1, 16), lanes=48, pe=1, vectors=2),
    nm("seven_of_eight", I4, I4, 24, 4, (7, 8), lanes=24, pe=2),
    nm("many_terms", I4, TERNARY, 80, 4, (2, 4), lanes=40, pe=2),
    nm("bipolar_inputs", BIPOLAR, I4, 24, 4, (2, 4), lanes=8, pe=2),
    nm("bipolar_ternary", BIPOLAR, TERNARY, 16, 4, (1, 4), lanes=16, pe=1),
    nm("one_bit_inputs", U1, I4, 16, 4, (3, 4), lanes=4, pe=2),
    nm("one_bit_weights", I4, U1, 16, 4, (2, 8), lanes=8, pe=4, vectors=2),
    nm("odd_inputs", ODD, I4, 16, 6, (2, 4), lanes=8, pe=3),
    nm("nm_groups", I8, I4, 8, 4, (2, 4), lanes=4, pe=2, vectors=2, groups=3),
    nm("nm_groups_one_pass", I4, I8, 8, 2, (1, 4), lanes=4, pe=2, vectors=2, groups=5),
    nm("nm_groups_one_beat", I4, I8, 4, 2, (1, 4), lanes=4, pe=2, vectors=2, groups=3),
]
BLOCKS = [
    blocks("many", I8, I8, [["0123", "02", "13", "3"]], simd=3, pe=2, vectors=3),
    blocks("few", I8, I4, [["1", "0", "3"]], simd=2, pe=2, vectors=4),
    blocks("as_many", U8, I4, [["3", "0", "12"]], simd=4, pe=1, vectors=3),
    blocks("late", I4, I4, [["7", "0", "0"]], simd=2, pe=3, vectors=4),
    blocks("early", I4, I4, [["0", "1", "0", "01", "1", "0", "1", "02"]], simd=1, pe=1, vectors=3),
    blocks("never_last", I4, I4, [["01", "0"], ["5", "0"]], simd=1, pe=2, vectors=2),
    blocks("empty_output", I8, I4, [["12", "", "02"]], simd=2, pe=2, vectors=3),
    blocks("singles", I4, I4, [[*"0123456789876543210"]], simd=1, pe=2, vectors=2),
    blocks("long_then_short", U8, I4, [["0123456789", *"51515", "0246"]], simd=9, pe=1, vectors=3),
    blocks("blocks_ternary", I4, TERNARY, [["02", "12", "0"]], simd=10, pe=2),
    blocks("blocks_bipolar_inputs", BIPOLAR, I4, [["02", "13", "0"]], simd=3, pe=2, vectors=2),
    blocks("blocks_odd_inputs", ODD, I4, [["02", "13", "0"]], simd=3, pe=2, vectors=2),
    blocks("serial", IntType(0, 3), I4, [["0134", "2", "013", "04"]], simd=1, pe=1),
    blocks("groups_many", I4, I4, [["012", "2"], ["01", "02"], ["0", "012"]], simd=2, pe=2),
    blocks("groups_few", I4, I8, [["5", "2"], ["0", "012"]], simd=2, pe=1, vectors=3),
    blocks("groups_both", I4, I4, [["5", "2"], ["012345", "12345"]], simd=1, pe=2, vectors=2),
    blocks("groups_odd", I4, I4, [["0", "1"], ["0123", "012"], ["1", "0"]], simd=2, pe=1),
    blocks(
        "groups_waiting",
        I4,
        I4,
        [
            ["5", "0", "1"],
            ["543210", "0123"],
            ["5", "5", "5"],
            ["05", "12345", "0145"],
            ["4", "5", "5"],
        ],
        simd=1,
        pe=1,
        vectors=3,
    ),
]
HALF = NM[0].stage
assert isinstance(HALF, DenseNmStage)
HALF_FOLD = (HALF.pe, HALF.simd)
FOLDED = DenseStage("half_folded", "h", (), "half_folded", HALF.op, Stream(I8, 32, 2, HALF.simd), 2)
CASES = [*NM, *BLOCKS, case(FOLDED, HALF.op)]


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


@cocotb.test(timeout_time=100, timeout_unit="us")
@cocotb.parametrize(source=STALLS, sink=STALLS)
async def keeps_timing(dut: Any, source: bench.Stall, sink: bench.Stall) -> None:
    """Blocks only: their pipeline never stands still, so that it is exact under every stall."""
    benches = await bench.start(dut, BLOCKS)
    traces = [Trace(one) for one in benches]
    following = [cocotb.start_soon(trace.follow()) for trace in traces]
    for one in benches:
        one.pause(source, sink)
    pairs = zip(benches, BLOCKS, strict=True)
    await bench.together(*(bench.stream_frames(one, case, FRAMES) for one, case in pairs))
    for task, trace in zip(following, traces, strict=True):
        task.cancel()
        compare(trace)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stage.name)
def test_timing_is_the_schedule(case: Case) -> None:
    check_timing(case.stage)


def test_rtl_equals_reference(tmp_path: Path) -> None:
    bench.check([case.stage for case in CASES], __name__, tmp_path)


def test_is_clean(tmp_path: Path) -> None:
    for name, text in bench.texts([case.stage for case in CASES]).items():
        (tmp_path / name).write_text(text, "utf-8")
    for tool, report in lint(tmp_path, "tb").items():
        assert not report.messages, (tool, *report.messages)


def test_two_of_four_takes_half_the_cycles() -> None:
    """Of as many multipliers; ``keeps_schedule`` measures both intervals."""
    assert (FOLDED.pe, FOLDED.simd) == HALF_FOLD
    assert 2 * HALF.interval == FOLDED.interval == 2 * 3 * 8


# ---- networks ------------------------------------------------------------------------------------


class Pruned(Net):
    """A network whose weights are 2:4 sparse, and all zero in three of four blocks of 2 x 4."""

    def codes(self, bits: float, *shape: int) -> NDArray[Any]:
        """Pruned in the order in which Dense has them: output; tap, channel."""
        codes = np.moveaxis(Net.codes(self, bits, *shape), 1, -1)
        tiles = codes.reshape(shape[0] // 2, 2, -1, 4)
        drawn = self.rng.permuted(np.arange(4) + 0 * tiles, axis=-1) < 2
        kept = drawn & (self.rng.random((len(tiles), 1, tiles.shape[2], 1)) < 0.25)
        return np.moveaxis(np.where(kept, tiles, 0).reshape(codes.shape), -1, 1)


def network(folder: Path) -> Path:
    """Convolution, grouped convolution, dense layer."""
    net = Pruned((8, 6, 6), seed=3)
    net.quant(3, 0.5, signed=1).conv(8, 8, (3, 3), 4, pads=[1, 1, 1, 1])
    net.norm(8).put("Relu").quant(4, 1.0, signed=0)
    net.conv(8, 16, (2, 2), 3, group=2, strides=[2, 2]).put("Relu").quant(4, 2.0, signed=0)
    net.flat().dense(144, 4, 4)
    path = folder / "net.onnx"
    onnx.save(net.model(), path)
    return path


@pytest.mark.parametrize(
    ("fold", "cycles"),
    [
        # The first window gives all taps of four channels at once.
        ({"*": "nm", "Conv_t7": "blocks"}, 112),
        pytest.param({"*": "nm"}, 400, marks=pytest.mark.slow),
        pytest.param({"*": "blocks"}, 400, marks=pytest.mark.slow),
    ],
)
def test_network(fold: dict[str, str], cycles: int, tmp_path: Path) -> None:
    gatesmith.build(network(tmp_path), tmp_path / "b", cycles=cycles, fold=fold)
    rng = np.random.default_rng(5)
    frames = rng.integers(-4, 4, (6, 8, 6, 6)) / 2  # of three bits, by the input's quantizer
    np.savez(tmp_path / "x.npz", x=frames.astype(np.float32))

    verdict = gatesmith.verify(tmp_path / "b", tmp_path / "x.npz", stall=True)

    assert verdict.mismatch is None
    assert verdict.all_equal
    assert verdict.equal == verdict.frames == 6
    assert verdict.unexplained == 0
    assert verdict.interval == verdict.interval_min == verdict.interval_predicted <= cycles
