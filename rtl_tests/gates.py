"""The netlist of a build in the place of its RTL, for the same bench.

1. Yosys synthesises the core: to generic gates, or by the command of a device (synthesis/devices).
2. With ``routed``, nextpnr places and routes it and writes down what it made of the netlist.
3. The simulation models of the cells are put in, those that Yosys ships and, of half slices as
   nextpnr configures them, our own (templates/synth/ecp5_routed.sv); the whole becomes Verilog.

Block RAMs and multipliers of most families have no such model; there the netlist has them as LUTs.
A netlist shares nothing with the RTL but its ports: weights are in its cells, and no memory image
is read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gatesmith.codegen.render import plain
from gatesmith.errors import UserError
from gatesmith.rtl_tests.simulator import DEFINES, user_errors
from gatesmith.synthesis import place, store
from gatesmith.synthesis.devices import Device, device
from gatesmith.synthesis.given import Given, read
from gatesmith.synthesis.yosys import Yosys, find_yosys
from gatesmith.templates.tb import toolchain

FORMAT = "7"
GENERIC = "generic"
MODELS: Mapping[str, tuple[str, str]] = {
    "ecp5": ("-nobram -nodsp", "+/ecp5/cells_sim.v"),
    "gowin": ("-nobram -nodsp", "+/gowin/cells_sim.v"),
    "ice40": ("", "+/ice40/cells_sim.v"),
    "xc7": ("-nobram -nodsp", "+/xilinx/cells_sim.v"),
    "xcup": ("-nobram -nodsp", "+/xilinx/cells_sim.v"),
}
"""By family: options that keep to cells with a model, and the file of the models (Yosys 0.70)."""
SEED, MHZ = 1, 100.0
ROUTED_CELLS = "synth/ecp5_routed.sv"
FLOATS_HIGH = frozenset("ABCD")
"""Inputs of an ECP5's LUTs: unconnected they are 1, which nextpnr reckons with; others are idle."""


@dataclass(frozen=True, slots=True)
class Netlist:
    """What is simulated.

    Attributes:
        device: Its name, or ``generic``.
        routed: Whether it was placed and routed.
        cells: Number of each type of cell.
        command: Of Yosys.
        tools: Yosys, and nextpnr where it was routed.
        verilog: The file.
    """

    device: str
    routed: bool
    cells: Mapping[str, int]
    command: str
    tools: tuple[str, ...]
    verilog: Path

    def as_json(self) -> dict[str, Any]:
        """What a verdict says about it."""
        told = asdict(self)
        del told["verilog"]
        return told | {"cells": dict(self.cells), "tools": list(self.tools)}


def netlist(folder: Path, name: str, *, routed: bool = False) -> Netlist:
    """The netlist of a build, kept by the content of what went in.

    Args:
        folder: What ``gatesmith build`` wrote.
        name: Of a device, or ``generic``.
        routed: Also placed and routed.

    Errors: ``synth.*``, ``verify.no-cells``, ``verify.not-routed``.
    """
    build = read(folder)
    target = None if name == GENERIC else device(name, "--gates", (GENERIC,))
    if routed and (target is None or target.family != "ecp5"):
        raise UserError(
            "verify.not-routed",
            f"there is no routed netlist of {name}",
            where=f"--gates {name} --routed",
            why="only for ECP5 are there both an open router and models of what it writes",
            fix=("take --gates ecp5-25k", "leave --routed out"),
        )
    yosys = find_yosys()
    nextpnr = place.find_nextpnr(target) if routed and target is not None else None
    steps = _Steps(build, target, yosys, nextpnr)
    images = sorted((folder / "rtl").glob("*.mem"))
    content = [(folder / "rtl" / source) for source in build.sources] + images
    texts = [part for path in content for part in (path.name, path.read_bytes())]
    key = store.digest(FORMAT, *steps.told, name, str(routed), *texts)
    found = store.kept(key, steps.make, kind="gates")
    cells = json.loads((found / "cells.json").read_text("utf-8"))["design"]["num_cells_by_type"]
    return Netlist(name, routed, cells, steps.command, steps.tools, found / "netlist.v")


def build_simulator(folder: Path, found: Netlist) -> Path:
    """Simulator of the bench around a netlist. Errors: ``verify.*`` of simulator.py."""
    with user_errors(folder):
        return toolchain.build([folder / "tb" / "tb.sv", found.verilog], defines=DEFINES)


@dataclass(frozen=True, slots=True)
class _Steps:
    """How a netlist is made."""

    build: Given
    target: Device | None
    yosys: Yosys
    nextpnr: place.Nextpnr | None

    @property
    def tools(self) -> tuple[str, ...]:
        placer = () if self.nextpnr is None else (f"nextpnr {self.nextpnr.version}",)
        return (str(self.yosys), *placer)

    @property
    def command(self) -> str:
        """Of Yosys."""
        if self.target is None:
            return "synth -flatten"
        return f"{self.target.yosys} {MODELS[self.target.family][0]}".strip()

    @property
    def prepare(self) -> Sequence[str]:
        """Before it: what asks for block RAM goes where there is no model of one."""
        styles = ("rom_style", "ram_style")
        return [f"setattr -unset {style}" for style in styles] if "-nobram" in self.command else []

    @property
    def told(self) -> Sequence[str]:
        """What a netlist depends on beside the RTL."""
        models = "" if self.target is None else MODELS[self.target.family][1]
        placed = () if self.target is None or self.nextpnr is None else tuple(self.options)
        return (*self.tools, self.command, models, self.build.top, *placed)

    @property
    def options(self) -> list[str]:
        """Of nextpnr."""
        assert self.target is not None and self.target.place is not None
        return [*place.arguments(self.target.place, seed=SEED, mhz=MHZ), "--write", "routed.json"]

    def make(self, work: Path) -> None:
        """netlist.v and cells.json in a folder."""
        rtl = self.build.folder / "rtl"
        top = self.build.top
        self.yosys.run(
            [
                f"read_verilog -sv -defer {' '.join(self.build.sources)}",
                f"hierarchy -check -top {top}",
                *self.prepare,
                f"{self.command} -top {top}",
                *("delete t:$scopeinfo", "setattr -unset src"),
                f"tee -q -o {work}/cells.json stat -json -top {top}",
                f"write_json {work}/netlist.json",
            ],
            rtl.resolve(),
        )
        if self.nextpnr is not None:
            place.run_nextpnr(self.nextpnr, self.options, work, None)
        models = (
            []
            if self.target is None
            else [f"read_verilog -overwrite {MODELS[self.target.family][1]}"]
        )
        if self.nextpnr is not None:
            (work / "routed_cells.sv").write_text(plain(ROUTED_CELLS), "utf-8")
            models.append("read_verilog -sv -overwrite routed_cells.sv")
        design = self._design(work)
        self._known(design, models, work)
        # Alone: what a synthesis derived from its models would stand in the way of those below.
        alone = {"modules": {top: design}}
        (work / "alone.json").write_text(json.dumps(alone), "utf-8")
        self.yosys.run(
            [
                "read_json alone.json",
                *models,
                f"hierarchy -check -top {top}",
                *("proc", "flatten", "opt_clean", "memory_collect"),
                *("setattr -mod -unset top", "write_verilog -noattr netlist.v"),
            ],
            work,
        )

    def _design(self, work: Path) -> dict[str, Any]:
        """The top module; nextpnr's netlist has but one, under a name of its own."""
        mapped = dict(_modules(work / "netlist.json")[self.build.top])
        if self.nextpnr is None:
            return mapped
        (design,) = _modules(work / "routed.json").values()
        return routed(design, mapped)

    def _known(self, design: Mapping[str, Any], models: Sequence[str], work: Path) -> None:
        """That every cell has a model. Errors: ``verify.no-cells``."""
        types = {cell["type"] for cell in design["cells"].values()}
        if not models:
            return
        self.yosys.run([*models, "tee -q -o models.txt ls"], work)
        known = set(re.findall(r"^\s+(\S+)$", (work / "models.txt").read_text("utf-8"), re.M))
        missing = sorted(name for name in types - known if not name.startswith("$"))
        if missing:
            raise UserError(
                "verify.no-cells",
                "the netlist has cells that nothing here can simulate",
                where="--gates",
                why=f"Yosys ships no simulation model of {', '.join(missing)}",
                fix=("take another device", "--gates generic: the gates before they are mapped"),
            )


def _modules(path: Path) -> dict[str, dict[str, Any]]:
    """Of a netlist in Yosys' JSON."""
    found: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8"))["modules"]
    return found


def routed(design: Mapping[str, Any], mapped: Mapping[str, Any]) -> dict[str, Any]:
    """What nextpnr-ecp5 wrote, as its models take it: every input driven, no other pin left open.

    The multiplexer that OFX of a half slice is follows from its pins. Bits of an output that are a
    number in the netlist that went in have no net in what comes out: they are that number again.
    """
    ports = {}
    for name, port in design["ports"].items():
        bits = zip(port["bits"], mapped["ports"][name]["bits"], strict=True)
        ports[name] = {**port, "bits": [was if was in ("0", "1") else now for now, was in bits]}
    cells = {}
    for name, cell in design["cells"].items():
        pins = cell["connections"]
        parameters = dict(cell["parameters"])
        if cell["type"] == "TRELLIS_COMB":
            parameters["IS_Z1"] = "1" if pins.get("FXA") else "0"
        driven = {
            pin: bits or ["1" if pin in FLOATS_HIGH else "0"]
            for pin, bits in pins.items()
            if bits or cell["port_directions"][pin] == "input"
        }
        cells[name] = {**cell, "parameters": parameters, "connections": driven}
    return {**design, "ports": ports, "cells": cells}
