"""Networks with every weight a wire, a frame a cycle: LUTs, bits proven, seconds to generate.

    python benchmarks/unrolled.py DATA_FOLDER [--only NAME] [--frames N]

DATA_FOLDER has the workloads as .npz (integer weights W*, thresholds T*, inputs X, exact answers
Y). Each becomes a QONNX model, a core at interval 1, is compared with Y in the integer reference
and bit for bit in Verilator, with stalls and resets, and synthesised (``synth_xilinx -family xcup
-flatten -noiopad -noclkbuf``, LUT1 to LUT6 summed). Writes benchmarks/results/unrolled.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from gatesmith.api import build, synth, verify
from gatesmith.ir.execute import execute
from gatesmith.ir.store import load

RESULTS = Path(__file__).parent / "results" / "unrolled.json"
DEVICE = "xcup"
QONNX = "qonnx.custom_op.general"


def bipolar_model(arrays: dict[str, NDArray[Any]]) -> onnx.ModelProto:
    """Layers of ``popcount(xnor(W, x)) >= T``, the last one its sums, with -1 and +1 for 0 and 1.

    With n inputs a sum is 2 * popcount - n, so the popcount reaches T where the sum less
    ``2 * T - n`` is not negative.
    """
    layers = sum(name.startswith("W") for name in arrays)
    nodes, constants, current = [], [], "x"

    def const(value: NDArray[Any]) -> str:
        name = f"c{len(constants)}"
        constants.append(numpy_helper.from_array(value.astype(np.float32), name))
        return name

    def put(op: str, *operands: str, domain: str = "") -> str:
        name = f"t{len(nodes)}"
        nodes.append(
            helper.make_node(op, operands, [name], name=f"{op}_{len(nodes)}", domain=domain)
        )
        return name

    for number in range(layers):
        weights = 2 * arrays[f"W{number}"].T - 1
        kernel = put("BipolarQuant", const(weights), const(np.array(1.0)), domain=QONNX)
        current = put("MatMul", current, kernel)
        if number < layers - 1:
            offset = len(weights) - 2 * arrays[f"T{number}"]
            current = put("Add", current, const(offset))
            current = put("BipolarQuant", current, const(np.array(1.0)), domain=QONNX)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, arrays["X"].shape[1]])
    y = helper.make_tensor_value_info(current, TensorProto.FLOAT, [1, arrays["Y"].shape[1]])
    graph = helper.make_graph(nodes, "bipolar", [x], [y], constants)
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid(QONNX, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def bipolar(
    arrays: dict[str, NDArray[Any]],
) -> tuple[onnx.ModelProto, str | None, NDArray[Any], NDArray[Any]]:
    """Model, type of its input, its inputs and its outputs."""
    last = arrays[max(name for name in arrays if name.startswith("W"))]
    sums = 2 * arrays["Y"] - last.shape[1]
    return bipolar_model(arrays), "bipolar:1", 2 * arrays["X"] - 1, sums


def integer_model(arrays: dict[str, NDArray[Any]]) -> onnx.ModelProto:
    """Layers of ``clip((x @ W + B + 2**(S-1)) >> S, 0, 63)``, the last one its sums.

    In units of the input's least bit: the unit grows by each layer's shift, and rounding is to the
    nearest, a tie up.
    """
    layers = sum(name.startswith("W") for name in arrays)
    nodes, constants = [], []

    def const(value: Any) -> str:
        name = f"c{len(constants)}"
        constants.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def quant(x: str, y: str, scale: float, bits: int, *, signed: bool) -> str:
        inputs = [x, const(scale), const(0), const(bits)]
        kind = {"domain": QONNX, "signed": int(signed), "narrow": 0, "rounding_mode": "HALF_UP"}
        nodes.append(helper.make_node("Quant", inputs, [y], name=y, **kind))
        return y

    current, unit = quant("x", "h0", 1, 8, signed=True), 1.0
    for i in range(layers):
        weights = quant(const(arrays[f"W{i}"]), f"w{i}", 1, 6, signed=True)
        nodes.append(helper.make_node("MatMul", [current, weights], [f"m{i}"], name=f"dense{i}"))
        bias = const(arrays[f"B{i}"] * unit)
        current = f"s{i}"
        nodes.append(helper.make_node("Add", [f"m{i}", bias], [current], name=f"bias{i}"))
        if i < layers - 1:
            unit *= 2.0 ** int(arrays["S"][i])
            nodes.append(helper.make_node("Relu", [current], [f"r{i}"], name=f"relu{i}"))
            current = quant(f"r{i}", f"h{i + 1}", unit, 6, signed=False)
    current = quant(current, "y", unit, 16, signed=True)  # so that the last bias is in the core
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, arrays["X"].shape[1]])
    y = helper.make_tensor_value_info(current, TensorProto.FLOAT, [1, arrays["Y"].shape[1]])
    graph = helper.make_graph(nodes, "mlp", [x], [y], constants)
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid(QONNX, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def integer(
    arrays: dict[str, NDArray[Any]],
) -> tuple[onnx.ModelProto, str | None, NDArray[Any], NDArray[Any]]:
    """Model, type of its input (its first quantizer says it), its inputs and its outputs."""
    return integer_model(arrays), None, arrays["X"], arrays["Y"]


NETWORKS = {"w2t": bipolar, "w1": integer, "w1_sparse": integer}
"""How the arrays become a model."""


def measured(name: str, data: Path, frames: int | None) -> dict[str, Any]:
    """One network, from its weights to its LUTs."""
    with np.load(data / f"{name}.npz") as content:
        arrays = {key: content[key] for key in content}
    model, spec, x, y = NETWORKS[name](arrays)
    with tempfile.TemporaryDirectory() as away:
        folder = Path(away)
        onnx.save(model, folder / "net.onnx")
        np.savez(folder / "frames.npz", x=x.astype(np.float32))
        core = folder / "core"
        started, busy = time.monotonic(), time.process_time()
        built = build(folder / "net.onnx", core, cycles=1, fold={"*": "unrolled"}, input_spec=spec)
        seconds = {"build": time.monotonic() - started, "build_cpu": time.process_time() - busy}
        graph = load(core / "ir" / "integer")
        (found,) = execute(graph, {"x": x.astype(np.int64)}).values()
        if not np.array_equal(found.reshape(y.shape), y):
            raise SystemExit(f"{name}: the integer network is not what Y says")
        verdict = verify(core, folder / "frames.npz", frames=frames, stall=True)
        said = synth(core, DEVICE, stages=False).as_json()
    if not verdict.all_equal or verdict.interval != 1:
        raise SystemExit(f"{name}: {verdict}")
    return {
        "frames_equal": verdict.equal,
        "interval": verdict.interval,
        "latency": verdict.latency,
        "latency_predicted": verdict.latency_predicted,
        **{key: said[key] for key in ("lut", "lut_memory", "ff", "carry", "dsp", "lut_predicted")},
        "stages": len(built.content["stages"]),
        "seconds": {key: round(value, 1) for key, value in seconds.items()},
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the workloads")
    parser.add_argument("--only", action="append", choices=NETWORKS, help="only this network")
    parser.add_argument("--frames", type=int, help="only the first so many in Verilator")
    asked = parser.parse_args()
    found = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
    for name in asked.only or NETWORKS:
        found[name] = measured(name, asked.data, asked.frames)
        RESULTS.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", "utf-8")
        print(name, json.dumps(found[name], indent=1))


if __name__ == "__main__":
    main()
