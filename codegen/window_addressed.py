"""Window, a tap a beat: a ring of beats in one memory, read in the order of codegen/window_walk.py.

The ring holds the beats between the first that is still to be read and the last that is read at
this moment, and of those behind it as many as must have come so that the slower end never waits
(codegen/window_ring.py); it is counted in beats, not in rows. For k x k taps with stride 1 it is
k - 1 rows and some k pixels, kh - 1 rows times the dilation in general; up to twice that without
padding, because a frame's first position then waits for as many rows while the last positions of
the frame before still read theirs. A place is free as soon as neither its beat nor one before it is
read any more, or, with groups > 1, as soon as no position reads it. Rows of padding are never
stored.

The walk is one address that jumps: each loop that turns adds a constant of its own. It runs three
slots ahead of the memory, so that every step of it has a cycle: places (A), whether they are in
the map (B), what they need and let go (C), read (P).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from gatesmith.codegen import loops, parts
from gatesmith.codegen.arithmetic import carries
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.fitted import luts
from gatesmith.codegen.render import render
from gatesmith.codegen.stream import Timing
from gatesmith.codegen.window_parts import Implementation, addressed_keep
from gatesmith.codegen.window_walk import Slot

AHEAD = 3
"""Slots by which the walk is ahead of the memory."""


@dataclass(frozen=True, slots=True)
class Addressed(Implementation):
    """templates/sv/window.sv.j2."""

    @property
    def slots(self) -> int:
        """An output beat each."""
        return self.walk.slots

    @property
    def keep(self) -> int:
        """The fewest beats with which no end waits."""
        return addressed_keep(self.walk)

    def timing(self) -> Timing:
        """Every slot gives a beat, out of a memory's register and an output register."""
        needs, frees = self.walk.arrays()
        gives = np.ones(needs.size, np.bool_)
        return Timing((needs,), (1,), (frees,), (self.keep,), gives, 2, 2)

    # ---- the walk -------------------------------------------------------------------------------

    @property
    def loops(self) -> dict[str, int]:
        """Turns of each loop, innermost first."""
        return {level.name: level.turns for level in self.walk.levels}

    @property
    def line_bits(self) -> int:
        """Bits of a row or column, modulo: those of pads are not below the map's size."""
        walk = self.walk
        sizes = []
        for axis in (0, 1):
            far = (walk.positions[axis] - 1) * walk.strides[axis]
            far += (walk.kernel[axis] - 1) * walk.dilations[axis]
            sizes.append(max(far, walk.shape[axis] + walk.pads[axis]))
        return max(sizes).bit_length()

    @property
    def address_bits(self) -> int:
        """Bits of a place in the ring."""
        return parts.counter_bits(self.keep)

    def _jump(self, signal: str, bits: int, steps: list[int]) -> dict[str, list[str]]:
        return {signal: [f"{bits}'d{step & ((1 << bits) - 1)}" for step in steps]}

    @property
    def jump_text(self) -> str:
        """What the loop that turns adds to each place."""
        walk, jumps, bits = self.walk, self.walk.jumps, self.step_bits
        linear = [walk.linear(jump.row, jump.col, jump.channel) for jump in jumps]
        through = [*linear[:-1], linear[-1] + walk.total]
        values = self._jump("linear_jump", bits, linear)
        values |= self._jump("address_jump", self.address_bits, [n % self.keep for n in through])
        if self.padded:
            values |= self._jump("row_jump", self.line_bits, [jump.row for jump in jumps])
            values |= self._jump("col_jump", self.line_bits, [jump.col for jump in jumps])
        if self.fill_rom:
            values |= self._jump("channel_jump", self.channel_bits, [j.channel for j in jumps])
        return loops.choose(self.loops, values)

    @property
    def channel_bits(self) -> int:
        """Bits of a beat of a pixel."""
        return parts.counter_bits(self.x.groups)

    @property
    def counters_text(self) -> str:
        """Declarations of the counters."""
        return loops.declare(self.loops)

    @property
    def step_text(self) -> str:
        """One slot on."""
        return loops.step(self.loops)

    @property
    def start_text(self) -> str:
        """Counts after reset: those of the slot in A."""
        return loops.start(self.loops, self.first[AHEAD].counts)

    @property
    def position_last(self) -> str:
        """Whether the slot is the last of its output position."""
        return loops.all_last({k: n for k, n in self.loops.items() if not k.startswith("out")})

    @property
    def row_last(self) -> str:
        """Whether the position is the last of its row."""
        return loops.all_last({"out_col": self.loops["out_col"]})

    @property
    def map_last(self) -> str:
        """Whether the position is the last of the frame."""
        return loops.all_last({k: n for k, n in self.loops.items() if k.startswith("out")})

    @property
    def row_rises(self) -> str:
        """Whether the bound rises behind this row."""
        return loops.within("out_row", self.walk.positions[0], self.walk.rising_rows)

    @property
    def col_rises(self) -> str:
        """Whether it rises behind this column."""
        return loops.within("out_col", self.walk.positions[1], self.walk.rising_cols)

    @property
    def first(self) -> list[Slot]:
        """The slots that stand in P, C, B and A after reset."""
        return self.walk.first_slots(AHEAD + 1)

    def linear_of(self, slot: Slot) -> int:
        """Its beat in the frame, modulo 2**step_bits."""
        return self.walk.linear(slot.row, slot.col, slot.channel) & ((1 << self.step_bits) - 1)

    def address_of(self, slot: Slot) -> int:
        """Its beat's place."""
        linear = self.walk.linear(slot.row, slot.col, slot.channel)
        return (linear + slot.number // self.slots * self.walk.total) % self.keep

    def line(self, place: int) -> int:
        """A row or column, modulo 2**line_bits."""
        return place & ((1 << self.line_bits) - 1)

    @property
    def reset_steps(self) -> tuple[int, int]:
        """What the slot in C needs and lets go beyond the one in P."""
        before, slot = self.first[:2]
        more = self.walk.total if slot.number % self.slots == 0 else 0
        return slot.needs + more - before.needs, slot.frees + more - before.frees

    # ---- stage ----------------------------------------------------------------------------------

    @property
    def ram_style(self) -> str:
        """Where the ring goes."""
        return parts.memory_style(self.keep, self.x.width)

    def cost(self) -> Cost:
        """Ring: parts.ram. Walk and bookkeeping: so many LUTs a bit of each counter.

        FFs: 1 a bit of the counters, 4 of the addresses, 7 of the beat's number (bounds and their
        steps), with padding 1 of row and column, 1 of each count of the ring; output 1 a bit.
        """
        counters = sum((n - 1).bit_length() for n in self.loops.values())
        address, number, ring = self.address_bits, self.step_bits, self.ring_ff
        lines = 2 * self.line_bits * int(self.padded)
        features = {
            "window.counter": counters,
            "window.address": address,
            "window.number": number,
            "window.line": lines,
            "window.ring": ring,
            "window.pad": self.y.width * int(self.padded),
            "window.one": 1,
        }
        ff = counters + 4 * address + 7 * number + lines + ring + 12 + self.y.width + address
        carry = carries(address) * 2 + carries(number) * 5 + 2 * carries(self.ring_bits)
        cost = Cost(lut=luts(features), ff=ff, carry=carry)
        cost += parts.ram(self.keep, self.x.width).registered
        if self.fill_rom:
            words = partial(parts.bits_of, self.fill_words, self.y.elem.bits)
            cost += parts.rom(self.x.groups, self.beat_bits, words).registered
        return cost

    def files(self) -> Mapping[str, str]:
        """The module, the ring's bookkeeping, the fill."""
        return {f"{self.module}.sv": render("sv/window.sv.j2", hw=self), **self.common_files()}
