"""Small models for the tests of the frontend, and how they are compared with onnx.reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from gatesmith.errors import UserError, UserErrors
from gatesmith.frontend.importer import Imported, import_model
from gatesmith.frontend.input_spec import InputSpec
from gatesmith.frontend.names import identifier
from gatesmith.ir.execute import execute

T = onnx.TensorProto
NEWEST = onnx.defs.onnx_opset_version()
FRAMES = 5
Shape = Sequence[int | str | None]


def node(op: str, inputs: str, outputs: str = "y", /, domain: str = "", **attributes: Any) -> Any:
    """One node; operands are separated by blanks, ``-`` is an absent one."""
    names = ["" if name == "-" else name for name in inputs.split()]
    made = helper.make_node(op, names, outputs.split(), domain=domain, **attributes)
    made.name = f"{op}_{made.output[0]}"
    return made


def model(
    nodes: Sequence[Any],
    inputs: Mapping[str, Shape] | None = None,
    constants: Mapping[str, Any] | None = None,
    *,
    outputs: Sequence[str] = ("y",),
    opset: int = 13,
    kinds: Mapping[str, int] | None = None,
) -> onnx.ModelProto:
    """A model; constants are float32 or int64 unless they are NumPy arrays of another type."""
    kinds = kinds or {}
    stated = inputs or {"x": (1, 4)}
    graph = helper.make_graph(
        list(nodes),
        "tiny",
        [helper.make_tensor_value_info(n, kinds.get(n, T.FLOAT), s) for n, s in stated.items()],
        [helper.make_tensor_value_info(n, kinds.get(n, T.FLOAT), None) for n in outputs],
        [tensor(value, name) for name, value in (constants or {}).items()],
    )
    domains = {n.domain for n in nodes} - {""}
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(graph, opset_imports=imports)


def tensor(value: Any, name: str) -> onnx.TensorProto:
    if isinstance(value, onnx.TensorProto):
        value.name = name
        return value
    array = value if isinstance(value, np.ndarray) else np.asarray(value)
    if not isinstance(value, np.ndarray):
        array = array.astype(np.float32 if array.dtype.kind == "f" else np.int64)
    return numpy_helper.from_array(array, name)


def load(proto: onnx.ModelProto, folder: Path, spec: InputSpec | None = None) -> Imported:
    path = folder / "tiny.onnx"
    path.write_bytes(proto.SerializeToString())
    return import_model(path, spec)


def refused(proto: onnx.ModelProto, folder: Path, spec: InputSpec | None = None) -> str:
    """The whole message, without the folder."""
    try:
        imported = load(proto, folder, spec)
    except (UserError, UserErrors) as error:
        return str(error).replace(f"{folder}/", "")
    raise AssertionError(f"nothing was refused:\n{imported.graph}")


def frames(proto: onnx.ModelProto, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Random frames for every input, batch axis (extent 1, where there is one) included."""
    rng = np.random.default_rng(seed)
    constants = {i.name for i in proto.graph.initializer}
    feeds = {}
    for value in proto.graph.input:
        if value.name in constants:
            continue
        dims = [d.dim_value for d in value.type.tensor_type.shape.dim]
        full = (1, *dims[1:]) if len(dims) > 1 else tuple(dims)
        dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        if dtype.kind in "iu":
            info = np.iinfo(dtype)
            feeds[value.name] = rng.integers(info.min, info.max, (FRAMES, *full)).astype(dtype)
        else:
            # multiples of 1/8: ties of roundings, equal elements, zeros and exact sums happen
            feeds[value.name] = (rng.integers(-40, 40, (FRAMES, *full)) / 8).astype(dtype)
    return feeds


def run(imported: Imported, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """Outputs of the IR for frames that carry their batch axis."""
    shaped = {
        name: value.reshape(FRAMES, *value.shape[2:]) if value.ndim > 2 else value
        for name, value in feeds.items()
    }
    results = execute(imported.graph, {identifier(n): v for n, v in shaped.items()})
    return [results[output] for output in imported.graph.outputs]


# What onnx.reference evaluates wrongly or not at all, by the first opset that it gets right.
_GAPS = {"BatchNormalization": 14, "Softmax": 13, "QuantizeLinear": 19, "DequantizeLinear": 19}


def oracle(proto: onnx.ModelProto) -> Callable[[Mapping[str, NDArray[Any]]], Any]:
    """An evaluator by others: onnx.reference, or onnxruntime where that has gaps."""
    opset = next(o.version for o in proto.opset_import if o.domain == "")
    if all(_GAPS.get(n.op_type, 0) <= opset for n in proto.graph.node):
        reference = ReferenceEvaluator(proto)
        return lambda feeds: reference.run(None, dict(feeds))
    onnxruntime = pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()  # its optimisations approximate quantized products
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options)
    return lambda feeds: session.run(None, dict(feeds))


def agree(proto: onnx.ModelProto, folder: Path, rtol: float = 1e-5) -> Imported:
    """Import, and compare frame by frame with onnx.reference: values and full shapes."""
    imported = load(proto, folder)
    feeds = frames(proto)
    ours = run(imported, feeds)
    evaluate = oracle(imported.model)
    names = [output.name for output in proto.graph.output]
    stated = {o.name: o.type.tensor_type.shape for o in imported.model.graph.output}
    for frame in range(FRAMES):
        theirs = evaluate({name: value[frame] for name, value in feeds.items()})
        for name, our, their in zip(names, ours, theirs, strict=True):
            expected = np.asarray(their, np.float64)
            full = tuple(d.dim_value for d in stated[name].dim)
            assert full == expected.shape, f"{name}: {full}, not {expected.shape}"
            flat = our[frame].reshape(expected.shape)
            if np.asarray(their).dtype.kind in "iu":
                assert (flat == expected).all(), f"{name} of frame {frame}"
            else:
                np.testing.assert_allclose(flat, expected, rtol=rtol, atol=rtol)
    return imported
