"""Synthesis of a build: the whole flattened, and each stage for itself, in parallel.

1. Yosys elaborates the design once; memory contents are then part of it.
2. The whole and every different module of a stage is a text of its own (rtlil.py), synthesised by
   the device's command in a process of its own, and kept by its content (store.py): another
   network with the same stage, or the same one after a change elsewhere, does not run it again.
3. nextpnr places the flattened netlist.

The whole is less, or more, than the sum of its stages: logic is shared across their borders.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from gatesmith import __version__
from gatesmith.errors import UserError, UserErrors, raise_all
from gatesmith.synthesis import given, place, process, store, wrapper
from gatesmith.synthesis.counts import Counts, count
from gatesmith.synthesis.devices import Device, device
from gatesmith.synthesis.given import Given
from gatesmith.synthesis.rtlil import Rtlil
from gatesmith.synthesis.settings import Settings
from gatesmith.synthesis.yosys import Yosys, find_yosys

Progress: TypeAlias = Callable[[str, int, int], None]
FORMAT = 1
ANYWAY = (
    "fold it more (build --cycles)",
    "take a larger --device",
    "--anyway: run it all the same",
)
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, eq=False)
class Synthesised:
    """What was found.

    Attributes:
        path: The report that was written.
        content: What it says (docs/cli.md).
        seconds: Wall time.
    """

    path: Path
    content: dict[str, Any]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """What ``gatesmith synth --json`` prints."""
        return {**self.content, "report": str(self.path), "seconds": round(self.seconds, 1)}


def synth(folder: Path, name: str, settings: Settings, progress: Progress) -> Synthesised:
    """Synthesise the build in a folder for a device; the report goes to FOLDER/synth.

    Errors: ``synth.*``, ``cli.bad-value``.
    """
    started = time.monotonic()
    content = _all_there(folder, name, settings, progress).report()
    path = given.write_json(folder, name, content)
    return Synthesised(path, content, time.monotonic() - started)


def _all_there(folder: Path, name: str, settings: Settings, progress: Progress) -> _Run:
    """What is needed, or everything that is missing, before anything runs."""
    errors: list[UserError] = []

    def tried(what: Callable[[], Found]) -> Found | None:
        try:
            return what()
        except UserError as error:
            errors.append(error)
        except UserErrors as several:
            errors.extend(several.errors)
        return None

    tried(settings.check)
    target = tried(lambda: device(name))
    build = tried(lambda: given.read(folder))
    yosys = tried(find_yosys)
    nextpnr = None
    if target is not None and settings.place:
        nextpnr = tried(lambda: place.find_nextpnr(target))
    if target is not None and build is not None and not settings.anyway:
        needs = given.predicted(build.content["cost"])
        tried(lambda: given.check_fit(needs, target, "build.json predicts", ANYWAY))
    raise_all(errors)
    assert target is not None and build is not None and yosys is not None
    return _Run(build, target, yosys, nextpnr, settings, progress)


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """One synthesis: what goes in, and the steps."""

    build: Given
    target: Device
    yosys: Yosys
    nextpnr: place.Nextpnr | None
    settings: Settings
    progress: Progress

    def report(self) -> dict[str, Any]:
        """All of it."""
        build, target = self.build, self.target
        rtlil = self.elaborate()
        top = _escaped(build.top)
        module_of = rtlil.instances(top)
        stages = {s["name"]: module_of[f"u_{s['name']}"] for s in build.stages}
        netlists = self.synthesise(rtlil, {top, *(stages.values() if self.settings.stages else ())})
        counts = {module: count(_cells(netlist), target) for module, netlist in netlists.items()}
        whole = counts[top]
        rows = [_row(s, counts[stages[s["name"]]]) for s in build.stages if self.settings.stages]
        content = {
            "format": FORMAT,
            "gatesmith": __version__,
            "design": build.content["name"],
            "top": build.top,
            "device": {
                "name": target.name,
                "about": target.about,
                "capacity": dict(target.capacity),
            },
            "yosys": str(self.yosys),
            "command": target.yosys,
            **whole.figures(),
            "lut_by_size": whole.lut_by_size,
            "other": whole.other,
            "fits": all(n <= target.capacity[key] for key, n in _needs(whole).items()),
            **_predicted(build.content["cost"]),
            "fmax_mhz": None,
            "place": None,
            "stages": rows if self.settings.stages else None,
        }
        return content | (self.placed(netlists[top], whole) if self.nextpnr else {})

    def elaborate(self) -> Rtlil:
        """The design in Yosys' own form, in the folder where $readmemh finds its files."""
        with tempfile.TemporaryDirectory() as away:
            passes = [
                # A module whose memory image is a parameter cannot be read before that is known.
                f"read_verilog -sv -defer {' '.join(self.build.sources)}",
                f"hierarchy -check -top {self.build.top}",
                "setattr -unset src",
                f"write_rtlil {away}/design.il",
            ]
            folder = self.build.folder / "rtl"
            self.yosys.run(passes, folder, seconds=self.settings.timeout)
            return Rtlil((Path(away) / "design.il").read_text("utf-8"))

    def synthesise(self, rtlil: Rtlil, modules: set[str]) -> dict[str, Path]:
        """Folders of netlists by module, several at a time."""
        texts = {module: rtlil.alone(module) for module in modules}
        found: dict[str, Path] = {}
        self.progress("synthesis", 0, len(texts))
        with ThreadPoolExecutor(self.settings.jobs or os.cpu_count()) as pool:
            # The longest first: the whole.
            order = sorted(texts, key=lambda module: (-len(texts[module]), module))
            jobs = {pool.submit(self.netlist, texts[m], m): m for m in order}
            try:
                for done, job in enumerate(as_completed(jobs), 1):
                    found[jobs[job]] = job.result()
                    self.progress("synthesis", done, len(texts))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                process.stop()
                raise
        return found

    def netlist(self, text: str, module: str) -> Path:
        """Folder of a synthesised module: cells.json, and the netlist where it can be placed."""
        passes = [
            "read_rtlil design.il",
            f"{self.target.yosys} -top {module.removeprefix(_BACKSLASH)}",
            "tee -q -o cells.json stat -json",
        ]
        if self.target.place is not None:
            passes.append("write_json netlist.json")

        def make(work: Path) -> None:
            (work / "design.il").write_text(text, "utf-8")
            self.yosys.run(passes, work, seconds=self.settings.timeout)

        return store.kept(store.digest(str(self.yosys), *passes, text), make)

    def placed(self, netlist: Path, whole: Counts) -> dict[str, Any]:
        """What nextpnr says. Errors: ``synth.does-not-fit``, and those of the programs."""
        assert self.target.place is not None and self.nextpnr is not None
        given.check_fit(_needs(whole), self.target, "synthesised", ("take a larger --device",))
        self.progress("place", 0, 1)
        seed, mhz = self.settings.seed, self.settings.freq
        options = place.arguments(self.target.place, seed=seed, mhz=mhz)
        body, around = (netlist / "netlist.json").read_bytes(), ""
        if self.target.place.isolate == "registers":
            around = wrapper.wrapper(self.build.top, wrapper.ports(body, self.build.top))
        nextpnr = self.nextpnr

        def make(work: Path) -> None:
            (work / "netlist.json").write_bytes(body)
            if around:
                self.wrap(around, work)
            place.run_nextpnr(nextpnr, options, work, self.settings.timeout)
            (work / "netlist.json").unlink()

        key = store.digest(nextpnr.version, str(self.yosys), *options, around, body)
        stages = {f"u_{stage['name']}": stage["name"] for stage in self.build.stages}
        found = place.read_report(store.kept(key, make) / "report.json", stages)
        self.progress("place", 1, 1)
        told = {"nextpnr": nextpnr.version, "seed": seed, "freq_mhz": mhz}
        return {"fmax_mhz": found.pop("fmax_mhz"), "place": {**told, **found}}

    def wrap(self, around: str, work: Path) -> None:
        """Put registers around the synthesised core: netlist.json in ``work``."""
        (work / "wrapper.v").write_text(around, "utf-8")
        passes = [
            # The wrapper around a core of which only the ports are known,
            *("read_verilog wrapper.v", f"{self.target.yosys} -top {wrapper.NAME}"),
            # then the core as it is into it.
            *("design -stash around", "read_json netlist.json"),
            f"design -copy-from around {wrapper.NAME}",
            *(f"hierarchy -top {wrapper.NAME}", "flatten", "opt_clean"),
            "write_json netlist.json",
        ]
        self.yosys.run(passes, work, seconds=self.settings.timeout)


_BACKSLASH = "\\"


def _escaped(name: str) -> str:
    return _BACKSLASH + name


def _cells(netlist: Path) -> Mapping[str, int]:
    found = json.loads((netlist / "cells.json").read_text("utf-8"))
    cells: dict[str, int] = found["design"]["num_cells_by_type"]
    return cells


def _needs(counts: Counts) -> dict[str, float]:
    """In the units of a device's capacity."""
    same: dict[str, float] = {key: getattr(counts, key) for key in ("ff", "dsp", "bram_kbits")}
    return {"lut": counts.lut_sites, **same}


def _predicted(cost: Mapping[str, int]) -> dict[str, int]:
    return {f"{key}_predicted": number for key, number in cost.items()}


def _row(stage: Mapping[str, Any], found: Counts) -> dict[str, Any]:
    """One stage by itself."""
    told = {key: stage[key] for key in ("name", "kind", "module", "origin")}
    return {**told, **found.figures(), "other": found.other, **_predicted(stage["cost"])}
