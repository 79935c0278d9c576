"""Float ONNX networks with random weights, and onnxruntime's ``quantize_static`` on them.

:data:`STYLES` says how networks are quantized; rtl_tests/qdq_networks.py has the networks, and
rtl_tests/qdq_by_hand.py what onnxruntime does not write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.random import Generator
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper


@dataclass
class Net:
    """Builds one float network; values are called by name."""

    rng: Generator
    opset: int = 17
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)
    inputs: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def input(self, *shape: int, name: str = "x") -> str:
        """An input of one frame."""
        self.inputs[name] = (1, *shape)
        return name

    def put(self, op: str, *args: Any, outs: int = 1, **attributes: Any) -> Any:
        """A node; arrays become initializers, "" is an absent operand."""
        names = []
        for arg in args:
            if isinstance(arg, str):
                names.append(arg)
                continue
            names.append(self.constant(arg))
        outputs = [f"v{len(self.nodes)}_{k}" if k else f"v{len(self.nodes)}" for k in range(outs)]
        self.nodes.append(helper.make_node(op, names, outputs, f"/{op}_{outputs[0]}", **attributes))
        return outputs if outs > 1 else outputs[0]

    def reduce(self, kind: str, x: str, axes: Sequence[int], keepdims: int = 1) -> str:
        """A reduction; its axes became an input in opset 18, those of a sum in 13."""
        if kind == "ReduceSum" or self.opset >= 18:
            found: str = self.put(kind, x, np.array(axes), keepdims=keepdims)
        else:
            found = self.put(kind, x, axes=list(axes), keepdims=keepdims)
        return found

    def constant(self, value: Any) -> str:
        """An initializer: float32, or the integers that they are."""
        array = np.asarray(value)
        if array.dtype.kind == "f":
            array = array.astype(np.float32)
        name = f"c{len(self.constants)}"
        self.constants[name] = array
        return name

    def conv(
        self, x: str, ins: int, outs: int, k: int | tuple[int, ...] = 3, s: int = 1, **given: Any
    ) -> str:
        """Conv with a bias; ``pads`` by default those that keep the size."""
        kernel = k if isinstance(k, tuple) else (k, k)
        group, dilation = given.pop("group", 1), given.pop("dilation", 1)
        same = [dilation * (n - 1) // 2 for n in kernel]
        pads = given.pop("pads", [*same, *same])
        fan = ins // group * int(np.prod(kernel))
        weights = given.pop("weights", None)
        if weights is None:
            weights = self.rng.normal(size=(outs, ins // group, *kernel)) * (2 / fan) ** 0.5
        bias = self.rng.normal(size=outs) * 0.1
        return str(
            self.put(
                "Conv",
                x,
                weights,
                bias,
                kernel_shape=kernel,
                strides=[s] * len(kernel),
                dilations=[dilation] * len(kernel),
                group=group,
                pads=pads,
            )
        )

    def relu(self, x: str) -> str:
        return str(self.put("Relu", x))

    def relu6(self, x: str) -> str:
        return str(self.put("Clip", x, np.float32(0), np.float32(6)))

    def gemm(self, x: str, ins: int, outs: int) -> str:
        weights = self.rng.normal(size=(outs, ins)) / ins**0.5
        return str(self.put("Gemm", x, weights, self.rng.normal(size=outs) * 0.1, transB=1))

    def head(self, x: str, ins: int, outs: int) -> str:
        """Global average, then classes."""
        return self.gemm(self.put("Flatten", self.put("GlobalAveragePool", x)), ins, outs)

    def kind(self, value: str) -> int:
        """Element type of an output."""
        (made,) = (node for node in self.nodes if value in node.output)
        return int(TensorProto.INT64 if made.op_type == "ArgMax" else TensorProto.FLOAT)

    def model(self, *outputs: str) -> onnx.ModelProto:
        """The network, its shapes inferred."""
        graph = helper.make_graph(
            self.nodes,
            "net",
            [
                helper.make_tensor_value_info(n, TensorProto.FLOAT, s)
                for n, s in self.inputs.items()
            ],
            [helper.make_tensor_value_info(n, self.kind(n), None) for n in outputs],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        opsets = [helper.make_opsetid("", self.opset)]
        made = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        return onnx.shape_inference.infer_shapes(made, strict_mode=True)


# ---- how they are quantized ---------------------------------------------------------------------

STYLES: dict[str, dict[str, Any]] = {
    "u8": {"activation_type": "QUInt8", "weight_type": "QInt8"},
    "s8": {"activation_type": "QInt8", "weight_type": "QInt8", "per_channel": True},
    "u8u8": {"activation_type": "QUInt8", "weight_type": "QUInt8"},
    "symmetric": {
        "activation_type": "QInt8",
        "weight_type": "QInt8",
        "per_channel": True,
        "extra_options": {"ActivationSymmetric": True, "QuantizeBias": False},
    },
    "kept": {
        "activation_type": "QUInt8",
        "weight_type": "QInt8",
        "extra_options": {"QDQKeepRemovableActivations": True},
    },
    "u16": {"activation_type": "QUInt16", "weight_type": "QInt8", "per_channel": True},
    "s4": {"activation_type": "QInt8", "weight_type": "QInt4"},
    "operators": {
        "activation_type": "QUInt8",
        "weight_type": "QUInt8",
        "quant_format": "QOperator",
    },
}
"""By name: activations and weights, with zero points unless it says otherwise."""


def frames(model: onnx.ModelProto, count: int, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Random frames of every input, without the axis of one: of its type, integers all over."""
    rng = np.random.default_rng(seed)
    found: dict[str, NDArray[Any]] = {}
    for given in model.graph.input:
        shape = (count, *[d.dim_value for d in given.type.tensor_type.shape.dim][1:])
        kind = helper.tensor_dtype_to_np_dtype(given.type.tensor_type.elem_type)
        if kind.kind == "f":
            found[given.name] = rng.normal(size=shape).astype(kind)
        else:
            ends = np.iinfo(kind)
            found[given.name] = rng.integers(ends.min, int(ends.max) + 1, shape).astype(kind)
    return found


def quantized(make: Callable[[Net], onnx.ModelProto], style: str, seed: int = 0) -> onnx.ModelProto:
    """A network in a style of STYLES."""
    from onnxruntime.quantization import (  # type: ignore[import-untyped,unused-ignore]
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    model = make(Net(np.random.default_rng(seed), 21 if style in {"u16", "s4"} else 17))
    given = frames(model, 8, seed)

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        left: Iterator[int] = iter(range(8))

        def get_next(self) -> Any:
            k = next(self.left, None)
            return None if k is None else {n: x[k : k + 1] for n, x in given.items()}

    options = dict(STYLES[style])
    for key in ("activation_type", "weight_type"):
        options[key] = getattr(QuantType, options[key])
    options["quant_format"] = getattr(QuantFormat, options.get("quant_format", "QDQ"))
    return _statically(quantize_static, model, Reader(), options)


def _statically(
    quantize: Callable[..., None], model: onnx.ModelProto, reader: Any, options: dict[str, Any]
) -> onnx.ModelProto:
    """``quantize_static`` in a folder of its own, its warnings kept to ourselves."""
    import logging
    import tempfile
    from pathlib import Path

    logging.disable(logging.WARNING)
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "q.onnx"
            quantize(model, path, reader, **options)
            return onnx.load(path)
    finally:
        logging.disable(logging.NOTSET)
