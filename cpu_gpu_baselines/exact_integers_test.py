from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from gatesmith.cpu_gpu_baselines import exact_integers

KINDS = {"uint8": TensorProto.UINT8, "int8": TensorProto.INT8}


def product(op: str, x_kind: str, w_kind: str, *, zeros: bool) -> tuple[onnx.ModelProto, Any]:
    """A model of one product, and an input of its largest codes."""
    shape, w_shape = ((1, 32), (32, 4)) if op == "MatMulInteger" else ((1, 32, 1, 1), (4, 32, 1, 1))
    rng, ends = np.random.default_rng(0), np.iinfo(w_kind)
    constants = {"w": rng.integers(ends.min, ends.max, w_shape, endpoint=True).astype(w_kind)}
    if zeros:
        constants |= {"xz": np.array(3, x_kind), "wz": np.array(5, w_kind)}
    names = ["x", "w", "xz", "wz"] if zeros else ["x", "w"]
    graph = helper.make_graph(
        [helper.make_node(op, names, ["y"])],
        "product",
        [helper.make_tensor_value_info("x", KINDS[x_kind], shape)],
        [helper.make_tensor_value_info("y", TensorProto.INT32, None)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])
    return model, np.full(shape, np.iinfo(x_kind).max, x_kind)


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("w_kind", ["uint8", "int8"])
@pytest.mark.parametrize("x_kind", ["uint8", "int8"])
@pytest.mark.parametrize("op", ["MatMulInteger", "ConvInteger"])
def test_products_are_exact_here_and_mean_the_same(
    op: str, x_kind: str, w_kind: str, zeros: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    model, x = product(op, x_kind, w_kind, zeros=zeros)
    weights = numpy_helper.to_array(model.graph.initializer[0]).astype(np.int64)
    weights = weights if op == "MatMulInteger" else weights.reshape(4, 32).T
    meant = (x.astype(np.int64).reshape(1, 32) - 3 * zeros) @ (weights - 5 * zeros)

    for forced in (False, True):
        if forced:
            monkeypatch.setattr(exact_integers, "saturates", lambda: True)
        changed = exact_integers.exact(model)
        session = onnxruntime.InferenceSession(changed.SerializeToString())
        np.testing.assert_array_equal(session.run(None, {"x": x})[0].reshape(1, 4), meant)
    wrong = ("uint8", "int8") if op == "MatMulInteger" else ("int8", "uint8")
    assert (changed.graph.node[0].input[1] != "w") == ((x_kind, w_kind) == wrong)
    (reference,) = ReferenceEvaluator(model).run(None, {"x": x})
    np.testing.assert_array_equal(np.reshape(reference, (1, 4)), meant)
