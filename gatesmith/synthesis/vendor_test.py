"""Scripts for vendors' tools, and their reports read back.

The reports have the form of such ones in public repositories (Vivado 2021.2 and 2020.2, Quartus
Prime 20.1 Lite), with the clock and the design of the test. No vendor tool was run.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gatesmith.build_json import FORMAT
from gatesmith.cli import main
from gatesmith.errors import UserError
from gatesmith.synthesis import given
from gatesmith.synthesis.vendor import project, write_project
from gatesmith.synthesis.vendor_reports import read_reports

UTILIZATION = """\
Copyright 1986-2020 Xilinx, Inc. All Rights Reserved.
-----------------------------------------------------------------------------------------------
| Tool Version : Vivado v.2020.2 (lin64) Build 3064766 Wed Nov 18 09:12:47 MST 2020
| Date         : Mon Jan 20 17:08:19 2025
| Command      : report_utilization -file net_utilization.rpt
| Design       : net
| Device       : xczu7evffvc1156-2
| Design State : Routed
-----------------------------------------------------------------------------------------------

1. CLB Logic
------------

+----------------------------+------+-------+-----------+-------+
|          Site Type         | Used | Fixed | Available | Util% |
+----------------------------+------+-------+-----------+-------+
| CLB LUTs                   | 1216 |     0 |    230400 |  0.53 |
|   LUT as Logic             | 1142 |     0 |    230400 |  0.50 |
|   LUT as Memory            |   74 |     0 |    101760 |  0.07 |
|     LUT as Distributed RAM |   66 |     0 |           |       |
|     LUT as Shift Register  |    8 |     0 |           |       |
| CLB Registers              |  659 |     0 |    460800 |  0.14 |
|   Register as Flip Flop    |  659 |     0 |    460800 |  0.14 |
| CARRY8                     |   60 |     0 |     28800 |  0.21 |
+----------------------------+------+-------+-----------+-------+

3. BLOCKRAM
-----------

+-------------------+------+-------+-----------+-------+
|     Site Type     | Used | Fixed | Available | Util% |
+-------------------+------+-------+-----------+-------+
| Block RAM Tile    |  2.5 |     0 |       312 |  0.80 |
|   RAMB36/FIFO*    |    2 |     0 |       312 |  0.64 |
|     RAMB36E2 only |    2 |       |           |       |
|   RAMB18          |    1 |     0 |       624 |  0.16 |
| URAM              |    0 |     0 |        96 |  0.00 |
+-------------------+------+-------+-----------+-------+
* Note: Each Block RAM Tile only has one FIFO logic available

4. ARITHMETIC
-------------

+-----------+------+-------+-----------+-------+
| Site Type | Used | Fixed | Available | Util% |
+-----------+------+-------+-----------+-------+
| DSPs      |    3 |     0 |      1728 |  0.17 |
+-----------+------+-------+-----------+-------+
"""
OLDER = UTILIZATION.replace("CLB LUTs  ", "Slice LUTs").replace(
    "CLB Registers  ", "Slice Registers"
)
TIMING = """\
| Tool Version      : Vivado v.2021.2 (lin64) Build 3367213 Tue Oct 19 02:47:39 MDT 2021
| Command           : report_timing_summary -max_paths 10 -file net_timing.rpt
| Design            : net
| Device            : xczu7ev-ffvc1156

------------------------------------------------------------------------------------------------
| Design Timing Summary
| ---------------------
------------------------------------------------------------------------------------------------

    WNS(ns)      TNS(ns)  TNS Failing Endpoints  TNS Total Endpoints      WHS(ns)      THS(ns)
    -------      -------  ---------------------  -------------------      -------      -------
     -0.521       -2.000                      9                 1696        0.057        0.000

Timing constraints are not met.

| Clock Summary

Clock  Waveform(ns)         Period(ns)      Frequency(MHz)
-----  ------------         ----------      --------------
aclk   {0.000 2.500}        5.000           200.000

| Intra Clock Table

Clock             WNS(ns)      TNS(ns)  TNS Failing Endpoints  TNS Total Endpoints      WHS(ns)
-----             -------      -------  ---------------------  -------------------      -------
aclk               -0.521       -2.000                      9                 1696        0.057
"""
FIT = """\
Fitter Status : Successful - Thu Mar 12 17:06:41 2026
Quartus Prime Version : 20.1.0 Build 711 06/05/2020 SJ Lite Edition
Revision Name : net
Top-level Entity Name : net
Family : Cyclone V
Device : 5CSEBA6U23I7
Timing Models : Final
Logic utilization (in ALMs) : 5,447 / 41,910 ( 13 % )
Total registers : 2724
Total pins : 1 / 314 ( < 1 % )
Total virtual pins : 36
Total block memory bits : 50,177 / 5,662,720 ( < 1 % )
Total RAM Blocks : 7 / 553 ( 1 % )
Total DSP Blocks : 1 / 112 ( < 1 % )
"""
STA = """\
------------------------------------------------------------
Timing Analyzer Summary
------------------------------------------------------------

Type  : Slow 1100mV 85C Model Setup 'aclk'
Slack : 1.250
TNS   : 0.000

Type  : Slow 1100mV 85C Model Hold 'aclk'
Slack : 0.050
TNS   : 0.000

Type  : Slow 1100mV 0C Model Setup 'aclk'
Slack : -2.500
TNS   : -9.100
"""
STA_REPORT = """\
; Slow 1100mV 85C Model Fmax Summary                   ;
; Fmax       ; Restricted Fmax ; Clock Name ; Note     ;
; 123.45 MHz ; 100.00 MHz      ; aclk       ;          ;
; Slow 1100mV 0C Model Fmax Summary                    ;
; 120.01 MHz ; 100.00 MHz      ; aclk       ;          ;
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A build, as far as scripts and reports are concerned."""
    (tmp_path / "rtl").mkdir()
    for name in ("net.sv", "net_fc.sv", "net_fc_weights.mem"):
        (tmp_path / "rtl" / name).touch()
    (tmp_path / "rtl" / "files.f").write_text("net.sv\nnet_fc.sv\n")
    content = {
        "format": FORMAT,
        "name": "Net",
        "top": "net",
        "stages": [],
        "inputs": [{"prefix": "s_axis"}],
        "outputs": [{"prefix": "m_axis"}],
        "cost": {"lut": 1000, "ff": 600, "dsp": 2, "ram_bits": 50176},
    }
    (tmp_path / "build.json").write_text(json.dumps(content))
    return tmp_path


def reports(folder: Path, **texts: str) -> list[Path]:
    paths = []
    for name, text in texts.items():
        path = folder / f"{name}.rpt"
        path.write_text(text)
        paths.append(path)
    return paths


@pytest.mark.parametrize("text", [UTILIZATION, OLDER])
def test_vivado(folder: Path, text: str) -> None:
    found = read_reports(given.read(folder), reports(folder, a=text, b=TIMING))

    assert (found["lut"], found["lut_memory"], found["lut_sites"]) == (1142, 74, 1216)
    assert (found["ff"], found["dsp"]) == (659, 3)
    assert (found["bram"], found["bram_kbits"]) == (3, 90)
    assert found["fmax_mhz"] == round(1000 / 5.521, 2)
    assert (found["lut_predicted"], found["ram_bits_predicted"]) == (1000, 50176)
    assert (found["tool"], found["device"]) == ("Vivado 2020.2", "xczu7evffvc1156-2")
    assert (found["state"], found["lut_unit"]) == ("Routed", "LUT6")


def test_quartus(folder: Path) -> None:
    build = given.read(folder)
    write_project(build, "quartus", "5CSEBA6U23I7", 125.0)
    found = read_reports(build, reports(folder, a=FIT, b=STA))

    assert (found["lut"], found["lut_unit"], found["ff"]) == (5447, "ALM", 2724)
    assert (found["dsp"], found["bram"], found["bram_kbits"]) == (1, 7, 50)
    assert (found["period_ns"], found["slack_ns"]) == (8.0, -2.5)
    assert found["fmax_mhz"] == round(1000 / 10.5, 2)
    assert (found["tool"], found["state"]) == ("Quartus 20.1.0", "Successful")
    assert read_reports(build, reports(folder, c=STA_REPORT))["fmax_mhz"] == 120.01


def test_one_report_leaves_the_rest_open(folder: Path) -> None:
    found = read_reports(given.read(folder), reports(folder, a=UTILIZATION))
    assert found["fmax_mhz"] is None
    found = read_reports(given.read(folder), reports(folder, b=TIMING))
    assert found["lut"] is None


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        ({"a": "nothing"}, "it is none of report_utilization, "),
        ({"a": UTILIZATION.replace(": net", ": other")}, "it is of the design other, not net"),
        ({"a": UTILIZATION.replace("LUT as Logic", "LUT as Art")}, "no row LUT as Logic"),
        ({"a": TIMING.replace("aclk", "clk")}, 'it has no paths of a clock "aclk"'),
        ({"a": UTILIZATION, "b": FIT}, "it is of Quartus 20.1.0, the one before of Vivado"),
        ({"a": STA}, "slacks say no rate without the period"),
        ({"a": STA.replace("aclk", "clk")}, "it has no setup slack"),
    ],
)
def test_reports_that_cannot_be_read(folder: Path, texts: dict[str, str], why: str) -> None:
    with pytest.raises(UserError) as raised:
        read_reports(given.read(folder), reports(folder, **texts))
    assert raised.value.code == "synth.bad-report"
    assert why in raised.value.why


def test_scripts_name_every_source_memory_and_port(folder: Path) -> None:
    build = given.read(folder)
    made = project(build, "part", 300.0)
    assert (made.period, made.memories) == ("3.333", ("net_fc_weights.mem",))

    script, constraints = write_project(build, "vivado", "xczu7ev-ffvc1156-2-e", 300.0)
    text = script.read_text()
    assert all(f"$rtl/{name} " in text for name in ("net.sv", "net_fc.sv", "net_fc_weights.mem"))
    assert "synth_design -mode out_of_context -top net" in text
    assert "create_clock -name aclk -period 3.333 [get_ports aclk]" in constraints.read_text()

    script, constraints = write_project(build, "quartus", "5CSEBA6U23I7", 300.0)
    text = script.read_text()
    for port in ("s_axis_tdata[*]", "m_axis_tready", "aresetn", "frame_error"):
        assert f"VIRTUAL_PIN ON -to {port}\n" in text
    assert "-to aclk" not in text
    assert "-period 3.333" in constraints.read_text()


def test_command_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["synth", str(folder)]
    assert main([*argv, "--write-tcl", "vivado", "--part", "xc7z020clg400-1", "--json"]) == 0
    wrote = json.loads(capsys.readouterr().out)["wrote"]
    assert [Path(path).name for path in wrote] == ["net.tcl", "net.xdc"]

    paths = reports(folder, a=UTILIZATION, b=TIMING)
    told = [text for path in paths for text in ("--read-report", str(path))]
    assert main([*argv, *told, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["lut"], found["lut_predicted"]) == (1142, 1000)
    kept = json.loads((folder / "synth" / "vivado.json").read_text())
    assert kept["fmax_mhz"] == found["fmax_mhz"]
    assert main([*argv, *told]) == 0
    assert "1,142" in capsys.readouterr().out

    for wrong, code in (
        ([], "cli.missing-option"),
        (["--write-tcl", "vivado"], "cli.missing-option"),
        (["--write-tcl", "diamond", "--part", "x"], "cli.bad-value"),
        (["--write-tcl", "vivado", "--part", "a b"], "cli.bad-value"),
        (["--device", "xcup", "--read-report", str(paths[0])], "cli.contradicting-options"),
    ):
        assert main([*argv, *wrong, "--json"]) == 2
        (error,) = json.loads(capsys.readouterr().out)["errors"]
        assert error["code"] == code
