"""Find the layer in which RTL and reference part: the failing run again, with taps.

The run is repeated with the same settings (so with the same stalls and resets) in a simulator that
has taps on the stream of every stage (tb/probe.svh) and writes VCD. The beats of the failing frame
are compared, stage by stage, with the reference values of the IR node that the stage stands for;
the first stage that differs is the culprit, because what went into it was right. DIR/verify/
keeps window.vcd (signals around the failure), frame.npz (the input and what each node should be)
and mismatch.json.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gatesmith.ir import Graph, Ints
from gatesmith.ir.execute import execute
from gatesmith.rtl_tests.simulator import build_simulator, simulate
from gatesmith.rtl_tests.vectors import Port, input_node
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
        run: Which simulation: plain, stalled, starved, blocked, reset.
        frame: Index in the data.
        layer: Stage of the design.
        node: IR node whose value its stream carries.
        origin: ONNX nodes that it was made from.
        vector: Position, where a frame has several channel vectors.
        channel: Channel.
        expected: Value of the reference.
        found: Value of the RTL; None where the beat is missing.
        cycle: Clock cycle of that run.
        note: One sentence for the reader.
        waveform: VCD file around the failure.
    """

    kind: str
    run: str
    frame: int
    layer: str | None = None
    node: str | None = None
    origin: tuple[str, ...] = ()
    vector: int | None = None
    channel: int | None = None
    expected: int | None = None
    found: int | None = None
    cycle: int | None = None
    note: str = ""
    waveform: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values, by attribute."""
        return {**asdict(self), "origin": list(self.origin)}


@dataclass(frozen=True, slots=True)
class Locator:
    """What stays the same: build folder, its content, and the folder of the vector files."""

    directory: Path
    build: Mapping[str, Any]
    graph: Graph
    work: Path

    def locate(self, result: Mapping[str, Any], frame: int, x: Ints) -> Mismatch:
        """Repeat the run that gave ``result`` and look into ``frame``, whose input is ``x``."""
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
        reference = self._reference(x)
        found = self._first_difference(folder, reference, frame) or {
            "layer": None,
            "note": _NOTES.get(failure["kind"], "every stage's stream is right: see the top level"),
        }
        cycle = found.pop("cycle", int(failure["cycle"]))
        mismatch = Mismatch(
            kind=str(failure["kind"]), run=job.name, frame=frame, cycle=cycle, **found
        )
        return self._keep(mismatch, folder, x, reference)

    def _reference(self, x: Ints) -> dict[str, Ints]:
        """Value of each stage's node, by name, for one frame."""
        named = {node.name: node for node in self.graph}
        wanted = {stage["node"]: named[stage["node"]] for stage in self.build["stages"]}
        values = execute(self.graph, {input_node(self.graph).name: x}, keep=tuple(wanted.values()))
        return {key: values[node].astype(np.int64) for key, node in wanted.items()}

    def _first_difference(
        self, folder: Path, reference: Mapping[str, Ints], frame: int
    ) -> dict[str, Any] | None:
        """The first stage, in the order of the data, whose beats are not the reference's."""
        short: dict[str, Any] | None = None
        for index, stage in enumerate(self.build["stages"]):
            port = Port.of(stage["sink"])
            groups = int(stage["sink"]["channels"]) // port.lanes
            beats = port.encode(reference[stage["node"]].reshape(1, -1))[0]
            wanted = [int.from_bytes(beat.tobytes(), "big") for beat in beats]
            who = {
                "layer": str(stage["name"]),
                "node": str(stage["node"]),
                "origin": tuple(map(str, stage["origin"])),
            }
            seen = 0
            for beat, cycle, word in _beats(folder / f"probe_{index}.txt", frame):
                seen += 1
                if word is None:
                    return {**who, "cycle": cycle, "note": f"beat {beat} has unknown bits"}
                if word == wanted[beat]:
                    continue
                lane = port.lane_of(wanted[beat], word)
                if lane is None:
                    return {**who, "cycle": cycle, "note": f"beat {beat} has bits beside the lanes"}
                return {
                    **who,
                    "vector": beat // groups,
                    "channel": beat % groups * port.lanes + lane,
                    "expected": port.element(wanted[beat], lane),
                    "found": port.element(word, lane),
                    "cycle": cycle,
                    "note": f"beat {beat}, lane {lane}: the first stage that differs",
                }
            if seen < len(wanted) and (short is None or seen > 0):
                note = f"delivered {seen} of {len(wanted)} beats of the frame, all of them right"
                short = {**who, "note": note}
        return short

    def _keep(
        self, mismatch: Mismatch, folder: Path, x: Ints, reference: Mapping[str, Ints]
    ) -> Mismatch:
        """Waveform, frame and report into DIR/verify/, replacing those of an earlier run."""
        kept = self.directory / "verify"
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir()
        waveform = kept / "window.vcd"
        shutil.move(folder / "window.vcd", waveform)
        arrays: dict[str, Any] = {"x": x, **reference}
        np.savez_compressed(kept / "frame.npz", **arrays)
        mismatch = replace(mismatch, waveform=str(waveform))
        text = json.dumps(mismatch.as_json(), indent=1) + "\n"
        (kept / "mismatch.json").write_text(text, "utf-8")
        return mismatch


_NOTES = {
    "tlast": "every beat is right, but tlast is not at the end of the frame",
    "extra-beat": "more output beats than the frames call for",
    "not-held": "valid fell, or data changed, before the beat was taken",
    "frame-error": "frame_error rose although the frames were whole",
    "valid-in-reset": "valid was high at the end of a reset",
}


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


def _beats(path: Path, frame: int) -> Iterator[tuple[int, int, int | None]]:
    """(beat, cycle, word) of one frame, after the last reset; None for a word with X."""
    taken: list[tuple[int, int, int | None]] = []
    for line in path.read_text("ascii").splitlines():
        if line == "r":
            taken = []
            continue
        number, beat, cycle, word = line.split()
        if int(number) == frame:
            known = all(digit in "0123456789abcdefABCDEF" for digit in word)
            taken.append((int(beat), int(cycle), int(word, 16) if known else None))
    yield from taken
