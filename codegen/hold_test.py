"""Every cut of a walk runs at full speed in a ring of the computed depth, and in no smaller one."""

from dataclasses import replace

import numpy as np
import pytest

from gatesmith.codegen.address import NONE, divisors
from gatesmith.codegen.address_test import drawn
from gatesmith.codegen.hold import Blocks, _cut, blocks
from gatesmith.ir import Ints

FRAMES = 12


def run(cut: Blocks, walk: Ints) -> tuple[list[int], list[int]]:
    """Edges of the writes and reads of the circuit, input always offered, output always taken.

    Checks on the way that no beat is overwritten that is still read, or read before it came.
    """
    room, ahead, more, less = cut.depth, cut.credit, cut.more.tolist(), cut.less.tolist()
    ring = [-1] * cut.depth
    writes: list[int] = []
    reads: list[int] = []
    total = FRAMES * len(walk)
    for now in range(20 * FRAMES * max(cut.beats, len(walk))):
        if len(reads) == total:
            break
        frame, place = divmod(len(reads), len(walk))
        block, inside = divmod(place, cut.size)
        issue = inside > 0 or ahead >= more[block]
        put = room > 0
        if issue:
            if walk[place] != NONE:
                beat = frame * cut.beats + int(walk[place])
                assert ring[beat % cut.depth] == beat
            reads.append(now)
            ahead -= more[block] if inside == 0 else 0
            room += less[block] if inside == cut.size - 1 else 0
        if put:
            ring[len(writes) % cut.depth] = len(writes)
            writes.append(now)
            ahead, room = ahead + 1, room - 1
        assert 0 <= ahead <= cut.most and 0 <= room <= cut.most
    return writes, reads


def interval(cut: Blocks, walk: Ints) -> float:
    """Mean edges a frame behind the first ones; infinite where it stands still."""
    _, reads = run(cut, walk)
    if len(reads) < FRAMES * len(walk):
        return np.inf
    ends = reads[len(walk) - 1 :: len(walk)]
    return (ends[-1] - ends[3]) / (FRAMES - 4)


@pytest.mark.parametrize("seed", range(4))
def test_depth_is_enough_and_needed(seed: int) -> None:
    for number in range(seed * 12, seed * 12 + 12):
        walk, beats = drawn(number)
        if len(walk) > 100:
            continue
        full = max(beats, len(walk))
        for size in divisors(len(walk)):
            cut = _cut(walk, beats, size)
            assert interval(cut, walk) == full, (number, size)
            if cut.depth > 2:
                assert interval(replace(cut, depth=cut.depth - 1), walk) > full, (number, size)


def test_starts_are_those_of_the_circuit() -> None:
    for number in range(40):
        walk, beats = drawn(number)
        cut = blocks(walk, beats, 8)
        writes, reads = run(cut, walk)
        assert cut.starts(np.arange(beats)).tolist() == reads[: len(walk) : cut.size]
        assert cut.starts(np.array(writes[:beats])).tolist() == reads[: len(walk) : cut.size]


def test_ring_holds_rows_not_frames() -> None:
    rows = np.arange(40 * 32).reshape(40, 32)
    mirrored = np.pad(rows, ((1, 1), (1, 1)), mode="reflect")
    assert blocks(mirrored.ravel(), rows.size, 64).depth < 6 * 32
    assert blocks(rows.repeat(2, 0).ravel(), rows.size, 64).depth <= 2 * 32
    assert blocks(rows[:, ::-1].ravel(), rows.size, 64).depth <= 2 * 32
    assert blocks(rows.T.ravel(), rows.size, 64).depth <= 2 * rows.size
