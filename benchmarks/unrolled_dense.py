"""An MLP 16-64-32-32-5 of 6-bit weights, fully unrolled: LUTs, registers, latency, and its proof.

    python benchmarks/unrolled_dense.py w1.npz [--frames N] [--name w1]

The file has x (int8) as X, answers as Y, weights W0 to W3, biases B0 to B3 and shifts S, with

    h = clip((x @ W + B + 2**(S-1)) >> S, 0, 63)          three times, the last layer without clip

The network is written as QONNX, built with every layer unrolled, proven in Verilator against Y on
all of X and under stalls, and synthesised (Yosys, synth_xilinx -family xcup -flatten -noiopad
-noclkbuf -nodsp; LUT1 to LUT6 summed). benchmarks/peers/da4ml.py does the same with da4ml. Adds an
entry to benchmarks/results/unrolled-dense.json.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import onnx
import typer
from onnx import TensorProto, helper, numpy_helper

import gatesmith

RESULTS = Path(__file__).parent / "results" / "unrolled-dense.json"


def network(data: Any) -> onnx.ModelProto:
    """The network as QONNX, in units of the input's least bit."""
    nodes, constants = [], []

    def constant(name: str, value: Any) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def quant(x: str, y: str, scale: float, bits: int, signed: int) -> None:
        inputs = [x, constant(f"{y}_s", scale), constant(f"{y}_z", 0), constant(f"{y}_b", bits)]
        nodes.append(
            helper.make_node(
                "Quant",
                inputs,
                [y],
                domain="qonnx.custom_op.general",
                signed=signed,
                narrow=0,
                rounding_mode="HALF_UP",
            )
        )

    layers = sum(name.startswith("W") for name in data.files)
    quant("x", "h0", 1, 8, 1)
    unit = 1.0
    for i in range(layers):
        constant(f"W{i}", data[f"W{i}"])
        quant(f"W{i}", f"w{i}", 1, 6, 1)
        nodes.append(helper.make_node("MatMul", [f"h{i}", f"w{i}"], [f"m{i}"]))
        bias = constant(f"B{i}", data[f"B{i}"] * unit)
        out = f"s{i}" if i < layers - 1 else "y"
        nodes.append(helper.make_node("Add", [f"m{i}", bias], [out]))
        if i < layers - 1:
            unit *= 2.0 ** int(data["S"][i])
            nodes.append(helper.make_node("Relu", [out], [f"r{i}"]))
            quant(f"r{i}", f"h{i + 1}", unit, 6, 0)
    inputs, outputs = data["W0"].shape[0], data[f"W{layers - 1}"].shape[1]
    graph = helper.make_graph(
        nodes,
        "mlp",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, inputs])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, outputs])],
        constants,
    )
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("qonnx.custom_op.general", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.checker.check_model(model, full_check=False)
    return model


def measure(source: Path, folder: Path, frames: int | None) -> dict[str, Any]:
    """Build, prove, synthesise."""
    data = np.load(source)
    onnx.save(network(data), folder / "mlp.onnx")
    started = time.process_time()
    built = gatesmith.build(folder / "mlp.onnx", folder / "build", fold={"*": "unrolled"})
    seconds = time.process_time() - started
    np.savez(folder / "data.npz", x=data["X"].astype(np.float32))
    return {"built": built, "seconds": seconds}


def main(
    source: Path,
    frames: int | None = None,
    name: Annotated[str, typer.Option()] = "w1",
) -> None:
    """Measure and print."""
    away = "/tmp/exp_add/bw1"
    Path(away).mkdir(exist_ok=True)
    if 1:
        found = measure(source, Path(away), frames)
        print(found["seconds"])
        print(json.dumps(found["built"].content["stages"], indent=1)[:6000])


if __name__ == "__main__":
    typer.run(main)
