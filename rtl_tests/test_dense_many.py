"""Dense over a random matrix of operand types, sizes and folds, primes among them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import cocotb
import pytest

from gatesmith.ir import BIPOLAR, TERNARY, IntType
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import STALLS, Case
from gatesmith.rtl_tests.test_dense import dense

TYPES = [
    BIPOLAR,
    TERNARY,
    IntType(0, 1),
    IntType(-1, 0),
    IntType(0, 3),
    IntType(-3, 3, 2),
    IntType(-8, 7),
    IntType(0, 255),
    IntType(-100, 3),
    IntType(5, 9),
]
SIZES = (1, 2, 3, 5, 8, 12, 13, 16, 24, 37, 60, 66)


def draw_case(index: int) -> Case:
    rng = random.Random(index)
    x, w = rng.choice(TYPES), rng.choice(TYPES)
    if index % 4 == 0:
        x = w = BIPOLAR
    ins, outs = rng.choice(SIZES), rng.choice(SIZES[:8])
    simd = rng.choice([d for d in range(1, ins + 1) if ins % d == 0])
    pe = rng.choice([d for d in range(1, outs + 1) if outs % d == 0])
    name, vectors, groups = f"case{index}", rng.choice((1, 1, 2)), rng.choice((1, 1, 2, 3))
    masked = (x, w) == (TERNARY, BIPOLAR) and rng.random() < 0.5
    if index % 9 == 1:  # a padded window of bipolar values
        x, w, masked = TERNARY, BIPOLAR, index % 2 == 0
    return dense(
        name,
        x,
        w,
        ins,
        outs,
        simd=simd,
        pe=pe,
        vectors=vectors,
        groups=groups,
        masked=masked,
    )


CASES = [case for case in map(draw_case, range(48)) if case.stage.interval <= 200]


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


@pytest.mark.slow
def test_rtl_equals_reference(tmp_path: Path) -> None:
    bench.check([case.stage for case in CASES], __name__, tmp_path)
