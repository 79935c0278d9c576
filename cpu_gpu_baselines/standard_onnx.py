"""Rewrite QONNX and FINN operators into standard float32 ONNX that any ONNX runtime can run.

1. Quant / IntQuant (bits b, signed, narrow) becomes, in the order of the QONNX executor:

       y = (round(clip(x / scale + zero, lo, hi)) - zero) * scale

   and with signed = 1 and b = 1: y = ((x / scale + zero >= 0 ? 1 : -1) - zero) * scale.
2. BipolarQuant becomes y = (x >= 0 ? 1 : -1) * scale.
3. MultiThreshold becomes y = out_scale * (number of thresholds <= x) + out_bias, counted along the
   channel axis that ``data_layout`` names (by default 1; the last of three axes).
4. Trunc becomes, with n = round(x / scale + zero): y = (mode(n / 2**(in bits - out bits)) - zero)
   * scale for 5 inputs; for 6 (version 2), with k the power of two nearest to out scale / scale,
   y = (clip(mode(n / k), lo, hi) - zero / k) * out scale.
5. The batch axis is made dynamic, so that one run takes many frames. A Reshape whose constant
   target starts with 1 copies the batch axis instead.
6. Initializers are taken off the list of inputs; the wanted tensors are put on that of outputs.

Names of tensors do not change. Everything else stays as it is, in the opset it came in. Sources:
QONNX operator documentation (Quant, BipolarQuant, Trunc), FINN and QONNX MultiThreshold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import AttributeProto, ModelProto, NodeProto, helper, numpy_helper, shape_inference

from gatesmith.errors import UserError

CUSTOM_DOMAINS = ("onnx.brevitas", "qonnx.custom_op.general", "finn.custom_op.general")
LEAST_IR, MOST_IR = 8, 13
"""Initializers need not be inputs from IR 4 on; onnxruntime 1.31 takes IR 13 and no newer."""

ROUND_BITS = 1.5 * 2.0**23
"""Adding and subtracting this rounds a float32 up to 2**22 half to even (opset < 11: no Round)."""

FRAMES = "frames"
_QUANTIZERS = {"Quant", "IntQuant", "BipolarQuant", "MultiThreshold", "Trunc"}


def to_standard(model: ModelProto, keep: Sequence[str] = ()) -> ModelProto:
    """A model of standard operators that gives the tensors in ``keep`` and the model's outputs.

    A kept tensor must be the result of a node. Errors: ``float.unsupported-op``,
    ``float.unknown-tensor``.
    """
    new = ModelProto()
    new.CopyFrom(model)
    graph = new.graph
    rewrite = _Rewrite(model)
    del graph.node[:], graph.value_info[:]
    graph.node.extend(node for old in model.graph.node for node in rewrite.node(old))
    graph.initializer.extend(rewrite.initializers)
    stored = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in stored]
    for value in inputs:
        if value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].dim_param = FRAMES
    outputs = dict.fromkeys([*(value.name for value in model.graph.output), *keep])
    _known(outputs, graph.node)
    del graph.input[:], graph.output[:]
    graph.input.extend(inputs)
    # A value without a type: the runtime infers it.
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
    new.ir_version = min(max(new.ir_version, LEAST_IR), MOST_IR)
    standard = [item for item in model.opset_import if item.domain not in CUSTOM_DOMAINS]
    del new.opset_import[:]
    new.opset_import.extend(standard)
    return new


def shapes(model: ModelProto) -> dict[str, tuple[int, ...]]:
    """Shape of each tensor that inference finds; quantizers keep the shape of their input."""
    plain = ModelProto()
    plain.CopyFrom(model)
    for node in plain.graph.node:
        if _is_quantizer(node):
            node.CopyFrom(helper.make_node("Identity", node.input[:1], node.output[:1]))
    graph = shape_inference.infer_shapes(plain).graph
    found = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        if value.type.tensor_type.HasField("shape"):
            dims = value.type.tensor_type.shape.dim
            found.setdefault(value.name, tuple(int(dim.dim_value) for dim in dims))
    return found


def varying(model: ModelProto) -> set[str]:
    """Tensors that depend on the model's inputs, and so have a batch axis."""
    stored = {tensor.name for tensor in model.graph.initializer}
    found = {value.name for value in model.graph.input} - stored
    for node in model.graph.node:
        if node.op_type not in ("Shape", "Size") and not found.isdisjoint(node.input):
            found.update(node.output)
    return found


def _known(names: dict[str, None], nodes: Sequence[NodeProto]) -> None:
    made = {name for node in nodes for name in node.output}
    if missing := sorted(set(names) - made):
        raise UserError(
            "float.unknown-tensor",
            "the float model has no tensor of the wanted name",
            where=f"tensors {', '.join(missing)}",
            why="only results of nodes can be read from a float runtime",
            fix=("check the names with gatesmith inspect",),
        )


def _is_quantizer(node: NodeProto) -> bool:
    return node.op_type in _QUANTIZERS and node.domain in ("", *CUSTOM_DOMAINS)


def _attributes(node: NodeProto) -> dict[str, AttributeProto]:
    return {attribute.name: attribute for attribute in node.attribute}


def _int(node: NodeProto, name: str, default: int) -> int:
    attribute = _attributes(node).get(name)
    return default if attribute is None else int(attribute.i)


def _float(node: NodeProto, name: str, default: float) -> float:
    attribute = _attributes(node).get(name)
    return default if attribute is None else float(attribute.f)


def _text(node: NodeProto, name: str, default: str) -> str:
    attribute = _attributes(node).get(name)
    return default if attribute is None else attribute.s.decode()


def _unsupported(node: NodeProto, why: str) -> UserError:
    return UserError(
        "float.unsupported-op",
        f"operator {node.op_type} has no standard ONNX form here",
        where=f"node {node.name or node.output[0]} ({node.domain or 'ai.onnx'} {node.op_type})",
        why=why,
        fix=("export the model again with Quant, BipolarQuant, Trunc or MultiThreshold only",),
    )


def _codes(node: NodeProto, bits: int) -> tuple[int, int]:
    """Least and largest code of a quantizer."""
    signed, narrow = _int(node, "signed", 1), _int(node, "narrow", 0)
    if signed:
        return narrow - 2 ** (bits - 1), 2 ** (bits - 1) - 1
    return 0, 2**bits - 1 - narrow


class _Rewrite:
    """Nodes that replace one node, and the constants that they need."""

    def __init__(self, model: ModelProto) -> None:
        self.initializers: list[onnx.TensorProto] = []
        self._opset = max(
            (item.version for item in model.opset_import if item.domain in ("", "ai.onnx")),
            default=1,
        )
        self._shapes = shapes(model)
        self._varying = varying(model)
        self._constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        for node in model.graph.node:
            if node.op_type == "Constant" and "value" in _attributes(node):
                tensor = _attributes(node)["value"].t
                self._constants[node.output[0]] = numpy_helper.to_array(tensor)
        self._made: list[NodeProto] = []
        self._stem = ""

    def node(self, node: NodeProto) -> Iterator[NodeProto]:
        """What stands in place of ``node``."""
        self._made, self._stem = [], node.output[0] if node.output else ""
        if node.op_type in ("Quant", "IntQuant") and _is_quantizer(node):
            self._rename(self._quant(node))
        elif node.op_type == "BipolarQuant" and _is_quantizer(node):
            self._rename(self._add("Mul", self._sign(node.input[0]), node.input[1]))
        elif node.op_type == "Trunc" and _is_quantizer(node):
            self._rename(self._trunc(node))
        elif node.op_type == "MultiThreshold" and _is_quantizer(node):
            self._rename(self._multi_threshold(node))
        elif node.domain in CUSTOM_DOMAINS:
            raise _unsupported(node, f"domain {node.domain} is no part of standard ONNX")
        else:
            self._made.append(self._batched(node))
        return iter(self._made)

    def _add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """One more node; the name of its result."""
        result = f"{self._stem}/float/{len(self._made)}"
        self._made.append(helper.make_node(kind, inputs, [result], name=result, **attributes))
        return result

    def _rename(self, last: str) -> None:
        """Let the last node made write the tensor of the node it replaces."""
        assert self._made[-1].output[0] == last
        self._made[-1].output[0] = self._stem

    def _const(self, value: NDArray[np.generic] | float) -> str:
        array = np.asarray(value, None if isinstance(value, np.ndarray) else np.float32)
        name = f"{self._stem}/constant/{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def _is_zero(self, name: str) -> bool:
        constant = self._constants.get(name)
        return constant is not None and not constant.any()

    def _step(self, x: str, at: str) -> str:
        """1 where x >= at, else 0."""
        below = self._add("Not", self._add("Less", x, at))
        return self._add("Cast", below, to=onnx.TensorProto.FLOAT)

    def _sign(self, x: str) -> str:
        """1 where x >= 0, else -1."""
        double = self._add("Mul", self._step(x, self._const(0.0)), self._const(2.0))
        return self._add("Sub", double, self._const(1.0))

    def _clip(self, x: str, lo: float | None = None, hi: float | None = None) -> str:
        if self._opset < 11:
            given = {"min": lo, "max": hi}
            return self._add("Clip", x, **{k: v for k, v in given.items() if v is not None})
        ends = ["" if end is None else self._const(end) for end in (lo, hi)]
        return self._add("Clip", x, *(ends if ends[1] else ends[:1]))

    def _quant(self, node: NodeProto) -> str:
        x, scale, zero, bits_name = node.input
        bits, signed = self._bits(node, bits_name), _int(node, "signed", 1)
        y = self._add("Div", x, scale)
        if not self._is_zero(zero):
            y = self._add("Add", y, zero)
        if bits == 1 and signed:
            y = self._sign(y)
        else:
            lo, hi = _codes(node, bits)
            y = self._clip(y, float(lo), float(hi))
            y = self._round(node, y, max(-lo, hi))
        if not self._is_zero(zero):
            y = self._add("Sub", y, zero)
        return self._add("Mul", y, scale)

    def _bits(self, node: NodeProto, name: str) -> int:
        array = self._constants.get(name)
        if array is None or array.size != 1 or array.item() % 1:
            raise _unsupported(node, "the bit width is not one whole constant")
        return int(array.item())

    def _trunc(self, node: NodeProto) -> str:
        x, scale, zero, *rest = node.input
        scales = [self._constants.get(name) for name in (scale, zero, *rest)]
        if any(array is None for array in scales):
            raise _unsupported(node, "a scale, zero point or bit width is not constant")
        largest = 2 ** self._bits(node, rest[0])
        n = self._nearest(node, self._add("Add", self._add("Div", x, scale), zero), largest)
        if len(node.input) == 5:
            shift = np.array(2.0 ** (self._bits(node, rest[0]) - self._bits(node, rest[1])))
            out, kept = scale, self._divided(node, n, shift, largest)
        else:
            given, offset, _, out_scale, _ = (np.asarray(array) for array in scales)
            shift = 2.0 ** np.round(np.log2(out_scale.astype(np.float64) / given))
            lo, hi = _codes(node, self._bits(node, rest[2]))
            out = rest[1]
            kept = self._clip(self._divided(node, n, shift, largest), float(lo), float(hi))
            zero = self._const((offset / shift).astype(np.float32))
        return self._add("Mul", self._add("Sub", kept, zero), out)

    def _divided(self, node: NodeProto, n: str, shift: NDArray[np.float64], largest: int) -> str:
        shifted = self._add("Mul", n, self._const((1 / shift).astype(np.float32)))
        return self._round(node, shifted, largest, "FLOOR")

    def _nearest(self, node: NodeProto, y: str, largest: int) -> str:
        """Half to even."""
        if self._opset >= 11:
            return self._add("Round", y)
        if largest > 2**22:
            raise _unsupported(node, f"codes up to {largest} need Round, which is opset 11")
        shift = self._const(ROUND_BITS)
        return self._add("Sub", self._add("Add", y, shift), shift)

    def _round(self, node: NodeProto, y: str, largest: int, default: str = "ROUND") -> str:
        """Modes by QONNX name; half way and away from zero are done on magnitudes."""
        half = self._const(0.5)
        mode = _text(node, "rounding_mode", default).upper()
        modes: dict[str, Callable[[], str]] = {
            "CEIL": lambda: self._add("Ceil", y),
            "FLOOR": lambda: self._add("Floor", y),
            "DOWN": lambda: self._by_sign(y, "Floor", "Ceil"),
            "ROUND_TO_ZERO": lambda: self._by_sign(y, "Floor", "Ceil"),
            "UP": lambda: self._by_sign(y, "Ceil", "Floor"),
            "HALF_UP": lambda: self._magnitude(y, "Add", half, "Floor"),
            "HALF_DOWN": lambda: self._magnitude(y, "Sub", half, "Ceil"),
        }
        if mode in modes:
            return modes[mode]()
        if mode not in ("ROUND", "HALF_EVEN"):
            raise _unsupported(node, f"rounding_mode {mode} is not known")
        return self._nearest(node, y, largest)

    def _by_sign(self, y: str, above: str, below: str) -> str:
        """``above(y)`` where it is positive, ``below(y)`` where that is negative."""
        positive = self._clip(self._add(above, y), lo=0.0)
        return self._add("Add", positive, self._clip(self._add(below, y), hi=0.0))

    def _magnitude(self, y: str, move: str, half: str, kind: str) -> str:
        rounded = self._add(kind, self._add(move, self._add("Abs", y), half))
        return self._add("Mul", rounded, self._sign(y))

    def _multi_threshold(self, node: NodeProto) -> str:
        x, name = node.input
        thresholds, shape = self._constants.get(name), self._shapes.get(x)
        if thresholds is None or shape is None:
            raise _unsupported(node, "thresholds or the rank of the input are not known")
        rank = len(shape)
        layout = _text(node, "data_layout", "") or {3: "NWC"}.get(rank, "NC")
        axis = layout.index("C") if "C" in layout else 1
        rows, steps = thresholds.shape
        full = [1] * rank + [steps]
        full[axis] = rows
        against = self._const(thresholds.astype(np.float32).reshape(full))
        if self._opset < 13:
            tall = self._add("Unsqueeze", x, axes=[rank])
            count = self._add("ReduceSum", self._step(tall, against), axes=[rank], keepdims=0)
        else:
            axes = self._const(np.array([rank], np.int64))
            tall = self._add("Unsqueeze", x, axes)
            count = self._add("ReduceSum", self._step(tall, against), axes, keepdims=0)
        scale, bias = (_float(node, key, d) for key, d in (("out_scale", 1.0), ("out_bias", 0.0)))
        scaled = self._add("Mul", count, self._const(scale))
        return self._add("Add", scaled, self._const(bias))

    def _batched(self, node: NodeProto) -> NodeProto:
        """A Reshape of frames to (1, ...) copies the batch axis; its target may be shared."""
        if node.op_type != "Reshape" or node.input[0] not in self._varying:
            return node
        target = self._constants.get(node.input[1]) if len(node.input) == 2 else None
        batch_1 = target is not None and target.size > 0 and target[0] == 1
        if target is None or not batch_1 or _int(node, "allowzero", 0):
            return node
        new = NodeProto()
        new.CopyFrom(node)
        new.input[1] = self._const(np.concatenate(([0], target[1:])).astype(np.int64))
        return new
