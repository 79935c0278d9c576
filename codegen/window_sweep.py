"""The order in which a window reads whole columns: along each row of positions in turn.

A slot ("step") reads a group of channels of one column, of all tap rows. Columns of the left pad
are passed over where the kernel lies in it altogether; behind the last row of positions follow as
many columns as its last positions still wait for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gatesmith.codegen.parts import ceil_div
from gatesmith.codegen.window_walk import Walk
from gatesmith.ir import Ints
from gatesmith.ops.window import reach


@dataclass(frozen=True, slots=True)
class Sweep:
    """The reader's way over a map; all sizes in columns and rows, ``line`` and ``end`` in beats."""

    walk: Walk

    @property
    def lead(self) -> int:
        """Column of the last tap at a row's first position; below 0 it lies in the left pad."""
        walk = self.walk
        return reach(walk.kernel, walk.dilations)[1] - 1 - walk.pads[1]

    @property
    def start(self) -> int:
        """Column at which a row's sweep begins, 0 or below."""
        return min(0, self.lead)

    @property
    def wait(self) -> int:
        """Columns read before a row's first position is complete."""
        return self.lead - self.start

    @property
    def span(self) -> int:
        """Columns from a row's first position to its last, both counted."""
        return (self.walk.positions[1] - 1) * self.walk.strides[1] + 1

    @property
    def pitch(self) -> int:
        """Columns of a sweep."""
        read = min(self.walk.shape[1] - 1, self.span - 1 + self.lead) - self.start + 1
        return max(self.span, read)

    @property
    def flush(self) -> int:
        """Columns behind the last sweep."""
        return max(0, self.span + self.wait - self.pitch)

    @property
    def rows(self) -> int:
        """Sweeps of a frame."""
        return self.walk.positions[0]

    @property
    def slots(self) -> int:
        """Steps of a frame."""
        return (self.rows * self.pitch + self.flush) * self.walk.beats

    @property
    def line(self) -> int:
        """Beats in a row of the map."""
        return self.walk.shape[1] * self.walk.beats

    @property
    def end(self) -> int:
        """The last beat of a row that a sweep reads."""
        return max(0, min(self.pitch + self.start, self.walk.shape[1]) * self.walk.beats - 1)

    @property
    def skipped(self) -> int:
        """Sweeps that begin before a frame's first position is complete."""
        return ceil_div(self.wait, self.pitch)

    # ---- rows waited for, rows let go -----------------------------------------------------------

    def newest(self, row: int) -> int:
        """Row of the map that a sweep waits for: the last tap row's, or one a little below it."""
        walk = self.walk
        stride, lead = walk.strides[0], reach(walk.kernel, walk.dilations)[0] - 1 - walk.pads[0]
        first = lead if lead >= 0 else lead % stride
        return min(walk.shape[0] - 1, first + stride * max(0, row - (first - lead) // stride))

    @property
    def fresh(self) -> range:
        """Sweeps, but for a frame's first, that wait for a row which the one before did not."""
        found = [r for r in range(1, self.rows) if self.newest(r) > self.newest(r - 1)]
        return range(found[0], found[-1] + 1) if found else range(0)

    def oldest(self, row: int) -> int:
        """Lower bound of the rows that a sweep and all behind it read."""
        rising = self.walk.rising_rows
        return min(max(row - rising.start, 0), len(rising)) * self.walk.strides[0]

    def limits(self, number: int) -> tuple[int, int]:
        """(needs, frees) of one slot: beats needed by it; needed neither by it nor behind it."""
        column, group = divmod(number, self.walk.beats)
        row, column = divmod(column, self.pitch)
        if row >= self.rows:
            return self.newest(self.rows - 1) * self.line + self.end + 1, self.walk.total
        place = min(max((column + self.start) * self.walk.beats + group, 0), self.end)
        waits = row == 0 or row in self.fresh
        needs = self.newest(row) * self.line + (place if waits else self.end) + 1
        return needs, self.oldest(row) * self.line + place * (row in self.walk.rising_rows)

    def emits(self) -> NDArray[np.bool_]:
        """Whether a slot completes a position, by slot."""
        column = np.arange(self.slots // self.walk.beats) - self.wait
        place = column % self.pitch
        stride = self.walk.strides[1]
        gives = (column >= 0) & (place < self.span) & (place % stride == 0)
        return np.repeat(gives & (column < self.rows * self.pitch), self.walk.beats)

    def arrays(self) -> tuple[Ints, Ints]:
        """(needs, frees) of a frame as codegen/stream.py's Timing has them, by slot."""
        rows, fresh, rising = range(self.rows), self.fresh, self.walk.rising_rows
        place = np.arange(self.pitch * self.walk.beats) + self.start * self.walk.beats
        place = place.clip(0, self.end)
        waits = np.array([r == 0 or r in fresh for r in rows])[:, None]
        needs = np.array([self.newest(r) for r in rows])[:, None] * self.line + 1
        needs = needs + np.where(waits, place, self.end)
        rises = np.array([r in rising for r in rows])[:, None]
        frees = np.array([self.oldest(r) for r in rows])[:, None] * self.line + rises * place
        flush = self.flush * self.walk.beats
        needs = np.concatenate([needs.reshape(-1), np.full(flush, needs[-1, -1])])
        frees = np.concatenate([frees.reshape(-1), np.full(flush + 1, self.walk.total)])
        return needs, frees[1:]
