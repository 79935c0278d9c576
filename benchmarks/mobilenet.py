"""Time and memory of a MobileNet-v1-sized network: 4.2 million parameters, 224 x 224 pixels.

    python benchmarks/mobilenet.py [--width 1.0] [--size 224] [--cycles N]

Writes a QDQ model with random int8 weights (the weights do not matter for time and memory), builds
it in a process of its own, runs the NumPy reference on one image, and prints what was measured as
JSON. Source of the network: Howard et al., MobileNets, 2017, table 1.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper, numpy_helper

LAYERS = (
    [(1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512)]
    + [(1, 512)] * 5
    + [(2, 1024), (1, 1024)]
)
"""Stride of the depthwise and outputs of the pointwise convolution."""


class Writer:
    """A QDQ graph under construction."""

    def __init__(self, seed: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.rng = np.random.default_rng(seed)
        self.count = 0

    def const(self, value: np.ndarray) -> str:
        """An initializer."""
        self.count += 1
        name = f"c{self.count}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def node(self, op: str, *inputs: str, **attributes: object) -> str:
        """A node with one output."""
        self.count += 1
        name = f"{op}_{self.count}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name

    def quantized(self, x: str, scale: float) -> str:
        """QuantizeLinear and DequantizeLinear of an activation, uint8."""
        pair = self.const(np.float32(scale)), self.const(np.uint8(0))
        return self.node("DequantizeLinear", self.node("QuantizeLinear", x, *pair), *pair)

    def weights(self, *shape: int) -> str:
        """Random int8 weights with a scale for each output."""
        codes = self.rng.integers(-127, 128, shape).astype(np.int8)
        scales = self.rng.uniform(0.5, 2, shape[0]).astype(np.float32) / 127
        zero = self.const(np.zeros(shape[0], np.int8))
        return self.node("DequantizeLinear", self.const(codes), self.const(scales), zero, axis=0)

    def conv(
        self, x: str, ins: int, outs: int, *, kernel: int = 1, stride: int = 1, group: int = 1
    ) -> str:
        """Convolution, bias, Clip to 6, quantizer."""
        fan = kernel * kernel * ins // group
        bias = (self.rng.normal(size=outs) * np.sqrt(fan)).astype(np.float32)
        y = self.node(
            "Conv",
            x,
            self.weights(outs, ins // group, kernel, kernel),
            self.const(bias),
            strides=[stride] * 2,
            pads=[kernel // 2] * 4,
            group=group,
        )
        y = self.node("Mul", y, self.const(np.float32(3 / np.sqrt(fan))))
        y = self.node("Clip", y, self.const(np.float32(0)), self.const(np.float32(6)))
        return self.quantized(y, 6 / 255)


def mobilenet(width: float, size: int, classes: int = 1000) -> onnx.ModelProto:
    """The network as QDQ ONNX."""
    w = Writer(0)
    channels = int(32 * width)
    x = w.conv(w.quantized("image", 1 / 255), 3, channels, kernel=3, stride=2)
    for stride, outs in LAYERS:
        x = w.conv(x, channels, channels, kernel=3, stride=stride, group=channels)
        x = w.conv(x, channels, int(outs * width))
        channels = int(outs * width)
    x = w.quantized(w.node("GlobalAveragePool", x), 6 / 255)
    w.node("Gemm", w.node("Flatten", x), w.weights(classes, channels), transB=1)
    shape = ["n", 3, size, size]
    graph = helper.make_graph(
        w.nodes,
        "mobilenet",
        [helper.make_tensor_value_info("image", T.FLOAT, shape)],
        [helper.make_tensor_value_info(w.nodes[-1].output[0], T.FLOAT, ["n", classes])],
        w.constants,
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=10)


def measure(path: Path, out: Path, cycles: int | None) -> dict[str, object]:
    """Build, and one image through the reference."""
    import gatesmith
    from gatesmith.ir.execute import execute
    from gatesmith.ir.store import load
    from gatesmith.ops.input import Input

    began = time.monotonic()
    built = gatesmith.build(path, out, cycles=cycles)
    build = time.monotonic() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    graph = load(out / "ir" / "integer")
    entry = next(node for node in graph if isinstance(node.op, Input))
    image = np.random.default_rng(0).integers(0, 256, (1, *entry.type.shape))
    files = [f for f in out.rglob("*") if f.is_file()]
    began = time.monotonic()
    execute(graph, {entry.name: image})
    return {
        "parameters": int(sum(np.prod(t.dims) for t in onnx.load(path).graph.initializer)),
        "seconds_build": round(build, 1),
        "megabytes_build": round(peak),
        "seconds_reference": round(time.monotonic() - began, 2),
        "interval": built.content["interval"],
        "cost": built.content["cost"],
        "megabytes_on_disk": round(sum(f.stat().st_size for f in files) / 1e6),
    }


def main() -> None:
    """Print the figures as JSON; the work is done in a child, so that its memory can be told."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--cycles", type=int)
    parser.add_argument("--measure", nargs=2, metavar=("MODEL", "OUT"))
    given = parser.parse_args()
    if given.measure:
        model, out = map(Path, given.measure)
        print(json.dumps(measure(model, out, given.cycles), indent=1))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mobilenet.onnx"
        onnx.save(mobilenet(given.width, given.size), path)
        command = [sys.executable, __file__, "--measure", str(path), str(Path(folder) / "build")]
        if given.cycles:
            command += ["--cycles", str(given.cycles)]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
