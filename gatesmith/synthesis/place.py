"""Placement and routing by nextpnr, and its report: clock rate, critical path by stage.

nextpnr is the PyPI wheel (WebAssembly), or a program on PATH where that is newer. It ends with an
error where it misses the wanted clock unless told --timing-allow-fail. Names of cells begin with
the instance in the top module, so that a path can be told in terms of stages.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatesmith.errors import UserError
from gatesmith.synthesis.devices import Device, Place
from gatesmith.synthesis.process import run
from gatesmith.synthesis.wrapper import CORE
from gatesmith.synthesis.yosys import release

WHEEL = "import sys; from {0} import {1}; sys.exit({1}(sys.argv[1:]))"
TOP = "(top)"
"""What a cell outside of every stage belongs to."""


@dataclass(frozen=True, slots=True)
class Nextpnr:
    """A nextpnr: its version and how it is started."""

    version: str
    command: tuple[str, ...]


def find_nextpnr(device: Device) -> Nextpnr:
    """The newest that places this device. Errors: ``synth.no-place``, ``synth.no-nextpnr``."""
    place = device.place
    if place is None:
        raise UserError(
            "synth.no-place",
            f"nothing here places {device.name}",
            where=f"--device {device.name} --place",
            why="the open tools from PyPI place ecp5 and ice40",
            fix=("leave --place out: synthesis only", "take --device ecp5-85k"),
        )
    found: list[Nextpnr] = []
    if importlib.util.find_spec(place.module) is not None:
        version = importlib.metadata.version(place.package)
        command = (sys.executable, "-c", WHEEL.format(place.module, place.function))
        found.append(Nextpnr(version, command))
    program = shutil.which(place.program)
    if program is not None:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
        said = re.search(r"nextpnr-(\d+\.\d+[\w.+-]*)", done.stdout + done.stderr)
        found.append(Nextpnr(said[1] if said else "0", (program,)))
    if not found:
        raise UserError(
            "synth.no-nextpnr",
            f"there is no {place.program}",
            where=f"--device {device.name} --place",
            why=f"the package {place.package} is not installed, and it is not on PATH",
            fix=(f"pip install {place.package}",),
        )
    return max(found, key=lambda nextpnr: release(nextpnr.version))


def arguments(place: Place, *, seed: int, mhz: float) -> list[str]:
    """For nextpnr, in a folder with netlist.json; it writes report.json."""
    isolate = ["--out-of-context"] if place.isolate == "option" else []
    wanted = ["--freq", f"{mhz:g}", "--seed", str(seed), "--timing-allow-fail"]
    files = ["--json", "netlist.json", "--report", "report.json", "--log", "nextpnr.log", "-q"]
    return [*place.arguments, *isolate, *wanted, *files]


def run_nextpnr(
    nextpnr: Nextpnr, options: Iterable[str], folder: Path, seconds: float | None
) -> None:
    """Run it. Errors: ``synth.failed``, ``synth.timeout``."""
    run("nextpnr", [*nextpnr.command, *options], folder, seconds)


def read_report(path: Path, stages: Mapping[str, str]) -> dict[str, Any]:
    """What nextpnr's report says.

    Args:
        path: Its JSON.
        stages: Stages by their instances in the top module.

    Returns:
        ``fmax_mhz`` of the slowest clock, ``clocks``, ``utilization``, and the ``critical_path``
        of that clock, step by step: ``stage``, ``cell``, ``type``, ``ns``.
    """
    report = json.loads(path.read_text("utf-8"))
    clocks = {clock: round(said["achieved"], 2) for clock, said in report["fmax"].items()}
    slowest = min(clocks, key=lambda clock: clocks[clock], default=None)
    used = {k: v for k, v in report["utilization"].items() if v["used"]}
    return {
        "fmax_mhz": None if slowest is None else clocks[slowest],
        "clocks": clocks,
        "utilization": used,
        "critical_path": None if slowest is None else _path(report, slowest, stages),
    }


def _path(
    report: Mapping[str, Any], clock: str, stages: Mapping[str, str]
) -> dict[str, Any] | None:
    edge = f"posedge {clock}"
    inner = [p for p in report["critical_paths"] if (p["from"], p["to"]) == (edge, edge)]
    if not inner:
        return None
    steps = [
        {
            "stage": stage_of(step["to"]["cell"], stages),
            "cell": step["to"]["cell"],
            "type": step["type"],
            "ns": round(step["delay"], 3),
        }
        for step in inner[0]["path"]
    ]
    kinds = {kind: 0.0 for kind in ("logic", "routing")}
    for step in steps:
        kinds["routing" if step["type"] == "routing" else "logic"] += step["ns"]
    return {
        "from": steps[0]["stage"],
        "to": steps[-1]["stage"],
        "through": list(dict.fromkeys(step["stage"] for step in steps)),
        "ns": round(sum(kinds.values()), 3),
        "logic_ns": round(kinds["logic"], 3),
        "routing_ns": round(kinds["routing"], 3),
        "steps": steps,
    }


def stage_of(cell: str, stages: Mapping[str, str]) -> str:
    """The stage that a cell is of, by the first part of its name.

    >>> stage_of("core.u_fc1.sum_LUT4_Z", {"u_fc1": "fc1"})
    'fc1'
    """
    inner = cell.removeprefix(f"{CORE}.")
    return stages.get(inner.split(".")[0], TOP)
