"""Bias correction (Nagel et al., 2019, section 4.2): quantization must not move a channel's mean.

A layer's output channel has the mean ``w . mean(x)`` over frames and positions, before its bias.
The difference between that of the float layer and that of the quantized one, each with the inputs
that it gets, goes into the bias.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gatesmith.ir import Array, Graph, Node, Reals
from gatesmith.ops.add import Add
from gatesmith.ops.const import Const
from gatesmith.quant.calibrate.layers import Layer, bias_const, const
from gatesmith.quant.calibrate.patches import columns


def mean_shift(
    wanted: Reals, mean: Reals, quantized: Reals, quantized_mean: Reals, group: int
) -> Reals:
    """What a bias must gain, (out,).

    Args:
        wanted: Weights of the float layer, (..., in, out).
        mean: Mean row of what it reads, patches.py.
        quantized: Weights on their grid.
        quantized_mean: Mean row of what the quantized layer reads.
        group: Groups of the convolution.
    """
    float_sums = np.einsum("gko,gk->go", columns(wanted, group), mean)
    sums = np.einsum("gko,gk->go", columns(quantized, group), quantized_mean)
    return np.asarray((float_sums - sums).reshape(-1))


def add_to_bias(graph: Graph, layer: Layer, shift: Reals) -> Graph:
    """The graph with ``shift`` (out,) added to the layer's bias.

    A layer without one gets an Add. Where the sums are quantized or are an output, the Add takes
    over the layer's name, so that names of sites and outputs stay, and the layer is NAME_sums.
    """
    users = graph.users()
    quantized = f"{layer.name}_quant"
    taken = layer.bias is None and (
        layer.node in graph.outputs or any(node.name == quantized for node in graph)
    )
    value = shift if layer.bias is None else const(bias_const(layer.bias)) + shift
    value = np.asarray(value, np.float32).astype(np.float64)

    def rule(node: Node, _users: Mapping[Node, int]) -> Node | None:
        if layer.bias is not None and node.name == layer.bias.name:
            old = bias_const(node)
            alone = users[bias_const(layer.bias)] == 1
            name = old.name if alone else f"{node.name}_corrected"
            new = replace(old, name=name, op=Const(Array(value)))
            return replace(node, args=tuple(new if arg is old else arg for arg in node.args))
        if layer.bias is None and node.name == layer.name:
            sums = replace(node, name=f"{layer.name}_sums", tensor=None) if taken else node
            name = layer.name if taken else f"{layer.name}_bias"
            bias = Node(f"{layer.name}_correction", Const(Array(value)))
            return Node(name, Add(), (sums, bias), node.origin)
        return None

    return graph.rewrite(rule)
