"""Magnitudes: LAMP by its definition, distances by hand, random numbers that are what they were."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from gatesmith.prune.importance.magnitude import (
    geometric_median,
    lamp,
    over_mean,
    random_scores,
)

VALUES = nps.arrays(
    np.float64, nps.array_shapes(max_dims=3, max_side=5), elements=st.integers(0, 9).map(float)
)


@given(VALUES)
@settings(max_examples=60, deadline=None)
def test_lamp_is_its_definition(squares: np.ndarray) -> None:
    flat = squares.reshape(-1)
    got = lamp(squares).reshape(-1)
    assert lamp(squares).shape == squares.shape
    for at, value in enumerate(flat):
        rank = (value, at)
        larger = sum(v for other, v in enumerate(flat) if (v, other) >= rank)
        assert got[at] == (value / larger if larger else 0.0)


def test_lamp_keeps_the_best_of_each_layer_longest() -> None:
    """A layer of tiny weights against one of large ones: magnitude would empty the first."""
    small, large = lamp(np.array([1e-6, 2e-6])), lamp(np.array([1.0, 2.0, 3.0]))
    assert small.max() == large.max() == 1.0
    assert np.argsort(np.concatenate([small, large]), kind="stable")[-2:].tolist() == [1, 4]


def test_distances_by_hand() -> None:
    points = np.array([[0.0, 0.0], [0.0, 1.0], [3.0, 4.0]])
    wanted = [1 + 5, 1 + np.sqrt(9 + 9), 5 + np.sqrt(18)]
    assert geometric_median(points).tolist() == wanted
    assert geometric_median(np.array([[2.0], [2.0], [2.0]])).tolist() == [0, 0, 0]


def test_over_mean() -> None:
    assert over_mean(np.array([1.0, 3.0])).tolist() == [0.5, 1.5]
    assert over_mean(np.zeros(2)).tolist() == [0, 0]
    assert over_mean(np.zeros(0)).size == 0


def test_random_depends_on_name_and_seed_only() -> None:
    first = random_scores("conv1", (3, 2), 0)
    assert (first == random_scores("conv1", (3, 2), 0)).all()
    assert (first != random_scores("conv2", (3, 2), 0)).all()
    assert (first != random_scores("conv1", (3, 2), 1)).all()
    assert first[0, 0] == np.float64(random_scores("conv1", (6,), 0)[0])
    assert 0 <= first.min() < first.max() < 1
