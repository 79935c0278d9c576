"""What a block that reads its input in another order has to hold, and when it may go on.

Input beats are written to a ring in the order in which they come. Reads are cut in equal blocks: a
block starts when every beat that it or a block before it reads has come, and when it ends, every
beat that no later block reads is given free. Both are numbers that only grow, so the control is
two counters. The ring is as deep as full speed needs and no deeper (:func:`_depth`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatesmith.codegen import parts
from gatesmith.codegen.address import NONE, divisors
from gatesmith.ir import Ints


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Blocks of a frame.

    Attributes:
        beats: Input beats of a frame.
        size: Reads in a block.
        needs: Beats of the frame that must have come before a block starts; ascending.
        frees: Beats of the frame that are free when a block has ended; ascending to ``beats``.
        depth: Beats in the ring.
    """

    beats: int
    size: int
    needs: Ints
    frees: Ints
    depth: int

    @property
    def count(self) -> int:
        """Blocks in a frame."""
        return len(self.needs)

    @property
    def more(self) -> Ints:
        """Beats that a block waits for, counted from what the block before it had."""
        return np.diff(self.needs, prepend=self.needs[-1] - self.beats)

    @property
    def less(self) -> Ints:
        """Beats that become free with a block's end."""
        return np.diff(self.frees, prepend=0)

    @property
    def credit(self) -> int:
        """Beats by which the first block after a reset waits for fewer than ``more`` says."""
        return self.beats - int(self.needs[-1])

    @property
    def uniform(self) -> bool:
        """Whether all blocks wait for, and give free, the same number."""
        more, less = self.more, self.less
        return bool((more == more[0]).all() and (less == less[0]).all())

    @property
    def most(self) -> int:
        """Largest value of both counters: beats that nobody reads may be free before they come."""
        return self.depth + max(0, int((self.frees - self.needs).max()))

    @property
    def bits(self) -> int:
        """Of both counters."""
        return parts.counter_bits(self.most + 1)

    def starts(self, arrivals: Ints) -> Ints:
        """Edge of each block's first read, when nothing stalls behind: of a first frame.

        Args:
            arrivals: Edges at which the input beats are offered.
        """
        freed_by = np.searchsorted(self.frees, np.arange(self.beats) - self.depth, "right")
        offered, freed_by, needs = arrivals.tolist(), freed_by.tolist(), self.needs.tolist()
        found: list[int] = []
        come, edge, free_at = 0, offered[0] - 1, offered[0]
        for need in needs:
            while come < need:
                place = 0
                if come >= self.depth:  # an edge after the block that frees the place has ended
                    place = found[freed_by[come]] + self.size
                edge = max(edge + 1, offered[come], place)
                come += 1
            start = max(free_at, edge + 1)
            found.append(start)
            free_at = start + self.size
        return np.array(found, np.int64)


def blocks(walk: Ints, beats: int, width: int) -> Blocks:
    """The cheapest cut, ring and table together; of equal ones that of the shortest blocks.

    Args:
        walk: Input beat of each read, or NONE.
        beats: Input beats of a frame.
        width: Bits of a beat.
    """

    def worth(cut: Blocks) -> int:
        table = 0 if cut.uniform else _worth(cut.count, 2 * cut.bits) + 4 * cut.bits
        return _worth(cut.depth, width) + table

    return min((_cut(walk, beats, size) for size in divisors(len(walk))), key=worth)


def _worth(depth: int, bits: int) -> int:
    """What a memory costs, in LUTs."""
    cost = parts.ram(depth, bits).cost
    return cost.lut + parts.BLOCK_WORTH * (cost.ramb18 + 2 * cost.ramb36)


def _cut(walk: Ints, beats: int, size: int) -> Blocks:
    """Blocks of this size. Even one that is filled waits for the first beat of its frame."""
    rows = walk.reshape(-1, size)
    needs = np.maximum.accumulate(np.maximum(rows.max(axis=1) + 1, 1))
    lowest = np.where(rows == NONE, beats, rows).min(axis=1)
    frees = np.append(np.minimum.accumulate(lowest[::-1])[::-1][1:], beats)
    return Blocks(beats, size, needs, frees, _depth(needs, frees, beats, size))


def _depth(needs: Ints, frees: Ints, beats: int, size: int) -> int:
    """Least depth with which frames follow each other every max(beats, reads) edges.

    The slower side is dense: a beat every edge. If that is the reading one, beats are written as
    late as they can be, else reads are made as early as they can be; the depth is the most that is
    then held when a block ends. A self-timed circuit is never slower than a schedule that exists
    (its edges are monotone in all delays: Baccelli et al., Synchronization and Linearity, 1992),
    so the circuit keeps up.
    """
    reads = len(needs) * size
    period = max(beats, reads)
    starts = np.arange(len(needs)) * size
    if reads < beats:  # beat i is written at edge i
        slack = needs - starts
        carried = int(slack.max()) - (period - reads)  # by the frame before
        ends = starts + np.maximum(np.maximum.accumulate(slack), carried) + size - 1
        written = ends + 1
    else:  # block b starts at edge b * size; the beats that it is the first to need go together
        slack = starts - needs
        carried = int(slack.min()) + period - beats  # by the frame behind
        late = np.minimum(np.minimum.accumulate(slack[::-1])[::-1], carried)
        frames = np.arange(-1, 3)[:, None]
        lower = (np.insert(needs, 0, 0) + frames * beats).ravel()
        late = (np.append(late, carried) + frames * (period - beats)).ravel()
        ends = starts + size - 1
        group = np.searchsorted(lower + late, ends, "right") - 1
        written = np.minimum(np.append(lower, lower[-1])[group + 1], ends - late[group] + 1)
    return max(2, int((written - np.insert(frees[:-1], 0, 0)).max()))
