"""Verify a build: data through the NumPy reference and the RTL or HLS, every output bit compared.

1. The data becomes values of the input streams (dataset.py).
2. The integer graph of the build is executed on them: the reference.
3. Both become beats in files (vectors.py).
4. Run 1, nothing stalls: all frames; interval and latency are measured.
5. With ``stall``, run 2: all frames with random stalls at both ends; some with one end stalling
   hard, and some with resets in mid-frame.
6. Where they differ, the failing window runs again with taps on every stage (locate.py).

With ``hls`` the same frames go through the HLS C++ (hls.py): instead of steps 4 to 6, or too. With
``gates`` they go through a netlist (gates.py) in the place of the RTL, in steps 4 and 5.

Chunks bound the memory and the files; the chunks of one data set are runs of their own.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from gatesmith.errors import UserError
from gatesmith.ir import Graph, Ints, Values
from gatesmith.ir.store import load as load_graph
from gatesmith.rtl_tests import dataset
from gatesmith.rtl_tests.answers import best_class, has_classes, has_exit
from gatesmith.rtl_tests.hls import HlsRun
from gatesmith.rtl_tests.host_quantizer import host_quantizers
from gatesmith.rtl_tests.locate import Locator, Mismatch, in_netlist
from gatesmith.rtl_tests.original_frames import original_frames
from gatesmith.rtl_tests.simulator import build_simulator, simulate
from gatesmith.rtl_tests.vectors import Reference
from gatesmith.rtl_tests.verdict import Verdict
from gatesmith.templates.tb import shards
from gatesmith.templates.tb.shards import Job

__all__ = ["Verdict", "read_build", "verify"]

FORMAT = 2
ROUND_BYTES = 256 << 20
"""Input and expected bytes of one round of simulations."""

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


class Original(Protocol):
    """The original model in a float runtime, beside the reference."""

    def take(self, x: Mapping[str, Values], labels: Ints | None) -> None:
        """Compare some more frames, by name of the real graph's Input, in the model's shapes: real
        ones, or the integers that ``--input`` declared.
        """

    def told(self) -> dict[str, Any]:
        """What all frames so far showed; has at least ``unexplained``, the differences that the
        rounding of the float runtime does not account for.
        """


def verify(
    directory: Path,
    data: Path,
    *,
    frames: int | None = None,
    stall: bool = False,
    labels: Path | None = None,
    seed: int = 1,
    rtl: bool = True,
    hls: bool = False,
    gates: str | None = None,
    routed: bool = False,
    progress: Progress = lambda what, done, total: None,
    original: Original | None = None,
) -> Verdict:
    """Run ``data`` through the build in ``directory`` and compare every output bit.

    Args:
        directory: What ``gatesmith build`` wrote.
        data: .npz, .npy or IDX file (dataset.py).
        frames: Only the first so many.
        stall: Also with random stalls and resets.
        labels: Classes, if not in ``data``.
        seed: Of the stalls; the same seed gives the same run.
        rtl: Through the RTL, in Verilator.
        hls: Through the HLS C++, compiled with g++.
        gates: Through the netlist for this device (``generic``: for none), and not through the RTL.
        routed: The netlist as it is placed and routed.
        progress: Told how far it is.
        original: The original model, to compare the reference with.

    Errors: ``verify.incomplete-build``, ``verify.data-*``, ``verify.labels``,
    ``verify.no-simulator``, ``verify.simulator-failed``, ``verify.stall-without-rtl`` and those of
    simulator.py, csim.py and gates.py.
    """
    _check(routed, gates)
    if stall and not rtl and gates is None:
        raise UserError(
            "verify.stall-without-rtl",
            "C simulation has no clock, so that nothing can stall",
            where="--stall with --hls",
            why="stalls are cycles of the RTL's simulation",
            fix=("leave --stall out", "add --rtl: the RTL with stalls, and the HLS"),
        )
    build = read_build(directory)
    graph = load_graph(directory / "ir" / "integer")
    quantize = host_quantizers(directory / "ir" / "real", build["inputs"])
    given = dataset.load(data, build["inputs"], frames=frames, labels=labels, quantize=quantize)
    started = time.monotonic()
    progress("simulator", 0, 1)
    compiled = HlsRun(directory, build, graph) if hls else None
    netlist: dict[str, Any] | None = None
    simulator: Path | None = None
    if gates is not None:
        simulator, netlist = _netlist(directory, gates, routed)
    elif rtl:
        simulator = build_simulator(directory)
    progress("simulator", 1, 1)
    run = _Run(directory, build, graph, given, simulator, compiled, seed, stall, progress, original)
    run.netlist = netlist
    run.seconds["build"] = time.monotonic() - started
    ports = (*run.reference.sources, *run.reference.sinks)
    step = max(1, ROUND_BYTES // sum(port.frame_bytes for port in ports))
    for start in range(0, len(given), step):
        run.round(start, min(start + step, len(given)))
    return run.verdict()


def _check(routed: bool, gates: str | None) -> None:
    """Errors: ``verify.routed-without-gates``."""
    if routed and gates is None:
        raise UserError(
            "verify.routed-without-gates",
            "what is routed is a netlist",
            where="--routed",
            why="without --gates the RTL is simulated",
            fix=("add --gates ecp5-25k", "leave --routed out"),
        )


def _netlist(directory: Path, device: str, routed: bool) -> tuple[Path, dict[str, Any]]:
    """Simulator of a netlist, and what the verdict says about it."""
    from gatesmith.rtl_tests import gates

    found = gates.netlist(directory, device, routed=routed)
    return gates.build_simulator(directory, found), found.as_json()


def read_build(directory: Path) -> dict[str, Any]:
    """build.json. Errors: ``verify.incomplete-build``."""
    path = directory / "build.json"
    try:
        build: dict[str, Any] = json.loads(path.read_text("utf-8"))
        why = "" if build["format"] == FORMAT else f"format {build['format']}, expected {FORMAT}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = f"{type(error).__name__}: {error}"
    if why:
        raise UserError(
            "verify.incomplete-build",
            "this is no build folder that can be verified",
            where=str(path),
            why=why,
            fix=("give the folder that gatesmith build -o wrote", "run gatesmith build again"),
        )
    return build


@dataclass
class _Run:
    """One verification: what stays the same, and what the rounds add up."""

    directory: Path
    build: Mapping[str, Any]
    graph: Graph
    given: dataset.Dataset
    simulator: Path | None
    hls: HlsRun | None
    seed: int
    stall: bool
    progress: Progress
    original: Original | None
    reference: Reference = field(init=False)
    netlist: Mapping[str, Any] | None = None
    wrong_of: list[set[int]] = field(init=False)
    plain: list[dict[str, Any]] = field(default_factory=list)
    stalled: list[dict[str, Any]] = field(default_factory=list)
    wrong: set[int] = field(default_factory=set)
    right_class: int = 0
    left_early: int = 0
    mismatch: Mismatch | None = None
    seconds: dict[str, float] = field(
        default_factory=lambda: {"build": 0.0, "reference": 0.0, "sim": 0.0}
    )

    def __post_init__(self) -> None:
        self.reference = Reference(self.graph, self.build)
        self.wrong_of = [set() for _ in self.build["outputs"]]

    def round(self, start: int, end: int) -> None:
        """Frames start .. end - 1, through everything."""
        with tempfile.TemporaryDirectory(prefix="gatesmith-verify-") as name:
            work = Path(name)
            began = time.monotonic()
            self._vectors(start, end, work)
            self.seconds["reference"] += time.monotonic() - began
            if self.simulator is not None:
                self._rtl(start, end - start, work)
            if self.hls is not None:
                self._hls(self.hls, start, end - start, work)

    def _rtl(self, start: int, count: int, work: Path) -> None:
        """The frames in the files, through the RTL."""
        began = time.monotonic()
        results = self._simulate("simulate", shards.plain_jobs(self.build, count), work)
        self.plain += results
        if self.stall:
            jobs = shards.stall_jobs(self.build, count, self.seed)
            stalled = self._simulate("simulate with stalls", jobs, work)
            self.stalled += stalled
            results = results + stalled
        found = shards.total(results)
        self.wrong |= {start + frame for frame in found["wrong"]}
        for known, wrong in zip(self.wrong_of, found["outputs"], strict=True):
            known |= {start + frame for frame in wrong}
        self.seconds["sim"] += time.monotonic() - began
        if self.mismatch is None:
            self._locate(results, start, work)

    def _hls(self, hls: HlsRun, start: int, count: int, work: Path) -> None:
        """The frames in the files, through the HLS C++."""
        self.progress("simulate HLS", start, len(self.given))
        first = hls.round(work, start, count)
        if first is not None and hls.mismatch is None:
            x = self.given.frames(start + first, start + first + 1)
            hls.locate(work, start, first, self.reference.given(x))
        self.progress("simulate HLS", start + count, len(self.given))

    def _vectors(self, start: int, end: int, work: Path) -> None:
        """Input and expected beats into files, and what else the reference tells."""
        reference = self.reference
        counted = self.given.labels is not None and has_classes(self.graph.outputs[0])
        with ExitStack() as stack:
            sent, wanted = (
                [stack.enter_context((work / f"{name}_{k}.bin").open("wb")) for k in range(count)]
                for name, count in (
                    ("input", len(reference.sources)),
                    ("expected", len(reference.sinks)),
                )
            )
            for first in range(start, end, reference.chunk):
                last = min(first + reference.chunk, end)
                given = reference.given(self.given.frames(first, last))
                results = reference.outputs(given)
                for file, port, x in zip(sent, reference.sources, given.values(), strict=True):
                    file.write(port.encode(x).tobytes())
                for file, port, y in zip(wanted, reference.sinks, results, strict=True):
                    file.write(port.encode(y).tobytes())
                labels = None if self.given.labels is None else self.given.labels[first:last]
                if counted:
                    best = best_class(self.graph.outputs[0], results[0])
                    self.right_class += int((best == labels).sum())
                if has_exit(self.graph.outputs[0]):
                    self.left_early += int(results[0][:, 1].sum())
                if self.original is not None:
                    frames = original_frames(self.build["inputs"], self.given, first, last)
                    self.original.take(frames, labels if counted else None)
                self.progress("reference", last, len(self.given))

    def _simulate(self, what: str, jobs: list[Job], work: Path) -> list[dict[str, Any]]:
        assert self.simulator is not None
        told = partial(self.progress, what)
        return simulate(self.simulator, jobs, self.directory, work, data=work, progress=told)

    def _locate(self, results: list[dict[str, Any]], start: int, work: Path) -> None:
        """Where the first failing run went wrong, and the window in DIR/verify/."""
        failed = [result for result in results if result["first"]]
        if not failed:
            return
        worst = min(failed, key=lambda result: int(result["first"]["frame"]))
        if self.netlist is not None:
            self.mismatch = in_netlist(self.build, worst, start)
            return
        self.progress("locate the difference", 0, 1)
        locator = Locator(self.directory, self.build, self.graph, work)
        frame = min(int(worst["first"]["frame"]), len(self.given) - 1 - start)
        x = self.given.frames(start + frame, start + frame + 1)
        found = locator.locate(worst, frame, self.reference.given(x))
        self.mismatch = replace(found, frame=start + found.frame)
        self.progress("locate the difference", 1, 1)

    def verdict(self) -> Verdict:
        """All rounds together."""
        hls = self.hls
        wrong_of, mismatch = self.wrong_of, self.mismatch
        if hls is not None:
            self.wrong |= hls.wrong
            wrong_of = [a | b for a, b in zip(wrong_of, hls.wrong_of, strict=True)]
            mismatch = mismatch or hls.mismatch
        plain = shards.total(self.plain)
        every = shards.total(self.plain + self.stalled)
        frames = len(self.given)
        labelled = self.given.labels is not None and has_classes(self.graph.outputs[0])
        hangs_on_data = bool(self.build.get("data_dependent"))
        stalls = None
        if self.stall:
            done = shards.total(self.stalled)
            stalls = {
                "frames": done["frames"],
                "equal": not done["errors"] and not done["wrong"],
                "cycles": done["cycles"],
                "resets": done["resets"],
                "resets_mid_frame": done["resets_mid_frame"],
                "reset_ok": not any(result["wrong"] for result in self.stalled if result["resets"]),
                "seed": self.seed,
            }
        told = None if self.original is None else self.original.told()
        if self.simulator is not None and self.mismatch is None:
            shutil.rmtree(self.directory / "verify", ignore_errors=True)  # of an earlier run
        return Verdict(
            frames=frames,
            equal=frames - len(self.wrong),
            outputs=[
                {"name": entry["name"], "equal": frames - len(wrong)}
                for entry, wrong in zip(self.build["outputs"], wrong_of, strict=True)
            ],
            all_equal=not self.wrong and not every["errors"] and not (hls and hls.warning),
            interval=plain["interval_max"],
            interval_min=plain["interval_min"],
            interval_predicted=int(self.build["interval"]),
            latency=plain["latency"],
            latency_predicted=int(self.build["latency"]),
            top1=self.right_class / frames if labelled else None,
            unexplained=None if told is None else int(told["unexplained"]),
            original=told,
            cycles=every["cycles"],
            seconds_build=round(self.seconds["build"], 3),
            seconds_reference=round(self.seconds["reference"], 3),
            seconds_sim=round(self.seconds["sim"], 3),
            stalls=stalls,
            mismatch=None if mismatch is None else mismatch.as_json(),
            interval_mean=plain["interval_mean"],
            interval_worst=int(self.build["interval"]) if hangs_on_data else None,
            late=shards.late(self.build, self.plain) if hangs_on_data and self.plain else None,
            on_time=shards.on_time(self.build, self.plain),
            early=self.left_early / frames if has_exit(self.graph.outputs[0]) else None,
            hls=None if hls is None else hls.told(),
            gates=self.netlist,
        )
