"""The order in which a window reads its map a beat at a time: six nested loops.

    for every output row, output column, group, kernel row, kernel column, beat of the group

A slot is one turn of the innermost loop. With beats numbered in the order in which they arrive, it
reads beat (row * W + col) * BP + channel, if row and col lie in the map (BP beats in a pixel).
Within a group of a position the beats read ascend, so only three numbers bound what is still to
come: the slot's own beat, and the first beats that the next position and the next row can read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from gatesmith.codegen.parts import ceil_div
from gatesmith.ir import Ints


class Level(NamedTuple):
    """A loop: its turns, and what one turn adds to the place that is read."""

    name: str
    turns: int
    row: int
    col: int
    channel: int


class Jump(NamedTuple):
    """What is added to the place when a loop makes a turn and all inside it begin again."""

    name: str
    row: int
    col: int
    channel: int


class Slot(NamedTuple):
    """State of the walk at a slot, counted over all frames from 0."""

    number: int
    counts: tuple[int, ...]  # innermost loop first
    row: int
    col: int
    channel: int
    inside: bool
    base: int  # lower bound of what this output position and all behind it read
    bound: int  # the same for the positions behind it
    needs: int  # beats of the frame that this slot and those before it need
    frees: int  # beats of the frame that neither this slot nor those behind it need


def rising(count: int, stride: int, before: int, extent: int) -> range:
    """Output positions behind which the first place read rises by a stride.

    It is 0 until a stride has led out of the pad ``before``; it must not rise above ``extent``,
    except behind the last of the ``count`` positions.

    >>> rising(4, 1, 1, 4), rising(3, 2, 0, 5), rising(3, 2, 1, 6), rising(5, 2, 0, 3)
    (range(1, 4), range(0, 3), range(1, 3), range(0, 1))
    """
    lo = min(count, ceil_div(before, stride))
    hi = min(count, lo + ceil_div(extent, stride))
    if hi < count and stride * (hi - lo) > extent:
        hi -= 1
    return range(lo, hi)


@dataclass(frozen=True, slots=True)
class Walk:
    """Attributes: those of Window; H, W; beats in a pixel; groups of beats read in turn."""

    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int]
    shape: tuple[int, int]
    positions: tuple[int, int]
    beats: int
    groups: int

    @property
    def total(self) -> int:
        """Beats of a frame of the map."""
        return self.shape[0] * self.shape[1] * self.beats

    @property
    def slots(self) -> int:
        """Slots of a frame."""
        return self.positions[0] * self.positions[1] * self.kernel[0] * self.kernel[1] * self.beats

    @property
    def levels(self) -> tuple[Level, ...]:
        """The loops, innermost first."""
        each = self.beats // self.groups
        return (
            Level("beat", each, 0, 0, 1),
            Level("tap_col", self.kernel[1], 0, self.dilations[1], 0),
            Level("tap_row", self.kernel[0], self.dilations[0], 0, 0),
            Level("group", self.groups, 0, 0, each),
            Level("out_col", self.positions[1], 0, self.strides[1], 0),
            Level("out_row", self.positions[0], self.strides[0], 0, 0),
        )

    @property
    def jumps(self) -> tuple[Jump, ...]:
        """One for each level, and last the one from a frame to the next (in the next's rows)."""
        made, back = [], (0, 0, 0)
        for level in (*self.levels, Level("frame", 1, 0, 0, 0)):
            step = (level.row, level.col, level.channel)
            made.append(Jump(level.name, *(s - b for s, b in zip(step, back, strict=True))))
            rest = level.turns - 1
            back = (back[0] + rest * step[0], back[1] + rest * step[1], back[2] + rest * step[2])
        return tuple(made)

    def linear(self, row: int, col: int, channel: int) -> int:
        """Number of the beat at a place, or what it would be."""
        return (row * self.shape[1] + col) * self.beats + channel

    # ---- what may be overwritten -------------------------------------------------------------

    @property
    def rising_rows(self) -> range:
        """Output rows behind which the first row still read rises by a stride."""
        return rising(self.positions[0], self.strides[0], self.pads[0], self.shape[0])

    @property
    def rising_cols(self) -> range:
        """Output columns behind which, in such a row, the first column still read rises."""
        stride, width = self.strides[1], self.shape[1]
        lo = min(self.positions[1] - 1, ceil_div(self.pads[1], stride))
        return range(lo, min(self.positions[1] - 1, lo + width // stride))

    @property
    def col_step(self) -> int:
        """Beats by which the bound rises behind a rising column."""
        return self.strides[1] * self.beats

    @property
    def row_step(self) -> int:
        """Beats by which it rises behind the last column of a rising row."""
        whole = self.strides[0] * self.shape[1] * self.beats
        return whole - len(self.rising_cols) * self.col_step

    def base(self, row: int, col: int) -> int:
        """Lower bound of the beats that an output position and all behind it read.

        It counts whole strides, which may be a little less than what the pads would allow.
        """
        rows, cols = self.rising_rows, self.rising_cols
        above = min(max(row - rows.start, 0), len(rows))
        left = min(max(col - cols.start, 0), len(cols)) if row in rows else 0
        return above * self.strides[0] * self.shape[1] * self.beats + left * self.col_step

    def first_slots(self, count: int) -> list[Slot]:
        """State at the first slots, through as many frames as they take."""
        found: list[Slot] = []
        needs = frees = 0
        for number in range(count):
            rest, counts = number % self.slots, []
            for level in self.levels:
                rest, turn = divmod(rest, level.turns)
                counts.append(turn)
            place = [-self.pads[0], -self.pads[1], 0]
            for level, turn in zip(self.levels, counts, strict=True):
                for axis, step in enumerate((level.row, level.col, level.channel)):
                    place[axis] += turn * step
            row, col, channel = place
            out_col, out_row = counts[4:]
            following = divmod(out_row * self.positions[1] + out_col + 1, self.positions[1])
            last = following == (self.positions[0], 0)
            base, bound = self.base(out_row, out_col), self.total
            if not last:
                bound = self.base(*following)
            inside = 0 <= row < self.shape[0] and 0 <= col < self.shape[1]
            linear = self.linear(row, col, channel)
            if number % self.slots == 0:
                needs, frees = 1, 0
            if inside:
                needs = max(needs, linear + 1)
            if self.groups > 1:
                frees = base
            elif inside:
                frees = max(frees, min(linear, bound))
            state = (tuple(counts), row, col, channel, inside, base, bound, needs, frees)
            found.append(Slot(number, *state))
        return found

    def arrays(self) -> tuple[Ints, Ints]:
        """(needs, frees) of a frame as codegen/stream.py's Timing has them, by slot."""
        return _arrays(self)


@lru_cache(maxsize=2)
def _arrays(walk: Walk) -> tuple[Ints, Ints]:
    """As :meth:`Walk.first_slots`, for a whole frame at once."""
    (kh, kw), (dh, dw), (sh, sw) = walk.kernel, walk.dilations, walk.strides
    rows = np.arange(walk.positions[0])[:, None] * sh - walk.pads[0] + np.arange(kh) * dh
    cols = np.arange(walk.positions[1])[:, None] * sw - walk.pads[1] + np.arange(kw) * dw
    channel = np.arange(walk.beats).reshape(walk.groups, 1, 1, -1)
    row, col = rows[:, None, None, :, None, None], cols[None, :, None, None, :, None]
    linear = (row * walk.shape[1] + col) * walk.beats + channel
    inside = (row >= 0) & (row < walk.shape[0]) & (col >= 0) & (col < walk.shape[1])
    inside = np.broadcast_to(inside, linear.shape)
    needs = np.maximum.accumulate(np.where(inside, linear + 1, 1).reshape(-1))

    down, along = walk.rising_rows, walk.rising_cols
    above = (np.arange(len(rows)) - down.start).clip(0, len(down))[:, None]
    left = (np.arange(len(cols)) - along.start).clip(0, len(along)) * walk.col_step
    rises = np.array([r in down for r in range(len(rows))])[:, None]
    base = above * (sh * walk.shape[1] * walk.beats) + rises * left
    following = np.append(base.reshape(-1)[1:], walk.total).reshape(base.shape)
    unread = base if walk.groups > 1 else following
    unread = np.broadcast_to(unread[:, :, None, None, None, None], linear.shape)
    if walk.groups == 1:
        unread = np.where(inside, np.minimum(linear, unread), 0)
    before = np.maximum.accumulate(unread.reshape(-1))
    frees = np.append(before[1:], walk.total)
    for array in (needs, frees):
        array.flags.writeable = False
    return needs, frees
