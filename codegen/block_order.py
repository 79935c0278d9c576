"""Which PE x SIMD blocks of a weight matrix are not zero, and how long it takes to go through them.

A vector is SF beats, its output NF beats of PE outputs; block (nf, sf) are the weights between the
two. Of each output beat the blocks that are not zero are kept, in the order of their beats; of an
output beat without any, the first. So vector v is W[v] words of weights, and at least NF.

A beat comes in an edge, the words are issued one an edge, and the unit holds two vectors. For a
source that always has a beat, with s[v] the edge of a vector's first beat and e[v] that of its last
word:

    s[v] = max(s[v - 1] + SF, e[v - 2] + 1)          its place is free an edge behind e[v - 2]
    e[v] = max(e[v - 1] + W[v], s[v] + D[v])         its words wait for their beats
    D[v] = W[v] + max over its words k of (beat of word k) - k

Where no vector has fewer words than beats, or none has more, that is max(SF, W[v]) cycles for each
vector. Else vectors of many words and of few make up for each other in part; then the two lines are
followed until they repeat.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gatesmith.codegen import parts
from gatesmith.ir import Array, Ints
from gatesmith.ops.dense import Dense


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Kept blocks, a word of weights each, in the order in which they are used.

    Attributes:
        kept: By group, output beat, input beat.
        words: Of each group and output beat.
    """

    kept: NDArray[np.bool_]
    words: Ints

    @property
    def sf(self) -> int:
        """Beats in an input vector."""
        return int(self.kept.shape[2])

    @property
    def counts(self) -> Ints:
        """Words of each group."""
        return np.asarray(self.words.sum(axis=1))

    @property
    def beat(self) -> Ints:
        """Input beat of each word."""
        return np.nonzero(self.kept)[2].astype(np.int64)

    @property
    def last(self) -> NDArray[np.bool_]:
        """Whether a word is the last of its output beat."""
        return _ends(self.words.reshape(-1))

    @property
    def ends(self) -> NDArray[np.bool_]:
        """Whether a word is the last of its group: the vector is done."""
        return _ends(self.counts)

    @property
    def even(self) -> bool:
        """Whether no group has fewer words than beats, or none has more."""
        return bool(self.counts.min() >= self.sf or self.counts.max() <= self.sf)

    def by_group(self) -> list[Ints]:
        """Input beats of the words of each group."""
        return np.split(self.beat, np.cumsum(self.counts)[:-1])

    def cycles(self, vectors: int) -> int:
        """Cycles of a frame of so many vectors, a multiple of the groups."""
        rounds = vectors // self.counts.size
        if self.even:
            return rounds * int(np.maximum(self.counts, self.sf).sum())
        growth, times = _steady(self)
        return parts.ceil_div(rounds * growth, times)

    def outputs_within(self, words: int) -> int:
        """Most words among so many neighbours that are the last of an output beat."""
        last = self.last
        laps = 1 + parts.ceil_div(words, last.size)
        before = np.concatenate([[0], np.cumsum(np.tile(last, laps))])
        return int((before[words:] - before[:-words]).max())


def _ends(lengths: Ints) -> NDArray[np.bool_]:
    """Where each of these runs ends."""
    ends = np.zeros(int(lengths.sum()), np.bool_)
    ends[np.cumsum(lengths) - 1] = True
    return ends


@lru_cache(maxsize=4)
def _not_zero(weights: Array) -> NDArray[np.bool_]:
    """By input and output."""
    return np.ascontiguousarray(weights.data.T != 0)


@lru_cache(maxsize=64)
def _used(weights: Array, simd: int) -> NDArray[np.bool_]:
    """Whether a row of SIMD weights has one that is not zero: by input beat and output."""
    outs, ins = weights.shape
    rows = _not_zero(weights).reshape(ins // simd, simd, outs)
    used: NDArray[np.bool_] = np.logical_or.reduce(rows, axis=1)
    return used


@lru_cache(maxsize=16)  # the search for a fold asks several times for one after the other
def blocks(op: Dense, pe: int, simd: int) -> Blocks:
    """Kept blocks of a layer.

    >>> from gatesmith.ir import IntType
    >>> blocks(Dense(Array([[1, 0, 0, 2], [0, 0, 0, 0]]), IntType(0, 2)), 1, 2).beat
    array([0, 1, 0])
    """
    by_beat = _used(op.weights, simd)
    sf, outs = by_beat.shape
    tiles = by_beat.reshape(sf, op.groups, outs // op.groups // pe, pe)
    kept: NDArray[np.bool_] = np.moveaxis(np.logical_or.reduce(tiles, axis=3), 0, 2)
    kept[..., 0] |= ~kept.any(axis=2)
    return Blocks(kept, kept.sum(axis=2))


def _steady(found: Blocks) -> tuple[int, int]:
    """Edges of a number of rounds over all groups once they repeat, and that number."""
    counts, sf = found.counts.tolist(), found.sf
    behind = [int((b - np.arange(b.size)).max()) + b.size for b in found.by_group()]
    s, before, end = -sf, -1, -1
    seen: dict[tuple[int, int], tuple[int, int]] = {}
    for times in range(1_000_000):
        state = (s - end, before - end)
        if state in seen:
            start, at = seen[state]
            return end - at, times - start
        seen[state] = times, end
        for words, late in zip(counts, behind, strict=True):
            s = max(s + sf, before + 1)
            before, end = end, max(end + words, s + late)
    raise AssertionError("the words of two vectors never repeat")
