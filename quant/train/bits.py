"""Bits of each quantizer by training, with the cost of the hardware in the loss.

FracBits (Yang and Jin, "FracBits: Mixed Precision Quantization via Fractional Bit-Widths", 2021):
each int quantizer has a real number of bits (fractional.py), which the loss pulls up and the
cost of the hardware, interpolated between whole widths, pulls down until the budget is met.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from numpy.typing import NDArray
from torch import Tensor

from gatesmith.errors import UserError
from gatesmith.ir import Graph, Node
from gatesmith.ops.const import Const
from gatesmith.ops.conv import Conv
from gatesmith.ops.fake_quant import FakeQuant
from gatesmith.ops.mat_mul import MatMul
from gatesmith.quant.train.fit import Progress, Training
from gatesmith.quant.train.fractional import Fractional
from gatesmith.quant.train.module import GraphModule
from gatesmith.quant.train.options import FitOptions

CostTable: TypeAlias = Mapping[str, Mapping[tuple[int, int], float]]
"""Cost of each layer by its name, then by (bits of the weights, bits of the input)."""
Layers: TypeAlias = Mapping[str, tuple[str | None, str | None]]
"""Names of the quantized weights and of the quantized input of each layer."""

LOWEST = 1e-4
"""Price of the whole budget in units of the loss, at first."""


@dataclass(frozen=True, slots=True)
class BitSearch:
    """How bits are searched.

    Attributes:
        fit: The training; few epochs are enough.
        lo: Least bits.
        hi: Most bits, where the search begins.
        strength: How fast the price rises: by a factor exp(strength * (cost / budget - 1)) a step.
        rate: Bits that the width which is pulled most goes in a step.
    """

    fit: FitOptions
    lo: int = 2
    hi: int = 8
    strength: float = 0.05
    rate: float = 0.02


def search_bits(
    graph: Graph,
    x: NDArray[Any],
    y: NDArray[Any] | None,
    options: BitSearch,
    *,
    cost_table: CostTable,
    budget: float,
    affine: tuple[float, float] = (1.0, 0.0),
    teacher: Graph | None = None,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Bits of each int quantizer that may learn, by the name of the node that it quantizes.

    What is rounded to whole bits meets the budget.

    Args:
        graph: With FakeQuant nodes, of any width; inputs keep theirs.
        x: As of :func:`gatesmith.quant.train.fit.fit`; y, affine, teacher and progress too.
        y: Labels.
        options: How.
        cost_table: An entry for each layer and each pair of widths that can occur.
        budget: Most that all layers may cost together.
        affine: Of x.
        teacher: The float graph.
        progress: Where to tell.

    Raises:
        UserError: quantize.budget, when even the least widths cost more; those of fit.
    """
    fit = replace(options.fit, checkpoint=None, progressive=())
    price = Price(options, layer_sites(graph), cost_table, budget)
    training = Training(
        graph, x, y, fit, affine, teacher, progress, None, (options.lo, options.hi), price
    )
    module = training.module
    free = _fractional(module)
    fixed = {n: float(b) for n, b in _real_bits(module).items() if n not in free}
    cheapest = price.of({**fixed, **dict.fromkeys(free, options.lo)})
    if cheapest > budget:
        raise _too_small(graph, budget, cheapest, options.lo)
    training.train()
    found = {name: float(q.bits().detach()) for name, q in free.items()}
    return _whole(found, fixed, price, _tied(module))


class Price:
    """The cost in the loss, at a price that rises while it is over the budget, and falls below.

    That is the method of multipliers: in the end each width stays where one bit less would harm the
    loss by the price of what it saves. Harm falls by four with each bit, so the price goes by
    factors and begins low: what nothing depends on leaves first. Widths go by the gradient itself,
    all at one rate: Adam would move those that nothing depends on no faster than the others.
    """

    momentum = 0.95

    def __init__(self, options: BitSearch, layers: Layers, table: CostTable, budget: float) -> None:
        self.options, self.layers, self.table, self.budget = options, layers, table, budget
        self.price = LOWEST
        self.velocity: dict[str, Tensor] = {}
        self.widths: dict[str, Fractional] = {}

    def of(self, bits: Mapping[str, float]) -> float:
        """Cost of all layers."""
        tensors = {name: torch.tensor(float(b)) for name, b in bits.items()}
        return float(total_cost(tensors, self.layers, self.table))

    def loss(self, module: GraphModule) -> Tensor:
        """Price times cost over budget; and the new price."""
        self.widths = _fractional(module)
        share = total_cost(_real_bits(module), self.layers, self.table) / self.budget
        loss = self.price * share
        over = float(share.detach()) - 1
        self.price = max(LOWEST, self.price * math.exp(self.options.strength * min(over, 1.0)))
        return loss

    @torch.no_grad()
    def step(self) -> None:
        """The width that is pulled most goes ``rate`` bits."""
        for name, width in self.widths.items():
            pull = torch.zeros(()) if width.b.grad is None else width.b.grad.cpu()
            before = self.velocity.get(name, torch.zeros(()))
            self.velocity[name] = self.momentum * before + (1 - self.momentum) * pull
        most = max((abs(float(v)) for v in self.velocity.values()), default=0.0)
        for name, width in self.widths.items():
            if most > 0:
                width.b.sub_(float(self.velocity[name]) * self.options.rate / most)
            width.b.clamp_(width.lo, width.hi)
            width.b.grad = None


def layer_sites(graph: Graph) -> dict[str, tuple[str | None, str | None]]:
    """Names of the quantized weights and of the quantized input of each layer."""
    return {
        node.name: (_site(node.args[1]), _site(node.args[0]))
        for node in graph
        if isinstance(node.op, Conv | MatMul)
    }


def _site(node: Node) -> str | None:
    while not isinstance(node.op, FakeQuant):
        if len(node.args) != 1 or isinstance(node.op, Const):
            return None
        node = node.args[0]
    return node.args[0].name


def total_cost(
    bits: Mapping[str, Tensor],
    layers: Mapping[str, tuple[str | None, str | None]],
    table: CostTable,
) -> Tensor:
    """Sum over the layers of the table, linear between whole widths."""
    total = torch.zeros(())
    for layer, (weight, activation) in layers.items():
        if weight is None or activation is None or layer not in table:
            continue
        if weight in bits and activation in bits:
            total = total + _between(table[layer], bits[weight], bits[activation])
    return total


def _between(costs: Mapping[tuple[int, int], float], weight: Tensor, activation: Tensor) -> Tensor:
    """Bilinear."""
    total = torch.zeros(())
    for i, by_weight in _cell(weight, {pair[0] for pair in costs}):
        for j, by_activation in _cell(activation, {pair[1] for pair in costs}):
            total = total + by_weight * by_activation * costs[i, j]
    return total


def _cell(bits: Tensor, known: set[int]) -> list[tuple[int, Tensor]]:
    """The widths around a real one and their shares; at the last one too, for its gradient."""
    value = float(bits.detach())
    below = max((width for width in known if width <= value), default=None)
    above = min((width for width in known if width > value), default=None)
    if below is None or (above is None and value != below):
        raise ValueError(f"the cost table has no width around {value:g}")
    if above is None:
        above, below = below, max((width for width in known if width < below), default=below)
    if above == below:
        return [(below, torch.ones(()))]
    share = (bits - below) / (above - below)
    return [(below, 1 - share), (above, share)]


def _fractional(module: GraphModule) -> dict[str, Fractional]:
    pairs = ((n, module.quantizer_of(n)) for n in module.names.values() if _is_fake(n))
    return {n.args[0].name: q for n, q in pairs if isinstance(q, Fractional)}


def _real_bits(module: GraphModule) -> dict[str, Tensor]:
    free = _fractional(module)
    grids = {
        n.args[0].name: n.op.grid for n in module.names.values() if isinstance(n.op, FakeQuant)
    }
    return {
        name: free[name].bits().cpu() if name in free else torch.tensor(float(grid.bits))
        for name, grid in grids.items()
    }


def _is_fake(node: Node) -> bool:
    return isinstance(node.op, FakeQuant)


def _tied(module: GraphModule) -> dict[str, int]:
    """Sites with one quantizer have one number."""
    return {name: id(q) for name, q in _fractional(module).items()}


def _whole(
    found: Mapping[str, float], fixed: Mapping[str, float], price: Price, tied: Mapping[str, int]
) -> dict[str, int]:
    """Rounded to nearest; then down, those nearest to a lower width first, to within the budget."""
    least = price.options.lo
    bits = {name: round(b) for name, b in found.items()}
    while price.of({**fixed, **bits}) > price.budget:
        lower = [name for name in bits if bits[name] > least]
        first = min(lower, key=lambda name: (found[name] - bits[name], name))
        for name in bits:
            if tied[name] == tied[first]:
                bits[name] -= 1
    return bits


def _too_small(graph: Graph, budget: float, cheapest: float, lo: int) -> UserError:
    return UserError(
        "quantize.budget",
        f"no widths meet the budget of {budget:g}",
        where=graph.name,
        why=f"with {lo} bits everywhere the layers cost {cheapest:g}",
        fix=(f"a budget of {cheapest:g} or more", "a smaller network"),
    )
