"""The ways to build one layer, each with its lanes, its cycles and what it takes.

An unrolled layer is looked at lazily: to know what it takes, its sums have to be made, which lasts
seconds for a large one. Until a choice has it, it stands in the list with a lower bound, and is
made only then (:meth:`Options.settle`); the search begins again where the truth is dearer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatesmith.codegen.dense_unrolled import UNROLLED
from gatesmith.codegen.lane_costs import RESOURCES, Amounts, amounts
from gatesmith.codegen.layers import is_masked
from gatesmith.codegen.matrix_unit import Fold, Layer, Naming
from gatesmith.codegen.matrix_units import (
    UNITS,
    layer_of,
    refusal,
    with_requantize,
    with_threshold,
)
from gatesmith.codegen.min_sum import Table
from gatesmith.codegen.stream import Stage, Stream
from gatesmith.codegen.truth_rows import TRUTH
from gatesmith.codegen.unrolled_rows import digit_total
from gatesmith.codegen.wish import Wish
from gatesmith.ir import Node
from gatesmith.ops.dense import Dense
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.threshold import Threshold

MAX_WIDTH = 1 << 16
"""Widest stream that is emitted, in bits."""

UNASKED_DIGITS = 1 << 16
"""Signed digits of the largest layer that is unrolled unasked: more take minutes to look at."""

IDLE, FEW = 16, 64
"""A way is looked at when it has at most IDLE times the multipliers that the cycles need, or FEW of
them: one with more would cost more, whatever converters it saves. An assumption, which makes a
search of one interval two to three times as fast."""

LEAST_SHARED = 0.25
"""Part of the additions that sharing is assumed never to go below, for the lower bound of an
unrolled layer. An assumption, no proof: where an adder graph shares more, it may go unseen."""


def candidates(
    node: Node, cycles: int | None, wish: Wish, *, unrolled: bool = False
) -> Iterator[Fold]:
    """Folds of the units that may build a layer under a wish.

    Args:
        node: The layer.
        cycles: Most cycles a frame; see :func:`layer_of`.
        wish: What is said about it.
        unrolled: Whether it may be unrolled unasked.
    """
    layer = layer_of(node, cycles)
    unasked = unrolled and wish == Wish() and _worth_unrolling(layer)
    for unit in UNITS.values():
        tried = unit.automatic or wish.rom is not None or (unit.name == UNROLLED and unasked)
        if wish.unit is None and not tried:
            continue
        if wish.unit not in (None, unit.name) or wish.rom_name not in unit.roms:
            continue
        if refusal(unit, layer, wish.rom_name) is None:
            yield from filter(wish.allows, unit.folds(layer, wish.rom_name))


def _worth_unrolling(layer: Layer) -> bool:
    return layer.op.groups == 1 and digit_total(layer.op.weights.data) <= UNASKED_DIGITS


class Out(NamedTuple):
    """How a layer gives its result.

    Attributes:
        lanes: Of the sink.
        joined: Whether that is the result of what is behind it.
    """

    lanes: int
    joined: bool


class Options:
    """All ways to build one layer.

    Attributes:
        folds: The ways.
        lanes_in: Lanes of the source that occur, rising.
        outs: What the sink may be, rising.
        behind: A Threshold or Requantize that alone reads the sums; a stage may do it itself.
        cycles: Of each, a frame.
        amounts: What each takes, (folds, RESOURCES); not a number where it was not looked at.
        known: Whether that is what it takes; else a lower bound.
        sink: Type of the sums.
    """

    def __init__(
        self,
        node: Node,
        cycles: int | None,
        wish: Wish,
        together: int,
        *,
        unrolled: bool,
        behind: Threshold | Requantize | None = None,
    ) -> None:
        self.behind = behind
        self.node, self.layer, self.together = node, layer_of(node, cycles), together
        elem = node.op.accumulator(self.layer.x) if isinstance(node.op, Dense) else None
        assert elem is not None
        self.sink, self.free = elem, not wish.folds
        found = [
            fold
            for fold in candidates(node, cycles, wish, unrolled=unrolled)
            if wish.folds or self._narrow(fold, elem.bits)
        ]
        self.folds = tuple(found)
        self.cycles = np.array([UNITS[f.unit].cycles(self.layer, f) for f in found], np.int64)
        ins = [UNITS[f.unit].lanes(self.layer, f) for f in found]
        self.lanes_in = tuple(sorted(set(ins)))
        outs = [Out(fold.pe, self._joins(fold)) for fold in found]
        self.outs = tuple(sorted(set(outs)))
        self.at_in = np.array([self.lanes_in.index(n) for n in ins], np.intp)
        self.at_out = np.array([self.outs.index(out) for out in outs], np.intp)
        self.lazy = np.array([f.unit == UNROLLED for f in found], np.bool_)
        self.few = np.array([f.pe * f.simd <= FEW for f in found], np.bool_)
        self.known = np.zeros(len(found), np.bool_)
        self.amounts = np.full((len(found), len(RESOURCES)), np.nan)

    def allowed(self, cycles: int) -> NDArray[np.bool_]:
        """Ways that take no more cycles; of a fold by hand, all of them."""
        return self.cycles <= cycles if self.free else np.ones(len(self.folds), np.bool_)

    def considered(self, cycles: int) -> NDArray[np.bool_]:
        """Of the allowed ways those that are looked at: without many idle multipliers."""
        allowed = self.allowed(cycles)
        slowest = int(self.cycles[allowed].max(initial=0))
        return allowed & (self.lazy | self.few | (self.cycles * IDLE >= slowest))

    def prices(self, weights: Amounts, cycles: int) -> NDArray[np.float64]:
        """Of each way; infinite where it is not considered. Looks at ways for the first time."""
        considered = self.considered(cycles)
        for number in np.flatnonzero(considered & np.isnan(self.amounts[:, 0])):
            fold = self.folds[number]
            self.known[number] = not self.lazy[number]
            self.amounts[number] = self._bound() if self.lazy[number] else self._look(fold)
        return np.where(considered, self.amounts @ weights, np.inf)

    def table(self, of: tuple[int, int], weights: Amounts, cycles: int) -> Table:
        """The least price for each pair of lanes."""
        best = np.full((len(self.lanes_in), len(self.outs)), np.inf)
        np.minimum.at(best, (self.at_in, self.at_out), self.prices(weights, cycles))
        return Table(of, best)

    def pick(self, lanes: tuple[int, int], weights: Amounts, cycles: int) -> int:
        """The way behind an entry of :meth:`table`; the first of equal ones."""
        here = (self.at_in == lanes[0]) & (self.at_out == lanes[1])
        return int(np.where(here, self.prices(weights, cycles), np.inf).argmin())

    def settle(self, number: int) -> bool:
        """Look at a way of which only a bound was known; whether that was so."""
        if self.known[number]:
            return False
        self.amounts[number] = self._look(self.folds[number])
        self.known[number] = True
        return True

    def stage(self, fold: Fold) -> Stage:
        """The stage of a way."""
        unit = UNITS[fold.unit]
        lanes = unit.lanes(self.layer, fold)
        x = Stream(self.layer.x, self.layer.inputs, self.layer.vectors, lanes)
        masked = is_masked(self.node, lanes, self.together)
        naming = Naming(self.node.name, self.node.name, (), self.node.name)
        made = unit.stage(naming, self.layer, x, fold, masked=masked)
        return self._joined(made) or made

    def _joined(self, stage: Stage) -> Stage | None:
        """The stage with what is behind it in it, where it has a way for that."""
        match self.behind:
            case Threshold():
                return with_threshold(stage, self.behind)
            case Requantize():
                return with_requantize(stage, self.behind)
            case _:
                return None

    def _joins(self, fold: Fold) -> bool:
        """Whether the stage of a way compares or scales its sums itself."""
        return fold.unit in (UNROLLED, TRUTH) and self._joined(self.stage(fold)) is not None

    def _narrow(self, fold: Fold, bits: int) -> bool:
        lanes = UNITS[fold.unit].lanes(self.layer, fold)
        return max(lanes * self.layer.x.bits, fold.pe * bits) <= MAX_WIDTH

    def _look(self, fold: Fold) -> Amounts:
        """Delay: cycles from the last beat of a vector to the end of what it gives."""
        stage = self.stage(fold)
        vector = stage.interval // max(1, self.layer.vectors)
        delay = getattr(stage, "latency", 1) + max(0, vector - stage.source.groups)
        return amounts(stage, delay)

    def _bound(self) -> Amounts:
        """Of an unrolled layer: a part of its additions, and a register for each of its sums."""
        digits = digit_total(self.layer.op.weights.data)
        sums = len({row.tobytes() for row in self.layer.op.weights.data if row.any()})
        lut = LEAST_SHARED * max(0, digits - sums) * self.layer.x.bits
        bound = dict.fromkeys(RESOURCES, 0.0) | {"lut": lut, "ff": float(sums), "delay": 1.0}
        return np.array([bound[name] for name in RESOURCES])


@dataclass(frozen=True, slots=True)
class Taken:
    """The way that a layer is built in a choice.

    Attributes:
        fold: The way.
        cycles: That it takes, a frame.
        amounts: What it takes.
    """

    fold: Fold
    cycles: int
    amounts: Amounts
