"""The float runtime's own values of the constants of the real IR.

The importer folds what depends on no input; a float32 runtime computes it, and rounds. The two
can differ in the last bits, and where a weight stands on a rounding boundary of its quantizer, by
a whole step. So the runtime's value is read and compared:

1. The ONNX tensor behind a Const is the constant operand of the ONNX node that its user came from:
   of MatMul, Gemm, Conv, Add, Sub, Mul, Div, Max, Min, scale and bias of the normalizations, and
   mean and bias of BatchNormalization (whose factor gamma / sqrt(var + eps) no tensor holds).
2. An element nearer to the IR's than float32 rounding is the same.
3. Another differs. It is explained if the IR's value lies between those that the runtime gets when
   the constants that enter quantizers are moved by +-2**-21 of themselves.
4. From then on the runtime's value stands for explained elements, so that such a difference is
   counted once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

from gatesmith.cpu_gpu_baselines.error_bound import Bounded, constant, constant_limit
from gatesmith.cpu_gpu_baselines.float_runtime import FloatRuntime, Tensors
from gatesmith.cpu_gpu_baselines.standard_onnx import varying
from gatesmith.ir import Graph, Node, Reals
from gatesmith.ops.add import Add
from gatesmith.ops.const import Const
from gatesmith.ops.conv import Conv
from gatesmith.ops.div import Div
from gatesmith.ops.mat_mul import MatMul
from gatesmith.ops.mul import Mul
from gatesmith.ops.select import Select
from gatesmith.ops.sub import Sub

NUDGE = 2.0**-21
"""Beyond what float32 rounds between a weight and the step of its quantizer."""

_QUANTIZERS = {"Quant", "IntQuant", "BipolarQuant", "QuantizeLinear"}


@dataclass(frozen=True, slots=True)
class Source:
    """ONNX tensor that is the value of a Const, possibly transposed.

    A matrix is transposed by swapping its axes, the weights of a convolution (O, C, ...) by
    putting these two axes last, as (..., C, O).
    """

    tensor: str
    transposed: bool = False

    def read(self, found: Tensors, shape: tuple[int, ...]) -> NDArray[Any] | None:
        """The tensor in the shape of the Const; None where they do not fit."""
        array = found.get(self.tensor)
        if array is None:
            return None
        if self.transposed:
            array = array.transpose(*range(2, array.ndim), 1, 0)
        fits = [d for d in array.shape if d != 1] == [d for d in shape if d != 1]
        return array.reshape(shape) if fits else None


@dataclass(frozen=True, slots=True)
class RuntimeConstant:
    """A Const as the runtime has it.

    Attributes:
        bounded: Value and bound; the runtime's value for explained elements.
        tensor: ONNX tensor it was compared with; "" where none is known.
        differing: Elements that are not the same but for float32 rounding.
        explained: Those of them that a rounding before a quantizer accounts for.
    """

    bounded: Bounded
    tensor: str
    differing: int
    explained: int


def sources(real: Graph, model: ModelProto) -> dict[Node, Source]:
    """Where the runtime holds each real Const, as far as that is known (point 1)."""
    maker = {name: node for node in model.graph.node for name in node.output}
    vary = varying(model)
    users: dict[Node, list[Node]] = {}
    for node in real:
        for arg in node.args:
            users.setdefault(arg, []).append(node)
    found = {}
    for node in real:
        if not isinstance(node.op, Const):
            continue
        if node.tensor is not None:
            found[node] = Source(node.tensor)
            continue
        user = users[node][0] if node in users else node
        anchor = user
        while anchor.tensor is None and len(users.get(anchor, ())) == 1:
            anchor = users[anchor][0]
        if anchor.tensor in maker and user is not node:
            source = _operand(user, maker[anchor.tensor], vary)
            if source is not None:
                found[node] = source
    return found


def _operand(user: Node, onnx_node: NodeProto, vary: set[str]) -> Source | None:
    """The constant operand of ``onnx_node`` that the IR node ``user`` reads."""
    inputs = list(onnx_node.input)
    fixed = [name for name in inputs if name not in vary]
    match onnx_node.op_type, user.op:
        case ("MatMul", MatMul()) | ("Add", Add()) | ("Sub", Sub()) if len(fixed) == 1:
            return Source(fixed[0])
        case ("Mul", Mul()) | ("Div", Div()) | ("Max" | "Min", Select()) if len(fixed) == 1:
            return Source(fixed[0])
        case "Conv", Conv():
            return Source(inputs[1], True)
        case "Conv", Add():
            return Source(inputs[2])
        case (("LayerNormalization" | "InstanceNormalization" | "GroupNormalization"), Mul()):
            return Source(inputs[1])
        case (("LayerNormalization" | "InstanceNormalization" | "GroupNormalization"), Add()):
            return Source(inputs[2])
        case "BatchNormalization", Sub():
            return Source(inputs[3])
        case "BatchNormalization", Add():
            return Source(inputs[2])
        case "Gemm", MatMul():
            return Source(inputs[1], bool(_attribute(onnx_node, "transB", 0)))
        case "Gemm", Add() if _attribute(onnx_node, "beta", 1.0) == 1.0 and inputs[2] in fixed:
            return Source(inputs[2])
        case _:
            return None


def _attribute(node: NodeProto, name: str, default: float) -> float:
    values = [helper.get_attribute_value(a) for a in node.attribute if a.name == name]
    return float(values[0]) if values else default


def runtime_constants(
    real: Graph, model: ModelProto, constants: Tensors, onnxruntime: bool
) -> dict[Node, RuntimeConstant]:
    """Every real Const of ``real``; ``constants`` are the runtime's values of all sources."""
    where = sources(real, model)
    nudged: list[Tensors] | None = None
    result = {}
    for node in real:
        if not isinstance(node.op, Const) or node.op.value.data.dtype.kind != "f":
            continue
        value = np.asarray(node.op.value.data, np.float64)
        source = where.get(node)
        seen = source.read(constants, value.shape) if source else None
        if source is None or seen is None:
            result[node] = RuntimeConstant(constant(value, None), "", 0, 0)
            continue
        differs = np.abs(seen - value) > constant_limit(value)
        explained = np.zeros(value.shape, np.bool_)
        if differs.any():
            nudged = nudged or _nudged(model, sorted(constants), onnxruntime)
            explained = differs & _between(source, nudged, value)
            value = np.where(explained, seen, value)
        counts = int(differs.sum()), int(explained.sum())
        result[node] = RuntimeConstant(constant(value, seen), source.tensor, *counts)
    return result


def _between(source: Source, nudged: list[Tensors], value: Reals) -> NDArray[np.bool_]:
    """Where the value lies between those of the nudged runtimes, but for float32 rounding."""
    ends = [source.read(found, value.shape) for found in nudged]
    stack = np.stack([end for end in ends if end is not None]).astype(np.float64)
    limit = constant_limit(value)
    inside = (stack.min(axis=0) - limit <= value) & (value <= stack.max(axis=0) + limit)
    return np.asarray(inside, np.bool_)


def _nudged(model: ModelProto, names: list[str], onnxruntime: bool) -> list[Tensors]:
    """The constants when what enters quantizers of constants is a little larger, or smaller."""
    stored = {tensor.name for tensor in model.graph.initializer}
    enter = {n.input[0] for n in model.graph.node if n.op_type in _QUANTIZERS} & stored
    found = []
    for factor in (1 + NUDGE, 1 - NUDGE):
        moved = ModelProto()
        moved.CopyFrom(model)
        for tensor in moved.graph.initializer:
            if tensor.name in enter:
                array = numpy_helper.to_array(tensor)
                tensor.CopyFrom(
                    numpy_helper.from_array((array * factor).astype(array.dtype), tensor.name)
                )
        found.append(FloatRuntime(moved, names, onnxruntime=onnxruntime).constants)
    return found
