"""What a float network would cost as hardware: planned with 8-bit weights and activations.

The grids are quick ones; costs hang on widths, shapes and zeros, hardly on scales. Before and after
pruning are counted at the same cycles a frame; beside that stands how fast the pruned network is
for what the unpruned one costs.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gatesmith.codegen.fold import Target, budget
from gatesmith.codegen.parts import BLOCK_SIZE
from gatesmith.energy import energy
from gatesmith.errors import UserError, UserErrors
from gatesmith.hardware_cost import Planned, integer_of, planned_integer
from gatesmith.ir import Graph
from gatesmith.quant.mixed.trial import trials
from gatesmith.quant.prepare.scheme import Scheme
from gatesmith.quant.prepare.sites import INPUT, WEIGHT, find_sites
from gatesmith.task import Task

FRAMES = 64
"""Frames that the quick grids are made from."""

HALVINGS = 5
"""Steps of the search for the least cycles at a price."""


@dataclass(frozen=True, slots=True, eq=False)
class Hardware:
    """A network as hardware at a number of cycles a frame.

    Attributes:
        lut: 6-input look-up tables.
        ff: Flip-flops.
        dsp: Multiplier blocks.
        ram_bits: Bits of block RAM.
        weight_bits: Bits of all weight memories.
        cycles: A frame.
        energy_nj: A frame, estimated (gatesmith/energy.py).
        fastest: Least cycles at the price of another network; None where not asked for.
    """

    lut: int
    ff: int
    dsp: int
    ram_bits: int
    weight_bits: int
    cycles: int
    energy_nj: float
    fastest: int | None = None

    @property
    def block_rams(self) -> int:
        """Blocks of 18 kbit that hold the bits, were they filled."""
        return -(-self.ram_bits // BLOCK_SIZE)

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        rounded = {"energy_nj": round(self.energy_nj, 3)}
        return {**asdict(self), **rounded, "block_rams": self.block_rams}


@dataclass(slots=True, eq=False)
class Coster:
    """Plans networks that begin from one task; what cannot be planned is said once, in a note.

    Attributes:
        task: The network and its data.
        cycles: Of a frame; None until the first network is planned.
        seed: Of the random frames that stand in for missing data.
    """

    task: Task
    cycles: int | None
    seed: int = 0
    _whole: tuple[Graph, float] | None = None

    def of(self, graph: Graph, *, at_price_of: Graph | None = None) -> Hardware | None:
        """Hardware of a real graph; None where it cannot be built.

        Args:
            graph: The network, pruned or not.
            at_price_of: Another one, for ``fastest``.
        """
        try:
            integer = self.integer(graph)
            done = self.planned(integer)
            fastest = None if at_price_of is None else self.fastest(integer, at_price_of)
        except (UserError, UserErrors) as error:
            first = error.errors[0] if isinstance(error, UserErrors) else error
            self.task.notes.append(f"hardware is not counted: {first.what} ({first.where})")
            return None
        cost = done.cost
        joules = energy(done.design.stages).total / 1000
        return Hardware(
            cost.lut,
            cost.ff,
            cost.dsp,
            cost.ram_bits,
            cost.weight_bits,
            done.design.interval,
            joules,
            fastest,
        )

    def plan(self, graph: Graph, cycles: int | None = None) -> Planned:
        """The design at a number of cycles. Errors: ``quant.*``, ``codegen.*``."""
        return self.planned(self.integer(graph), cycles)

    def planned(self, integer: Graph, cycles: int | None = None) -> Planned:
        """The same of a network of integers. Errors: ``codegen.*``."""
        if self.cycles is None:
            self.cycles = budget(integer, Target())
        target = Target(cycles or self.cycles, {}, "the cycles of the whole network")
        return planned_integer(integer, target)

    def integer(self, graph: Graph) -> Graph:
        """With 8 bits everywhere, as the hardware computes it. Errors: ``quant.*``."""
        sites = find_sites(graph)
        schemes = {}
        for site in sites:
            text = "uint8" if site.role == INPUT else "int8"
            schemes[site.name] = Scheme.parse(text, weight=site.role == WEIGHT)
        found = trials(graph, sites, schemes, self.task.runner, self._frames())
        return integer_of(found.quantized({site.name: 8 for site in sites}))

    def _frames(self) -> Any:
        data = self.task.data
        if len(data):
            return data.real(slice(0, FRAMES))
        shape = (FRAMES, *self.task.input.type.shape)
        return np.random.default_rng(self.seed).random(shape, np.float32)

    def fastest(self, integer: Graph, other: Graph) -> int:
        """Least cycles, among some, at which a network of integers costs no more than ``other``.

        Errors: ``quant.*``, ``codegen.*``.
        """
        if self._whole is None or self._whole[0] is not other:
            self._whole = (other, self.plan(other).cost.price)
        most = self._whole[1]
        assert self.cycles is not None
        fits, low = self.cycles, self.cycles / 64
        for _ in range(HALVINGS):
            middle = max(1, round((low * fits) ** 0.5))
            try:
                done = self.planned(integer, middle)
            except (UserError, UserErrors):
                low = middle  # out of reach
                continue
            if done.cost.price <= most:
                fits = min(fits, done.design.interval)
            else:
                low = middle
        return fits
