"""Random small QONNX networks: every kind of layer, awkward widths, awkward constants.

A network is a chain of [MatMul, batch norm or scale or bias, activation, quantizer], as exporters
write it. Widths of 1 and primes, all-zero weights, constant and dead channels, negative and zero
gammas, scales that are no powers of two, and zero points all come up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.random import Generator
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

QONNX = "qonnx.custom_op.general"
WIDTHS = (1, 2, 3, 5, 7, 8, 12, 13, 16, 24)


@dataclass
class RandomNetwork:
    """Builds one network from a seeded generator."""

    rng: Generator
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)
    current: str = "x"

    def put(self, op: str, *constants: Any, domain: str = "", **attributes: Any) -> None:
        """Append an operator that reads the current value and these constants."""
        names = [self.current]
        for value in constants:
            name = f"c{len(self.constants)}"
            self.constants[name] = np.asarray(value, np.float32)
            names.append(name)
        output = f"v{len(self.nodes)}"
        node = helper.make_node(op, names, [output], f"/{op}:{output}", domain=domain, **attributes)
        self.nodes.append(node)
        self.current = output

    def quantize(self) -> None:
        """Some quantizer."""
        match self.rng.integers(5):
            case 0:
                self.put("BipolarQuant", self.scale(), domain=QONNX)
            case 1:
                self.put("Sign")
            case 2:
                steps = np.sort(self.rng.normal(size=(1, int(self.rng.integers(1, 6))), scale=4))
                domain = "finn.custom_op.general"
                bias = {"out_scale": 2.0, "out_bias": -1.0}
                self.put("MultiThreshold", steps, domain=domain, out_dtype="INT8", **bias)
            case _:
                bits, signed = int(self.rng.integers(2, 9)), int(self.rng.integers(2))
                zero = float(self.rng.integers(-2, 3)) * (self.rng.random() < 0.2)
                flags = {"signed": signed, "narrow": int(signed and self.rng.integers(2))}
                mode = self.rng.choice(
                    ["ROUND", "FLOOR", "CEIL", "ROUND_TO_ZERO"], p=[0.7, *[0.1] * 3]
                )
                params = (self.scale(), zero, float(bits))
                self.put("Quant", *params, domain=QONNX, rounding_mode=str(mode), **flags)

    def scale(self) -> float:
        """A power of two half of the time."""
        power = 2.0 ** int(self.rng.integers(-4, 2))
        return power if self.rng.random() < 0.5 else power * float(self.rng.uniform(0.6, 1.7))

    def layer(self, ins: int, outs: int) -> None:
        """Matrix product and what may stand behind it."""
        rng = self.rng
        codes = [(-1, 1), (-1, 0, 1), (-3, -2, -1, 0, 1, 2, 3), range(-31, 32)][rng.integers(4)]
        weights = rng.choice(list(codes), (ins, outs)).astype(np.float64)
        if rng.random() < 0.2:
            weights[:, rng.integers(outs)] = 0
        scale = self.scale() if rng.random() < 0.5 else [self.scale() for _ in range(outs)]
        self.put("MatMul", weights)
        # As exporters do it: the floats, and their quantizer with its scale behind them.
        unit = np.broadcast_to(np.asarray(scale, np.float32), (outs,))
        floats, self.nodes[-1].input[1] = self.nodes[-1].input[1], f"{self.current}_w"
        self.constants[floats] = np.float32(weights) * unit
        names = [floats, f"{self.current}_s", "zero", "six"]
        for name, value in zip(names[1:], (unit, 0.0, 6.0), strict=True):
            self.constants[name] = np.array(value, np.float32)
        flags: dict[str, Any] = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND"}
        quant = helper.make_node("Quant", names, [f"{self.current}_w"], domain=QONNX, **flags)
        self.nodes.insert(-1, quant)
        match rng.integers(4):
            case 0:
                gamma = rng.choice([-1.5, -0.3, 0.0, 0.2, 1.0, 2.7], outs)
                rows = (
                    gamma,
                    rng.normal(size=outs),
                    rng.normal(size=outs),
                    rng.uniform(0.1, 9, outs),
                )
                self.put("BatchNormalization", *rows)
            case 1:
                self.put("Mul", rng.normal(size=outs))
            case 2:
                self.put("Add", rng.normal(size=outs, scale=3))
        match rng.integers(4):
            case 0:
                self.put("Relu")
            case 1:
                self.put("Clip", -1.0, float(rng.uniform(0, 6)))

    def model(self) -> onnx.ModelProto:
        """The whole network: quantized input, one to three hidden layers, and an end."""
        widths = [int(w) for w in self.rng.choice(WIDTHS, self.rng.integers(2, 5))]
        bits = float(self.rng.integers(2, 9))
        self.put("Quant", 0.25, 0.0, bits, domain=QONNX, rounding_mode="ROUND", signed=1, narrow=0)
        ends = [*widths[1:], int(self.rng.choice(WIDTHS))]
        for ins, outs in zip(widths, ends, strict=True):
            if self.current != "v0":
                self.quantize()
            self.layer(ins, outs)
        kind, width = TensorProto.FLOAT, ends[-1]
        if self.rng.random() < 0.4:
            self.quantize()
        if self.rng.random() < 0.3:
            self.put("ArgMax", axis=-1, keepdims=1)
            kind, width = TensorProto.INT64, 1
        graph = helper.make_graph(
            self.nodes,
            "random",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, widths[0]])],
            [helper.make_tensor_value_info(self.current, kind, [None, width])],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        domains = [("", 13), (QONNX, 1), ("finn.custom_op.general", 1)]
        opsets = [helper.make_opsetid(*domain) for domain in domains]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def random_model(seed: int) -> onnx.ModelProto:
    """The network of a seed.

    >>> model = random_model(3)
    >>> model.graph.node[0].op_type
    'Quant'
    """
    return RandomNetwork(np.random.default_rng(seed)).model()
