"""Reports of Vivado and Quartus, read back into the terms of ``gatesmith synth``.

    Vivado    report_utilization (2013 to 2023: Slice or CLB), report_timing_summary
    Quartus   NAME.fit.summary, NAME.sta.summary, NAME.sta.rpt

Several reports of one tool make one result. The forms are those of reports in public repositories;
no vendor tool was run here. In Vivado the clock rate is 1 / (period - worst slack) of the clock
``aclk``; a Quartus .sta.summary has slacks only, its period is that of the constraints beside the
script. Quartus counts adaptive logic modules (of up to two LUTs) or logic elements, not LUTs:
``lut_unit`` says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatesmith import __version__
from gatesmith.errors import UserError
from gatesmith.synthesis.given import Given, write_json

CLOCK = "aclk"

_ROW = re.compile(r"^\|\s*([^|]+?)\s*\|\s*([\d.]+)\s*\|", re.MULTILINE)
_HEAD = re.compile(r"^\|\s*(Tool Version|Design|Device|Design State)\s*:\s*(.+?)\s*$", re.MULTILINE)
_FIT = re.compile(r"^\s*([A-Za-z][^:\n]*?)\s*:\s*(.+?)\s*$", re.MULTILINE)
_CLOCK_ROW = re.compile(rf"^\s*{CLOCK}\s+\{{[^}}]*\}}\s+([\d.]+)\s+[\d.]+\s*$", re.MULTILINE)
_SLACK_ROW = re.compile(rf"^\s*{CLOCK}\s+(-?[\d.]+)\s+-?[\d.]+\s+\d+\s+\d+\s", re.MULTILINE)
_STA = re.compile(r"Type\s*:\s*(.*?)\s*'([^']*)'\s*\n\s*Slack\s*:\s*(-?[\d.]+)")
_FMAX = re.compile(rf"^;\s*([\d.]+) MHz\s*;\s*[\d.]+ MHz\s*;\s*{CLOCK}\s*;", re.MULTILINE)

LOGIC = {"LUT as Logic"}
MEMORY = {"LUT as Memory"}
ALL_LUTS = {"CLB LUTs", "Slice LUTs"}
FLIP_FLOPS = {"CLB Registers", "Slice Registers"}
DSPS = {"DSPs"}
BLOCKS = {"RAMB36/FIFO": 36, "RAMB18": 18, "URAM": 288}
"""Rows of report_utilization; blocks with the kbit that one holds. A * behind a name is a note."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one report says.

    Attributes:
        tool: ``vivado`` or ``quartus``, with its version where it is said.
        design: The top module; None where the report does not name it.
        found: Figures by the names of ``gatesmith synth``.
    """

    tool: str
    design: str | None
    found: dict[str, Any]


def read_reports(build: Given, paths: Sequence[Path]) -> dict[str, Any]:
    """One result of all reports, beside the prediction.

    Errors: ``synth.bad-report``.
    """
    reports = [read_report(path, build) for path in paths]
    for path, report in zip(paths, reports, strict=True):
        if report.design is not None and report.design != build.top:
            raise _bad(path, f"it is of the design {report.design}, not {build.top}")
        if report.tool.split()[0] != reports[0].tool.split()[0]:
            raise _bad(path, f"it is of {report.tool}, the one before of {reports[0].tool}")
    merged: dict[str, Any] = {}
    for report in reports:
        merged |= report.found
    cost = build.content["cost"]
    named = max((report.tool for report in reports), key=len)
    figures = ("lut", "lut_unit", "lut_memory", "lut_sites", "ff", "dsp", "bram", "bram_kbits")
    return {
        "design": build.content["name"],
        "top": build.top,
        "tool": named,
        "device": merged.get("device"),
        "state": merged.get("state"),
        **{key: merged.get(key) for key in figures},
        **{f"{key}_predicted": cost[key] for key in ("lut", "ff", "dsp", "ram_bits")},
        "fmax_mhz": merged.get("fmax_mhz"),
        "slack_ns": merged.get("slack_ns"),
        "period_ns": merged.get("period_ns"),
        "reports": [path.name for path in paths],
    }


def keep_reports(build: Given, paths: Sequence[Path]) -> tuple[Path, dict[str, Any]]:
    """The same as a file, DIR/synth/vivado.json or quartus.json; it and its content.

    Errors: ``synth.bad-report``.
    """
    found = {"gatesmith": __version__, **read_reports(build, paths)}
    name = found["tool"].split()[0].lower()
    return write_json(build.folder, name, found), found


def read_report(path: Path, build: Given) -> Report:
    """One report. Errors: ``synth.bad-report``."""
    try:
        text = path.read_text("utf-8", errors="replace")
    except OSError as error:
        raise _bad(path, error.strerror or str(error)) from error
    for mark, read in _KINDS.items():
        if mark in text:
            return read(text, path, build)
    kinds = "report_utilization, report_timing_summary, .fit.summary, .sta.summary and .sta.rpt"
    raise _bad(path, f"it is none of {kinds}")


# ---- Vivado -------------------------------------------------------------------------------------


def _utilization(text: str, path: Path, build: Given) -> Report:
    head = dict(_HEAD.findall(text))
    used: dict[str, float] = {}
    for name, amount in _ROW.findall(text):
        used.setdefault(name.rstrip("*").strip(), float(amount))  # later tables repeat parts of it

    def of(names: set[str]) -> int:
        found = [used[name] for name in names if name in used]
        if not found:
            raise _bad(path, f"it has no row {' or '.join(sorted(names))}")
        return round(found[0])

    blocks = {name: round(used[name]) for name in BLOCKS if name in used}
    found = {
        "lut": of(LOGIC),
        "lut_unit": "LUT6",
        "lut_memory": of(MEMORY),
        "lut_sites": of(ALL_LUTS),
        "ff": of(FLIP_FLOPS),
        "dsp": of(DSPS),
        "bram": sum(blocks.values()),
        "bram_kbits": sum(BLOCKS[name] * count for name, count in blocks.items()),
        "device": head.get("Device"),
        "state": head.get("Design State"),
    }
    return Report(_vivado(head), head.get("Design"), found)


def _timing(text: str, path: Path, build: Given) -> Report:
    """Of the clock ``aclk``: its row in the Intra Clock Table, and its period."""
    head = dict(_HEAD.findall(text))
    period, slack = _CLOCK_ROW.search(text), _SLACK_ROW.search(text)
    if period is None or slack is None:
        raise _bad(path, f'it has no paths of a clock "{CLOCK}"')
    return Report(_vivado(head), head.get("Design"), _rate(float(period[1]), float(slack[1])))


def _vivado(head: Mapping[str, str]) -> str:
    version = re.search(r"v\.(\S+)", head.get("Tool Version", ""))
    return f"Vivado {version[1]}" if version else "Vivado"


def _rate(period: float, slack: float) -> dict[str, float]:
    return {
        "period_ns": period,
        "slack_ns": slack,
        "fmax_mhz": round(1000 / (period - slack), 2),
    }


# ---- Quartus ------------------------------------------------------------------------------------


def _fit(text: str, path: Path, build: Given) -> Report:
    said = dict(_FIT.findall(text))
    logic = [key for key in said if key.startswith(("Logic utilization", "Total logic elements"))]
    if not logic or "Total registers" not in said:
        raise _bad(path, "it has no line Logic utilization or Total logic elements")
    told = said.get("Quartus Prime Version", "") or said.get("Quartus II Version", "")
    version = re.match(r"\S+", told)
    bits = _number(said.get("Total block memory bits", "0"))
    found = {
        "lut": _number(said[logic[0]]),
        "lut_unit": "ALM" if "ALMs" in logic[0] else "logic element",
        "ff": _number(said["Total registers"]),
        "dsp": _number(said.get("Total DSP Blocks", "0")),
        "bram": _number(said.get("Total RAM Blocks", "0")),
        "bram_kbits": -(-bits // 1024),
        "device": said.get("Device"),
        "state": said.get("Fitter Status", "").split(" - ")[0] or None,
    }
    tool = f"Quartus {version[0]}" if version else "Quartus"
    return Report(tool, said.get("Top-level Entity Name"), found)


def _sta_summary(text: str, path: Path, build: Given) -> Report:
    """The worst slack of all models, and the period of the constraints that were written."""
    slacks = [
        float(slack)
        for kind, clock, slack in _STA.findall(text)
        if kind.endswith("Setup") and clock == CLOCK
    ]
    if not slacks:
        raise _bad(path, f'it has no setup slack of a clock "{CLOCK}"')
    constraints = build.folder / "synth" / "quartus" / f"{build.top}.sdc"
    try:
        period = re.search(r"-period ([\d.]+)", constraints.read_text("utf-8"))
    except OSError:
        period = None
    if period is None:
        raise _bad(path, f"slacks say no rate without the period, and {constraints} is not there")
    return Report("Quartus", None, _rate(float(period[1]), min(slacks)))


def _sta_report(text: str, path: Path, build: Given) -> Report:
    """The least Fmax of all models."""
    rates = [float(rate) for rate in _FMAX.findall(text)]
    if not rates:
        raise _bad(path, f'it has no Fmax of a clock "{CLOCK}"')
    return Report("Quartus", None, {"fmax_mhz": min(rates)})


def _number(text: str) -> int:
    found = re.match(r"[\d,]+", text)
    return int(found[0].replace(",", "")) if found else 0


_KINDS: dict[str, Callable[[str, Path, Given], Report]] = {
    "Design Timing Summary": _timing,
    "Site Type": _utilization,
    "Fitter Status": _fit,
    "Fmax Summary": _sta_report,
    "TNS   :": _sta_summary,
}
"""By words that only this kind of report has, the more telling ones first."""


def _bad(path: Path, why: str) -> UserError:
    return UserError(
        "synth.bad-report",
        "the report cannot be read",
        where=f"--read-report {path}",
        why=why,
        fix=(
            "give reports of the script that --write-tcl wrote, of this build",
            "a report of another form is worth an issue",
        ),
    )
