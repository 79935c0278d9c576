"""The verifier on a core with several inputs and outputs, of different lengths and layouts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gatesmith.errors import UserError
from gatesmith.ir import Ints, Values
from gatesmith.rtl_tests import mutate
from gatesmith.rtl_tests.lint import lint
from gatesmith.rtl_tests.tiny import branches
from gatesmith.rtl_tests.verify import verify
from gatesmith.templates.tb import toolchain

FRAMES = 150

try:
    toolchain.find_cocotb()
    toolchain.find_verilator()
except toolchain.ToolError as missing:
    pytest.skip(f"no simulator: {missing}", allow_module_level=True)


@pytest.fixture
def build(tmp_path: Path) -> Path:
    return branches.write_build(tmp_path / "build")


def arrays() -> dict[str, Ints]:
    rng = np.random.default_rng(8)
    return {
        "image/a": rng.integers(0, 16, (FRAMES, 3, 2, 4)),
        "image/b": rng.integers(0, 8, (FRAMES, 5)),
        "image/c": rng.integers(-4, 4, (FRAMES, 2, 4, 3)),
    }


def saved(path: Path, content: Mapping[str, Any]) -> Path:
    np.savez(path, **content)
    return path


def test_all_ports_are_right_under_stalls_and_resets(build: Path, tmp_path: Path) -> None:
    given = arrays()
    seen: list[Mapping[str, Values]] = []

    class Counter:
        def take(self, x: Mapping[str, Values], labels: Ints | None) -> None:
            assert labels is None  # the first output is no vector of classes
            seen.append(x)

        def told(self) -> dict[str, int]:
            return {"unexplained": 0}

    content = {**given, "y": np.zeros(FRAMES, np.int64)}
    verdict = verify(build, saved(tmp_path / "x.npz", content), stall=True, original=Counter())

    assert verdict.mismatch is None
    assert verdict.all_equal
    names = ["first", "second", "third"]
    assert verdict.outputs == [{"name": name, "equal": FRAMES} for name in names]
    assert verdict.interval == verdict.interval_min == verdict.interval_predicted == 8
    assert verdict.latency == verdict.latency_predicted
    assert verdict.top1 is None
    assert verdict.stalls is not None
    assert verdict.stalls["resets_mid_frame"] > 0
    for name, array in given.items():
        key = f"in_{name.removeprefix('image/')}"
        np.testing.assert_array_equal(np.concatenate([x[key] for x in seen]), array)


def test_the_sample_of_a_build_is_data(build: Path) -> None:
    codes = np.load(build / "vectors" / "sample.npz")
    assert codes["a"].shape[1:] == (3, 2, 4)
    assert codes["expected_0"].shape[1:] == (2, 4, 3)

    verdict = verify(build, build / "vectors" / "sample.npz")

    assert verdict.all_equal
    assert verdict.frames == len(codes["a"])


def test_the_output_and_the_stage_are_named(build: Path, tmp_path: Path) -> None:
    text = (build / "rtl" / "branches_join.sv").read_text()
    assert "branches_join" in text
    mutate.substitute(
        build / "rtl" / "branches.sv",
        "assign c_tdata  = s_axis_c_tdata[8:0];",
        "assign c_tdata  = s_axis_c_tdata[8:0] ^ 9'd8;",
    )

    verdict = verify(build, saved(tmp_path / "x.npz", arrays()))

    assert not verdict.all_equal
    equal = {output["name"]: output["equal"] for output in verdict.outputs}
    assert equal["first"] == equal["third"] == FRAMES
    assert equal["second"] == verdict.equal < FRAMES
    found = verdict.mismatch
    assert found is not None
    assert (found["kind"], found["output"], found["layer"]) == ("data", "second", "join")
    assert found["channel"] == 1
    assert found["index"][2] == 1
    assert np.load(build / "verify" / "frame.npz")["b"].shape == (1, 5)


def test_a_lost_beat_of_one_output_is_noticed(build: Path, tmp_path: Path) -> None:
    core = build / "rtl" / "branches.sv"
    mutate.substitute(
        core,
        "assign m_axis_y2_tvalid = scale_tvalid;",
        "integer n = 0;\n"
        "    always @(posedge aclk) n <= rst ? 0 : n + 32'(scale_tvalid && scale_tready);\n"
        "    assign m_axis_y2_tvalid = scale_tvalid && n != 33;",
    )
    ready = "assign scale_tready = m_axis_y2_tready"
    mutate.substitute(core, f"{ready};", f"{ready} || n == 33;")

    verdict = verify(build, saved(tmp_path / "x.npz", arrays()))

    equal = {output["name"]: output["equal"] for output in verdict.outputs}
    assert equal["first"] == equal["second"] == FRAMES
    assert equal["third"] == verdict.equal < FRAMES
    assert verdict.mismatch is not None
    assert verdict.mismatch["output"] == "third"


def test_bench_runs_without_gatesmith(build: Path) -> None:
    command = [sys.executable, str(build / "tb" / "run.py"), "--stall"]
    done = subprocess.run(command, cwd=build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "256 of 256 frames equal; interval 8 cycles (predicted 8)" in done.stdout


@pytest.mark.parametrize(
    ("change", "code", "why"),
    [
        ({"image/b": None}, "unreadable", "expected image/b"),
        ({"image/b": np.zeros((9, 5), np.int64)}, "shape", "150, 150, 9 frames"),
        ({"image/a": np.zeros((150, 4, 2, 3), np.int64)}, "shape", "or (2, 4, 3) as the stream"),
    ],
)
def test_data_that_does_not_fit(
    change: dict[str, Any], code: str, why: str, build: Path, tmp_path: Path
) -> None:
    content = {k: v for k, v in {**arrays(), **change}.items() if v is not None}
    with pytest.raises(UserError) as caught:
        verify(build, saved(tmp_path / "x.npz", content))
    assert caught.value.code == f"verify.data-{code}"
    assert why in caught.value.why


def test_one_array_is_not_enough(build: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", arrays()["image/a"])
    with pytest.raises(UserError) as caught:
        verify(build, tmp_path / "x.npy")
    assert (
        caught.value.why == "it is one array, and the core has 3 inputs: image/a, image/c, image/b"
    )


def test_top_level_is_clean(build: Path) -> None:
    reports = lint(build / "rtl", "branches")
    assert not {tool: report.messages for tool, report in reports.items() if report.messages}
