"""HLS C++ against the reference: every beat of whole data sets, and where they part.

The bench program gives the beats that came out; they are compared here, so that a difference is
told as values and places. On a difference the frame runs again in a program with taps on every
stream, and the first stage whose stream is not the reference's is named (as locate.py does for the
RTL).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gatesmith.ir import Graph, Ints
from gatesmith.ir.execute import execute
from gatesmith.rtl_tests.csim import Ran, build_csim, run_csim
from gatesmith.rtl_tests.locate import Mismatch, beat_difference
from gatesmith.rtl_tests.simulator import user_errors
from gatesmith.rtl_tests.vectors import Bytes, Port


class HlsRun:
    """One verification of a build's HLS project.

    Attributes:
        wrong: Frames that are not right on every output, of all rounds.
        wrong_of: The same for each output.
        mismatch: The first difference, None if there is none.
    """

    def __init__(self, directory: Path, build: Mapping[str, Any], graph: Graph) -> None:
        """Compile it. Errors: those of csim.build_csim."""
        self.directory, self.build, self.graph = directory, build, graph
        self.sinks = [Port.of(entry) for entry in build["outputs"]]
        self.frames = 0
        self.wrong: set[int] = set()
        self.wrong_of: list[set[int]] = [set() for _ in self.sinks]
        self.mismatch: Mismatch | None = None
        self.warning = ""
        started = time.monotonic()
        self.program = build_csim(directory)
        self.seconds_compile, self.seconds_sim = time.monotonic() - started, 0.0

    def round(self, work: Path, start: int, count: int) -> int | None:
        """Frames of the files in ``work``, ``start`` + 0 and on in the data; the first wrong one.

        Errors: ``verify.hls-failed``.
        """
        began = time.monotonic()
        with user_errors(self.directory):
            shards = run_csim(self.program, work, 0, count, work / "csim")
        self.seconds_sim += time.monotonic() - began
        self.frames += count
        self.warning = self.warning or next((s.warning for s in shards if s.warning), "")
        bad: set[int] = set()
        for k, port in enumerate(self.sinks):
            expected = _frames(work / f"expected_{k}.bin", port)
            found = np.concatenate([_found(shard, k, port) for shard in shards])
            wrong = np.flatnonzero((expected != found).any(axis=(1, 2))).tolist()
            self.wrong_of[k] |= {start + frame for frame in wrong}
            bad |= set(wrong)
        self.wrong |= {start + frame for frame in bad}
        return min(bad, default=None)

    def locate(self, work: Path, start: int, frame: int, given: Mapping[str, Ints]) -> None:
        """Where frame ``frame`` of the files went wrong.

        Args:
            work: Folder of the files.
            start: Of its first frame in the data.
            frame: In the files.
            given: Its values, by name of the graph's Input.
        """
        with user_errors(self.directory):
            program = build_csim(self.directory, "tap")
            (ran,) = run_csim(program, work, frame, 1, work / "tapped")
        output, told = self._output_difference(work, ran, frame)
        told |= self._first_stage(ran.folder, given) or {}
        self.mismatch = Mismatch(kind="data", run="hls", frame=start + frame, output=output, **told)

    def _output_difference(self, work: Path, ran: Ran, frame: int) -> tuple[str, dict[str, Any]]:
        """Name of the first output that is wrong; where and what."""
        for k, (port, node) in enumerate(zip(self.sinks, self.graph.outputs, strict=True)):
            expected, found = _frames(work / f"expected_{k}.bin", port)[frame], _found(ran, k, port)
            name = str(self.build["outputs"][k]["name"])
            value = port.decode(expected[None]).reshape(1, *node.type.shape)
            different = beat_difference(port, _words(found[0]), value)
            if different:
                return name, different
            if (found[0] != expected).any():
                return name, {"note": "bits beside the lanes differ"}
        return name, {"note": "it differs in the whole run, and not when it runs alone"}

    def _first_stage(self, folder: Path, given: Mapping[str, Ints]) -> dict[str, Any] | None:
        """The first stage, in the order of the data, whose stream is not the reference's."""
        compared = {stage["node"] for stage in self.build["stages"] if stage["compare"]}
        wanted = [node for node in self.graph if node.name in compared]
        values = execute(self.graph, given, keep=wanted)
        reference = {node.name: values[node].astype(np.int64) for node in wanted}
        for stage in self.build["stages"]:
            if stage.get("gated") or not stage["compare"]:
                continue
            for sink in stage["sinks"]:
                tapped = folder / f"tap_{sink['wire']}.bin"
                if not tapped.exists():  # a skid buffer or FIFO: the depth of a channel
                    continue
                port = Port.of(sink)
                beats = np.frombuffer(tapped.read_bytes(), np.uint8)
                beats = beats.reshape(-1, port.frame_bytes // port.beats)
                value = reference[stage["node"]]
                different = beat_difference(port, _words(beats[: port.beats]), value)
                if different is None and len(beats) != port.beats:
                    different = {"note": f"gave {len(beats)} of {port.beats} beats of the frame"}
                if different:
                    return {
                        **different,
                        "layer": str(stage["name"]),
                        "node": str(stage["node"]),
                        "origin": tuple(map(str, stage["origin"])),
                    }
        return None

    def told(self) -> dict[str, Any]:
        """For the verdict; seconds are rounded to milliseconds."""
        return {
            "frames": self.frames,
            "equal": self.frames - len(self.wrong),
            "all_equal": not self.wrong and not self.warning,
            "seconds_compile": round(self.seconds_compile, 3),
            "seconds_sim": round(self.seconds_sim, 3),
            "warning": self.warning or None,
            "mismatch": None if self.mismatch is None else self.mismatch.as_json(),
        }


def _frames(path: Path, port: Port) -> Bytes:
    """(frames, beats, bytes of a beat)."""
    raw = np.fromfile(path, np.uint8)
    return raw.reshape(-1, port.beats, port.frame_bytes // port.beats)


def _found(ran: Ran, output: int, port: Port) -> Bytes:
    return _frames(ran.folder / f"found_{output}.bin", port)


def _words(beats: Bytes) -> list[tuple[int, int, int | None]]:
    """Beats as beat_difference takes them; C simulation has no cycles."""
    return [(k, 0, int.from_bytes(beat.tobytes(), "big")) for k, beat in enumerate(beats)]
