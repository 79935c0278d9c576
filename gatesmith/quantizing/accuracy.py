"""Top-1 of a float network, and of the integers that its quantized form means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gatesmith.ir import Graph, Ints, Reals, Values
from gatesmith.ir.execute import execute
from gatesmith.quant.lower import Lowered
from gatesmith.rtl_tests.answers import best_class
from gatesmith.rtl_tests.host_quantizer import quantizer

CHUNK = 1 << 24
"""Elements of the largest value that one chunk of frames may have."""


@dataclass(frozen=True, slots=True, eq=False)
class IntegerNetwork:
    """The integer graph of a quantized network, fed with real frames.

    Attributes:
        real: The real graph that was lowered.
        lowered: How its integers meet the outside.
        integer: The integer graph.
    """

    real: Graph
    lowered: Lowered
    integer: Graph

    def outputs(self, x: Reals) -> list[Ints]:
        """Integer values of every output, (frames, *shape), for real frames of the one input."""
        (port,) = self.lowered.inputs
        nodes = {node.name: node for node in self.real}
        codes: Values = x
        if port.host_quantizer is not None:
            codes = quantizer(nodes[port.host_quantizer])(x)
        if port.axes is not None:
            codes = codes.transpose(0, *(axis + 1 for axis in port.axes))
        parts = [
            execute(self.integer, {port.node: chunk}) for chunk in _chunks(codes, self.integer)
        ]
        return [
            np.concatenate([part[output] for part in parts]).astype(np.int64)
            for output in self.integer.outputs
        ]

    def classes(self, x: Reals) -> Ints:
        """Best class of each frame, of the first output."""
        return best_class(self.integer.outputs[0], self.outputs(x)[0])


def _chunks(x: Values, graph: Graph) -> Iterator[Values]:
    largest = max(node.type.size for node in graph)
    step = max(1, CHUNK // largest)
    for start in range(0, len(x), step):
        yield x[start : start + step]
