"""Where the values of a layer's channels are: behind it, with its axis of channels.

A unit is removed where others read it, so what it is worth is measured there: behind the bias, the
batch norm and the activation function. In a graph as imported a Transpose may lie between.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from gatesmith.ir import Graph, Node, Reals
from gatesmith.ops.add import Add
from gatesmith.ops.clip import Clip
from gatesmith.ops.const import Const
from gatesmith.ops.conv import Conv
from gatesmith.ops.div import Div
from gatesmith.ops.fake_quant import FakeQuant
from gatesmith.ops.function import Function
from gatesmith.ops.leaky_relu import LeakyRelu
from gatesmith.ops.mat_mul import MatMul
from gatesmith.ops.mul import Mul
from gatesmith.ops.relu import Relu
from gatesmith.ops.sign import Sign
from gatesmith.ops.sub import Sub
from gatesmith.ops.transpose import Transpose

_UNARY = (Relu, Clip, LeakyRelu, Function, Sign, FakeQuant)
_BINARY = (Add, Sub, Mul, Div)


@dataclass(frozen=True, slots=True)
class Site:
    """A value.

    Attributes:
        node: That makes it.
        axis: Of its type's shape; the channels.
    """

    node: Node
    axis: int

    @property
    def others(self) -> tuple[int, ...]:
        """The axes of a batch of it that are neither the frames nor the channels."""
        return tuple(1 + a for a in range(len(self.node.type.shape)) if a != self.axis)


class Paths:
    """What follows the layers of a graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.readers: dict[Node, list[Node]] = {}
        for node in graph:
            for arg in node.args:
                self.readers.setdefault(arg, []).append(node)
        self.layers = {n.name: n for n in graph if isinstance(n.op, Conv | MatMul)}

    def activation(self, layer: str) -> Site:
        """The layer's value as others read it."""
        return list(self._along(layer, joins=False))[-1]

    def rectified(self, layer: str) -> Site | None:
        """The value behind the first function that makes zeros, through joins; None: there is none.

        In a residual block that is the ReLU behind the sum.
        """
        for site in self._along(layer, joins=True):
            op = site.node.op
            if isinstance(op, Relu) or (isinstance(op, Clip) and op.lo == 0):
                return site
        return None

    def batch_norm(self, layer: str) -> tuple[Site, Reals] | None:
        """The first product with one constant a channel: what it reads, and the constants."""
        before = Site(self.layers[layer], len(self.layers[layer].type.shape) - 1)
        for site in self._along(layer, joins=False):
            if isinstance(site.node.op, Mul):
                factor = _by_channel(site, before.node)
                if factor is not None:
                    return before, factor
            if not isinstance(site.node.op, Conv | MatMul | Transpose | Add | Sub):
                return None
            before = site
        return None

    def _along(self, layer: str, *, joins: bool) -> Iterable[Site]:
        node = self.layers[layer]
        site = Site(node, len(node.type.shape) - 1)
        yield site
        while (after := self._next(site, joins=joins)) is not None:
            site = after
            yield site

    def _next(self, site: Site, *, joins: bool) -> Site | None:
        """The value of the only reader, where it treats each channel by itself."""
        node, readers = site.node, self.readers.get(site.node, [])
        if len(readers) != 1 or node in self.graph.outputs:
            return None
        (reader,) = readers
        if isinstance(reader.op, Transpose):
            return Site(reader, reader.op.perm.index(site.axis))
        if reader.type.shape != node.type.shape:
            return None
        if isinstance(reader.op, _UNARY):
            return replace(site, node=reader)
        if isinstance(reader.op, _BINARY):
            others = [arg for arg in reader.args if arg is not node]
            fixed = all(isinstance(arg.op, Const) for arg in others)
            summed = joins and isinstance(reader.op, Add | Sub)
            return replace(site, node=reader) if others and (fixed or summed) else None
        return None


def _by_channel(site: Site, arg: Node) -> Reals | None:
    """The constant of a product where it has one number a channel."""
    others = [other for other in site.node.args if other is not arg]
    if len(others) != 1 or not isinstance(others[0].op, Const):
        return None
    value = np.asarray(others[0].op.value.data, np.float64)
    shape = site.node.type.shape
    full = value.reshape((1,) * (len(shape) - value.ndim) + value.shape)
    if full.size != shape[site.axis] or full.shape[site.axis] != full.size:
        return None
    return full.reshape(-1)
