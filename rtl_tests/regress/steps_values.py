"""Steps without weights: pools, joins, functions, norms, and the ends of classifiers."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import helper

from gatesmith.rtl_tests.regress import steps_layers
from gatesmith.rtl_tests.regress.recipe import Args
from gatesmith.rtl_tests.regress.writer import Writer

FUNCTIONS: dict[str, dict[str, Any]] = {
    "HardSigmoid": {"alpha": 0.25},
    "ThresholdedRelu": {"alpha": 0.5},
    "LeakyRelu": {"alpha": -0.5},
}
_PLAIN: tuple[str, ...] = (
    "Sigmoid",
    "Tanh",
    "Erf",
    "Softplus",
    "Abs",
    "Neg",
    "Relu",
    "Exp",
    "Sin",
    "Cos",
    "Atan",
)
_PLAIN += ("HardSwish", "Softsign", "Elu", "Selu", "Celu", "Sign", "Floor", "Ceil", "Round")
_PLAIN += ("Identity", "Square")
FUNCTIONS |= {name: {} for name in _PLAIN}
"""Operators of one value that a quantizer makes a table, or thresholds, of."""


def pool(writer: Writer, args: Args) -> None:
    """Max or average; nothing for a vector."""
    if len(writer.shape) == 1:
        return
    attributes, extents = steps_layers.fitted(args, writer.shape[1:])
    if args["op"] == "AveragePool":
        attributes, extents = steps_layers.fitted({**args, "dilations": [1, 1]}, writer.shape[1:])
        del attributes["dilations"]
        attributes["count_include_pad"] = int(args["counted"])
    if args["ceil"]:
        attributes["ceil_mode"] = 1
        extents = _rounded_up(attributes, writer.shape[1:])
    writer.net.put(str(args["op"]), **attributes)
    writer.shape = (writer.channels, *extents)


def _rounded_up(window: Args, extents: tuple[int, ...]) -> tuple[int, ...]:
    """Extents with ceil_mode: a window may begin in the map or the pad before it, not behind."""
    given = []
    rank = len(extents)
    for axis, extent in enumerate(extents):
        stride, begin = window["strides"][axis], window["pads"][axis]
        reach = window.get("dilations", [1] * rank)[axis] * (window["kernel_shape"][axis] - 1) + 1
        room = extent + begin + window["pads"][axis + rank] - reach
        count = -(-room // stride) + 1
        given.append(count - int((count - 1) * stride >= extent + begin))
    return tuple(given)


def whole(writer: Writer, args: Args) -> None:
    """The whole map as one pixel."""
    op, rank = str(args["op"]), len(writer.shape)
    if rank == 1:
        return
    if op.startswith("Global"):
        writer.net.put(op)
    elif op == "ReduceSum":
        axes = writer.net.const(list(range(2, rank + 1)), np.int64)
        writer.net.put(op, axes, keepdims=1)
        writer.spread *= (writer.size / writer.channels) ** 0.5
    else:
        writer.net.put(op, axes=list(range(2, rank + 1)), keepdims=1)
    writer.shape = (writer.channels, *(1,) * (rank - 1))


def join(writer: Writer, args: Args) -> None:
    """A branch beside the value that it comes from, and both together again."""
    net, left, spread = writer.net, writer.net.current, writer.spread
    branch = str(args["branch"])
    if branch == "relu":
        net.put("Relu")
    if branch in ("layer", "two"):
        for _ in range(1 + (branch == "two")):
            _same_shape(writer, args)
            writer.quantize(args["quant"])
    if branch == "requant":
        writer.quantize(args["quant"])
    _joined(writer, str(args["op"]), left, spread)


def _same_shape(writer: Writer, args: Args) -> None:
    """A layer that keeps the shape."""
    point = {"kernel": [1, 1], "strides": [1, 1], "dilations": [1, 1], "pads": [0] * 4}
    if len(writer.shape) == 1:
        steps_layers.dense(writer, {**args, "op": "Gemm", "outs": writer.channels})
    else:
        steps_layers.conv(writer, {**args, **point, "group": 1, "outs": writer.channels})


def _joined(writer: Writer, op: str, left: str, spread: float) -> None:
    if op == "Concat":
        writer.net.raw("Concat", [writer.net.current, left], axis=1)
        writer.shape = (2 * writer.channels, *writer.shape[1:])
        writer.spread = max(writer.spread, spread)
        return
    writer.net.raw(op, [writer.net.current, left])
    product = op == "Mul"
    writer.spread = writer.spread * spread if product else writer.spread + spread


def second(writer: Writer, args: Args) -> None:
    """One more input of the network, joined."""
    other = writer.more_input(args["quant"])
    _joined(writer, str(args["op"]), other, 1.0)


def function(writer: Writer, args: Args) -> None:
    """A function of one value."""
    op = str(args["op"])
    if op == "Square":
        writer.net.put("Mul", writer.net.current)
        writer.spread **= 2
        return
    writer.net.put(op, **FUNCTIONS[op])
    if op == "Exp":
        writer.spread = float(np.exp(min(3.0, writer.spread)))
    elif op not in ("Abs", "Neg", "Relu", "Identity", "Floor", "Ceil", "Round", "LeakyRelu"):
        writer.spread = min(1.0, writer.spread)


def norm(writer: Writer, args: Args) -> None:
    """Layer norm over the last axis, or instance norm over the map."""
    net = writer.net
    if args["op"] == "InstanceNormalization" and len(writer.shape) == 3:
        ones = np.ones(writer.channels)
        rows = (net.real(writer.channels), net.real(writer.channels)) if args["affine"] else None
        net.put("InstanceNormalization", *(rows or (ones, 0 * ones)))
    else:
        last = writer.shape[-1]
        rows = (net.real(last, size=1), net.real(last, size=1)) if args["affine"] else None
        net.put("LayerNormalization", *(rows or (np.ones(last),)), axis=-1)
    writer.spread = 1.0


def softmax(writer: Writer, _: Args) -> None:
    """Softmax over the last axis."""
    writer.net.put("Softmax", axis=-1)
    writer.spread = 0.25


def argmax(writer: Writer, args: Args) -> None:
    """Best class; or a Softmax that is left to the host."""
    _vector(writer)
    if args["op"] == "Softmax":
        writer.net.put("Softmax", axis=-1)
        return
    writer.net.put("ArgMax", axis=-1, keepdims=1, select_last_index=int(args["last"]))
    writer.shape = (1,)


def top(writer: Writer, args: Args) -> None:
    """The best few classes."""
    _vector(writer)
    net, k = writer.net, min(args["k"], writer.size)
    names = [f"t{len(net.nodes)}_values", f"t{len(net.nodes)}"]
    wanted = [net.current, net.const([k], np.int64)]
    flags: dict[str, Any] = {"axis": -1, "largest": int(args["largest"]), "sorted": 1}
    net.nodes.append(helper.make_node("TopK", wanted, names, f"/TopK_{names[1]}", **flags))
    net.current = names[1]
    writer.shape = (k,)


def _vector(writer: Writer) -> None:
    if len(writer.shape) > 1:
        writer.net.flat()
        writer.shape = (writer.size,)
