"""Parameters and operations of every integer operator that has hardware."""

from __future__ import annotations

import pytest

from gatesmith.figures import operations, parameters
from gatesmith.ir import Array, IntType, Node, Op, TensorType
from gatesmith.ops.dense import Dense
from gatesmith.ops.depthwise import Depthwise
from gatesmith.ops.input import Input
from gatesmith.ops.join import Join
from gatesmith.ops.max_pool import MaxPool
from gatesmith.ops.product import Product
from gatesmith.ops.reduce import Reduce
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.table import Table
from gatesmith.ops.threshold import Threshold

U2, I8 = IntType(0, 3), IntType(-128, 127)
X = Node("x", Input(TensorType((4, 6, 8), U2)))
ONES = Array([[1] * 4] * 6)
SAME = ((1, 1), (1, 1, 1, 1), (1, 1))  # strides, pads, dilations
PIXELS = 4 * 6


@pytest.mark.parametrize(
    ("op", "holds", "does"),
    [
        (Dense(Array([[1] * 8] * 5), U2), 40, 2 * 40 * PIXELS),
        (Dense(ONES, U2, 2), 24, 2 * 24 * PIXELS),  # two groups of four inputs
        (Depthwise((3, 3), *SAME, Array([0]), Array([[1] * 8] * 9), U2), 72, 2 * 72 * PIXELS),
        (MaxPool((2, 2), (2, 2)), 0, 4 * 8 * PIXELS // 4),
        (Reduce("sum"), 0, 8 * PIXELS),
        (Threshold(Array([[1, 2, 3]]), U2, Array([0])), 3, 3 * 8 * PIXELS),
        (Requantize(Array([3]), Array([1]), 1, I8), 2, 3 * 8 * PIXELS),
        (Join(Array([3]), Array([1]), Array([0] * 8), 1, I8), 10, 5 * 8 * PIXELS),
        (Product(), 0, 8 * PIXELS),
        (Table(Array([[1, 5, 2, 7]]), I8, U2), 4, 8 * PIXELS),
        (Reshape((PIXELS, 8)), 0, 0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Op) else "",
)
def test_figures(op: Op, holds: int, does: int) -> None:
    args = (X, X) if isinstance(op, Join | Product) else (X,)
    node = Node("y", op, args)
    assert (parameters(node), operations(node)) == (holds, does)
