"""FakeQuant as the operators that lowering and files know: Quantize, Dequantize, constants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gatesmith.ir import Array, Graph, Node
from gatesmith.ops.bipolar_quant import BipolarQuant
from gatesmith.ops.const import Const
from gatesmith.ops.dequantize import Dequantize
from gatesmith.ops.fake_quant import FakeQuant, Grid


def expand(graph: Graph) -> Graph:
    """Every FakeQuant as a quantizer and a dequantizer, or as the constant that it makes.

    ValueError for a computed value on a grid with levels: no quantizer of a file does that.
    """

    def rule(node: Node, _users: Mapping[Node, int]) -> Node | None:
        if not isinstance(node.op, FakeQuant):
            return None
        (x,), grid = node.args, node.op.grid
        if isinstance(x.op, Const):
            return replace(node, op=Const(Array(grid.fake(x.op.value.data))), args=())
        if grid.levels is not None:
            raise ValueError(f"{node.name}: only constants can be put on chosen levels")
        op = BipolarQuant() if grid.kind == "bipolar" else grid.quantizer
        codes = Node(f"{node.name}_codes", op, (x,), node.origin)
        return replace(node, op=_dequantize(grid), args=(codes,))

    return graph.rewrite(rule)


def _dequantize(grid: Grid) -> Dequantize:
    return Dequantize(grid.scale, Array(np.asarray(-grid.scale.data * grid.zero_point.data)))
