"""Find the layer in which RTL and reference part: the failing run again, with taps.

The run is repeated with the same settings (so with the same stalls and resets) in a simulator that
has taps on every stream (tb/probe.svh) and writes VCD. The beats of the failing frame are compared,
stage by stage, with the reference values of the IR node that the stage stands for; the first stage
that differs is the culprit, because what went into it was right. A stage that puts the elements in
an order of its own ("compare": false in build.json) is passed over and named. DIR/verify/
keeps window.vcd (signals around the failure), frame.npz (the inputs and what each node should be)
and mismatch.json.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from gatesmith.ir import Graph, Ints
from gatesmith.ir.execute import execute
from gatesmith.ir.npz import save_arrays
from gatesmith.rtl_tests.simulator import build_simulator, simulate
from gatesmith.rtl_tests.vectors import Port
from gatesmith.templates.tb import shards

WINDOW_CYCLES = 5000
"""Longest window of the waveform."""

AFTER = 16
"""Cycles of the window behind the failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """The first difference. Fields that have no meaning for its kind are None.

    Attributes:
        kind: data, tlast, extra-beat, unknown, not-held, frame-error, stuck, valid-in-reset or
            assertion (templates/tb/bench.py).
        run: Which simulation: plain, stalled, starved, blocked, reset; hls of the C simulation.
        frame: Index in the data.
        output: Output of the model that the difference was seen at.
        layer: Stage of the design.
        node: IR node whose value its stream carries.
        origin: ONNX nodes that it was made from.
        index: Index of the element in the node's value, channels last.
        vector: Position, where a frame has several channel vectors.
        channel: Channel.
        expected: Value of the reference.
        found: Value of the RTL, or the HLS; None where the beat is missing.
        cycle: Clock cycle of that run.
        note: One sentence for the reader.
        waveform: VCD file around the failure.
    """

    kind: str
    run: str
    frame: int
    output: str | None = None
    layer: str | None = None
    node: str | None = None
    origin: tuple[str, ...] = ()
    index: tuple[int, ...] | None = None
    vector: int | None = None
    channel: int | None = None
    expected: int | None = None
    found: int | None = None
    cycle: int | None = None
    note: str = ""
    waveform: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values, by attribute."""
        index = None if self.index is None else list(self.index)
        return {**asdict(self), "origin": list(self.origin), "index": index}


@dataclass(frozen=True, slots=True)
class Locator:
    """What stays the same: build folder, its content, and the folder of the vector files."""

    directory: Path
    build: Mapping[str, Any]
    graph: Graph
    work: Path

    def locate(self, result: Mapping[str, Any], frame: int, given: Mapping[str, Ints]) -> Mismatch:
        """Repeat the run that gave ``result`` and look into ``frame``.

        Args:
            result: Of shards.run.
            frame: In the files of the run.
            given: The frame, by name of the graph's Input.
        """
        job: shards.Job = result["settings"]
        failure = result["first"]
        folder = self.work / "located" / job.name
        simulator = build_simulator(self.directory, probe=True)
        end, window = _window(failure, job, self.build)
        probing = {"probe_first": frame, "probe_last": frame, "dump_from": window, "poll": AFTER}
        again = shards.Job(
            job.name, job.first, job.frames, {**job.settings, **probing, "stop_at": end}
        )
        simulate(simulator, [again], self.directory, folder.parent, data=self.work)
        reference = self._reference(given)
        found = self._first_difference(folder, reference, frame) or {
            "layer": None,
            "note": _NOTES.get(failure["kind"], "every stage's stream is right: see the top level"),
        }
        cycle = found.pop("cycle", int(failure["cycle"]))
        output = failure["output"]
        mismatch = Mismatch(
            kind=str(failure["kind"]),
            run=job.name,
            frame=frame,
            output=None if output is None else str(self.build["outputs"][output]["name"]),
            cycle=cycle,
            **found,
        )
        return self._keep(mismatch, folder, {**given, **reference})

    def _reference(self, given: Mapping[str, Ints]) -> dict[str, Ints]:
        """Value of each node that a stage's stream carries in order, by name, for one frame."""
        compared = {stage["node"] for stage in self.build["stages"] if stage["compare"]}
        wanted = [node for node in self.graph if node.name in compared]
        values = execute(self.graph, given, keep=wanted)
        return {node.name: values[node].astype(np.int64) for node in wanted}

    def _first_difference(
        self, folder: Path, reference: Mapping[str, Ints], frame: int
    ) -> dict[str, Any] | None:
        """The first stream, in the order of the data, whose beats are not the reference's."""
        short: dict[str, Any] | None = None
        streams = [(stage, sink) for stage in self.build["stages"] for sink in stage["sinks"]]
        for number, (stage, sink) in enumerate(streams):
            if stage.get("gated"):  # its frames are not counted as those of the data are
                continue
            taken = _beats(folder / f"probe_{number}.txt", frame)
            who = {
                "layer": str(stage["name"]),
                "node": str(stage["node"]),
                "origin": tuple(map(str, stage["origin"])),
            }
            if stage["compare"]:
                different = beat_difference(Port.of(sink), taken, reference[stage["node"]])
                if different:
                    return {**who, **different, "note": different["note"] + self._passed(stage)}
            beats = int(sink["beats"])
            if len(taken) < beats and (short is None or taken):
                right = "all of them right" if stage["compare"] else "which are not compared"
                note = f"delivered {len(taken)} of {beats} beats of the frame, {right}"
                short = {**who, "note": note}
        return short

    def _passed(self, blamed: Mapping[str, Any]) -> str:
        """Which stages before the blamed one were not compared: it may be one of them."""
        by_wire = {sink["wire"]: s for s in self.build["stages"] for sink in s["sinks"]}
        names: dict[str, None] = {}
        left = list(blamed["drivers"])
        while left:
            stage = by_wire.get(left.pop())  # None: an input of the core
            if stage is not None and not stage["compare"] and stage["name"] not in names:
                names[stage["name"]] = None
                left += stage["drivers"]
        return f"; before it, not compared: {', '.join(names)}" if names else ""

    def _keep(self, mismatch: Mismatch, folder: Path, arrays: Mapping[str, Ints]) -> Mismatch:
        """Waveform, frame and report into DIR/verify/, replacing those of an earlier run."""
        kept = self.directory / "verify"
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir()
        waveform = kept / "window.vcd"
        shutil.move(folder / "window.vcd", waveform)
        save_arrays(kept / "frame.npz", arrays)
        mismatch = replace(mismatch, waveform=str(waveform))
        text = json.dumps(mismatch.as_json(), indent=1) + "\n"
        (kept / "mismatch.json").write_text(text, "utf-8")
        return mismatch


_NOTES = {
    "tlast": "every beat is right, but tlast is not at the end of the frame",
    "extra-beat": "more output beats than the frames call for",
    "not-held": "valid fell, or data changed, before the beat was taken",
    "frame-error": "frame_error does not say whether a tlast was at the wrong beat",
    "valid-in-reset": "valid was high at the end of a reset",
}


def in_netlist(build: Mapping[str, Any], result: Mapping[str, Any], start: int) -> Mismatch:
    """The first difference of a netlist, which has no stages that could be looked into.

    Args:
        build: Content of build.json.
        result: Of shards.run.
        start: Of the files of the run, in the data.
    """
    first = result["first"]
    output = first["output"]
    return Mismatch(
        kind=str(first["kind"]),
        run=str(result["job"]),
        frame=start + int(first["frame"]),
        output=None if output is None else str(build["outputs"][output]["name"]),
        cycle=int(first["cycle"]),
        note="in the netlist: gatesmith verify without --gates says whether the RTL differs too",
    )


def _window(
    failure: Mapping[str, Any], job: shards.Job, build: Mapping[str, Any]
) -> tuple[int, int]:
    """(last cycle to simulate, first cycle of the waveform)."""
    cycle = int(failure["cycle"])
    end = cycle + AFTER
    if failure["kind"] == "stuck":  # what matters happened before the waiting
        cycle -= int(job.settings["patience"])
    length = 2 * (int(build["interval"]) + int(build["latency"])) + AFTER
    if "source_stall" in job.settings or "sink_stall" in job.settings:
        length = WINDOW_CYCLES
    return end, max(1, cycle - min(length, WINDOW_CYCLES))


_Beats: TypeAlias = Sequence[tuple[int, int, int | None]]


def beat_difference(port: Port, taken: _Beats, value: Ints) -> dict[str, Any] | None:
    """The first beat that is not that of the reference, ``value`` (1, ...); where and what."""
    beats = port.encode(value.reshape(1, -1))[0]
    for beat, cycle, word in taken:
        wanted = int.from_bytes(beats[beat].tobytes(), "big")
        if word == wanted:
            continue
        if word is None:
            return {"cycle": cycle, "note": f"beat {beat} has unknown bits"}
        lane = port.lane_of(wanted, word)
        if lane is None:
            return {"cycle": cycle, "note": f"beat {beat} has bits beside the lanes"}
        place = beat * port.lanes + lane
        shape = value.shape[1:]
        channels = shape[-1] if shape else 1
        return {
            "index": tuple(int(i) for i in np.unravel_index(place, shape)),
            "vector": place // channels,
            "channel": place % channels,
            "expected": port.element(wanted, lane),
            "found": port.element(word, lane),
            "cycle": cycle,
            "note": f"beat {beat}, lane {lane}: the first stage that differs",
        }
    return None


def _beats(path: Path, frame: int) -> _Beats:
    """(beat, cycle, word) of one frame, after the last reset; None for a word with X."""
    taken: list[tuple[int, int, int | None]] = []
    with path.open(encoding="ascii") as lines:
        for line in lines:
            if line == "r\n":
                taken = []
                continue
            number, beat, cycle, word = line.split()
            if int(number) == frame:
                known = all(digit in "0123456789abcdefABCDEF" for digit in word)
                taken.append((int(beat), int(cycle), int(word, 16) if known else None))
    return taken
