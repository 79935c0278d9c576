"""Reduce in RTL equals Reduce in NumPy: every kind, one word of accumulators and many."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest

from gatesmith.codegen.reduce import ReduceStage
from gatesmith.codegen.stream import Stream
from gatesmith.ir import BIPOLAR, Ints, IntType, Real, TensorType
from gatesmith.ops.reduce import Reduce
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import STALLS, Case
from gatesmith.rtl_tests.lint import lint
from gatesmith.rtl_tests.slots import check_timing

U8, I4, I8 = IntType(0, 255), IntType(-8, 7), IntType(-128, 127)


def reduce(
    name: str, kind: Any, x: IntType, count: int, channels: int, *, lanes: int, outer: int = 1
) -> Case:
    op = Reduce(kind)
    stream = Stream(x, channels, outer * count, lanes)
    stage = ReduceStage(name, name, (f"/{name}",), f"reduce_{name}", op, stream, count)

    def reference(frames: Ints) -> Ints:
        return np.asarray(op.run(frames.reshape(len(frames), outer, count, channels)))

    return Case(stage, reference)


CASES = [
    reduce("sum", "sum", I8, 5, 6, lanes=2),
    reduce("sum_one_word", "sum", I8, 9, 4, lanes=4),
    reduce("sum_two_words", "sum", U8, 7, 4, lanes=2, outer=3),
    reduce("sum_one_lane", "sum", I4, 3, 5, lanes=1, outer=2),
    reduce("sum_bipolar", "sum", BIPOLAR, 6, 8, lanes=4),
    reduce("sum_odd", "sum", IntType(-3, 3, 2), 4, 3, lanes=1),
    reduce("sum_of_one", "sum", I8, 1, 6, lanes=2, outer=3),
    reduce("sum_of_two", "sum", IntType(5, 9), 2, 2, lanes=1, outer=4),
    reduce("sum_in_block_ram", "sum", U8, 2, 528, lanes=4),
    reduce("max", "max", I8, 4, 6, lanes=3),
    reduce("max_one_word", "max", U8, 5, 2, lanes=2, outer=2),
    reduce("max_bipolar", "max", BIPOLAR, 3, 6, lanes=2),
    reduce("min", "min", I8, 4, 6, lanes=3, outer=2),
    reduce("min_one_word", "min", IntType(-9, -3), 4, 1, lanes=1),
    reduce("min_odd", "min", IntType(-3, 3, 2), 3, 4, lanes=1),
    reduce("max_of_one", "max", I4, 1, 4, lanes=4, outer=5),
]


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


def test_a_case_is_in_block_ram() -> None:
    styles = {c.stage.name: c.stage.memory_style for c in CASES if isinstance(c.stage, ReduceStage)}
    assert styles["sum_in_block_ram"] == "block" and styles["sum"] == "distributed"


@pytest.mark.parametrize("kind", ["sum", "mean", "max", "min"])
def test_operator_equals_naive_loop(kind: Any) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(-128, 128, (2, 3, 4, 5))
    if kind == "mean":
        want = np.array([[[f[:, c].sum() / 4 for c in range(5)] for f in g] for g in x])
        found = Reduce(kind).run(x / 1.0)
        assert Reduce(kind).infer(TensorType((3, 4, 5), Real())) == TensorType((3, 5), Real())
    else:
        calls: dict[str, Callable[[list[int]], int]] = {"sum": sum, "max": max, "min": min}
        call = calls[kind]
        want = np.array([[[call(f[:, c].tolist()) for c in range(5)] for f in g] for g in x])
        found = Reduce(kind).run(x)
        t = Reduce(kind).infer(TensorType((3, 4, 5), I8))
        assert t.shape == found.shape[1:] and t.int_elem.contains(found)
    np.testing.assert_array_equal(found, want)


def test_types() -> None:
    bits = TensorType((4, 9, 3), BIPOLAR)
    assert Reduce("sum").infer(bits) == TensorType((4, 3), IntType(-9, 9, 2))
    assert Reduce("max").infer(bits) == TensorType((4, 3), BIPOLAR)
    assert Reduce("sum").infer(TensorType((2, 3), Real())) == TensorType((3,), Real())


def test_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"^unknown kind of reduction 'prod'$"):
        Reduce("prod")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^no axis before the channels of i8\[3\]$"):
        Reduce("sum").infer(TensorType((3,), I8))
    with pytest.raises(ValueError, match=r"^the mean of i8\[2, 3\] is no integer"):
        Reduce("mean").infer(TensorType((2, 3), I8))
    with pytest.raises(ValueError, match=r"^the mean of integers is no integer$"):
        ReduceStage("r", "r", (), "r", Reduce("mean"), Stream(I8, 4, 4, 1), 4)
    with pytest.raises(ValueError, match=r"^4 vectors are not reduced 3 at a time$"):
        ReduceStage("r", "r", (), "r", Reduce("sum"), Stream(I8, 4, 4, 1), 3)
