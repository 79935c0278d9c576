"""Ranks by hand."""

import numpy as np
import pytest

from gatesmith.prune.low_rank.moments import singular_values
from gatesmith.prune.low_rank.rank import (
    energy_ranks,
    ladder,
    largest,
    rounded_down,
    rounded_up,
    searched_rank,
)
from gatesmith.prune.low_rank.vbmf import noise_rank

SPECTRUM = np.sqrt([50.0, 30.0, 15.0, 5.0])


@pytest.mark.parametrize(
    ("energy", "rank"), [(0.5, 1), (0.51, 2), (0.8, 2), (0.95, 3), (0.96, 4), (1.0, 4)]
)
def test_energy(energy: float, rank: int) -> None:
    assert energy_ranks([SPECTRUM], energy) == (rank,)


def test_two_bonds_share_what_may_be_lost() -> None:
    """Of 10 %, each may lose 5 %."""
    assert energy_ranks([SPECTRUM, np.sqrt([94.0, 6.0])], 0.9) == (3, 2)
    assert energy_ranks([SPECTRUM, np.sqrt([95.0, 5.0])], 0.9) == (3, 1)


def test_zeros_are_no_rank() -> None:
    assert energy_ranks([np.array([2.0, 1.0, 1e-9, 0.0])], 1.0) == (2,)


def test_searched_from_below() -> None:
    tried: list[int] = []

    def lost(rank: int) -> float:
        tried.append(rank)
        return 1 / rank

    assert searched_rank(1000, 0.9, lost) == 10
    assert max(tried) == 16
    assert searched_rank(7, 0.9, lost) == 7  # the limit is exact
    assert searched_rank(7, 1e-9, lambda rank: 1 - 0.1 * rank) == 1


def test_the_largest_rank_within_a_cost() -> None:
    steps = ladder(None, (10,))
    assert largest(steps, 1, lambda r: 7 * r[0], 35) == (5,)
    assert largest(steps, 4, lambda r: 7 * r[0], 35) == (4,)
    assert largest(steps, 1, lambda r: 7 * r[0], 6) is None
    assert largest(steps, 16, lambda r: 7 * r[0], 70) == (10,)  # no multiple there
    assert largest(steps, 16, lambda r: 7 * r[0], 69) is None


def test_ladders_rise_to_the_limits() -> None:
    steps = ladder([SPECTRUM, np.sqrt([94.0, 6.0])], (4, 2))
    assert steps == [(1, 1), (2, 1), (3, 1), (3, 2), (4, 2)]


def test_rounding() -> None:
    assert rounded_down((9, 16), 8) == (8, 16)
    assert rounded_down((7, 16), 8) is None
    assert rounded_up((9, 1), (12, 16), 8) == (12, 8)


@pytest.mark.parametrize("rank", [0, 1, 5, 12])
@pytest.mark.parametrize("shape", [(60, 200), (150, 60), (80, 80)])
def test_noise_has_no_rank(rank: int, shape: tuple[int, int]) -> None:
    """Signals well above the noise: theorem 2 finds them all, and no more."""
    rng = np.random.default_rng(2)
    signal = rng.normal(size=(shape[0], rank)) @ rng.normal(size=(rank, shape[1]))
    values = singular_values(signal + 0.3 * rng.normal(size=shape), None)
    assert noise_rank(values, shape) == rank


def test_no_noise_at_all() -> None:
    rng = np.random.default_rng(2)
    values = singular_values(rng.normal(size=(20, 3)) @ rng.normal(size=(3, 30)), None)
    assert noise_rank(values, (20, 30)) == 3
