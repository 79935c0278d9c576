"""Operators along one axis: products, reductions, normalization, the order of elements."""

from __future__ import annotations

from math import prod
from typing import cast

import numpy as np
from onnx import TensorProto

from gatesmith.frontend.to_onnx.fusions import term
from gatesmith.frontend.to_onnx.layout import Order, in_order, plain
from gatesmith.frontend.to_onnx.registry import exports
from gatesmith.frontend.to_onnx.writer import Held, Writer
from gatesmith.ir import IntType, Node
from gatesmith.ops.layer_norm import LayerNorm
from gatesmith.ops.mat_mul import MatMul
from gatesmith.ops.reduce import Reduce
from gatesmith.ops.softmax import Softmax
from gatesmith.ops.top_k import TopK

AXES_ARE_INPUT = 18
"""Opset from which on all reductions have their axes as an input; ReduceSum from 13 on."""


def _channels_at_end(w: Writer, x: Node) -> Order:
    """An order with the last axis of the IR last: the one there is, or the IR's."""
    order = w.order(x)
    return order if order[-1] == len(order) - 1 else plain(len(order))


@exports(MatMul)
def mat_mul(w: Writer, node: Node) -> None:
    """The bias stays an Add."""
    x, weights = node.args
    order = _channels_at_end(w, x)
    inputs = [w.tensor(x, order), w.constant(weights, None, lambda a: a)]
    y = w.emit(node.name, "MatMul", inputs, in_order(node.type.shape, order))
    w.put(node, y, order)


@exports(Reduce)
def reduce(w: Writer, node: Node) -> None:
    """Over the axis before the channels, wherever the file has it; the axis goes."""
    (x,), kind = node.args, cast(Reduce, node.op).kind
    gone = len(x.type.shape) - 2
    held = w.ready(x, w.order(x))
    place = 1 + held.order.index(gone)
    order = tuple(axis - (axis > gone) for axis in held.order if axis != gone)
    shape = in_order(node.type.shape, order)
    name = f"Reduce{kind.capitalize()}"
    data, elem = held.tensor, held.kind
    if elem != TensorProto.FLOAT:  # codes: sums of 8-bit integers would wrap around
        elem = TensorProto.INT32
        data = w.emit(f"{node.name}_wide", "Cast", [data], held.shape, elem=elem, to=elem)
    if kind == "sum" or w.opset >= AXES_ARE_INPUT:
        axes = w.store(f"{node.name}_axes", np.array([place], np.int64))
        y = w.emit(node.name, name, [data, axes], shape, elem=elem, keepdims=0)
    else:
        y = w.emit(node.name, name, [data], shape, elem=elem, axes=[place], keepdims=0)
    w.put(node, y, order, elem)


@exports(LayerNorm)
def layer_norm(w: Writer, node: Node) -> None:
    """LayerNormalization with scale 1."""
    write_layer_norm(w, node)


def write_layer_norm(w: Writer, node: Node) -> None:
    """LayerNormalization; ``node`` is LayerNorm, the Mul of its scale, or the Add of its bias."""
    chain = [node]
    while not isinstance(chain[-1].op, LayerNorm):
        chain.append(next(arg for arg in chain[-1].args if w.absorbed.get(arg) is chain[-1]))
    layer = chain[-1]
    (x,), channels = layer.args, layer.type.channels
    inputs = []
    for outer, inner in zip(reversed(chain[:-1]), reversed(chain[1:]), strict=True):
        const = term(outer, inner)
        assert const is not None
        inputs.append(w.constant(const, "bias", lambda a: a.reshape(-1)))
    if not inputs:
        inputs.append(w.store(f"{node.name}_scale", np.ones(channels)))
    order = _channels_at_end(w, x)
    y = w.emit(
        node.name,
        "LayerNormalization",
        [w.tensor(x, order), *inputs],
        in_order(node.type.shape, order),
        axis=-1,
        epsilon=cast(LayerNorm, layer.op).epsilon,
    )
    w.put(node, y, order)


@exports(Softmax)
def softmax(w: Writer, node: Node) -> None:
    """Along one axis, or over the last few as one."""
    (x,), axes = node.args, cast(Softmax, node.op).axes
    shape = node.type.shape
    if axes == 1:
        order = w.order(x)
        place = 1 + order.index(len(order) - 1)
        inputs = [w.tensor(x, order)]
        y = w.emit(node.name, "Softmax", inputs, in_order(shape, order), axis=place)
        w.put(node, y, order)
        return
    outer = shape[: len(shape) - axes]
    flat = (*outer, prod(shape[len(outer) :]))
    to = w.store(f"{node.name}_flat_shape", [0, *flat])
    data = w.emit(f"{node.name}_flat", "Reshape", [w.tensor(x), to], flat)
    data = w.emit(f"{node.name}_softmax", "Softmax", [data], flat, axis=len(flat))
    back = w.store(f"{node.name}_shape", [0, *shape])
    w.put(node, w.emit(node.name, "Reshape", [data, back], shape))


@exports(TopK)
def top_k(w: Writer, node: Node) -> None:
    """ArgMax for the first of all, else TopK; codes are compared as float32."""
    op, (x,) = cast(TopK, node.op), node.args
    order = w.order(x)
    held = _as_float(w, x, w.ready(x, order))
    place = 1 + order.index(len(order) - 1)
    shape, elem = in_order(node.type.shape, order), TensorProto.INT64
    if op.k == 1 and (op.largest or op.last):
        kind, last = "ArgMax" if op.largest else "ArgMin", int(op.last)
        y = w.emit(
            node.name, kind, [held.tensor], shape, elem=elem, axis=place, select_last_index=last
        )
        w.put(node, y, order, elem)
        return
    if op.last:
        raise ValueError(f"{node.name}: ONNX has no TopK that prefers later elements")
    count = w.store(f"{node.name}_k", np.array([op.k], np.int64))
    values = w.fresh(f"{node.name}_values")
    y = w.emit(
        node.name,
        "TopK",
        [held.tensor, count],
        shape,
        elem=elem,
        axis=place,
        largest=int(op.largest),
    )
    del w.nodes[-1].output[:]
    w.nodes[-1].output.extend([values, y])
    w.put(node, y, order, elem)


def _as_float(w: Writer, x: Node, held: Held) -> Held:
    """A tensor of codes as reals; ValueError where float32 has not all of them."""
    if held.kind == TensorProto.FLOAT:
        return held
    elem = x.type.elem
    assert isinstance(elem, IntType)
    if max(abs(elem.lo), abs(elem.hi)) > 2**24:
        raise ValueError(f"{x.name}: float32 does not hold {elem}")
    to = TensorProto.FLOAT
    return Held(
        w.emit(f"{x.name}_real", "Cast", [held.tensor], held.shape, to=to), held.order, held.shape
    )
