"""Frames that a build carries along: in range, of every kind, the same ones every time."""

from __future__ import annotations

import numpy as np
import pytest

from gatesmith.ir import IntType
from gatesmith.rtl_tests.sample import KINDS, sample_frames

TYPES = (IntType(0, 1), IntType(-1, 1, 2), IntType(-1, 1), IntType(-8, 7), IntType(3, 31, 4))


@pytest.mark.parametrize("elem", [*TYPES, IntType(0, 255), IntType(-(2**31), 2**31 - 1)])
@pytest.mark.parametrize("shape", [(1,), (5, 4, 3)])
def test_values_are_in_the_type(elem: IntType, shape: tuple[int, ...]) -> None:
    frames = sample_frames(elem, (70, *shape), np.random.default_rng(3))

    assert frames.shape == (70, *shape)
    assert frames.min() == elem.lo and frames.max() == elem.hi
    assert not ((frames - elem.lo) % elem.step).any()
    assert (frames[0] == elem.lo).all() and (frames[1] == elem.hi).all()


def test_every_kind_is_another() -> None:
    rng = np.random.default_rng(0)
    means = [[kind(IntType(0, 255), (99,), rng).mean() for _ in range(30)] for kind in KINDS]

    spread = {kind.__name__: round(float(np.std(m))) for kind, m in zip(KINDS, means, strict=True)}
    assert spread["_even"] < 12  # the others are there because even numbers all have one mean
    assert all(spread[kind.__name__] > 15 for kind in KINDS if kind.__name__ not in "_even _wave")


def test_same_seed_same_frames() -> None:
    one, two = (sample_frames(IntType(0, 9), (40, 6), np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(one, two)
