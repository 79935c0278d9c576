"""How much a layer holds and computes: the numbers of ``gatesmith inspect``.

Parameters are the integers that a layer brings along. Operations are counted a frame: a product
and the addition of it are two, a comparison, a shift and a look-up are one.
"""

from __future__ import annotations

from math import prod

from gatesmith.ir import Node
from gatesmith.ops.dense import Dense
from gatesmith.ops.depthwise import Depthwise
from gatesmith.ops.join import Join
from gatesmith.ops.max_pool import MaxPool
from gatesmith.ops.product import Product
from gatesmith.ops.reduce import Reduce
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.select import Select
from gatesmith.ops.table import Table
from gatesmith.ops.threshold import Threshold


def parameters(node: Node) -> int:
    """Integers that the layer brings along; 0 for what only moves elements."""
    match node.op:
        case Dense(weights=values) | Depthwise(weights=values):
            count = values.data.size
        case Threshold(thresholds=values) | Table(values=values):
            count = values.data.size
        case Requantize(mul=mul, add=add):
            count = mul.data.size + add.data.size
        case Join(mul_a=a, mul_b=b, add=add):
            count = a.data.size + b.data.size + add.data.size
        case _:
            count = 0
    return count


def operations(node: Node) -> int:
    """Operations a frame; 0 for what only moves elements."""
    size = node.type.size
    match node.op:
        case Dense(weights=weights):
            count = 2 * weights.data.size * node.type.vectors
        case Depthwise(kernel=kernel):
            count = 2 * prod(kernel) * size
        case MaxPool(kernel=kernel):
            count = prod(kernel) * size
        case Reduce():
            count = node.args[0].type.size
        case Threshold(thresholds=table):
            count = table.shape[1] * size
        case Requantize():
            count = 3 * size
        case Join():
            count = 5 * size
        case Product() | Select() | Table():
            count = size
        case _:
            count = 0
    return count
