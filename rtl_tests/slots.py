"""A stage's Timing, run for one frame: an independent reading of it, slot by slot."""

from __future__ import annotations

import numpy as np

from gatesmith.codegen.stream import Stage, Timing
from gatesmith.ir import Ints


def output_edges(timing: Timing, *offered: Ints) -> Ints:
    """Edges of a first frame's output beats, given those at which input beats are offered.

    The stage is idle before, the sink always ready.
    """
    moved = [np.full(len(edges), -1, np.int64) for edges in offered]
    come = [0] * len(offered)
    slots: list[int] = []
    out: list[int] = []

    def offer(k: int, edge: int) -> None:
        """Transfer the next beat of input k, if it is offered and has a place."""
        i, keep, frees = come[k], timing.keep[k], timing.frees[k]
        freed = next((t for t, f in zip(slots, frees, strict=False) if f > i - keep), None)
        place = i < keep or (freed is not None and freed < edge)
        if i < len(offered[k]) and edge >= offered[k][i] and place:
            moved[k][i], come[k] = edge, i + 1

    edge = 0
    while len(slots) < len(timing.gives):
        for k, keep in enumerate(timing.keep):
            if keep:
                offer(k, edge)
        if _ready(timing, len(slots), offered, moved, edge) and _room(timing, out, edge):
            if timing.gives[len(slots)]:
                out.append(edge + timing.delay)
            slots.append(edge)
        edge += 1
    return np.array(out)


def _ready(timing: Timing, slot: int, offered: tuple[Ints, ...], moved: list[Ints], t: int) -> bool:
    """Whether the beats that a slot needs were transferred early enough, or can be at edge t."""
    for k, keep in enumerate(timing.keep):
        need = int(timing.needs[k][slot])
        edges = moved[k] if keep else offered[k]  # without a place: at the edge of the slot
        if need and not 0 <= edges[need - 1] <= t - timing.wait[k]:
            return False
    return True


def _room(timing: Timing, out: list[int], t: int) -> bool:
    """Whether few enough beats are under way."""
    return sum(leaves > t for leaves in out) < timing.room


def check_timing(stage: Stage) -> None:
    """``timing`` and ``schedule`` say the same, whatever the pace of the input."""
    timing, beats = stage.timing(), stage.source.beats
    rng = np.random.default_rng(beats)
    steady = np.arange(beats, dtype=np.int64)
    for gaps in (1, 4, rng.integers(1, 9, beats)):
        edges = np.cumsum(np.broadcast_to(gaps, beats)) if np.ndim(gaps) else steady * gaps
        found = output_edges(timing, np.asarray(edges, np.int64))
        np.testing.assert_array_equal(found, stage.schedule(edges), err_msg=stage.name)
    assert timing.gives.sum() == stage.sink.beats, stage.name
    assert len(timing.gives) <= stage.interval, stage.name
