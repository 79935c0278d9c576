"""Layers of a network split into layers of low rank.

1. Every layer is looked at, or those that are named. What cannot be split has a reason; it is an
error for a layer that is named. 2. Its ranks are chosen (choice.py, rank.py). 3. In the order of
the graph, a layer is split when the cost of the whole network falls by it, and left alone
otherwise. 4. Each layer has a row that says what was considered.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from gatesmith.errors import UserError, UserErrors
from gatesmith.ir import Graph, Node
from gatesmith.prune.low_rank.chain import replaced, work
from gatesmith.prune.low_rank.choice import (
    Entry,
    Measure,
    Wish,
    Wished,
    examined,
    find_method,
    ranks_of,
)
from gatesmith.prune.low_rank.counts import multiplications, products
from gatesmith.prune.low_rank.fits import Fits
from gatesmith.prune.low_rank.method import LayerOp, Method, Ranks
from gatesmith.prune.low_rank.moments import moments
from gatesmith.quant.calibrate.runner import Frames, Runner, reference_runner

Cost: TypeAlias = Callable[[Graph], float]
"""Cost of a whole network, in any unit: multiplications, LUTs of its plan, cycles."""


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one layer.

    Attributes:
        layer: Its name before.
        method: How it was to be split.
        ranks: That were considered; empty where none could be.
        multiplications_before: A frame.
        multiplications_after: As split; as before where nothing was considered.
        parameters_before: Weights.
        parameters_after: As split.
        error: Norm of what the split misses of the weights, over theirs.
        result_error: The same of the layer's results on the sample; None without one.
        cost_before: Of the network when it was this layer's turn; None where that was not measured.
        cost_after: Of the network with this layer split.
        split: Whether it is.
        why: Why not; empty where it is.
    """

    layer: str
    method: str
    ranks: Ranks
    multiplications_before: int
    multiplications_after: int
    parameters_before: int
    parameters_after: int
    error: float = 0.0
    result_error: float | None = None
    cost_before: float | None = None
    cost_after: float | None = None
    split: bool = False
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return {**asdict(self), "ranks": list(self.ranks)}


@dataclass(frozen=True, slots=True, eq=False)
class Decomposed:
    """The network with the layers split for which it paid.

    Attributes:
        graph: It.
        rows: One for each layer that was looked at, in the order of the graph.
        cost_before: Of the network.
        cost_after: Of ``graph``.
    """

    graph: Graph
    rows: tuple[Row, ...]
    cost_before: float
    cost_after: float


def decompose(
    graph: Graph,
    method: str,
    *,
    layers: Collection[str] | None = None,
    energy: float | None = None,
    ratio: float | None = None,
    ranks: Wished | None = None,
    cost: Cost | None = None,
    round_to: int = 1,
    measure: Measure = "multiplications",
    sample: Frames | None = None,
    runner: Runner = reference_runner,
) -> Decomposed:
    """Split layers of a real graph; constants end as float32 numbers.

    Args:
        graph: Tidied (quant/prepare), so that batch norms are in the weights.
        method: ``svd``, ``tucker``, ``cp``, ``separable`` or ``depthwise``.
        layers: Names; None: all that the method can split.
        energy: Share of its squared weights that each layer keeps.
        ratio: Share of each layer's work that goes, at least.
        ranks: One number, or one for each bond, for all layers; or by layer, and then only these
            are split; or ``"vbmf"``: what stands out of noise. Give one of energy, ratio, ranks.
        cost: Of a network; None: its multiplications. An error of it leaves a layer alone.
        round_to: Ranks become multiples of this, up for energy and vbmf, down for ratio.
        measure: What ``ratio`` counts.
        sample: Frames: errors are then those of the layers' results on them, not of the weights.
        runner: Runs the graph on the sample.

    Errors: ``prune.low-rank``, ``prune.no-tensorly``.
    """
    named = None if layers is None else tuple(layers)
    wish = Wish(named, energy, ratio, ranks, round_to, measure)
    return Splitter(graph, method, wish, sample, runner).split(wish, cost or multiplications)


class Splitter:
    """A network about to be split; what is computed for one wish is kept for the next.

    Args:
        graph: Real.
        method: Name.
        wish: Says which layers.
        sample: Frames or None.
        runner: Runs the graph on the sample.
    """

    def __init__(
        self, graph: Graph, method: str, wish: Wish, sample: Frames | None, runner: Runner
    ) -> None:
        self.graph, self.method = graph, find_method(method)
        self.users = graph.users()
        self.entries = examined(graph, self.method, wish)
        able = [entry.node for entry in self.entries if not entry.why]
        found = {} if sample is None or not able else moments(graph, able, sample, runner)
        self.fits = Fits(self.method, found)

    def split(self, wish: Wish, cost: Cost) -> Decomposed:
        """The layers split as wished. Errors: ``prune.no-tensorly``."""
        graph, rows = self.graph, []
        start = now = float(cost(graph))
        for entry in self.entries:
            found = entry.why or ranks_of(entry.node, self.method, wish, self.fits, self.users)
            if isinstance(found, str):
                rows.append(_row(entry.node, self.method, why=found))
                continue
            split, row = self._tried(graph, entry, found, now, cost)
            if row.split:
                assert row.cost_after is not None
                graph, now = split, row.cost_after
            rows.append(row)
        return Decomposed(graph, tuple(rows), start, now)

    def _tried(
        self, graph: Graph, entry: Entry, ranks: Ranks, before: float, cost: Cost
    ) -> tuple[Graph, Row]:
        """The graph with one layer more split, and whether that is to stay."""
        node, method = entry.node, self.method
        op: LayerOp = node.op  # type: ignore[assignment]
        parts = method.parts(op, node.args[1].type.shape, ranks)
        fit = self.fits.fit(node, ranks)
        split = replaced(graph, node.name, parts, fit.weights)
        why, after = "", None
        try:
            after = float(cost(split))
        except UserErrors as several:
            why = f"its cost is not known: {several.errors[0].what}"
        except UserError as error:
            why = f"its cost is not known: {error.what}"
        if after is not None and after >= before:
            why = f"the cost would not fall: {before:g}, then {after:g}"
        row = _row(
            node,
            method,
            ranks=ranks,
            after=work(node, parts, self.users),
            error=fit.error,
            result_error=fit.result_error,
            cost_before=before,
            cost_after=after,
            split=not why,
            why=why,
        )
        return split, row


def _row(
    node: Node,
    method: Method,
    *,
    ranks: Ranks = (),
    after: tuple[int, int] | None = None,
    **told: Any,
) -> Row:
    weights = node.args[1].type
    before = (products(node.type, weights), weights.size)
    after = before if after is None else after
    return Row(node.name, method.name, ranks, before[0], after[0], before[1], after[1], **told)
