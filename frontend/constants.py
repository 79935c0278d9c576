"""Constants of the file, and constant folding.

Real constants are float64 from the start: float32 is exact in it. An operator whose operands are
all constant is evaluated once, by onnx's reference implementation, on these float64 values
(docs/semantics.md: derived constants). Quantizers are not evaluated here but by their converters,
in rationals where float64 leaves a doubt.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from gatesmith.errors import UserError
from gatesmith.frontend.fold_limits import Shapes, too_large
from gatesmith.frontend.prepare import label
from gatesmith.frontend.registry import STANDARD
from gatesmith.frontend.values import FLOATS, INT_BITS, Constant, T

_NOT_FOLDED = {
    "Constant",  # by its converter
    "QuantizeLinear",  # exact, by their converters
    "DequantizeLinear",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
    "Multinomial",
    "Bernoulli",
}


def from_tensor(tensor: onnx.TensorProto, name: str) -> Constant:
    """Constant of an initializer; ValueError when its data does not fill its shape."""
    if any(extent < 0 for extent in tensor.dims):
        raise ValueError(f"an extent of {list(tensor.dims)} is below 0")
    return promoted(numpy_helper.to_array(tensor), tensor.data_type, name)


def promoted(data: NDArray[Any], kind: int, name: str) -> Constant:
    """Reals as float64, integers narrower than a byte as bytes, anything else as it is."""
    if kind in FLOATS or data.dtype.kind == "f":
        data = data.astype(np.float64)
    elif kind in INT_BITS and INT_BITS[kind][1] < 8:
        data = data.astype(np.int8 if INT_BITS[kind][0] else np.uint8)
    return Constant(data, kind, name)


def folds(node: onnx.NodeProto) -> bool:
    """Whether a node with constant operands is evaluated here."""
    subgraph = any(a.HasField("g") or a.graphs for a in node.attribute)
    known = onnx.defs.has(node.op_type, STANDARD)
    return node.domain == STANDARD and known and node.op_type not in _NOT_FOLDED and not subgraph


def fold(
    node: onnx.NodeProto, inputs: list[Constant | None], opset: int, file: str, shapes: Shapes
) -> tuple[Constant, ...]:
    """Results of a node whose operands are constant; UserError frontend.constant-folding.

    Args:
        node: The node.
        inputs: Its operands.
        opset: Of the standard domain.
        file: Path of the model, for messages.
        shapes: Shape and element type of the results, as far as they are known.
    """
    why = too_large(node, [c.data.size for c in inputs if c is not None], shapes)
    if why:
        raise _refuse(node, file, why)
    if node.op_type == "Cast" and inputs[0] is not None:
        to = next(a.i for a in node.attribute if a.name == "to")
        if to in FLOATS and inputs[0].kind in FLOATS:  # real arithmetic does not round
            return (Constant(inputs[0].data, to, node.output[0]),)
    feeds = {
        name: constant.data
        for name, constant in zip(node.input, inputs, strict=True)
        if constant is not None
    }
    model = helper.make_model(
        helper.make_graph(
            [node],
            "fold",
            [helper.make_tensor_value_info(n, T.FLOAT, None) for n in sorted(set(feeds))],
            [helper.make_tensor_value_info(n, T.FLOAT, None) for n in node.output if n],
        ),
        opset_imports=[helper.make_opsetid(STANDARD, opset)],
    )
    try:
        with np.errstate(all="ignore"):  # a result that is no number is refused where it is used
            results = ReferenceEvaluator(model).run(None, feeds)
    except Exception as error:  # the evaluator raises whatever its NumPy code raises
        why = f"onnx's reference implementation says: {error or type(error).__name__}"
        raise _refuse(node, file, why) from error
    kinds = [c.kind for c in inputs if c is not None and c.kind in FLOATS]
    real = kinds[0] if kinds else int(T.FLOAT)
    return tuple(
        _result(np.asarray(data), real, name)
        for data, name in zip(results, (n for n in node.output if n), strict=True)
    )


def _refuse(node: onnx.NodeProto, file: str, why: str) -> UserError:
    return UserError(
        "frontend.constant-folding",
        f"the constant node {label(node)} ({node.op_type}) cannot be evaluated",
        where=f"{file}, node {label(node)}",
        why=why,
        fix=("store its result as an initializer: simplify the model with onnxslim",),
    )


def _result(data: NDArray[Any], real: int, name: str) -> Constant:
    """A float64 result has the type that its operands have in the file."""
    kind = real if data.dtype == np.float64 else int(helper.np_dtype_to_tensor_dtype(data.dtype))
    return promoted(data, kind, name)
