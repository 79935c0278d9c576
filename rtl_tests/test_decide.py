"""Decide in RTL equals Decide in NumPy: ties, margins at both ends, any lanes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest

from gatesmith.codegen import top
from gatesmith.codegen.decide import DecideStage
from gatesmith.codegen.stream import Stream
from gatesmith.ir import Ints, IntType, TensorType
from gatesmith.ops.decide import Decide
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import STALLS, Case
from gatesmith.rtl_tests.slots import check_timing
from gatesmith.rtl_tests.test_lint import expect_clean, write

U2, U8, I8, POPCOUNT = IntType(0, 3), IntType(0, 255), IntType(-128, 127), IntType(-64, 64, 2)
NEGATIVE = IntType(-100, -3)


@dataclass(frozen=True)
class Close(Case):
    """Scores of which the two best are mostly about the margin apart."""

    stage: DecideStage

    def draw(self, frames: int, seed: int = 0) -> tuple[Ints, ...]:
        (scores,) = Case.draw(self, frames, seed)
        elem, rng = self.stage.x.elem, np.random.default_rng(seed)
        for row in scores.reshape(len(scores), -1):
            first, second = rng.choice(row.size, 2, replace=False)
            lead = self.stage.op.margin + elem.step * int(rng.integers(-1, 2))
            best = elem.hi if rng.random() < 0.5 else row.max()
            place = (best - max(lead, 0) - elem.lo) // elem.step * elem.step + elem.lo
            row[:] = np.minimum(row, max(place, elem.lo))
            row[second], row[first] = max(place, elem.lo), best
        return (scores,)


def decide(name: str, x: IntType, *, classes: int, lanes: int, margin: int) -> Close:
    op, stream = Decide(margin), Stream(x, classes, 1, lanes)
    stage = DecideStage(name, name, (f"/{name}",), f"decide_{name}", op, stream)

    def reference(frames: Ints) -> Ints:
        return np.asarray(op.run(frames.reshape(len(frames), -1)), np.int64)[:, None, :]

    return Close(stage, reference)


CASES = [
    decide("serial", I8, classes=10, lanes=1, margin=5),
    decide("by_two", U8, classes=10, lanes=2, margin=17),
    decide("by_three", I8, classes=9, lanes=3, margin=30),
    decide("by_five", POPCOUNT, classes=10, lanes=5, margin=7),
    decide("whole", I8, classes=10, lanes=10, margin=1),
    decide("two", U8, classes=2, lanes=1, margin=0),
    decide("two_at_once", U8, classes=2, lanes=2, margin=3),
    decide("ties", U2, classes=12, lanes=4, margin=0),
    decide("odd", U2, classes=7, lanes=7, margin=1),
    decide("negative", NEGATIVE, classes=6, lanes=3, margin=2),
    decide("never", I8, classes=6, lanes=2, margin=255),
    decide("never_at_all", POPCOUNT, classes=6, lanes=1, margin=10**9),
    decide("all_but_two", U8, classes=6, lanes=2, margin=254),
    decide("one_bit", IntType(0, 1), classes=5, lanes=1, margin=0),
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


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stage.name)
def test_reference_by_hand(case: Close) -> None:
    (scores,) = case.draw(200)
    leaves = set()
    (found,) = case.want((scores,))
    for row, (best, left) in zip(scores[:, 0], found[:, 0], strict=True):
        ordered = sorted(row.tolist(), reverse=True)
        assert best == row.tolist().index(ordered[0])
        assert left == int(ordered[0] - ordered[1] > case.stage.op.margin)
        leaves.add(int(left))
    assert leaves == ({0} if "never" in case.stage.name else {0, 1}), "a case that decides nothing"


def test_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"^a margin of -1: it must be 0 or more$"):
        Decide(-1)
    with pytest.raises(ValueError, match=r"^expected one vector of two scores or more, not u8\[1"):
        Decide(1).infer(TensorType((1,), U8))
    with pytest.raises(ValueError, match=r"^a decision from 2 x 4 scores$"):
        DecideStage("d", "d", (), "d", Decide(1), Stream(U8, 4, 2, 2))


def test_rtl_equals_reference(tmp_path: Path) -> None:
    bench.check([case.stage for case in CASES], __name__, tmp_path)


def test_unit_is_clean(tmp_path: Path) -> None:
    stages = [case.stage for case in CASES]
    write(tmp_path, dict(top.files(stages)) | {"tb.sv": bench.wrapper(stages)})
    expect_clean(tmp_path, "tb")
