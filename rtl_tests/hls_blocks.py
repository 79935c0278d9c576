"""Many stages in one HLS project, each between ports of its own, against what they must compute.

The cases are those of the RTL's tests (test_STEM.py). Compiling costs seconds, running next to
nothing, so cases are compiled together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np

from gatesmith.codegen.design import CorePort, Design, Driver, Placed
from gatesmith.codegen.hls.project import hls_files
from gatesmith.codegen.stream import Stream
from gatesmith.codegen.top import byte_bits
from gatesmith.ir import Ints
from gatesmith.rtl_tests.bench import Case
from gatesmith.rtl_tests.csim import build_csim, run_csim
from gatesmith.rtl_tests.vectors import Port

FRAMES = 5

STEMS = (
    *("coded_roms", "concat", "decide", "dense", "dense_many", "dense_numbers", "dense_packed"),
    *("dense_skip", "dense_sparse", "dense_unrolled", "depthwise", "fork", "gather"),
    *("int_layer_norm", "int_softmax", "join"),
    *("max_pool", "product", "reduce", "requantize", "select", "table", "threshold", "top_k"),
    *("truth_rows", "width_converter", "window", "window_parallel"),
)
"""Of the RTL's tests; gates and merges, which see other frames on each side, run in networks."""


def cases(stem: str) -> list[Case]:
    """Those of a block, called after it."""
    found: list[Case] = import_module(f"gatesmith.rtl_tests.test_{stem}").CASES
    return [
        replace(case, stage=replace(case.stage, name=f"{stem}_{case.stage.name}")) for case in found
    ]


def design_of(stages: Sequence[Case]) -> Design:
    """Every stage between inputs and outputs of the core."""
    inputs, placed, outputs = [], [], []
    for case in stages:
        stage = case.stage
        names = [f"{stage.name}_x{k}" for k in range(len(stage.sources))]
        inputs += [CorePort(n, n, x) for n, x in zip(names, stage.sources, strict=True)]
        placed.append(Placed(stage, tuple(map(Driver, names))))
        for k, y in enumerate(stage.sinks):
            name = f"{stage.name}_y{k}"
            outputs.append(CorePort(name, name, y, Driver(stage.name, k)))
    return Design("blocks", tuple(inputs), tuple(placed), tuple(outputs))


def port_of(stream: Stream) -> Port:
    """Of a core."""
    size = stream.channels * stream.vectors
    return Port(stream.elem, stream.lanes, stream.beats, byte_bits(stream.width), size)


def write(found: Sequence[Case], folder: Path) -> Design:
    """A build folder with hls/ and vectors/, as far as C simulation needs it."""
    design = design_of(found)
    for name, text in hls_files(design).items():
        path = folder / "hls" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    (folder / "vectors").mkdir()
    given: list[Ints] = []
    wanted: list[Ints] = []
    for case in found:
        frames = case.draw(FRAMES)
        given += frames
        wanted += case.want(frames)
    for kind, ports, frames_of in (
        ("input", design.inputs, given),
        ("expected", design.outputs, wanted),
    ):
        for k, (port, values) in enumerate(zip(ports, frames_of, strict=True)):
            beats = port_of(port.stream).encode(np.asarray(values, np.int64))
            (folder / "vectors" / f"{kind}_{k}.bin").write_bytes(beats.tobytes())
    return design


def differing(found: Sequence[Case], folder: Path, types: str) -> dict[str, str]:
    """Outputs that are not what they must be, and how; and what the streams complained about."""
    design = write(found, folder)
    (ran,) = run_csim(build_csim(folder, types), folder / "vectors", 0, FRAMES, folder / "run")
    told: dict[str, str] = {"streams": ran.warning} if ran.warning else {}
    if not ran.equal:
        told["bench"] = (ran.folder / "log.txt").read_text("utf-8")
    for k, output in enumerate(design.outputs):
        port = port_of(output.stream)
        beats = [
            np.fromfile(place / f"{kind}_{k}.bin", np.uint8)
            for place, kind in ((folder / "vectors", "expected"), (ran.folder, "found"))
        ]
        if (beats[0] != beats[1]).any():
            shape = (FRAMES, port.beats, port.frame_bytes // port.beats)
            want, got = (port.decode(b.reshape(shape)) for b in beats)
            at = tuple(int(i) for i in np.argwhere(want != got)[0]) if (want != got).any() else ()
            told[output.name] = f"at {at}: {want[at]}, not {got[at]}" if at else "bits beside lanes"
    return told
