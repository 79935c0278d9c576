"""A recipe as an ONNX network.

Keeps the shape of the current value and about how far its numbers spread, so that quantizers have a
scale under which most of their codes come up. What comes first is the quantizer of the input, or
nothing where ``--input`` says what arrives; each step writes its nodes and ends in a quantizer.
Dialect ``qonnx`` writes quantizers of a few bits, ``qdq`` QuantizeLinear and DequantizeLinear.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from gatesmith.rtl_tests.qonnx_builder import FINN, Net
from gatesmith.rtl_tests.regress.recipe import Args, Recipe, Step

MOST_ELEMENTS = 600
"""Of a value: what is larger is pooled first, for simulation takes as many cycles."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A matrix product: name of its ONNX node, inputs of an output, outputs."""

    name: str
    inputs: int
    outputs: int


@dataclass(frozen=True, slots=True)
class Written:
    """A network as a file, what --input says of it, and what --fold may name."""

    model: onnx.ModelProto
    spec: str | None
    layers: tuple[Layer, ...]


class Writer:
    """A network in the making.

    Attributes:
        net: Its nodes.
        shape: Of the current value, channels first, without the batch axis.
        spread: About the standard deviation of its numbers.
        layers: Matrix products so far.
        inputs: More inputs than the first: name and shape.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.net = Net(recipe.shape, recipe.seed, bool(recipe.traits.get("dyadic")), opset=17)
        self.shape = recipe.shape
        self.spread = 1.0
        self.layers: list[Layer] = []
        self.inputs: dict[str, tuple[int, ...]] = {}
        self.outputs: dict[str, tuple[int, ...]] = {}

    @property
    def channels(self) -> int:
        """Of the current value."""
        return self.shape[0]

    @property
    def size(self) -> int:
        """Elements of the current value."""
        return math.prod(self.shape)

    @property
    def dialect(self) -> str:
        """How quantizers are written: qonnx or qdq."""
        return str(self.recipe.traits.get("dialect", "qonnx"))

    # ---- constants ------------------------------------------------------------------------------

    def per_channel(self, values: Any) -> NDArray[Any]:
        """One constant a channel, shaped so that it broadcasts."""
        shape = (self.channels, *(1,) * (len(self.shape) - 1))
        shaped: NDArray[Any] = np.reshape(values, shape)
        return shaped

    def weight(self, args: Args, *shape: int) -> str:
        """Quantized weights (outputs, inputs, ...) with the zeros that ``args`` ask for."""
        net, bits = self.net, float(args["bits"])
        codes = _thinned(net.codes(bits, *shape), str(args["zeros"]), bits, net.rng)
        wide = bool(args["per_channel"])
        scale: Any = [net.scale() for _ in range(shape[0])] if wide else net.scale()
        fan = math.prod(shape[1:])
        self.spread *= float(np.mean(scale)) * max(0.3, float(codes.std())) * math.sqrt(fan)
        if self.dialect == "qdq":
            return self._qdq_weight(codes, scale)
        if wide:
            scale = np.reshape(scale, (shape[0], *(1,) * (len(shape) - 1)))
        floats, before = net.const(codes * scale), net.current
        if bits == 1 and args["zeros"] == "none":
            net.raw("BipolarQuant", [floats, net.const(scale)], "qonnx.custom_op.general")
        else:
            width = max(2.0, float(int(bits + 0.5)))
            operands = [floats, net.const(scale), net.const(0.0), net.const(width)]
            flags = {"signed": 1, "narrow": int(bits <= 1.5), "rounding_mode": "ROUND"}
            net.raw("Quant", operands, "qonnx.custom_op.general", **flags)
        name, net.current = net.current, before
        return name

    def _qdq_weight(self, codes: NDArray[Any], scale: Any) -> str:
        net, before = self.net, self.net.current
        name = net.const(codes, np.int8)
        zero = net.const(np.zeros(np.shape(scale)), np.int8)
        axis: dict[str, Any] = {"axis": 0} if np.ndim(scale) else {}
        net.raw("DequantizeLinear", [name, net.const(scale), zero], **axis)
        made, net.current = net.current, before
        return made

    # ---- quantizers -----------------------------------------------------------------------------

    def quantize(self, args: Args) -> None:
        """The quantizer that ``args`` describe, fitted to the spread."""
        if self.dialect == "qdq":
            self._quantize_linear(args)
            return
        match args["how"]:
            case "bipolar":
                self.net.bipolar(self._grid(1.0))
                self.spread = 1.0
            case "multi":
                self._multi_threshold(args)
            case "channel":
                scales = [self._grid(2.0 ** (args["bits"] - 2)) for _ in range(self.channels)]
                signed = int(args["signed"])
                self.net.quant(int(args["bits"]), self.per_channel(scales), signed=signed)
            case _:
                bits, signed = int(args["bits"]), int(args["signed"])
                scale = self._grid(2.0 ** max(0, bits - 1 - signed)) * 2.0 ** args["coarse"]
                narrow, zero = int(args["narrow"]) * signed, float(args["zero"])
                more: dict[str, Any] = {
                    "signed": signed,
                    "narrow": narrow,
                    "zero": zero,
                    "mode": args["mode"],
                }
                self.net.quant(bits, scale, **more)
                self.spread = min(self.spread, scale * 2.0 ** (bits - 1))

    def _grid(self, levels: float) -> float:
        """Scale under which about so many codes come up on either side of zero."""
        power = 2.0 ** math.ceil(math.log2(max(self.spread, 1e-6) * 2 / max(1.0, levels)))
        return power if self.net.dyadic else float(np.float32(power * self.net.rng.uniform(0.5, 1)))

    def _multi_threshold(self, args: Args) -> None:
        rows = self.channels if args["signed"] else 1
        table = self.net.real(rows, int(args["bits"]) + 1, size=2.0) * self._grid(1.0)
        how = {"out_scale": 0.5, "out_bias": (0.0, -1.0, -1.5)[int(args["bits"]) % 3]}
        self.net.put("MultiThreshold", np.sort(table, axis=1), domain=FINN, **how)
        self.spread = 1.0

    def _quantize_linear(self, args: Args) -> None:
        net, kind = self.net, np.int8 if args["signed"] else np.uint8
        scale = self._grid(64.0) * 2.0 ** args["coarse"]
        middle = 0 if args["signed"] or args["narrow"] else 128
        zero = max(0 if kind is np.uint8 else -128, middle + 3 * int(args["zero"]))
        net.put("QuantizeLinear", np.float32(scale), net.const(zero, kind))
        net.put("DequantizeLinear", np.float32(scale), net.const(zero, kind))
        self.spread = min(self.spread, scale * 128)

    # ---- the network ----------------------------------------------------------------------------

    def more_input(self, args: Args) -> str:
        """A further input, shaped as the current value, behind its quantizer."""
        name, before = f"x{len(self.inputs) + 1}", self.net.current
        self.inputs[name] = self.shape
        self.net.current = name
        spread, self.spread = self.spread, 1.0
        self.quantize(args)
        made, self.net.current, self.spread = self.net.current, before, spread
        return made

    def shrink_map(self) -> None:
        """Pool a value that is too large to be simulated in short time."""
        if self.size > MOST_ELEMENTS and len(self.shape) > 1:
            self.net.put("GlobalMaxPool")
            self.shape = (self.channels, *(1,) * (len(self.shape) - 1))

    def written(self, write: Callable[[Writer, Step], None]) -> Written:
        """The network; ``write`` writes a step."""
        recipe, net = self.recipe, self.net
        if "spec" not in recipe.given:
            self.quantize(recipe.given)
        for step in recipe.steps:
            net.rng = np.random.default_rng([recipe.seed, step.number])
            self.shrink_map()
            write(self, step)
            if step.quant is not None:
                self.quantize(step.quant)
            if step.number in recipe.traits.get("taps", ()) and step is not recipe.steps[-1]:
                self.outputs[net.current] = self.shape
        self.outputs[net.current] = self.shape
        model = net.model(*self.outputs)
        for name, shape in self.inputs.items():
            kind = TensorProto.FLOAT
            model.graph.input.append(helper.make_tensor_value_info(name, kind, [1, *shape]))
        for value, shape in zip(model.graph.output, self.outputs.values(), strict=True):
            kind = TensorProto.INT64 if _is_index(model, value.name) else TensorProto.FLOAT
            value.CopyFrom(helper.make_tensor_value_info(value.name, kind, [1, *shape]))
        return Written(model, recipe.given.get("spec"), tuple(self.layers))


def _is_index(model: onnx.ModelProto, name: str) -> bool:
    """Whether a value is the index of a class."""
    (made,) = (node for node in model.graph.node if name in node.output)
    return made.op_type in ("ArgMax", "TopK")


def _thinned(
    codes: NDArray[Any], zeros: str, bits: float, rng: np.random.Generator
) -> NDArray[Any]:
    """Weights with zeros, or few values, in a pattern that some units make use of."""
    match zeros:
        case "half":
            return np.where(rng.random(codes.shape) < 0.6, 0.0, codes)
        case "nm":
            neighbour = np.arange(codes.shape[1]).reshape(1, -1, *(1,) * (codes.ndim - 2))
            return np.where(neighbour % 4 < 2, codes, 0.0)
        case "blocks":
            keep = rng.random((codes.shape[0] // 2 + 1, codes.shape[1] // 2 + 1)) < 0.4
            mask = keep.repeat(2, 0).repeat(2, 1)[: codes.shape[0], : codes.shape[1]]
            return np.where(mask.reshape(mask.shape + (1,) * (codes.ndim - 2)), codes, 0.0)
        case "row":
            return np.where(np.arange(len(codes)).reshape(-1, *(1,) * (codes.ndim - 1)), codes, 0.0)
        case "all":
            return np.zeros_like(codes)
        case "power":
            most = 2.0 ** max(0, int(bits) - 1)
            powers: NDArray[Any] = np.sign(codes) * 2.0 ** np.floor(np.log2(abs(codes) + 1))
            limited: NDArray[Any] = np.clip(powers, -most, most - 1)
            return limited
        case "few":
            return rng.choice([-1.0, 0.0, 1.0, min(3.0, 2.0 ** (int(bits) - 1) - 1)], codes.shape)
        case _:
            return codes
