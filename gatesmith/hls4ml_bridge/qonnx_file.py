"""A quantized ONNX file as hls4ml reads it: QONNX, batch 1, channels last, plain names.

1. QDQ becomes QONNX (qonnx, QCDQToQuant). 2. Every node gets a name that C++ takes; the one behind
which a quantizer of the network stands gets that of the quantizer's node in our graph. 3. qonnx
folds constants, splits Gemm, and moves the channels last. 4. Scales of weights
become a Mul behind the product, which means the same: hls4ml's own pass refuses those that differ
by channel, and gives the one behind a Conv a wrong count of channels (docs/hls4ml.md).
5. Operators that hls4ml has no layer for are refused, all at once, by name.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from gatesmith.errors import UserError, raise_all
from gatesmith.frontend.importer import Imported
from gatesmith.frontend.names import identifier
from gatesmith.ops.bipolar_quant import BipolarQuant
from gatesmith.ops.dequantize import Dequantize
from gatesmith.ops.multi_threshold import MultiThreshold
from gatesmith.ops.quantize import Quantize

SKIPPED = ("Dropout", "Identity")
QUANTS = ("Quant", "IntQuant", "BipolarQuant")
CODES = "hand over the integers: --form codes"


def ready(imported: Imported, file: Path) -> tuple[onnx.ModelProto, list[str]]:
    """The file's model for hls4ml, and the names of our quantizers that are nodes of it.

    Args:
        imported: The model.
        file: For messages.

    Errors: ``hls.no-layer``, ``hls.bipolar``.
    """
    model = onnx.ModelProto.FromString(imported.model.SerializeToString())
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        supported = importlib.import_module("hls4ml.converters").get_supported_onnx_layers()
        wrapped = _module("core.modelwrapper").ModelWrapper(model)
        _no_bipolar(wrapped.graph, file)
        if any(node.op_type == "QuantizeLinear" for node in wrapped.graph.node):
            wrapped = wrapped.transform(_module("transformation.qcdq_to_qonnx").QCDQToQuant())
        _name(wrapped.graph, imported)
        _complete(wrapped.graph)
        wrapped = _clean(wrapped)
        if any(node.op_type in ("Conv", "MaxPool", "AveragePool") for node in wrapped.graph.node):
            last = _module("transformation.channels_last")
            wrapped = wrapped.transform(
                last.ConvertToChannelsLastAndClean(make_input_channels_last=True)
            )
            wrapped = _clean(wrapped)
    _scales_behind(wrapped)
    _sanitize(wrapped.graph)
    _check(wrapped.graph.node, supported, file)
    stored = {tensor.name for tensor in wrapped.graph.initializer}
    quants = [
        node.name
        for node in wrapped.graph.node
        if node.op_type in QUANTS and node.input[0] not in stored
    ]
    found: onnx.ModelProto = wrapped.model
    return found, quants


def _no_bipolar(graph: onnx.GraphProto, file: Path) -> None:
    names = [node.name or node.output[0] for node in graph.node if node.op_type == "BipolarQuant"]
    if names:
        raise UserError(
            "hls.bipolar",
            "the bridge does not hand over bipolar quantizers as they are",
            where=f"{file.name}, node {', '.join(names)}",
            why="hls4ml computes them in 1-bit types of its own, whose thresholds do not compile "
            "with other types than the ones it infers",
            fix=(CODES,),
        )


def _clean(wrapped: Any) -> Any:
    """What qonnx's cleanup does, but for its new names."""
    general = _module("transformation.general")
    kept = ["Quant", "BipolarQuant", "QuantizeLinear", "DequantizeLinear"]
    for step in (
        _module("transformation.infer_shapes").InferShapes(),
        general.GiveUniqueParameterTensors(),
        _module("transformation.fold_constants").FoldConstants(exclude_op_types=kept),
        _module("transformation.quant_constant_folding").FoldTransposeIntoQuantInit(),
        general.RemoveUnusedTensors(),
        general.RemoveStaticGraphInputs(),
        _module("transformation.gemm_to_matmul").GemmToMatMul(),
        _module("transformation.infer_shapes").InferShapes(),
    ):
        wrapped = wrapped.transform(step)
    return wrapped


def _module(name: str) -> Any:
    return importlib.import_module(f"qonnx.{name}")


def _name(graph: onnx.GraphProto, imported: Imported) -> None:
    """Names of nodes: quantizers after ours, others after themselves."""
    ours: dict[str, str] = {}
    for node in imported.graph:
        if isinstance(node.op, Dequantize) and node.tensor is not None:
            (codes,) = node.args
            if isinstance(codes.op, Quantize | BipolarQuant | MultiThreshold):
                ours[node.tensor] = codes.name
    taken = set(ours.values())
    for index, node in enumerate(graph.node):
        name = ours.get(node.output[0]) if node.op_type in QUANTS else None
        if name is None:
            stem = identifier(node.name or f"{node.op_type}_{index}")
            name, count = stem, 1
            while name in taken:
                count += 1
                name = f"{stem}_{count}"
        taken.add(name)
        node.name = name


def _complete(graph: onnx.GraphProto) -> None:
    """Attributes of Quant that are left to their defaults; hls4ml wants them all."""
    defaults = {"rounding_mode": "ROUND", "signed": 1, "narrow": 0}
    for node in graph.node:
        if node.op_type in ("Quant", "IntQuant"):
            there = {attribute.name for attribute in node.attribute}
            node.attribute.extend(
                onnx.helper.make_attribute(name, value)
                for name, value in defaults.items()
                if name not in there
            )


def _scales_behind(wrapped: Any) -> None:
    """Weights become integers, their scale a Mul behind MatMul or Conv; but for powers of two."""
    graph = wrapped.graph
    for node in [n for n in graph.node if n.op_type in ("MatMul", "Conv")]:
        quant = wrapped.find_producer(node.input[1])
        if quant is None or quant.op_type not in ("Quant", "IntQuant"):
            continue
        weights, scale, zero = (wrapped.get_initializer(name) for name in quant.input[:3])
        if weights is None or scale is None or np.asarray(zero).any():
            continue
        if scale.size == 1 and float(np.frexp(scale.item())[0]) == 0.5:
            continue
        channels = weights.shape[0 if node.op_type == "Conv" else -1]
        if scale.size not in (1, channels) or len(wrapped.find_consumers(quant.output[0])) != 1:
            continue
        codes = np.asarray(weights, np.float64) / np.asarray(scale, np.float64)
        if _rounds_half_even(quant):  # float32 division would move a code next to a tie
            codes = np.rint(codes)
        wrapped.set_initializer(quant.input[0], codes.astype(np.float32))
        wrapped.set_initializer(quant.input[1], np.ones(1, np.float32))
        shape, result = wrapped.get_tensor_shape(node.output[0]), node.output[0]
        parts = [("Mul", np.broadcast_to(scale.reshape(-1), (channels,)))]
        if len(node.input) == 3:  # the bias comes behind the scale
            parts.append(("Add", wrapped.get_initializer(node.input[2])))
            del node.input[2]
        before = f"{result}_product"
        node.output[0] = before
        wrapped.set_tensor_shape(before, shape)
        at = list(graph.node).index(node) + 1
        for number, (kind, data) in enumerate(parts):
            last = number == len(parts) - 1
            after, by = result if last else f"{result}_{kind}", f"{result}_{kind}_by"
            wrapped.set_initializer(by, np.asarray(data, np.float32))
            made = onnx.helper.make_node(kind, [before, by], [after], f"{node.name}_{kind.lower()}")
            graph.node.insert(at + number, made)
            wrapped.set_tensor_shape(after, shape)
            before = after


def _rounds_half_even(quant: onnx.NodeProto) -> bool:
    return any(a.name == "rounding_mode" and a.s == b"ROUND" for a in quant.attribute)


def _sanitize(graph: onnx.GraphProto) -> None:
    """Every node and tensor is named after its place; constants that nothing reads go.

    qonnx gives tensors that it makes random names, hls4ml takes names as C++.
    """
    labels: set[str] = set()
    for index, node in enumerate(graph.node):
        if not node.name or node.name in labels or identifier(node.name) != node.name:
            node.name = f"{node.op_type}_added_{index}"
        labels.add(node.name)
    read = {name for node in graph.node for name in node.input}
    for index in range(len(graph.initializer) - 1, -1, -1):
        if graph.initializer[index].name not in read:
            del graph.initializer[index]
    names = {value.name: f"t_input_{index}" for index, value in enumerate(graph.input)}
    for node in graph.node:
        names |= {name: f"t_{node.name}_{i}" for i, name in enumerate(node.output)}
    for node in graph.node:
        for index, name in enumerate(node.input):
            names.setdefault(name, f"t_{node.name}_by_{index}")
    for values in (graph.input, graph.output, graph.initializer):
        for value in values:
            value.name = names[value.name]
    infos = {names[v.name]: v for v in graph.value_info if v.name in names}
    kept = [onnx.ValueInfoProto.FromString(infos[n].SerializeToString()) for n in sorted(infos)]
    del graph.value_info[:]
    for name, info in zip(sorted(infos), kept, strict=True):
        info.name = name
        graph.value_info.append(info)
    for node in graph.node:
        for tensors in (node.input, node.output):
            tensors[:] = [names.get(name, name) for name in tensors]
    del graph.quantization_annotation[:]


def _check(nodes: Any, supported: Collection[str], file: Path) -> None:
    """Refuse operators without a layer. Errors: ``hls.no-layer``."""
    known = {*supported, *SKIPPED}
    errors = []
    kinds = dict.fromkeys(node.op_type for node in nodes if node.op_type not in known)
    for kind in kinds:
        names = [node.name or node.output[0] for node in nodes if node.op_type == kind]
        errors.append(
            UserError(
                "hls.no-layer",
                f"hls4ml has no layer for {kind}",
                where=f"{file.name}, node {', '.join(names)}",
                why="its ONNX converter has " + ", ".join(sorted(supported)),
                fix=(CODES, "or build the core itself: gatesmith build"),
            )
        )
    raise_all(errors)
