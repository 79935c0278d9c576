"""onnxruntime's 8-bit products, exact on every processor.

On x86 with AVX2 or AVX-512 but without VNNI its product of uint8 and int8 adds pairs of products in
16 bits, which overflow: 255 * 127 + 255 * 127 becomes 32,767 (onnxruntime, "Quantize ONNX models",
section on U8S8 and saturation). Its option ``session.x64quantprecision`` reaches only what its
optimiser fused; here the weights get the other sign, with their zero point: both move by 128.
"""

from __future__ import annotations

import importlib
from functools import lru_cache

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper, shape_inference

OPERANDS = {
    "ConvInteger": (0, 1, 2, 3),
    "MatMulInteger": (0, 1, 2, 3),
    "QGemm": (0, 3, 2, 5),
    "QLinearConv": (0, 3, 2, 5),
    "QLinearMatMul": (0, 3, 2, 5),
}
"""Which inputs are x and the weights, and their zero points."""

SIGNED, UNSIGNED = TensorProto.INT8, TensorProto.UINT8


@lru_cache(maxsize=1)
def saturates() -> bool:
    """Whether products overflow on this processor."""
    ort = importlib.import_module("onnxruntime")
    weights = numpy_helper.from_array(np.full((64, 8), 127, np.int8), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["x", "w"], ["y"])],
        "probe",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 64])],
        [helper.make_tensor_value_info("y", TensorProto.INT32, [1, 8])],
        [weights],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"x": np.full((1, 64), 255, np.uint8)})
    return bool((found != 64 * 255 * 127).any())


def exact(model: ModelProto) -> ModelProto:
    """The same model, with weights for which no product overflows on this processor."""
    if not any(node.op_type in OPERANDS for node in model.graph.node) or not saturates():
        return model
    changed = shape_inference.infer_shapes(model)
    given = {tensor.name: tensor for tensor in changed.graph.initializer}
    values = (*changed.graph.input, *changed.graph.value_info)
    kinds = {value.name: value.type.tensor_type.elem_type for value in values}
    kinds |= {name: tensor.data_type for name, tensor in given.items()}
    for node in changed.graph.node:
        if node.op_type in OPERANDS:
            _change_sign(changed, node, given, kinds)
    return changed


def _change_sign(
    model: ModelProto, node: NodeProto, given: dict[str, TensorProto], kinds: dict[str, int]
) -> None:
    """Weights and zero point of a node whose left factor is uint8 and right one int8.

    The left factor is x, of ConvInteger the weights. What is no constant stays.
    """
    x, weights, x_zero, zero = OPERANDS[node.op_type]
    names = [*node.input, *[""] * (zero + 1 - len(node.input))]
    if any(names[at] and names[at] not in given for at in (weights, zero)):
        return
    x_kind = kinds.get(names[x]) or kinds.get(names[x_zero])
    wrong = (UNSIGNED, SIGNED) if node.op_type != "ConvInteger" else (SIGNED, UNSIGNED)
    if (x_kind, given[names[weights]].data_type) != wrong:
        return
    kind, step = (np.uint8, 128) if wrong[1] == SIGNED else (np.int8, -128)
    for at in (weights, zero):
        name = f"{names[at] or node.output[0]}/{kind.__name__}"
        if name not in given:
            was = numpy_helper.to_array(given[names[at]]) if names[at] else np.zeros((), np.int16)
            given[name] = numpy_helper.from_array((was.astype(np.int16) + step).astype(kind), name)
            model.graph.initializer.append(given[name])
        names[at] = name
    del node.input[:]
    node.input.extend(names)
