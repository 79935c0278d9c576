"""Options that work for a graph as its quantizers are; measured on MNIST (784-256-256-256-10).

At one and two bits a batch norm behind each layer is needed (2 bits without: 0.2 points less). A
high rate flips signs of bipolar weights, and half of the loss from the float network (Hinton et
al., 2015) is worth about half a point. Eight bits need little more than the scales settling.
"""

from __future__ import annotations

from gatesmith.ir import Graph
from gatesmith.ops.fake_quant import FakeQuant
from gatesmith.ops.input import Input
from gatesmith.quant.train.options import FitOptions


def recipe(graph: Graph, epochs: int, *, teacher: bool = True, seed: int = 0) -> FitOptions:
    """By the least number of bits of any quantizer but the inputs'.

    Args:
        graph: With FakeQuant nodes.
        epochs: Passes over the data; about 12 for bipolar networks, 8 for two bits, 3 for eight.
        teacher: Whether there is a float network to learn from.
        seed: Of the training.
    """
    grids = [
        node.op.grid
        for node in graph
        if isinstance(node.op, FakeQuant) and not isinstance(node.args[0].op, Input)
    ]
    least = min((grid.bits for grid in grids), default=8)
    share = 0.5 if teacher else 0.0
    if any(grid.kind == "bipolar" for grid in grids) or least == 1:
        share = 0.6 if teacher else 0.0
        return FitOptions(epochs=epochs, lr=3e-3, normalize=True, distill=share, seed=seed)
    low = least <= 2 or any(grid.kind != "int" for grid in grids)
    rate = 2e-3 if low else {3: 1e-3, 4: 1e-3}.get(least, 2e-4)
    return FitOptions(epochs=epochs, lr=rate, normalize=low, distill=share, seed=seed)
