"""Steps with weights: convolutions, matrix products, gates."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gatesmith.rtl_tests.regress.recipe import Args
from gatesmith.rtl_tests.regress.writer import Layer, Writer


def fitted(window: Args, extents: tuple[int, ...]) -> tuple[dict[str, Any], tuple[int, ...]]:
    """Attributes of a window cut to a map of these extents, and those of what it gives."""
    axes = range(len(extents))
    kernel, strides, dilations = (
        list(window[key][: len(extents)]) for key in ("kernel", "strides", "dilations")
    )
    begins, ends = [0] * len(extents), [0] * len(extents)
    given = []
    for axis in axes:
        begins[axis] = min(window["pads"][axis], kernel[axis] - 1)
        ends[axis] = min(window["pads"][axis + 2], kernel[axis] - 1)
        room = extents[axis] + begins[axis] + ends[axis]
        if dilations[axis] * (kernel[axis] - 1) >= room:
            dilations[axis] = 1
        if kernel[axis] > room:
            kernel[axis], begins[axis], ends[axis] = 1, 0, 0
            room = extents[axis]
        given.append((room - dilations[axis] * (kernel[axis] - 1) - 1) // strides[axis] + 1)
    attributes = {"kernel_shape": kernel, "strides": strides, "dilations": dilations}
    return {**attributes, "pads": [*begins, *ends]}, tuple(given)


def between(writer: Writer, what: str) -> None:
    """What stands between a layer and its quantizer."""
    net, channels = writer.net, writer.channels
    match what:
        case "norm" if len(writer.shape) != 2:
            net.norm(channels)
            writer.spread *= 1.5
        case "relu":
            net.put("Relu")
        case "clip":
            net.put("Clip", np.float32(-writer.spread), np.float32(2 * writer.spread))
        case "leaky":
            net.put("LeakyRelu", alpha=0.25)
        case "scale":
            net.put("Mul", writer.per_channel(net.real(channels, size=2)))
        case "bias":
            net.put("Add", writer.per_channel(net.real(channels) * _power(writer.spread)))
        case "prelu":
            net.put("PRelu", np.abs(writer.per_channel(net.real(channels))) / 4)


def _power(value: float) -> float:
    return float(2.0 ** math.floor(math.log2(max(value, 1e-6))))


def conv(writer: Writer, args: Args) -> None:
    """Convolution of any kind; of a vector, a matrix product."""
    if len(writer.shape) == 1:
        dense(writer, {**args, "op": "Gemm"})
        return
    attributes, extents = fitted(args, writer.shape[1:])
    kernel, ins = tuple(attributes["kernel_shape"]), writer.channels
    group = math.gcd(ins, args["group"]) if args["group"] < 99 else ins
    outs = group * max(1, args["outs"] // group)
    weights = writer.weight(args, outs, ins // group, *kernel)
    more = [writer.net.real(outs)] if args["bias"] else []
    writer.net.put("Conv", weights, *more, group=group, **attributes)
    _layer(writer, ins // group * math.prod(kernel), outs)
    writer.shape = (outs, *extents)
    between(writer, args["between"])


def transposed(writer: Writer, args: Args) -> None:
    """Transposed convolution; of a vector, a matrix product."""
    if len(writer.shape) == 1 or writer.size > 100:
        conv(writer, args)
        return
    rank = len(writer.shape) - 1
    kernel, strides = (list(args[key][:rank]) for key in ("kernel", "strides"))
    kernel = [max(k, s) for k, s in zip(kernel, strides, strict=True)]
    ins = writer.channels
    weights = writer.weight(args, ins, args["outs"], *kernel)
    attributes: dict[str, Any] = {"kernel_shape": kernel, "strides": strides}
    writer.net.put("ConvTranspose", weights, **attributes)
    _layer(writer, ins * math.prod(kernel), args["outs"])
    extents = zip(writer.shape[1:], strides, kernel, strict=True)
    writer.shape = (args["outs"], *((n - 1) * s + k for n, s, k in extents))
    between(writer, args["between"])


def dense(writer: Writer, args: Args) -> None:
    """Matrix product: of a map flattened, of rows on each."""
    net, outs = writer.net, args["outs"]
    if len(writer.shape) == 3:
        net.flat()
        writer.shape = (writer.size,)
    ins = writer.shape[-1]
    more = [net.real(outs)] if args["bias"] else []
    if len(writer.shape) == 2:
        _product(writer, writer.weight({**args, "per_channel": 0}, ins, outs), more)
        writer.shape = (writer.shape[0], outs)
        _layer(writer, ins, outs)
        return
    if args["op"] == "Gemm":
        net.put("Gemm", writer.weight(args, outs, ins), *more, transB=1)
        _layer(writer, ins, outs)
    else:
        _product(writer, writer.weight({**args, "per_channel": 0}, ins, outs), more)
        _layer(writer, ins, outs)
    writer.shape = (outs,)
    between(writer, args["between"])


def _product(writer: Writer, weights: str, bias: list[Any]) -> None:
    writer.net.put("MatMul", weights)
    node = writer.net.nodes[-1].name
    if bias:
        writer.net.put("Add", bias[0])
    writer.layers.append(Layer(node, 0, 0))


def _layer(writer: Writer, inputs: int, outputs: int) -> None:
    """Note the matrix product that was written last."""
    if writer.layers and writer.layers[-1].outputs == 0:
        writer.layers[-1] = Layer(writer.layers[-1].name, inputs, outputs)
    else:
        writer.layers.append(Layer(writer.net.nodes[-1].name, inputs, outputs))


def gate(writer: Writer, args: Args) -> None:
    """Squeeze and excite: a factor a channel from the whole map."""
    net, value, spread = writer.net, writer.net.current, writer.spread
    if len(writer.shape) == 3:
        net.put("GlobalAveragePool")
        shape, writer.shape = writer.shape, (writer.channels, 1, 1)
        writer.quantize({**_PLAIN, "bits": 4})
        weights = writer.weight(args, shape[0], shape[0], 1, 1)
        net.put("Conv", weights, kernel_shape=[1, 1])
        _layer(writer, shape[0], shape[0])
        net.put("HardSigmoid", alpha=0.125)
        writer.shape, writer.spread = shape, 0.5
        writer.quantize({**_PLAIN, "bits": args["bits"], "signed": 0})
        net.put("Mul", value)
        writer.spread = spread / 2
    else:
        net.put("HardSigmoid", alpha=0.125)
        writer.spread = 0.5


_PLAIN = {"how": "quant", "signed": 1, "narrow": 0, "mode": "ROUND", "zero": 0, "coarse": 0}
