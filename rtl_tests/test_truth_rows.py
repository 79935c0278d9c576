"""Dense as truth tables in RTL equals Dense, and the Threshold behind it, in NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest

from gatesmith.codegen.matrix_unit import Layer
from gatesmith.codegen.matrix_units import UNITS
from gatesmith.codegen.stream import Stream
from gatesmith.codegen.truth_rows import MAX_BITS, TruthRowsStage
from gatesmith.ir import BIPOLAR, TERNARY, Array, Ints, IntType
from gatesmith.ops.dense import Dense
from gatesmith.ops.threshold import Threshold
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import STALLS, Case
from gatesmith.rtl_tests.slots import check_timing
from gatesmith.rtl_tests.test_lint import expect_clean, write

U1, U2, I2, I8 = IntType(0, 1), IntType(0, 3), IntType(-2, 1), IntType(-128, 127)
FIVE = IntType(0, 4)  # three bits, three codes unused


def case(
    name: str, x: IntType, weights: Ints, threshold: Threshold | None = None, vectors: int = 1
) -> Case:
    """The stage of these weights."""
    op = Dense(Array(weights), I8)
    ins = op.weights.shape[1]
    stream = Stream(x, ins, vectors, ins)
    stage = TruthRowsStage(name, name, (f"/{name}/MatMul",), f"truth_{name}", op, stream, threshold)

    def answer(frames: Ints) -> Ints:
        sums = np.asarray(op.run(frames), np.int64)
        return sums if threshold is None else np.asarray(threshold.run(sums), np.int64)

    return Case(stage, answer)


def drawn(
    name: str,
    x: IntType,
    reads: int,
    out: IntType | None,
    *,
    ins: int = 20,
    outs: int = 12,
    vectors: int = 1,
) -> Case:
    """Rows of ``reads`` random weights; thresholds where sums are, every second row falling."""
    rng = np.random.default_rng([len(name), reads])
    weights = np.zeros((outs, ins), np.int64)
    for row in weights:
        row[rng.permutation(ins)[:reads]] = rng.integers(1, 128, reads) * rng.choice([-1, 1], reads)
    threshold = None
    if out is not None:
        sums = Dense(Array(weights), I8).accumulator(x)
        middle = (sums.lo + sums.hi) // 2
        steps = np.sort(rng.integers(middle - 100, middle + 100, (outs, out.count - 1)), axis=1)
        threshold = Threshold(Array(steps), out, Array(np.arange(outs) % 2))
    return case(name, x, weights, threshold, vectors)


FEW = np.array([[3, 0, -1], [0, 0, 0], [3, 0, -1], [-3, 0, 1]])

CASES = [
    drawn("signs", BIPOLAR, 6, BIPOLAR),
    drawn("signs_vectors", BIPOLAR, 5, BIPOLAR, vectors=3),
    drawn("most", BIPOLAR, MAX_BITS, BIPOLAR, outs=5),
    drawn("levels", U2, 3, U2),
    drawn("bits", U1, 4, FIVE),
    drawn("ternary", TERNARY, 3, TERNARY),
    drawn("signed", I2, 4, BIPOLAR),
    drawn("unused_codes", FIVE, 3, U2),
    drawn("sums", U1, 4, None, outs=4),
    drawn("sums_of_signs", BIPOLAR, 3, None, outs=4, vectors=2),
    case("equal", U2, FEW),
    case("one_threshold", U2, FEW, Threshold(Array([[1]]), U1, Array([0]))),
    case("constant", U2, FEW * 0, Threshold(Array([[0], [1], [0], [1]]), U1, Array([0]))),
    case("always", U1, FEW, Threshold(Array([[-9], [9], [0], [1]]), BIPOLAR, Array([1]))),
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


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stage.name)
def test_timing_is_the_schedule(case: Case) -> None:
    check_timing(case.stage)


def test_rtl_equals_reference(tmp_path: Path) -> None:
    bench.check([case.stage for case in CASES], __name__, tmp_path)


def test_every_tool_accepts_it(tmp_path: Path) -> None:
    stages = [case.stage for case in CASES]
    write(tmp_path, bench.texts(stages))
    expect_clean(tmp_path, "tb")


def test_equal_functions_are_made_once() -> None:
    """Rows 0 and 2 are equal, row 1 is constant; six bits of weights read are few functions."""
    stage = next(c.stage for c in CASES if c.stage.name == "one_threshold")
    assert isinstance(stage, TruthRowsStage)
    assert len(stage.functions.places) == 4
    assert len(stage.functions.distinct) == 3


def test_a_sign_of_six_signs_is_a_lut() -> None:
    stage = next(c.stage for c in CASES if c.stage.name == "signs")
    assert stage.cost().lut <= 12 + 1


def test_what_is_refused() -> None:
    unit = UNITS["truth"]
    few = Layer(Dense(Array(np.ones((2, MAX_BITS), np.int64)), I8), BIPOLAR, 1)
    many = Layer(Dense(Array(np.ones((2, MAX_BITS + 1), np.int64)), I8), BIPOLAR, 1)
    assert unit.refuses(few) is None
    assert "reads 11 bits" in str(unit.refuses(many))
    assert "reads 20 bits" in str(unit.refuses(Layer(few.op, U2, 1)))
    with pytest.raises(ValueError, match="a row reads 11 bits, more than 10"):
        TruthRowsStage("t", "t", (), "t", many.op, Stream(BIPOLAR, MAX_BITS + 1, 1, MAX_BITS + 1))


# ---- a bench that cannot fail proves nothing ----------------------------------------------------

WRONG = {
    "an input is inverted": ("truth_signs.sv", "(x[", "(~x["),
    "a register is skipped": ("truth_signs.sv", "if (step) begin", "if (!step) begin"),
    "functions change places": ("truth_equal.sv", "= f_q[0]", "= f_q[1]"),
    "the pipeline ignores its reader": ("truth_levels.sv", " || m_axis_tready", " || 1'b1"),
}


@pytest.mark.slow  # each is a simulator of its own
@pytest.mark.parametrize("what", WRONG)
def test_wrong_logic_is_noticed(what: str, tmp_path: Path) -> None:
    file, right, wrong = WRONG[what]
    stage = next(case.stage for case in CASES if file.startswith(case.stage.module))
    changed = []

    def mutate(name: str, text: str) -> str:
        if name != file:
            return text
        changed.append(text.replace(right, wrong, 1))
        assert changed[-1] != text, f"{right!r} is not in {name}"
        return changed[-1]

    failed, log = bench.simulate([case.stage for case in CASES], __name__, tmp_path, mutate)
    assert len(changed) == 1
    assert failed > 0, log[-3000:]
    assert stage.name in log
