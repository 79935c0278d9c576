"""Folded networks beside NNgen and FINN: a small CNN, a bipolar perceptron at 16 cycles a frame.

    python benchmarks/folded_networks.py [--only NAME] [--no-synth]

Weights and inputs of ../shared/bench/w3_8.npz, w3_4.npz and w2s.npz. Each network is built from an
ONNX file, all inputs run through the RTL in Verilator and have to give Y, and ``gatesmith synth``
counts on UltraScale+. Writes benchmarks/results/folded-networks.json after every run.

The CNN is folded for a third of the cycles that NNgen takes at parallelism 4 x 4 (35,705 and
33,457), and once more with as many multipliers as NNgen has DSP blocks at 1 x 1. ``multipliers``
are PE x SIMD of all layers.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
from rich.console import Console

import gatesmith
from gatesmith.ir.execute import execute
from gatesmith.ir.store import load
from gatesmith.ops.input import Input
from gatesmith.rtl_tests.qonnx_builder import Net

ROOT = Path(__file__).parents[1]
BENCH = ROOT.parent / "shared" / "bench"
RESULTS = ROOT / "benchmarks" / "results" / "folded-networks.json"
DEVICE = "xcup"
Data: TypeAlias = Any
KEPT = ("lut", "lut_memory", "ff", "dsp", "carry", "bram_kbits")
PREDICTED = ("lut_predicted", "ff_predicted", "dsp_predicted", "ram_bits_predicted")


def small_cnn(data: Data) -> onnx.ModelProto:
    """Two convolutions, each with a rounded shift, ReLU and a pool of 2 x 2, and ten scores."""
    net = Net((1, 28, 28))
    for layer in (0, 1):
        weights, shift = data[f"W{layer}"].transpose(0, 3, 1, 2), int(data["S"][layer])
        bias = data[f"B{layer}"] + (1 << (shift - 1))
        net.put("Conv", weights.astype(float), bias.astype(float), kernel_shape=[3, 3])
        net.put("Mul", 2.0**-shift).put("Floor").put("Clip", 0.0, 127.0).pool()
    net.put("Transpose", perm=[0, 2, 3, 1]).flat()
    return net.put("MatMul", data["W2"].T.astype(float)).model()


def perceptron(data: Data) -> onnx.ModelProto:
    """Bits as -1 and 1: popcount(xnor(w, x)) >= T where the sum reaches 2 * T - inputs."""
    net = Net((784,)).bipolar()
    for layer in range(4):
        weights = data[f"W{layer}"]
        net.put("MatMul", 2.0 * weights.T - 1)
        if layer < 3:
            net.put("Sub", 2.0 * data[f"T{layer}"] - weights.shape[1]).bipolar()
    return net.model()


def popcounts(y: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Of 256 inputs, from sums of -1 and 1."""
    return (y + 256) // 2


Make: TypeAlias = Callable[[Data], onnx.ModelProto]
NETWORKS: dict[str, tuple[str, Make, dict[str, Any]]] = {
    "cnn 8 bit": ("w3_8", small_cnn, {"cycles": 11_901, "input_spec": "u7:1"}),
    "cnn 4 bit": ("w3_4", small_cnn, {"cycles": 11_152, "input_spec": "u7:1"}),
    "cnn 8 bit, 13 multipliers": ("w3_8", small_cnn, {"cycles": 61_952, "input_spec": "u7:1"}),
    "sfc": ("w2s", perceptron, {"cycles": 16}),
}
"""File, maker, options of the build."""


def one(name: str, *, synth: bool) -> dict[str, Any]:
    """Build, compare with Y, synthesise."""
    file, make, options = NETWORKS[name]
    data = np.load(BENCH / f"{file}.npz")
    bits = make is perceptron
    codes = 2 * data["X"] - 1 if bits else data["X"]
    with tempfile.TemporaryDirectory() as away:
        place = Path(away)
        onnx.save(make(data), place / "net.onnx")
        started = time.process_time()
        built = gatesmith.build(place / "net.onnx", place / "build", **options).content
        seconds = time.process_time() - started
        graph = load(place / "build" / "ir" / "integer")
        entry = next(node for node in graph if isinstance(node.op, Input))
        (output,) = graph.outputs
        x = codes.reshape(-1, *entry.type.shape)
        y = np.asarray(execute(graph, {entry.name: x})[output]).reshape(data["Y"].shape)
        np.testing.assert_array_equal(popcounts(y) if bits else y, data["Y"])
        shape = (-1, 784) if bits else (-1, 1, 28, 28)
        np.savez(place / "x.npz", x=codes.reshape(shape).astype(np.int8))
        verdict = gatesmith.verify(place / "build", place / "x.npz")
        if not verdict.all_equal:
            raise SystemExit(f"{name}: RTL and reference differ: {verdict.mismatch}")
        folds = [(stage["pe"], stage["simd"]) for stage in built["stages"] if stage.get("simd")]
        row = {
            "frames_equal": len(x),
            "interval": verdict.interval,
            "latency": verdict.latency,
            "folds": folds,
            "multipliers": sum(pe * simd for pe, simd in folds),
            "generation_cpu_seconds": round(seconds, 1),
            **{f"{key}_predicted": built["cost"][key] for key in ("lut", "ff", "dsp", "ram_bits")},
        }
        if synth:
            said = gatesmith.synth(place / "build", DEVICE, stages=False).as_json()
            row |= {key: said[key] for key in (*KEPT, *PREDICTED, "yosys", "command")}
    return row


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=NETWORKS)
    parser.add_argument("--no-synth", action="store_true", help="build and verify only")
    asked = parser.parse_args()
    found = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
    for name in asked.only or NETWORKS:
        found[name] = one(name, synth=not asked.no_synth)
        RESULTS.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", "utf-8")
        Console().print(name, found[name])


if __name__ == "__main__":
    main()
