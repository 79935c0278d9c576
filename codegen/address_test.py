"""Digits and walkers give the walk they were made from."""

import numpy as np
import pytest

from gatesmith.codegen.address import NONE, Walker, digits
from gatesmith.ir import Ints


def places(walker: Walker, count: int, modulus: int) -> tuple[Ints, list[bool]]:
    """Addresses that the hardware would step through, and where it would fill."""
    address, value = [], walker.start
    digit = [0] * len(walker.counters)
    filled = []
    for _ in range(count):
        address.append(value)
        words = [int(c.table[d]) for c, d in zip(walker.counters, digit, strict=True)]
        counted = zip(walker.counters, words, strict=True)
        flags = [c.fills and word >> c.step_bits == 1 for c, word in counted]
        filled.append(any(flags) or (walker.fills and not walker.counters))
        step = walker.wrap
        for k, c in enumerate(walker.counters):
            if digit[k] + 1 < c.count:
                step = words[k] & ((1 << c.step_bits) - 1)
                assert c.step in (None, step)
                digit[k] += 1
                break
            digit[k] = 0
        value = (value + step) % modulus
    return np.array(address), filled


def drawn(number: int) -> tuple[Ints, int]:
    """A walk of a random kind, and the beats that it walks over."""
    rng = np.random.default_rng(number)
    shape = tuple(int(n) for n in rng.integers(1, 7, 3))
    x = np.arange(np.prod(shape)).reshape(shape)
    for axis in range(3):
        match rng.integers(0, 5):
            case 0:
                around = [(0, 0)] * 3
                around[axis] = (int(rng.integers(0, 3)), int(rng.integers(0, 3)))
                x = np.pad(x, around, constant_values=NONE)
            case 1:
                x = x.take(rng.integers(0, x.shape[axis], int(rng.integers(1, 9))), axis)
            case 2:
                x = x.swapaxes(axis, 0)
            case 3:
                x = x.repeat(int(rng.integers(1, 4)), axis)
    return x.ravel(), int(np.prod(shape))


@pytest.mark.parametrize("seed", range(4))
def test_walker_walks(seed: int) -> None:
    for number in range(seed * 100, seed * 100 + 100):
        walk, beats = drawn(number)
        modulus = beats + number % 3
        walker = Walker.of(walk, beats, modulus)
        address, filled = places(walker, 2 * len(walk), modulus)
        both = np.concatenate([walk, np.where(walk == NONE, NONE, walk + beats)])
        assert filled == (both == NONE).tolist()
        assert ((both - address) % modulus == 0)[both != NONE].all()


def test_structure_is_found() -> None:
    x = np.arange(30 * 40 * 6).reshape(30, 40, 6)
    crop = digits(x[3:20, 5:30].ravel())
    assert [(d.count, d.linear) for d in crop] == [(150, True), (17, True)]
    turned = digits(x.transpose(2, 0, 1).ravel())
    assert [(d.count, d.linear) for d in turned] == [(1200, True), (6, True)]
    padded = digits(np.pad(x, ((1, 1), (2, 2), (0, 0)), constant_values=NONE).ravel())
    assert [(d.count, d.linear) for d in padded] == [(12, True), (22, False), (32, False)]
    mirrored = digits(np.pad(x, ((1, 1), (1, 1), (0, 0)), mode="reflect").ravel())
    assert [(d.count, d.linear) for d in mirrored] == [(6, True), (42, False), (32, False)]
    shuffled = digits(x.reshape(30, 40, 2, 3).swapaxes(2, 3).ravel())
    assert [(d.count, d.linear) for d in shuffled] == [(2, True), (3, True), (1200, True)]
    odd = digits(np.random.default_rng(0).permutation(1000))
    assert [(d.count, d.linear) for d in odd] == [(1000, False)]
