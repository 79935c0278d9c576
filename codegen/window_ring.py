"""How many beats a ring buffer has to hold so that neither end ever waits for the other.

A slot is one step of the reader, at most one a clock edge. ``needs[s]`` beats of the frame must
have been written an edge before slot s; after it ``frees[s]`` beats of the frame are not read any
more, so that an edge later beat i may be written once ``frees > i - keep``. Both ascend.
"""

from __future__ import annotations

import numpy as np

from gatesmith.ir import Ints


def least_keep(needs: Ints, frees: Ints, total: int) -> int:
    """Smallest ring with which a frame takes max(slots, total) edges in steady state.

    The slower end runs without a gap: its times are fixed. Where that is the reader, each beat is
    written as late as its first reader and the beats behind it allow; where it is the writer, each
    slot is issued as early as its beats allow. Both leave the fewest beats in the ring. With this
    ring a periodic schedule of that length exists, and a machine that does everything as soon as
    it can is no slower than any periodic schedule (max-plus algebra: Baccelli, Cohen, Olsder and
    Quadrat, "Synchronization and Linearity", theorem 3.28 and section 5.3 of 1992).

    Args:
        needs: By slot.
        frees: By slot; the last is ``total``.
        total: Beats of a frame.

    >>> order = np.arange(1, 9)
    >>> least_keep(order, order, 8), least_keep(np.full(8, 8), order, 8)
    (2, 9)
    """
    if needs.size >= total:
        return _slow_reader(needs, frees, total)
    return _slow_writer(needs, frees, total)


def _slow_reader(needs: Ints, frees: Ints, total: int) -> int:
    """Slot s of frame f is issued at f * slots + s; writes are late."""
    slots = needs.size
    beats = np.arange(2 * total)  # of a frame and the next, whose deadlines bear on the first's
    first = np.searchsorted(needs, np.arange(total), side="right")
    deadline = np.concatenate([first, first + slots]) - 1
    write = np.minimum.accumulate((deadline - beats)[::-1])[::-1][:total] + beats[:total]
    # A beat that no slot needs has the deadline slots - 1, which binds nobody: after the last
    # slot everything is free, and it is before what the next frame needs.
    frame, slot = np.divmod(write - 1, slots)
    return int((beats[:total] + 1 - frame * total - frees[slot]).max())


def _slow_writer(needs: Ints, frees: Ints, total: int) -> int:
    """Beat i of frame f is written at f * total + i; slots are issued early."""
    slots = needs.size
    frames = np.arange(3)[:, None]
    order = np.arange(3 * slots)
    issue = order + np.maximum.accumulate((needs + frames * total).reshape(-1) - order)
    freed = (frees + frames * total).reshape(-1)
    writes = np.arange(2 * total, 3 * total)
    last = np.searchsorted(issue, writes - 1, side="right") - 1
    return int((writes + 1 - freed[last]).max())
