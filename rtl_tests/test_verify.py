"""The verifier says yes to a right core, and no, with the place, to each kind of wrong one."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from gatesmith.errors import UserError
from gatesmith.ir import Ints, Values
from gatesmith.ir.execute import execute
from gatesmith.ops.requantize import Requantize
from gatesmith.rtl_tests import mutate, tiny
from gatesmith.rtl_tests.simulator import build_simulator, simulate
from gatesmith.rtl_tests.verify import Verdict, verify
from gatesmith.templates.tb import cache, toolchain
from gatesmith.templates.tb.shards import Job

FRAMES = 300

try:
    toolchain.find_cocotb()
    toolchain.find_verilator()
except toolchain.ToolError as missing:
    pytest.skip(f"no simulator: {missing}", allow_module_level=True)


@pytest.fixture
def build(tmp_path: Path) -> Path:
    return tiny.write_build(tmp_path / "build")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "pixels.npz"
    x = np.random.default_rng(5).integers(0, 256, (FRAMES, tiny.CHANNELS), dtype=np.uint8)
    graph = tiny.graph()
    y = execute(graph, {"x": x.astype(np.int64)})[graph.outputs[0]]
    labels = np.argmax(y, axis=1)
    labels[::4] += 1
    np.savez(path, x=x, y=labels)
    return path


def test_right_core_passes(build: Path, data: Path) -> None:
    verdict = verify(build, data)

    assert verdict.mismatch is None
    assert (verdict.frames, verdict.equal, verdict.all_equal) == (FRAMES, FRAMES, True)
    assert (verdict.interval_min, verdict.interval) == (4, verdict.interval_predicted) == (4, 4)
    assert verdict.latency == verdict.latency_predicted == 5
    assert verdict.top1 == 0.75
    assert verdict.unexplained is None
    assert verdict.stalls is None


def test_right_core_passes_under_stalls_and_resets(build: Path, data: Path) -> None:
    seen: list[Values] = []

    class Counter:
        def take(self, x: Mapping[str, Values], labels: Ints | None) -> None:
            assert labels is None or len(labels) == len(x["x"])
            seen.append(x["x"])

        def told(self) -> dict[str, int]:
            return {"unexplained": len(seen)}

    verdict = verify(build, data, stall=True, frames=200, original=Counter())

    assert verdict.mismatch is None
    assert (verdict.equal, verdict.interval, verdict.latency) == (200, 4, 5)
    assert verdict.unexplained == len(seen)
    np.testing.assert_array_equal(np.concatenate(seen), np.load(data)["x"][:200])
    assert verdict.stalls is not None
    assert verdict.stalls["equal"]
    assert verdict.stalls["reset_ok"]
    assert verdict.stalls["resets"] == 48
    assert verdict.stalls["resets_mid_frame"] > 16
    assert verdict.cycles == verify(build, data, stall=True, frames=200).cycles  # same seed


def test_small_rounds_give_the_same_verdict(
    build: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatesmith.rtl_tests.verify.ROUND_BYTES", 130 * (32 + 8))
    monkeypatch.setattr("gatesmith.rtl_tests.vectors.CHUNK_ELEMENTS", 7 * 32)
    mutate.flip_bit(build / "rtl" / "scale_mul.mem", word=2, bit=13)

    verdict = verify(build, data)
    monkeypatch.undo()
    whole = verify(build, data)

    assert 0 < verdict.equal < FRAMES
    assert (verdict.equal, verdict.top1) == (whole.equal, whole.top1)
    assert verdict.mismatch is not None
    assert whole.mismatch is not None
    for key in ("frame", "layer", "channel", "expected", "found"):
        assert verdict.mismatch[key] == whole.mismatch[key]


def weight(build: Path) -> None:
    mutate.flip_bit(build / "rtl" / "scale_mul.mem", word=2, bit=13)  # channel 18, value 2


def threshold(build: Path) -> None:
    mutate.flip_bit(build / "rtl" / "act_thresholds.mem", word=0, bit=9 + 7)  # channel 0, value 128


def lost_beat(build: Path) -> None:
    mutate.drop_beat(build / "rtl" / "tiny.sv", "scale", number=4 * 100 + 2)  # seen by each shard


def lost_last_beat(build: Path) -> None:
    mutate.drop_beat(build / "rtl" / "tiny.sv", "scale", number=4 * FRAMES // 2 - 1)  # of a shard


def early_tlast(build: Path) -> None:
    mutate.substitute(build / "rtl" / "tiny.sv", "out_beat_q == 2'd3;", "out_beat_q == 2'd2;")


def false_alarm(build: Path) -> None:
    mutate.substitute(build / "rtl" / "tiny.sv", "!= (in_beat_q == 2'd3)", "!= (in_beat_q == 2'd2)")


def no_alarm(build: Path) -> None:
    mutate.substitute(
        build / "rtl" / "tiny.sv", "frame_error || s_axis_tlast != (in_beat_q == 2'd3)", "1'b0"
    )


def overwritten(build: Path) -> None:
    mutate.substitute(
        build / "rtl" / "tiny_act.sv",
        "assign s_axis_tready = !m_axis_tvalid || m_axis_tready;",
        "assign s_axis_tready = 1'b1;",
    )


def state_survives_reset(build: Path) -> None:
    mutate.substitute(
        build / "rtl" / "tiny_scale.sv",
        "beat_q        <= 2'd0;",
        "if (beat_q === 2'dx) beat_q <= 0;",
    )


@pytest.mark.parametrize(
    ("break_it", "stall", "kind", "layer"),
    [
        (weight, False, "data", "scale"),
        (threshold, False, "data", "act"),
        (lost_beat, False, "data", "act"),
        (lost_last_beat, False, "stuck", "act"),
        (early_tlast, False, "tlast", None),
        (false_alarm, False, "frame-error", None),
        (no_alarm, True, "frame-error", None),
        (overwritten, True, "not-held", None),
        (state_survives_reset, True, "data", "scale"),
    ],
)
def test_wrong_core_is_caught_and_the_layer_named(
    break_it: Callable[[Path], None],
    stall: bool,
    kind: str,
    layer: str | None,
    *,
    build: Path,
    data: Path,
) -> None:
    break_it(build)

    verdict = verify(build, data, stall=stall)

    assert not verdict.all_equal
    assert verdict.equal < FRAMES
    found = verdict.mismatch
    assert found is not None
    assert found["kind"] == kind
    if layer is not None:
        assert found["layer"] == layer
    waveform = Path(found["waveform"])
    assert waveform == build / "verify" / "window.vcd"
    assert "scale_tdata" in waveform.read_text()
    stamps = [int(line[1:]) for line in waveform.read_text().splitlines() if line[:1] == "#"]
    assert stamps[0] <= found["cycle"] * 10_000 <= stamps[-1]  # 10 ns a cycle, in ps


@pytest.mark.parametrize("what", ["interval", "latency"])
def test_core_that_is_right_but_slower_than_it_says_is_not_on_time(
    what: str, build: Path, data: Path
) -> None:
    assert verify(build, data).on_time
    told = json.loads((build / "build.json").read_text())
    told[what] -= 1
    (build / "build.json").write_text(json.dumps(told))

    verdict = verify(build, data)

    assert verdict.all_equal
    assert not verdict.on_time


def test_mismatch_names_frame_channel_and_values(build: Path, data: Path) -> None:
    weight(build)
    x = np.load(data)["x"].astype(np.int64)
    graph = tiny.graph()
    scale = graph.outputs[0].args[0]
    wanted = execute(graph, {"x": x}, keep=(scale,))
    op = scale.op
    assert isinstance(op, Requantize)
    wrong_mul = op.mul.data.copy()
    wrong_mul[18] = (wrong_mul[18] & ~2) | (~wrong_mul[18] & 2)
    wrong = ((x * wrong_mul + op.add.data) >> op.shift).clip(-256, 255)
    changed = graph.outputs[0].op.run(wrong) != wanted[graph.outputs[0]]
    frame = int(np.argmax(changed.any(axis=1)))

    verdict = verify(build, data)

    assert verdict.equal == FRAMES - int(changed.any(axis=1).sum())
    found = verdict.mismatch
    assert found is not None
    assert (found["frame"], found["channel"], found["vector"]) == (frame, 18, 0)
    assert (found["node"], found["origin"]) == ("scale_n", ["/fc/Mul"])
    assert found["expected"] == int(wanted[scale][frame, 18])
    assert found["found"] == int(wrong[frame, 18])
    np.testing.assert_array_equal(np.load(build / "verify" / "frame.npz")["x"][0], x[frame])


def test_bench_runs_again_without_gatesmith(build: Path) -> None:
    code = (
        "import runpy, sys; sys.modules['gatesmith'] = None; sys.argv = ['run.py', '--stall'];"
        f"runpy.run_path({str(build / 'tb' / 'run.py')!r}, run_name='__main__')"
    )

    def again() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code]
        return subprocess.run(command, cwd=build, capture_output=True, text=True, check=False)

    right = again()
    assert right.returncode == 0, right.stdout + right.stderr
    assert "256 of 256 frames equal; interval 4 cycles (predicted 4)" in right.stdout
    threshold(build)
    wrong = again()
    assert wrong.returncode == 1, wrong.stdout + wrong.stderr


def test_bench_tells_what_no_output_shows(build: Path) -> None:
    """Sums of streams that were others: as if a stage were wrong and the next did not care."""
    sums = np.fromfile(build / "vectors" / "streams.bin", ">u8").reshape(256, -1)
    sums[17, 1] ^= 1
    sums.tofile(build / "vectors" / "streams.bin")
    command = [sys.executable, str(build / "tb" / "run.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    names = [
        sink["wire"]
        for stage in json.loads((build / "build.json").read_text())["stages"]
        for sink in stage["sinks"]
    ]
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"DIFFERENT inside: {names[1]} first" in done.stdout


def _simulator_that(path: Path, does: str) -> Path:
    path.write_text(f"#!/bin/sh\n{does}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("does", "why"),
    [("echo half way; kill -9 $$", "signal 9"), ("echo no licence; exit 3", "ended with 3")],
)
def test_simulator_that_dies_is_reported(does: str, why: str, build: Path, tmp_path: Path) -> None:
    fake = _simulator_that(tmp_path / "fake", does)

    with pytest.raises(UserError) as caught:
        simulate(fake, [Job("plain0", 0, 4)], build, tmp_path / "work", data=build / "vectors")

    assert caught.value.code == "verify.simulator-failed"
    assert why in caught.value.why
    assert does.split(";", maxsplit=1)[0].removeprefix("echo ") in caught.value.why


def test_rtl_that_does_not_compile_is_reported(build: Path) -> None:
    mutate.substitute(build / "rtl" / "tiny.sv", "module tiny (", "module tiny ((")

    with pytest.raises(UserError) as caught:
        build_simulator(build)

    assert caught.value.code == "verify.build-failed"
    assert "tiny.sv:4" in caught.value.why


def test_missing_pieces_are_reported(build: Path, data: Path) -> None:
    (build / "rtl" / "files.f").unlink()
    with pytest.raises(UserError, match="not complete") as caught:
        verify(build, data)
    assert caught.value.code == "verify.incomplete-build"
    (build / "build.json").write_text("{")
    with pytest.raises(UserError) as caught:
        verify(build, data)
    assert caught.value.code == "verify.incomplete-build"


@pytest.mark.parametrize("version", ["Verilator 5.006 2023-01-22 rev (Debian 5.006-3)", None])
def test_old_or_missing_verilator(
    version: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if version:
        _simulator_that(tmp_path / "verilator", f"echo '{version}'")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    toolchain.find_verilator.cache_clear()
    try:
        with pytest.raises(toolchain.ToolError) as caught:
            toolchain.find_verilator()
    finally:
        toolchain.find_verilator.cache_clear()

    assert caught.value.code == "verify.no-simulator"
    assert ("expected 5.036 or newer" in caught.value.why) == bool(version)
    assert "pip install 'gatesmith[sim]'" in caught.value.fix


def test_two_builds_at_once(build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_simulator(build)
    if cache.folder("runtime").is_dir():  # half a minute of compiling
        library = tmp_path / "cache" / "runtime"
        shutil.copytree(cache.folder("runtime"), library, copy_function=os.link)
    monkeypatch.setenv("GATESMITH_CACHE", str(tmp_path / "cache"))

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(build_simulator, [build, build])

    assert first == second
    assert os.access(first, os.X_OK)
    left = [entry.name for entry in (tmp_path / "cache" / "sim").iterdir()]
    assert left == [first.parent.name]
    before = first.stat().st_mtime_ns
    mutate.flip_bit(build / "rtl" / "scale_mul.mem", word=0, bit=0)
    assert build_simulator(build).stat().st_mtime_ns == before  # weights are no part of it


def test_cache_that_cannot_be_written(
    build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GATESMITH_CACHE", str(tmp_path / "file"))

    with pytest.raises(UserError) as caught:
        build_simulator(build)

    assert caught.value.code == "verify.no-cache"


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux")
def test_simulator_dies_with_its_parent(build: Path, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    fake = _simulator_that(tmp_path / "fake", f"echo $$ > {note}; exec sleep 60")
    code = (
        "import sys; from pathlib import Path; from gatesmith.templates.tb.shards import *;"
        f"b = Path({str(build)!r}); f = Files(b / 'vectors', b / 'rtl', b / 'tb');"
        f"run(Path({str(fake)!r}), [Job('plain0', 0, 4)], f, Path({str(tmp_path / 'w')!r}))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    while not (note.exists() and note.read_text().strip()):
        assert parent.poll() is None
    child = int(note.read_text())
    parent.send_signal(signal.SIGKILL)
    parent.wait()

    for _ in range(100):
        try:
            state = Path(f"/proc/{child}/stat").read_text().split()[2]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        subprocess.run(["sleep", "0.05"], check=True)
    pytest.fail(f"process {child} outlives its parent")


def test_verdict_as_json_has_the_agreed_keys() -> None:
    keys = {"frames", "equal", "interval", "interval_predicted", "latency", "top1", "unexplained"}
    assert keys <= set(Verdict.__dataclass_fields__)
