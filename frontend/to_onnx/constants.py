"""Constants on their way into a file: a reader asks for one in the arrangement that it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gatesmith.ir import Array, Node, Reals, Values
from gatesmith.ops.const import Const
from gatesmith.ops.fake_quant import FakeQuant, Grid
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.transpose import Transpose

Arrange: TypeAlias = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A value that depends on no input.

    Attributes:
        name: Of its node.
        data: Values, int64 or float64; on the grid, where there is one.
        grid: What it is quantized to; its arrays broadcast to ``data``.
        store: Name of the node that held the values before the quantizer.
    """

    name: str
    data: Values
    grid: Grid | None = None
    store: str | None = None

    def arranged(self, arrange: Arrange) -> Known:
        """The same with its axes in another arrangement, the grid's too."""
        if self.grid is None:
            return replace(self, data=arrange(self.data))

        def turn(array: Array) -> Array:
            if array.data.size == 1:
                return Array(array.data.reshape(()))
            return Array(compact(arrange(np.broadcast_to(array.data, self.data.shape))))

        grid = replace(
            self.grid, scale=turn(self.grid.scale), zero_point=turn(self.grid.zero_point)
        )
        return replace(self, data=arrange(self.data), grid=grid)


def known(node: Node, args: tuple[Known, ...]) -> Known:
    """Value of a node of constants."""
    match node.op:
        case Const(value=value):
            return Known(node.name, value.data)
        case FakeQuant(grid=grid):
            return Known(node.name, grid.fake(_reals(args[0].data)), grid, args[0].name)
        case Transpose(perm=perm):
            return replace(args[0].arranged(lambda a: a.transpose(perm)), name=node.name)
        case Reshape(shape=shape):
            return replace(args[0].arranged(lambda a: a.reshape(shape)), name=node.name)
    value = node.op.run(*(arg.data[None] for arg in args))[0]
    return Known(node.name, value)


def compact(data: NDArray[Any]) -> NDArray[Any]:
    """Without repetition along any axis; the result broadcasts to what was given.

    >>> compact(np.array([[1, 2], [1, 2]]))
    array([[1, 2]])
    """
    for axis in range(data.ndim):
        first = data.take([0], axis=axis)
        if (data == first).all():
            data = first
    return data


def _reals(data: Values) -> Reals:
    return np.asarray(data, np.float64)
