"""Early exits in RTL: answers in order, whatever frames leave; alone and in whole networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import onnx
import pytest
from cocotb.triggers import ClockCycles

import gatesmith
from gatesmith.codegen import top
from gatesmith.codegen.early_exit import EarlyExitStage
from gatesmith.codegen.stream import Stage, Stream
from gatesmith.ir import Ints, IntType, TensorType
from gatesmith.ops.early_exit import EarlyExit
from gatesmith.rtl_tests import bench, exit_networks, test_gate
from gatesmith.rtl_tests.bench import STALLS, Case
from gatesmith.rtl_tests.test_gate import Pattern, alternating, bursts, none
from gatesmith.rtl_tests.test_lint import expect_clean, write
from gatesmith.rtl_tests.verify import Verdict, read_build

# ---- the stage alone -----------------------------------------------------------------------------


def all_leave(count: int) -> list[int]:
    return [1] * count


def mixed(count: int) -> list[int]:
    rng = np.random.default_rng(count)
    return [1, 0, 0, *rng.integers(0, 2, count).tolist()]


@dataclass(frozen=True)
class Merging(Case):
    """Decisions, and late classes of those that go on."""

    stage: EarlyExitStage
    pattern: Pattern

    def draw(self, frames: int, seed: int = 0) -> tuple[Ints, ...]:
        exits = np.resize(self.pattern(frames), frames)
        rng = np.random.default_rng(seed)
        early = rng.integers(0, self.stage.decision.elem.count, frames)
        late = rng.integers(0, self.stage.late.elem.count, int((exits == 0).sum()))
        return np.stack([early, exits], axis=1)[:, None, :], late.reshape(-1, 1, 1)


def reference(decisions: Ints, late: Ints) -> Ints:
    classes, at = [], 0
    for early, left in decisions[:, 0].tolist():
        classes.append([early if left else int(late[at, 0, 0]), left])
        at += not left
    return np.array(classes)[:, None, :]


def merge(name: str, early: int, late: int, pattern: Pattern) -> Merging:
    decision = Stream(IntType(0, early - 1), 2, 1, 2)
    classes = Stream(IntType(0, late - 1), 1, 1, 1)
    stage = EarlyExitStage(name, name, (f"/{name}",), f"exit_{name}", decision, classes)
    return Merging(stage, reference, pattern)


CASES = [
    merge("none", 10, 10, none),
    merge("all", 10, 10, all_leave),
    merge("alternating", 2, 2, alternating),
    merge("bursts", 1000, 10, bursts),
    merge("random", 10, 1000, mixed),
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
    await bench.keep_schedule(dut, [case for case in CASES if case.pattern is none], source)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def waits_for_the_late_head(dut: Any) -> None:
    """Each late class comes long after all decisions; until then only those before it are out."""
    benches = await bench.start(dut, CASES)

    async def one(run: bench.Bench, case: Merging) -> None:
        decisions, late = case.draw(bench.FRAMES)
        (want,) = case.want((decisions, late))
        exits = [*decisions[:, 0, 1].tolist(), 0]
        first, second = run.sources
        await first.send(bench.words(case.stage.decision, decisions))
        done = 0
        for at in range(len(late) + 1):
            upto = exits.index(0, done)  # frames that need no class beyond those sent
            await ClockCycles(dut.clk, 40)
            if upto > done:
                (found,) = await run.receive(upto - done)
                np.testing.assert_array_equal(found, want[done:upto], case.stage.name)
            assert run.empty(), case.stage.name
            exits[upto], done = 1, upto
            if at < len(late):
                await second.send(bench.words(case.stage.late, late[at : at + 1]))
        assert done == bench.FRAMES

    await bench.together(*(one(run, case) for run, case in zip(benches, CASES, strict=True)))


def test_rtl_equals_reference(tmp_path: Path) -> None:
    bench.check([case.stage for case in CASES], __name__, tmp_path)


def test_unit_is_clean(tmp_path: Path) -> None:
    stages = [case.stage for case in CASES]
    write(tmp_path, dict(top.files(stages)) | {"tb.sv": bench.wrapper(stages)})
    expect_clean(tmp_path, "tb")


def test_what_does_not_fit() -> None:
    decision, late = TensorType((2,), IntType(0, 9)), TensorType((1,), IntType(0, 9))
    assert EarlyExit().infer(decision, late) == decision
    with pytest.raises(ValueError, match=r"^expected one class, not u4\[0..9\]\[2\]$"):
        EarlyExit().infer(decision, decision)
    with pytest.raises(ValueError, match=r"^expected a decision \(class, exit\), not u4"):
        EarlyExit().infer(late, late)


LOGIC = {
    "never drops": (test_gate, "gate_random.sv", "take && !leave", "take"),
    "drops the wrong ones": (test_gate, "gate_random.sv", "take && !leave", "take && leave"),
    "forgets the frame": (test_gate, "gate_random.sv", ": leave_q", ": s1_axis_tdata[I_W]"),
    "takes it twice": (test_gate, "gate_random.sv", "s1_axis_tready = first &&",
                       "s1_axis_tready = "),
    "does not wait": (None, "exit_random.sv", "(left || s1_axis_tvalid);\n    assign step",
                      "1'b1;\n    assign step"),
    "early class": (None, "exit_random.sv", "left ? Y_W'(s0", "!left ? Y_W'(s0"),
}  # fmt: skip


@pytest.mark.slow  # each is a simulator of its own
@pytest.mark.parametrize("what", LOGIC)
def test_wrong_logic_is_noticed(what: str, tmp_path: Path) -> None:
    module, file, right, wrong = LOGIC[what]
    changed = []

    def mutate(name: str, text: str) -> str:
        if name != file:
            return text
        changed.append(right in text)
        return text.replace(right, wrong)

    cases: Sequence[Case] = CASES if module is None else module.CASES
    stages: list[Stage] = [case.stage for case in cases]
    name = __name__ if module is None else module.__name__
    failed, log = bench.simulate(stages, name, tmp_path, mutate)

    assert changed == [True]
    assert failed > 0, log[-3000:]


# ---- whole networks ------------------------------------------------------------------------------

PATTERNS: dict[str, list[int]] = {
    "all leave": [1] * 12,
    "none leaves": [0] * 12,
    "alternating": [1, 0] * 8,
    "bursts": [1] * 9 + [0] * 3 + [1] * 17 + [0] + [1] * 5 + [0] * 2,
}


def built(model: onnx.ModelProto, folder: Path, margin: str, folds: dict[str, str]) -> Path:
    onnx.save(model, folder / "net.onnx")
    build = folder / "b"
    gatesmith.build(
        folder / "net.onnx", build, fold=folds, input_spec="u4:1", exit_at=f"early:{margin}"
    )
    return build


def run(build: Path, exits: Sequence[int], *, stall: bool) -> Verdict:
    codes, leaves = exit_networks.pool(build)
    assert 0 < leaves.mean() < 1, "the margin decides nothing: choose another"
    np.save(build.parent / "x.npy", exit_networks.pattern(codes, leaves, exits))
    verdict = gatesmith.verify(build, build.parent / "x.npy", stall=stall)
    assert verdict.mismatch is None, verdict.mismatch
    assert verdict.all_equal
    assert verdict.equal == verdict.frames == len(exits)
    assert verdict.early == sum(exits) / len(exits)
    assert verdict.unexplained == 0
    assert verdict.late is not None
    assert verdict.late <= 0
    return verdict


def check(build: Path) -> None:
    """Every pattern under stalls; at full speed the intervals of both ends."""
    every = [left for exits in PATTERNS.values() for left in exits]
    verdict = run(build, every, stall=True)
    assert verdict.stalls is not None
    assert verdict.stalls["resets_mid_frame"] > 0
    content = read_build(build)
    worst, early = content["interval"], content["interval_early"]
    assert early < worst
    going = run(build, [0] * 24, stall=False)
    assert going.interval == going.interval_min == going.interval_worst == worst
    leaving = run(build, [1] * 48, stall=False)
    assert leaving.interval == leaving.interval_min == early
    mixed = run(build, [1, 0, 1] * 24, stall=False)
    assert mixed.interval_mean is not None
    assert mixed.interval_mean <= max(early, worst / 3) * 1.05 + 2


def test_two_heads_in_a_chain(tmp_path: Path) -> None:
    folds = {"Conv_t1": "2,18", "Gemm_t6": "1,4", "Conv_t8": "1,2", "Gemm_t13": "1,2"}
    build = built(exit_networks.chain(), tmp_path, "3.5", folds)
    expect_clean(build / "rtl", "net")
    check(build)


@pytest.mark.slow
def test_a_residual_around_the_branch(tmp_path: Path) -> None:
    build = built(exit_networks.residual(), tmp_path, "4/3", {"Conv_t13": "1,4"})
    expect_clean(build / "rtl", "net")
    check(build)
