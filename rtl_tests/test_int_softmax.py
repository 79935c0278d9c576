"""IntSoftmax in RTL equals IntSoftmax in NumPy, and NumPy stays within its error bound."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest

from gatesmith.codegen.int_softmax import IntSoftmaxStage
from gatesmith.codegen.stream import Stream
from gatesmith.ir import Ints, IntType
from gatesmith.ops.function import precise
from gatesmith.ops.int_softmax import IntSoftmax
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import STALLS, Case
from gatesmith.rtl_tests.lint import lint
from gatesmith.rtl_tests.slots import check_timing

U8, I4, I8 = IntType(0, 255), IntType(-8, 7), IntType(-128, 127)


def softmax(
    name: str,
    x: IntType,
    scale: Fraction,
    channels: int,
    *,
    lanes: int = 1,
    vectors: int = 1,
    bits: int = 8,
) -> Case:
    op = IntSoftmax.of(scale, x.count, channels, bits)
    stream = Stream(x, channels, vectors, lanes)
    stage = IntSoftmaxStage(name, name, (f"/{name}",), f"int_softmax_{name}", stream, op)

    def reference(frames: Ints) -> Ints:
        return np.asarray(op.run(frames))

    return Case(stage, reference)


CASES = [
    softmax("digits", I8, Fraction(1, 16), 10, bits=12),
    softmax("lanes", I8, Fraction(1, 8), 10, lanes=5, vectors=3),
    softmax("one_beat", U8, Fraction(3, 100), 6, lanes=6, vectors=5),
    softmax("long", I4, Fraction(1, 2), 40, lanes=2, vectors=2, bits=4),
    softmax("pace", I8, Fraction(1, 20), 13, vectors=4, bits=8),
    softmax("two_tables", IntType(-5000, 4000), Fraction(1, 500), 7, vectors=2),
    softmax("two_far", IntType(-70000, 50000), Fraction(1, 500), 6, lanes=3, vectors=3),
    softmax("short_table", IntType(-1000, 1000), Fraction(1), 8, lanes=4, vectors=2),
    softmax("coarse", I8, Fraction(20), 5, vectors=3, bits=6),
    softmax("one_channel", I8, Fraction(1, 4), 1, vectors=9),
    softmax("one_value", IntType(3, 3), Fraction(1, 4), 3, vectors=2),
    softmax("blocks", IntType(0, 4000), Fraction(1, 128), 528, lanes=4),
]


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(source=STALLS, sink=STALLS)
async def equals_reference(dut: Any, source: bench.Stall, sink: bench.Stall) -> None:
    await bench.equal_under_stalls(dut, CASES, source, sink)


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def survives_resets(dut: Any) -> None:
    await bench.survive_resets(dut, CASES)


@cocotb.test(timeout_time=2, timeout_unit="ms")
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


def test_cases_have_all_forms() -> None:
    stages = [case.stage for case in CASES if isinstance(case.stage, IntSoftmaxStage)]
    for name in ("two_tables", "masks"):
        assert {bool(getattr(stage, name)) for stage in stages} == {False, True}
    for name in ("x_style", "coarse_style"):
        assert {getattr(stage, name) for stage in stages} == {"block", "distributed"}
    assert any(stage.pace > stage.x.groups for stage in stages)
    assert any(stage.pace == stage.x.groups for stage in stages)


# ---- the operator against the real function -----------------------------------------------------


def exact(scale: Fraction, vector: list[int]) -> list[Fraction]:
    """Softmax with about 150 bits."""
    powers = [precise("exp", scale * (n - max(vector))) for n in vector]
    total = sum(powers, Fraction(0))
    return [power / total for power in powers]


def vectors(x: IntType, channels: int) -> list[list[int]]:
    """All equal, one high, one low, halves, ramps, neighbours, random."""
    rng = np.random.default_rng(channels)
    lo, hi = x.lo, x.hi
    mid = (lo + hi) // 2
    found = [[lo] * channels, [hi] * channels, [mid] * channels]
    found += [[hi] + [lo] * (channels - 1), [lo] + [hi] * (channels - 1)]
    found += [[hi if i % 2 else lo for i in range(channels)]]
    found += [[max(lo, hi - step * i) for i in range(channels)] for step in (1, 2, 5, 30)]
    found += [[hi] + [max(lo, hi - step)] * (channels - 1) for step in (1, 3, 20, 60, 90)]
    found += rng.integers(lo, hi + 1, (6, channels)).tolist()
    found += np.clip(hi - rng.geometric(0.05, (6, channels)), lo, hi).tolist()
    return found


@pytest.mark.parametrize(
    ("x", "scale", "channels", "bits"),
    [
        (I8, Fraction(1, 16), 10, 12),
        (I8, Fraction(1, 16), 2, 4),
        (U8, Fraction(7, 300), 33, 8),
        (I4, Fraction(2), 5, 10),
        (IntType(-3000, 3000), Fraction(1, 900), 10, 12),
        (IntType(-30000, 30000), Fraction(1, 1700), 6, 16),
    ],
)
def test_error_is_within_the_bound(x: IntType, scale: Fraction, channels: int, bits: int) -> None:
    op = IntSoftmax.of(scale, x.count, channels, bits)
    bound = op.bound(channels)
    assert bound < Fraction(4, 5)
    worst = Fraction(0)
    for vector in vectors(x, channels):
        found = op.run(np.array([vector]))[0].tolist()
        wanted = exact(scale, vector)
        errors = [abs(y - p * (1 << bits)) for y, p in zip(found, wanted, strict=True)]
        worst = max(worst, *errors)
    assert Fraction(2, 5) < worst <= bound


def test_order_is_kept() -> None:
    op = IntSoftmax.of(Fraction(1, 16), 256, 50, 8)
    x = np.random.default_rng(0).integers(-128, 128, (100, 50))
    order = np.argsort(x, axis=-1)
    y = np.take_along_axis(op.run(x), order, axis=-1)
    assert (np.diff(y, axis=-1) >= 0).all()
    x = np.take_along_axis(x, order, axis=-1)
    assert (np.diff(y, axis=-1)[np.diff(x, axis=-1) == 0] == 0).all()


def test_what_it_refuses() -> None:
    with pytest.raises(ValueError, match="too many"):
        IntSoftmax.of(Fraction(1, 1 << 26), 1 << 30, 10, 8)
    with pytest.raises(ValueError, match="too many"):
        IntSoftmax.of(Fraction(1, 16), 256, 10, 30)
    with pytest.raises(ValueError, match="above 0"):
        IntSoftmax.of(Fraction(0), 256, 10, 8)
