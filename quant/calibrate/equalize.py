"""Cross-layer equalization: channels of neighbouring layers brought to like ranges.

Source: Nagel et al., 2019, "Data-Free Quantization Through Weight Equalization and Bias
Correction", section 4.1.

Where a layer reads nothing but the channels of another, through nodes that commute with positive
factors, each channel is divided by a factor in the first and multiplied by it in the second:

    s[c] = sqrt(largest weight out of c / largest weight into c), the nearest power of two

Powers of two change no rounding: the network computes the very same float64 numbers, and only the
ranges of the weights change. A bias goes with its channel. Nodes between that are taken: the bias,
Relu, LeakyRelu, max and average pools, sums and means over positions, movements, zero padding.
Refused, and left as they are: a value that several nodes read (residuals), Clip with a finite bound
(ReLU6 is not scale invariant, and a bound of its own for each channel would be another operator),
everything else, and weights that two layers share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from gatesmith.ir import Array, Graph, Ints, Node, Reals
from gatesmith.ops.average_pool import AveragePool
from gatesmith.ops.clip import Clip
from gatesmith.ops.const import Const
from gatesmith.ops.leaky_relu import LeakyRelu
from gatesmith.ops.max_pool import MaxPool
from gatesmith.ops.pad import Pad
from gatesmith.ops.reduce import Reduce
from gatesmith.ops.relu import Relu
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.take import Take
from gatesmith.ops.transpose import Transpose
from gatesmith.quant.calibrate.layers import Layer, bias_const, const, layers

_SWEEPS = 16
_MOST = 20
"""Largest exponent of a factor: weights stay far inside float32."""


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    """A layer and the only one that reads its channels.

    Attributes:
        first: Gives the channels.
        second: Reads them.
        channels: Channel of the first that each element of the last axis is, of what the second
            reads.
    """

    first: Layer
    second: Layer
    channels: Ints


def equalize(graph: Graph) -> Graph:
    """The same function with channels of like ranges; see the top of this file."""
    found = layers(graph)
    pairs = _pairs(graph, found)
    weights = {layer.name: const(layer.weight) for layer in found}
    exponents = {pair.first.name: np.zeros(_outputs(pair.first), np.int64) for pair in pairs}
    for _ in range(_SWEEPS):
        changed = False
        for pair in pairs:
            step = _step(pair, weights, exponents[pair.first.name])
            changed |= bool(step.any())
            exponents[pair.first.name] += step
            _apply(pair, weights, step)
        if not changed:
            break
    return _rebuilt(graph, found, weights, exponents)


def _outputs(layer: Layer) -> int:
    return int(layer.weight.type.shape[-1])


def _step(pair: _Pair, weights: Mapping[str, Reals], now: Ints) -> Ints:
    """Exponents by which the first layer's channels are divided, next."""
    first = weights[pair.first.name]
    out_of = np.abs(first).reshape(-1, first.shape[-1]).max(axis=0, initial=0.0)
    into = np.zeros_like(out_of)
    np.maximum.at(into, pair.channels, _largest_into(pair.second, weights[pair.second.name]))
    alive = (out_of > 0) & (into > 0)
    ratio = np.divide(out_of, into, out=np.ones_like(into), where=alive)
    step = np.rint(np.log2(ratio) / 2).astype(np.int64)
    return np.asarray(np.clip(now + step, -_MOST, _MOST) - now)


def _inputs_of(layer: Layer, w: Reals) -> Ints:
    """Input channel that each weight (..., in, out) reads: (in, out)."""
    inputs, outputs = w.shape[-2:]
    group = np.arange(outputs) // (outputs // layer.group)
    return np.asarray(np.arange(inputs)[:, None] + group[None, :] * inputs, np.int64)


def _largest_into(layer: Layer, w: Reals) -> Reals:
    """Largest magnitude of the weights that read each input channel."""
    largest = np.abs(w).reshape(-1, *w.shape[-2:]).max(axis=0)
    into = np.zeros(w.shape[-2] * layer.group)
    np.maximum.at(into, _inputs_of(layer, w), largest)
    return into


def _apply(pair: _Pair, weights: dict[str, Reals], step: Ints) -> None:
    first, second = weights[pair.first.name], weights[pair.second.name]
    weights[pair.first.name] = np.ldexp(first, -step)
    factors = step[pair.channels][_inputs_of(pair.second, second)]
    weights[pair.second.name] = np.ldexp(second, factors)


def _pairs(graph: Graph, found: tuple[Layer, ...]) -> list[_Pair]:
    users = graph.users()
    readers = {arg: node for node in graph for arg in node.args}
    by_node = {layer.node: layer for layer in found}
    own = {
        layer for layer in found if users[layer.weight] == 1 and layer.node.args[1] is layer.weight
    }
    pairs = []
    for layer in found:
        second = _reader(layer, users, readers, by_node) if layer in own else None
        if second is not None and second[0] in own:
            pairs.append(_Pair(layer, *second))
    return pairs


def _reader(
    layer: Layer,
    users: Mapping[Node, int],
    readers: Mapping[Node, Node],
    by_node: Mapping[Node, Layer],
) -> tuple[Layer, Ints] | None:
    """The layer that reads all channels of this one, and which is where."""
    node = layer.result
    if layer.bias is None and users[layer.node] != 1:
        return None
    shape = layer.node.type.shape
    channels = np.broadcast_to(np.arange(shape[-1]), shape)
    while users[node] == 1 and node in readers:
        after = readers[node]
        if after in by_node:
            last = channels.reshape(-1, channels.shape[-1])
            same = bool((last == last[0]).all()) and by_node[after].source is node
            return (by_node[after], last[0]) if same else None
        moved = _through(after, channels)
        if moved is None:
            return None
        node, channels = after, moved
    return None


def _through(node: Node, channels: Ints) -> Ints | None:
    """Channel of each element behind a node that commutes with positive factors, or None."""
    match node.op:
        case Relu():
            return channels
        case Clip(lo=lo, hi=hi) if lo in (0.0, -np.inf) and hi == np.inf:
            return channels
        case LeakyRelu():
            return channels
        case Reshape() | Transpose() | Take():
            return np.asarray(node.op.run(channels[None])[0], np.int64)
        case MaxPool() | AveragePool():
            return _at_positions(channels, node.type.shape)
        case Reduce(kind="sum" | "mean" | "max" | "min"):
            return _reduced(node, channels)
        case Pad(value=0.0) if node.type.shape[-1] == channels.shape[-1]:
            return _at_positions(channels, node.type.shape)
    return None


def _at_positions(channels: Ints, shape: tuple[int, ...]) -> Ints | None:
    """The same channels at other positions, when each position has them in one order."""
    last = channels.reshape(-1, channels.shape[-1])
    return np.broadcast_to(last[0], shape) if (last == last[0]).all() else None


def _reduced(node: Node, channels: Ints) -> Ints | None:
    """Each result must be made of one channel."""
    assert isinstance(node.op, Reduce)
    lo, hi = (
        replace(node.op, kind=kind).run(channels[None].astype(float))[0] for kind in ("min", "max")
    )
    return np.asarray(lo, np.int64) if (lo == hi).all() else None


def _rebuilt(
    graph: Graph,
    found: tuple[Layer, ...],
    weights: Mapping[str, Reals],
    exponents: Mapping[str, Ints],
) -> Graph:
    """The graph with new weights and biases."""
    old = {layer.weight.name: weights[layer.name] for layer in found}
    biases = {layer.bias.name: layer for layer in found if layer.bias and layer.name in exponents}

    def rule(node: Node, _users: Mapping[Node, int]) -> Node | None:
        if node.name in old and isinstance(node.op, Const):
            return replace(node, op=Const(Array(old[node.name])))
        if node.name not in biases:
            return None
        layer = biases[node.name]
        assert layer.bias is not None
        given = bias_const(layer.bias)
        step = exponents[layer.name]
        value = np.ldexp(np.broadcast_to(const(given).reshape(-1), step.shape), -step)
        # A constant of its own, for others may read the one that was there.
        bias = Node(f"{node.name}_equal", Const(Array(value)), (), given.origin)
        args = tuple(bias if isinstance(arg.op, Const) else arg for arg in node.args)
        return replace(node, args=args)

    return graph.rewrite(rule)
