"""Sums over streams against the formula, and what must not cancel in them."""

from __future__ import annotations

import numpy as np

from gatesmith.ir import IntType
from gatesmith.rtl_tests.stream_sums import FACTOR, Stream, _sum
from gatesmith.rtl_tests.vectors import Port


def _by_formula(port: Port, frame: list[int], words: int) -> int:
    total = 0
    for beat in range(port.beats):
        bits = 0
        for lane, value in enumerate(frame[beat * port.lanes : (beat + 1) * port.lanes]):
            bits |= (value - port.elem.lo) // port.elem.step << lane * port.elem.bits
        for word in range(words):  # the lowest first
            total = (total * FACTOR + (bits >> 32 * word & 0xFFFFFFFF)) % 2**64
    return total


def test_sum_is_the_formulas() -> None:
    rng = np.random.default_rng(1)
    for bits, lanes, size in ((1, 1, 9), (4, 3, 10), (7, 9, 30), (8, 8, 64), (12, 16, 40)):
        beats = -(-size // lanes)
        port = Port(IntType(0, 2**bits - 1), lanes, beats, -(-lanes * bits // 8) * 8, size)
        stream = Stream("w", "layer", "node", port)
        x = rng.integers(0, 2**bits, (5, size))
        found = _sum(port.encode(x), stream.words)

        assert [int(f) for f in found] == [_by_formula(port, f, stream.words) for f in x.tolist()]
        assert stream.last_bits == (size - (beats - 1) * lanes) * bits


def test_a_bit_that_is_wrong_in_every_beat_does_not_cancel() -> None:
    beats = np.random.default_rng(2).integers(0, 256, (1, 4096, 8), np.uint8)
    right = _sum(beats, 2)
    for byte in range(8):
        for bit in range(8):
            wrong = beats.copy()
            wrong[..., byte] ^= 1 << bit
            assert _sum(wrong, 2) != right
            wrong[:, ::2] = beats[:, ::2]
            assert _sum(wrong, 2) != right
