"""One 256 x 256 matrix-vector layer, PE = SIMD = 16, beside the unit that FINN generates.

    python benchmarks/matvec.py [--only NAME] [--device NAME] [--jobs N]

The weights and inputs of ../shared/bench/w4_8.npz and w4_4.npz. Each layer is built from an ONNX
file, all inputs run through the RTL in Verilator and have to give Y, and ``gatesmith synth``
counts, stages not apart; without DSP blocks it is placed on ECP5 too, whose blocks are too narrow
for packed products. The input has 16 elements a beat, as FINN's. Writes
benchmarks/results/matvec.json after every run.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from rich.console import Console
from rich.table import Table

import gatesmith
from gatesmith.ir.execute import execute
from gatesmith.ir.store import load
from gatesmith.ops.input import Input

ROOT = Path(__file__).parents[1]
BENCH = ROOT.parent / "shared" / "bench"
RESULTS = ROOT / "benchmarks" / "results" / "matvec.json"
LAYERS = {
    "int8 packed": ("w4_8", "i8:1", "packed"),
    "int8 luts": ("w4_8", "i8:1", "luts"),
    "int4 packed": ("w4_4", "i4:1", "packed"),
    "int4 luts": ("w4_4", "i4:1", "luts"),
}
"""File, input, word of --fold."""

DEVICES = {"xcup": False, "ecp5-85k": True}
"""Whether it is placed."""

FINN = {
    "int8": {"lut": 13_880, "ff": 29_326, "dsp": 128, "bram_kbits": 57 * 18},
    "int4": {"lut": 7_888, "ff": 16_626, "dsp": 64, "bram_kbits": 29 * 18},
}
"""Measured in the same flow: ../shared/bench/README.md. Interval 256, latency 267 cycles."""

KEPT = ("lut", "lut_memory", "ff", "dsp", "carry", "bram_kbits", "fmax_mhz", "fits")
PREDICTED = ("lut_predicted", "ff_predicted", "dsp_predicted", "ram_bits_predicted")


def model(weights: np.ndarray[Any, Any]) -> onnx.ModelProto:
    """Y = W x: one MatMul, integers in float32."""
    outs, ins = weights.shape
    matrix = numpy_helper.from_array(weights.T.astype(np.float32), "W")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "W"], ["y"], "layer")],
        "matvec",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, ins])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, outs])],
        [matrix],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def one(name: str, device: str, jobs: int | None) -> dict[str, Any]:
    """Build, compare with Y, synthesise."""
    file, spec, word = LAYERS[name]
    data = np.load(BENCH / f"{file}.npz")
    with tempfile.TemporaryDirectory() as away:
        place = Path(away)
        onnx.save(model(data["W"]), place / "layer.onnx")
        np.savez(place / "x.npz", x=data["X"].astype(np.int8))
        fold = {"layer": f"16,16,{word}"}
        gatesmith.build(
            place / "layer.onnx", place / "build", fold=fold, input_spec=spec, input_lanes=16
        )
        graph = load(place / "build" / "ir" / "integer")
        entry = next(node for node in graph if isinstance(node.op, Input))
        (output,) = graph.outputs
        y = execute(graph, {entry.name: data["X"].reshape(-1, *entry.type.shape)})[output]
        np.testing.assert_array_equal(y.reshape(data["Y"].shape), data["Y"])
        verdict = gatesmith.verify(place / "build", place / "x.npz", stall=True)
        if not verdict.all_equal:
            raise SystemExit(f"{name}: RTL and reference differ: {verdict.mismatch}")
        options = {"place": DEVICES[device], "jobs": jobs, "stages": False}
        said = gatesmith.synth(place / "build", device, **options).as_json()
    return {
        "frames_equal": len(data["X"]),
        "interval": verdict.interval,
        "latency": verdict.latency,
        **{key: said[key] for key in (*KEPT, *PREDICTED)},
        "yosys": said["yosys"],
        "command": said["command"],
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=LAYERS)
    parser.add_argument("--device", action="append", choices=DEVICES)
    parser.add_argument("--jobs", type=int, help="programs at a time")
    asked = parser.parse_args()
    found = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {"finn": FINN}
    for name in asked.only or LAYERS:
        for device in asked.device or DEVICES:
            if DEVICES[device] and LAYERS[name][2] == "packed":
                continue
            found.setdefault(name, {})[device] = one(name, device, asked.jobs)
            RESULTS.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", "utf-8")
    table = Table("layer", "device", *KEPT, "latency", "predicted")
    for name, devices in found.items():
        for device, row in devices.items() if name in LAYERS else ():
            cells = (*(row[key] for key in KEPT), row["latency"], row["lut_predicted"])
            table.add_row(name, device, *map(str, cells))
    Console().print(table)


if __name__ == "__main__":
    main()
