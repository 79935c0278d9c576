"""DenseSkip in RTL equals Dense in NumPy, in exactly the cycles that its values call for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import onnx
import pytest

import gatesmith
from gatesmith.codegen import top
from gatesmith.codegen.dense_skip import DenseSkipStage
from gatesmith.codegen.stream import Stream
from gatesmith.ir import BIPOLAR, TERNARY, Array, Ints, IntType
from gatesmith.ops.dense import Dense
from gatesmith.rtl_tests import bench, exit_networks
from gatesmith.rtl_tests.bench import STALLS, Case
from gatesmith.rtl_tests.slots import check_timing
from gatesmith.rtl_tests.test_dense import I4, I8, U1, U8
from gatesmith.rtl_tests.test_lint import expect_clean, write

EVEN, SHIFTED = IntType(-4, 4, 2), IntType(-6, 3, 3)  # 0 is code 2 of both
LONG = 8
"""Frames of the timed runs."""


@dataclass(frozen=True)
class Sparse(Case):
    """Most beats are zero; some vectors are nothing but zeros, some have no zero beat."""

    stage: DenseSkipStage

    def draw(self, frames: int, seed: int = 0) -> tuple[Ints, ...]:
        rng, stage = np.random.default_rng(seed), self.stage
        (values,) = Case.draw(self, frames, seed)
        beats = values.reshape(-1, stage.sf, stage.simd)
        share = rng.choice([0.0, 0.2, 0.8, 1.0], (len(beats), 1))
        beats[rng.random(beats.shape[:2]) < share] = 0
        return (values,)


@dataclass(frozen=True)
class Dearest(Case):
    """No beat is zero."""

    def draw(self, frames: int, seed: int = 0) -> tuple[Ints, ...]:
        (values,) = Case.draw(self, frames, seed)
        elem = self.stage.source.elem
        return (np.where(values == 0, elem.hi or elem.lo, values),)


def skip(
    name: str,
    x: IntType,
    w: IntType,
    ins: int,
    outs: int,
    *,
    simd: int,
    pe: int,
    vectors: int = 1,
    groups: int = 1,
) -> Sparse:
    """``ins`` and ``outs`` of one group, of ``vectors`` vectors of every group."""
    rng = np.random.default_rng(len(name))
    weights = w.lo + w.step * rng.integers(0, w.count, (groups * outs, ins))
    op = Dense(Array(weights), w, groups)
    stream = Stream(x, ins, vectors * groups, simd)
    stage = DenseSkipStage(name, name, (f"/{name}/MatMul",), f"skip_{name}", op, stream, pe)

    def reference(frames: Ints) -> Ints:
        y: Ints = np.asarray(op.run(frames.reshape(len(frames), vectors, groups * ins)), np.int64)
        return y.reshape(len(frames), vectors * groups, outs)

    return Sparse(stage, reference)


CASES = [
    skip("signed", I8, I8, 22, 6, simd=11, pe=2),
    skip("unsigned", U8, IntType(0, 15), 12, 4, simd=2, pe=2, vectors=3),
    skip("serial", I4, I4, 5, 3, simd=1, pe=1, vectors=4),
    skip("two_by_two", U8, I4, 2, 2, simd=1, pe=1, vectors=6),
    skip("one_bit", U1, I4, 24, 6, simd=4, pe=3, vectors=2),
    skip("ternary_weights", I4, TERNARY, 24, 6, simd=8, pe=2),
    skip("bipolar_weights", U8, BIPOLAR, 18, 6, simd=6, pe=3, vectors=3),
    skip("gated", TERNARY, BIPOLAR, 20, 6, simd=5, pe=2),
    skip("even", EVEN, I4, 12, 4, simd=3, pe=1),
    skip("shifted", SHIFTED, I4, 12, 4, simd=2, pe=2, vectors=2),
    skip("always_zero", IntType(0, 0), I4, 6, 4, simd=2, pe=2, vectors=3),
    skip("groups", I8, I4, 6, 4, simd=3, pe=2, vectors=2, groups=3),
    skip("groups_serial", U8, I4, 3, 6, simd=1, pe=1, groups=7),
    skip("block_memories", U8, I8, 210, 12, simd=3, pe=4),
]
SLOWEST = [
    Dearest(replace(case.stage, name=f"full_{case.stage.name}"), case.reference)
    for case in CASES[:5]
]
ALL: list[Case] = [*CASES, *SLOWEST]


@cocotb.test(timeout_time=400, timeout_unit="us")
@cocotb.parametrize(source=STALLS, sink=STALLS)
async def equals_reference(dut: Any, source: bench.Stall, sink: bench.Stall) -> None:
    await bench.equal_under_stalls(dut, CASES, source, sink)


@cocotb.test(timeout_time=400, timeout_unit="us")
async def survives_resets(dut: Any) -> None:
    await bench.survive_resets(dut, CASES)


@cocotb.test(timeout_time=400, timeout_unit="us")
@cocotb.parametrize(source=STALLS)
async def takes_the_cycles_of_its_values(dut: Any, source: bench.Stall) -> None:
    benches = await bench.start(dut, CASES)

    async def one(run: bench.Bench, case: Sparse) -> None:
        stage = case.stage
        run.pause(source, bench.never)
        into = cocotb.start_soon(run.edges("s_axis", LONG * stage.source.beats))
        out = cocotb.start_soon(run.edges("m_axis", LONG * stage.sink.beats))
        await bench.stream_frames(run, case, LONG)
        (values,) = case.draw(LONG)
        came, left = await into, await out
        np.testing.assert_array_equal(left, stage.edges(values, came), err_msg=stage.name)
        ends = left.reshape(LONG, -1)[:, -1]
        if source is bench.never:
            steady = np.diff(ends)
            np.testing.assert_array_equal(steady, stage.expected_cycles(values), stage.name)
            assert (steady <= stage.interval).all(), stage.name

    await bench.together(*(one(run, case) for run, case in zip(benches, CASES, strict=True)))


@cocotb.test(timeout_time=400, timeout_unit="us")
@cocotb.parametrize(source=STALLS)
async def keeps_schedule_without_zeros(dut: Any, source: bench.Stall) -> None:
    await bench.keep_schedule(dut, SLOWEST, source)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stage.name)
def test_timing_is_the_schedule(case: Case) -> None:
    check_timing(case.stage)


def test_rtl_equals_reference(tmp_path: Path) -> None:
    bench.check([case.stage for case in ALL], __name__, tmp_path)


def test_in_a_network(tmp_path: Path) -> None:
    """Right under stalls, and no frame later than in the worst case; on average much sooner."""
    onnx.save(exit_networks.chain(), tmp_path / "net.onnx")
    folds = {"Conv_t1": "4,6", "Conv_t8": "1,1,skip", "Gemm_t13": "1,1,skip", "Gemm_t6": "5,1"}
    built = gatesmith.build(tmp_path / "net.onnx", tmp_path / "b", fold=folds, input_spec="u4:1")
    kinds = [stage["kind"] for stage in built.content["stages"]]
    assert kinds.count("DenseSkip") == 2
    np.save(tmp_path / "x.npy", np.random.default_rng(1).integers(0, 16, (40, 2, 6, 6)))

    verdict = gatesmith.verify(tmp_path / "b", tmp_path / "x.npy", stall=True)

    assert verdict.mismatch is None
    assert verdict.equal == verdict.frames == 40
    assert verdict.unexplained == 0
    assert verdict.interval_worst == verdict.interval_predicted == 9 * 4 * 36
    assert verdict.late is not None
    assert verdict.late <= 0
    assert verdict.interval_mean is not None
    assert verdict.interval_mean < 0.9 * verdict.interval_worst


def test_unit_is_clean(tmp_path: Path) -> None:
    stages = [case.stage for case in CASES]
    write(tmp_path, dict(top.files(stages)) | {"tb.sv": bench.wrapper(stages)})
    expect_clean(tmp_path, "tb")


LOGIC = {
    "a zero is kept": ("put && (!zero ||", "put && (1'b1 ||"),  # right sums, too many cycles
    "an empty vector": ("(in_last && !some_q)", "1'b0"),
    "end not marked": ("if (put && (keep || in_last))", "if (keep)"),
    "too early": ("have          = whole_q != '0", "have          = held_q != '0"),
    "weights of the place": ("address = pass_q + ADDR_W'(beat_q)", "address = pass_q"),
}


@pytest.mark.slow  # each is a simulator of its own
@pytest.mark.parametrize("what", LOGIC)
def test_wrong_logic_is_noticed(what: str, tmp_path: Path) -> None:
    right, wrong = LOGIC[what]
    changed = []

    def mutate(name: str, text: str) -> str:
        if name != "skip_unsigned.sv":
            return text
        changed.append(right in text)
        return text.replace(right, wrong)

    stages: Sequence[DenseSkipStage] = [case.stage for case in ALL]  # type: ignore[misc]
    failed, log = bench.simulate(stages, __name__, tmp_path, mutate)

    assert changed == [True]
    assert failed > 0, log[-3000:]
