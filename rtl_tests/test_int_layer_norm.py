"""IntLayerNorm in RTL equals IntLayerNorm in NumPy, and NumPy stays within its error bound."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest

from gatesmith.codegen.int_layer_norm import IntLayerNormStage
from gatesmith.codegen.stream import Stream
from gatesmith.ir import Ints, IntType, TensorType
from gatesmith.ops.function import precise
from gatesmith.ops.int_layer_norm import MOST_BITS, IntLayerNorm
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import STALLS, Case
from gatesmith.rtl_tests.lint import lint
from gatesmith.rtl_tests.slots import check_timing

U8, I4, I8 = IntType(0, 255), IntType(-8, 7), IntType(-128, 127)
USUAL = Fraction(1, 10**5)


def norm(
    name: str,
    x: IntType,
    scale: Fraction,
    channels: int,
    *,
    lanes: int = 1,
    vectors: int = 1,
    bits: int = 8,
    epsilon: Fraction = USUAL,
) -> Case:
    op = IntLayerNorm.of(scale, epsilon, x, channels, bits)
    stream = Stream(x, channels, vectors, lanes)
    stage = IntLayerNormStage(name, name, (f"/{name}",), f"int_layer_norm_{name}", stream, op)

    def reference(frames: Ints) -> Ints:
        return np.asarray(op.run(frames))

    return Case(stage, reference)


CASES = [
    norm("features", I8, Fraction(1, 16), 12, lanes=3, vectors=3),
    norm("long", I8, Fraction(1, 16), 64, lanes=2, vectors=2, bits=10),
    norm("one_beat", U8, Fraction(3, 100), 6, lanes=6, vectors=5),
    norm("pair", I4, Fraction(1, 2), 2, vectors=6),
    norm("large_epsilon", I8, Fraction(1, 64), 10, lanes=5, vectors=3, epsilon=Fraction(9)),
    norm("coarse", I4, Fraction(1000), 5, vectors=3, bits=4, epsilon=Fraction(1, 10**12)),
    norm("wide", IntType(-1 << 21, 1 << 21), Fraction(1, 1 << 18), 33, lanes=3, vectors=2),
    norm("one_value", IntType(3, 3), Fraction(1, 4), 3, vectors=2),
    norm("offset", IntType(100, 140), Fraction(1, 8), 7, vectors=4),
    norm("far_offset", IntType(1000, 1001), Fraction(1), 2, lanes=2, vectors=4),
    norm("blocks", IntType(-2000, 2000), Fraction(1, 100), 528, lanes=4, bits=9),
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
    stages = [case.stage for case in CASES if isinstance(case.stage, IntLayerNormStage)]
    for name in ("x_style", "table_style"):
        assert {getattr(stage, name) for stage in stages} == {"block", "distributed"}
    assert {stage.pace > stage.x.groups for stage in stages} == {False, True}
    assert {stage.op.width > MOST_BITS for stage in stages} == {False, True}


# ---- the operator against the real function -----------------------------------------------------


def exact(scale: Fraction, epsilon: Fraction, vector: list[int]) -> list[Fraction]:
    """Layer normalization with about 150 bits."""
    mean = Fraction(sum(vector), len(vector))
    variance = sum(((n - mean) ** 2 for n in vector), Fraction(0)) / len(vector)
    root = precise("sqrt", scale**2 * variance + epsilon)
    return [scale * (n - mean) / root for n in vector]


def vectors(x: IntType, channels: int) -> list[list[int]]:
    """All equal, one-hot at both ends, halves, ramps, neighbours, random."""
    rng = np.random.default_rng(channels)
    lo, hi = x.lo, x.hi
    mid = (lo + hi) // 2
    found = [[lo] * channels, [hi] * channels, [mid] * channels]
    found += [[mid] * (channels - 1) + [mid + 1], [mid + 1] * (channels - 1) + [mid]]
    found += [[hi] + [lo] * (channels - 1), [lo] + [hi] * (channels - 1)]
    found += [[hi if i % 2 else lo for i in range(channels)]]
    found += [[max(lo, hi - step * i) for i in range(channels)] for step in (1, 2, 5, 30)]
    found += [[hi] + [max(lo, hi - step)] * (channels - 1) for step in (1, 3, 20)]
    for spread in (1, 4, 16, 100, hi - lo):
        near = rng.normal(mid, spread, (3, channels)).round().astype(np.int64)
        found += np.clip(near, lo, hi).tolist()
    return found


@pytest.mark.parametrize(
    ("x", "scale", "channels", "bits", "epsilon"),
    [
        (I8, Fraction(1, 16), 12, 10, USUAL),
        (I8, Fraction(1, 16), 64, 8, USUAL),
        (I4, Fraction(1, 2), 2, 8, USUAL),
        (U8, Fraction(7, 300), 33, 12, Fraction(1, 100)),
        (I8, Fraction(1000), 5, 9, Fraction(1, 10**12)),
        (I8, Fraction(1, 64), 10, 9, Fraction(9)),
        (IntType(-1 << 21, 1 << 21), Fraction(1, 1 << 18), 20, 8, USUAL),
    ],
)
def test_error_is_within_the_bound(
    x: IntType, scale: Fraction, channels: int, bits: int, epsilon: Fraction
) -> None:
    op = IntLayerNorm.of(scale, epsilon, x, channels, bits)
    bound = op.bound(x)
    assert bound < Fraction(4, 5)
    out = op.infer(TensorType((channels,), x)).int_elem
    worst = Fraction(0)
    for vector in vectors(x, channels):
        found = op.run(np.array([vector]))[0]
        assert out.contains(found)
        wanted = exact(scale, epsilon, vector)
        errors = [abs(y - v * (1 << bits)) for y, v in zip(found.tolist(), wanted, strict=True)]
        worst = max(worst, *errors)
    assert worst <= bound
    assert channels == 2 or worst > Fraction(2, 5)


def test_factor_is_right_for_every_small_sum() -> None:
    op = IntLayerNorm.of(Fraction(1, 2), USUAL, I4, 3, 8)
    squares = np.arange(op.squares(I4) + 1)
    v = squares * 2.0**op.fraction + op.epsilon
    real = 2.0**op.scale_bits * np.sqrt(3 * 2.0**op.fraction / v)
    found = op.factor(squares)
    assert found.max() <= op.most_factor
    assert (np.abs(found - real) <= 1 + real * 2.0**-13).all()


def test_what_it_refuses() -> None:
    with pytest.raises(ValueError, match="tables of"):
        IntLayerNorm.of(Fraction(1, 16), USUAL, I8, 10, 24)
    with pytest.raises(ValueError, match="above 0"):
        IntLayerNorm.of(Fraction(1, 16), Fraction(0), I8, 10, 8)
    op = IntLayerNorm.of(Fraction(1, 16), USUAL, I8, 10, 8)
    with pytest.raises(ValueError, match="vectors of 9"):
        op.infer(TensorType((9,), I8))
    with pytest.raises(ValueError, match="variance"):
        op.infer(TensorType((10,), IntType(-1 << 20, 1 << 20)))
