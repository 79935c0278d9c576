"""Window without a simulator: meaning, order of reading, and rings that are as small as can be.

Everything is compared with the plainest loops that say the same.
"""

from __future__ import annotations

import random

import numpy as np
import pytest

from gatesmith.codegen.stream import Stream
from gatesmith.codegen.window import WindowStage
from gatesmith.codegen.window_addressed import Addressed
from gatesmith.codegen.window_parallel import Parallel
from gatesmith.ir import BIPOLAR, Array, Ints, IntType, TensorType
from gatesmith.ops.window import Window

FRAMES = 9


def draw(seed: int, parallel: bool) -> WindowStage:
    """A window with any options whose kernel fits."""
    rng = random.Random(seed)
    while True:
        kernel = (rng.randint(1, 4), rng.randint(1, 4))
        strides = (rng.randint(1, 3), rng.randint(1, 3))
        dilations = (rng.randint(1, 3), rng.randint(1, 2))
        pads = tuple(rng.choice((0, 0, 1, 1, 2, 3)) for _ in range(4))
        lanes, groups = rng.choice((1, 2)), rng.choice((1, 1, 2, 3))
        beats = 1 if parallel else rng.choice((1, 2, 3))
        shape = (rng.randint(1, 6), rng.randint(1, 6), lanes * groups * beats)
        fill = Array([rng.randint(-9, 9) for _ in range(rng.choice((1, shape[2])))])
        op = Window(kernel, strides, pads, dilations, fill, groups)  # type: ignore[arg-type]
        try:
            op.positions(*shape[:2])
        except ValueError:
            continue
        x = Stream(IntType(-4, 3), shape[2], shape[0] * shape[1], lanes)
        out = lanes * op.taps if parallel else lanes
        return WindowStage("w", "w", (), "w", op, shape, x, groups, out)


def reads(stage: WindowStage) -> list[list[int | None]]:
    """Beats behind each output beat in order; None is outside the map."""
    op, beats = stage.op, stage.x.groups
    height, width, _ = stage.shape
    each, found = beats // stage.groups, []
    for place in np.ndindex(*stage.positions, stage.groups):
        taps: list[int | None] = []
        for i, j in np.ndindex(*op.kernel):
            row = place[0] * op.strides[0] - op.pads[0] + i * op.dilations[0]
            col = place[1] * op.strides[1] - op.pads[1] + j * op.dilations[1]
            inside = 0 <= row < height and 0 <= col < width
            first = (row * width + col) * beats + place[2] * each
            taps += [first + b if inside else None for b in range(each)]
        found += [taps] if stage.parallel else [[tap] for tap in taps]
    return found


def intervals(needs: Ints, frees: Ints, total: int, keep: int) -> Ints:
    """Edges from frame to frame of a ring with this many beats; empty where it is stuck."""
    slots, written, freed, slot, edge = needs.size, 0, 0, 0, 0
    ends: list[int] = []
    while slot < FRAMES * slots and edge < 3 * FRAMES * (slots + total):
        writes = written < FRAMES * total and written < freed + keep
        frame, at = divmod(slot, slots)
        if written >= frame * total + needs[at]:
            freed, slot = frame * total + int(frees[at]), slot + 1
            ends += [edge] if slot % slots == 0 else []
        written, edge = written + writes, edge + 1
    return np.diff(ends) if len(ends) == FRAMES else np.zeros(0, np.int64)


@pytest.mark.parametrize("seed", range(40))
def test_run_is_the_plain_loop(seed: int) -> None:
    stage = draw(seed, parallel=False)
    op, (height, width, channels) = stage.op, stage.shape
    x = np.random.default_rng(seed).integers(-4, 4, (2, *stage.shape))
    y = op.run(x)
    kind = op.infer(TensorType(stage.shape, stage.x.elem))
    assert y.shape[1:] == kind.shape
    assert kind.int_elem.contains(y)
    each = channels // op.groups
    fill = np.broadcast_to(op.fill.data, channels)
    laid = y.reshape(2, *stage.positions, op.groups, *op.kernel, each)
    for n, r, c, g, i, j, k in np.ndindex(*laid.shape):
        row = r * op.strides[0] - op.pads[0] + i * op.dilations[0]
        col = c * op.strides[1] - op.pads[1] + j * op.dilations[1]
        inside = 0 <= row < height and 0 <= col < width
        want = x[n, row, col, g * each + k] if inside else fill[g * each + k]
        assert laid[n, r, c, g, i, j, k] == want


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("parallel", [False, True])
def test_nothing_is_read_too_early_or_overwritten(seed: int, parallel: bool) -> None:
    stage = draw(seed, parallel)
    timing, made = stage.timing(), stage.made
    needs, frees = timing.needs[0], timing.frees[0]
    before = np.concatenate([[0], frees[:-1]])
    assert (np.diff(needs) >= 0).all()
    assert (np.diff(before) >= 0).all()
    assert (needs[0] >= 1, needs[-1] <= stage.x.beats, frees[-1]) == (True, True, stage.x.beats)
    beats = reads(stage)
    issued = np.flatnonzero(timing.gives)
    assert issued.size == len(beats) == stage.sink.beats
    width, column = stage.op.kernel[1], stage.op.dilations[1] * stage.x.groups
    for slot, taps in zip(issued.tolist(), beats, strict=True):
        for tap, beat in enumerate(taps):
            if beat is not None:  # a tap column to the left was read some steps earlier
                at = slot - (width - 1 - tap % width) * column if parallel else slot
                assert before[at] <= beat < needs[at]
    first = [(state.needs, state.frees) for state in made.first]
    for number, state in enumerate(first):
        frame, at = divmod(number, needs.size)
        passed = frame * stage.x.beats if parallel else 0
        assert state == (needs[at] + passed, before[at] + passed)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("parallel", [False, True])
def test_ring_is_large_enough_and_no_larger(seed: int, parallel: bool) -> None:
    stage = draw(seed, parallel)
    timing, total = stage.timing(), stage.x.beats
    needs, frees, keep = timing.needs[0], timing.frees[0], timing.keep[0]
    assert (intervals(needs, frees, total, keep)[4:] == stage.interval).all()
    if not parallel:  # where the ring is whole rows
        found = intervals(needs, frees, total, keep - 1)
        assert found.size == 0 or (found[4:] > stage.interval).any()


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        ({"kernel": (3, 3), "pads": (1, 1, 1, 1)}, 2),
        ({"kernel": (5, 5), "pads": (2, 2, 2, 2)}, 4),
        ({"kernel": (3, 3), "dilations": (2, 2), "pads": (2, 2, 2, 2)}, 4),
        ({"kernel": (1, 1)}, 0),
    ],
)
def test_addressed_ring_is_the_rows_needed(options: dict[str, tuple[int, ...]], rows: int) -> None:
    shape = (32, 32, 8)
    rest = {"strides": (1, 1), "pads": (0, 0, 0, 0), "dilations": (1, 1)} | options
    op = Window(fill=Array([0]), **rest)  # type: ignore[arg-type]
    x = Stream(IntType(0, 3), 8, 32 * 32, 2)
    stage = WindowStage("w", "w", (), "w", op, shape, x, 1, 2)
    assert isinstance(stage.made, Addressed)
    assert rows * 32 * 4 < stage.made.keep <= (rows * 32 + 6) * 4


def test_parallel_ring_is_a_row_for_each_tap_row() -> None:
    op = Window((3, 3), (1, 1), (1, 1, 1, 1), (1, 1), Array([0]), 4)
    x = Stream(BIPOLAR, 8, 32 * 32, 2)
    stage = WindowStage("w", "w", (), "w", op, (32, 32, 8), x, 4, 18)
    assert isinstance(stage.made, Parallel)
    assert (stage.made.rows, stage.interval) == (3, (32 * 32 + 1) * 4)


def test_types_and_shapes() -> None:
    same = Window((3, 3), (1, 1), (1, 1, 1, 1), (1, 1), Array([0]), 1)
    assert same.infer(TensorType((4, 5, 2), BIPOLAR)) == TensorType((4, 5, 18), IntType(-1, 1))
    valid = Window((3, 3), (1, 1), (0, 0, 0, 0), (1, 1), Array([0]), 1)
    assert valid.infer(TensorType((4, 5, 2), BIPOLAR)) == TensorType((2, 3, 18), BIPOLAR)
    with pytest.raises(ValueError, match="does not fit into 2 x 5"):
        valid.infer(TensorType((2, 5, 2), BIPOLAR))
    with pytest.raises(ValueError, match="2 groups do not divide 3 channels"):
        Window((1, 1), (1, 1), (0, 0, 0, 0), (1, 1), Array([0]), 2).infer(
            TensorType((2, 5, 3), BIPOLAR)
        )
