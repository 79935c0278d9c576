"""Writes QONNX networks node by node, as exporters lay them out.

Weights are constant floats with their own quantizer behind them (Brevitas), or integers (FINN).
With ``dyadic`` every constant is a small dyadic number: float64 then computes the network's exact
meaning, and ties and zeros before quantizers come up all the time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

QONNX = "qonnx.custom_op.general"
FINN = "finn.custom_op.general"


@dataclass(frozen=True, slots=True)
class Network:
    """A model, and what arrives on its stream where the model does not say."""

    model: onnx.ModelProto
    spec: str | None = None


Make: TypeAlias = Callable[[bool], Network]
NETWORKS: dict[str, Make] = {}
"""By name; each takes whether constants are dyadic."""


def network(function: Make) -> Make:
    """Register a network."""
    NETWORKS[function.__name__] = function
    return function


@dataclass
class Net:
    """One network.

    Attributes:
        shape: Of the input, without the batch axis.
        seed: Of all its constants.
        dyadic: Whether constants are dyadic.
        batch: Batch axis as stated in the file.
        current: Tensor that the next node reads.
        opset: Of the standard domain.
        kind: Element type of the input.
    """

    shape: tuple[int, ...]
    seed: int = 0
    dyadic: bool = True
    batch: int | str = 1
    current: str = "x"
    opset: int = 13
    kind: int = TensorProto.FLOAT
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)
    rename: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    # ---- nodes ----------------------------------------------------------------------------------

    def const(self, value: ArrayLike, dtype: Any = np.float32) -> str:
        """A new initializer."""
        name = f"const{len(self.constants)}"
        self.constants[name] = np.asarray(value, dtype)
        return name

    def put(self, op: str, *operands: Any, domain: str = "", **attributes: Any) -> Net:
        """Append a node that reads the current tensor; operands are names, or constants."""
        names = [v if isinstance(v, str) else self.const(v) for v in operands]
        return self.raw(op, [self.current, *names], domain=domain, **attributes)

    def raw(self, op: str, inputs: list[str], domain: str = "", **attributes: Any) -> Net:
        """Append a node with these inputs."""
        output = f"t{len(self.nodes)}"
        node = helper.make_node(op, inputs, [output], f"/{op}_{output}", domain=domain)
        for key, value in attributes.items():
            node.attribute.append(helper.make_attribute(key, value))
        self.nodes.append(node)
        self.current = output
        return self

    # ---- constants ------------------------------------------------------------------------------

    def scale(self) -> float:
        """A power of two, or anything near one."""
        power = 2.0 ** int(self.rng.integers(-3, 1))
        return power if self.dyadic else float(np.float32(power * self.rng.uniform(0.6, 1.7)))

    def real(self, *shape: int, size: float = 4.0) -> NDArray[Any]:
        """Random constants."""
        values = self.rng.uniform(-size, size, shape)
        return np.round(values * 4) / 4 if self.dyadic else values

    def codes(self, bits: float, *shape: int) -> NDArray[Any]:
        """Random weight codes: 1 is bipolar, 1.5 ternary."""
        if bits == 1:
            return self.rng.choice([-1.0, 1.0], shape)
        if bits == 1.5:
            return self.rng.choice([-1.0, 0.0, 1.0], shape)
        half = 1 << (int(bits) - 1)
        return self.rng.integers(-half, half, shape).astype(np.float64)

    # ---- what exporters write -------------------------------------------------------------------

    def weight(self, bits: float, *shape: int, per_channel: bool = False) -> str:
        """Float weights and their quantizer; channels first."""
        codes = self.codes(bits, *shape)
        scale: Any = self.scale()
        if per_channel:
            scale = [self.scale() for _ in range(shape[0])]
            scale = np.reshape(scale, (shape[0], *(1,) * (len(shape) - 1)))
        floats = self.const(codes * scale)
        before = self.current
        if bits == 1:
            self.raw("BipolarQuant", [floats, self.const(scale)], QONNX)
        else:
            width = 2.0 if bits == 1.5 else float(bits)
            operands = [floats, self.const(scale), self.const(0.0), self.const(width)]
            flags = {"signed": 1, "narrow": int(bits == 1.5), "rounding_mode": "ROUND"}
            self.raw("Quant", operands, QONNX, **flags)
        name, self.current = self.current, before
        return name

    def quant(
        self,
        bits: int,
        scale: ArrayLike | None = None,
        *,
        signed: int = 1,
        narrow: int = 0,
        zero: float = 0.0,
        mode: str = "ROUND",
    ) -> Net:
        """An activation quantizer."""
        flags = {"signed": signed, "narrow": narrow, "rounding_mode": mode}
        scale = self.scale() if scale is None else scale
        return self.put("Quant", scale, zero, float(bits), domain=QONNX, **flags)

    def bipolar(self, scale: float = 1.0) -> Net:
        """Sign with sign(0) = +1."""
        return self.put("BipolarQuant", scale, domain=QONNX)

    def conv(
        self,
        ins: int,
        outs: int,
        kernel: tuple[int, ...] = (3, 3),
        bits: float = 1,
        *,
        group: int = 1,
        bias: bool = False,
        per_channel: bool = False,
        **attributes: Any,
    ) -> Net:
        """Convolution with quantized weights."""
        weights = self.weight(bits, outs, ins // group, *kernel, per_channel=per_channel)
        more = [self.real(outs)] if bias else []
        return self.put("Conv", weights, *more, kernel_shape=kernel, group=group, **attributes)

    def norm(self, channels: int, gamma: ArrayLike | None = None) -> Net:
        """Batch normalization; among its gammas are negative ones and a zero."""
        if gamma is None:
            kinds = [1.0, 0.5, -0.5, 2.0, 0.25, -1.0, 0.0]
            gamma = np.resize(self.rng.permutation(kinds), channels)
        gamma = np.asarray(gamma)
        if self.dyadic:
            variance = np.resize([1.0, 4.0, 0.25, 16.0], channels)
            rows = (gamma, self.real(channels, size=2), self.real(channels, size=3), variance)
            return self.put("BatchNormalization", *rows, epsilon=0.0)
        rows = (
            gamma * self.rng.uniform(0.5, 1.5, channels),
            self.real(channels, size=2),
            self.real(channels, size=3),
            self.rng.uniform(0.1, 9, channels),
        )
        return self.put("BatchNormalization", *rows, epsilon=1e-5)

    def dense(self, ins: int, outs: int, bits: float = 1, *, bias: bool = False) -> Net:
        """Fully connected, as Brevitas writes it."""
        more = [self.real(outs)] if bias else []
        return self.put("Gemm", self.weight(bits, outs, ins), *more, transB=1)

    def flat(self) -> Net:
        """(N, everything)."""
        return self.put("Flatten", axis=1)

    def pool(self, kernel: tuple[int, ...] = (2, 2), op: str = "MaxPool", **attributes: Any) -> Net:
        """A pool whose stride is its kernel."""
        attributes = {"strides": kernel, **attributes}
        return self.put(op, kernel_shape=kernel, **attributes)

    # ---- the end --------------------------------------------------------------------------------

    def model(self, *outputs: str, kind: int = TensorProto.FLOAT) -> onnx.ModelProto:
        """The network, ended at the current tensor or at ``outputs``."""
        names = outputs or (self.current,)
        graph = helper.make_graph(
            self.nodes,
            "qonnx",
            [helper.make_tensor_value_info("x", self.kind, [self.batch, *self.shape])],
            [helper.make_tensor_value_info(name, kind, None) for name in names],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        for node in graph.node:
            node.name = self.rename.get(node.name, node.name)
            for names_ in (node.input, node.output):
                for index, name in enumerate(names_):
                    names_[index] = self.rename.get(name, name)
        for value in (*graph.input, *graph.output, *graph.initializer):
            value.name = self.rename.get(value.name, value.name)
        domains = [("", self.opset), (QONNX, 1), (FINN, 1)]
        opsets = [helper.make_opsetid(*domain) for domain in domains]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)
