import numpy as np
import pytest

from gatesmith.prune.coding.hashed import (
    DEGREE,
    MODULUS,
    STRIDE,
    masks,
    multiply,
    places,
    power,
    project,
    state_of,
    table_of,
)

ORDER = (1 << DEGREE) - 1
PRIMES = (3, 5, 7, 13, 17, 241)  # of ORDER = 3**2 * 5 * 7 * 13 * 17 * 241


def test_no_state_comes_twice() -> None:
    assert ORDER == 3**2 * 5 * 7 * 13 * 17 * 241
    assert power(ORDER) == 1
    assert all(power(ORDER // prime) != 1 for prime in PRIMES)
    assert all(STRIDE % prime for prime in PRIMES)
    assert state_of(ORDER) == 1


def test_a_state_at_a_time_is_the_register() -> None:
    state = 1
    for weight in range(200):
        assert state == state_of(weight)
        for _ in range(STRIDE):
            state = state << 1 ^ (MODULUS if state >> (DEGREE - 1) else 0)


def test_places_are_the_lowest_bits_of_the_states() -> None:
    for outputs, inputs, bits in ((1, 1, 3), (5, 7, 1), (12, 33, 10)):
        want = [state_of(t) & ((1 << bits) - 1) for t in range(outputs * inputs)]
        assert places(outputs, inputs, bits).reshape(-1).tolist() == want


def test_first_places_are_pinned() -> None:
    assert places(2, 8, 4).tolist() == [
        [1, 0, 7, 11, 2, 6, 3, 8],
        [4, 13, 6, 9, 13, 6, 9, 8],
    ]


def test_places_are_spread_evenly() -> None:
    counts = np.bincount(places(256, 256, 4).reshape(-1), minlength=16)
    assert abs(counts - 4096).max() < 5 * np.sqrt(4096)
    rows = places(64, 64, 4)
    agree = [(rows[a] == rows[b]).mean() for a in range(64) for b in range(a)]
    assert np.mean(agree) == pytest.approx(1 / 16, abs=0.005) and max(agree) < 0.25


def test_masks_multiply() -> None:
    rng = np.random.default_rng(0)
    for a, b in rng.integers(1, 1 << DEGREE, (20, 2)).tolist():
        bits = [(mask & a).bit_count() & 1 for mask in masks(b)]
        assert sum(bit << k for k, bit in enumerate(bits)) == multiply(a, b) == multiply(b, a)


def test_projection_is_the_mean_of_each_bucket() -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(20, 30))
    shared = project(weights, 3)
    at = places(20, 30, 3)
    for bucket in range(8):
        np.testing.assert_allclose(shared[at == bucket], weights[at == bucket].mean())
    np.testing.assert_allclose(project(shared, 3), shared)
    table = rng.normal(size=8)
    assert ((weights - shared) ** 2).sum() <= ((weights - table[at]) ** 2).sum()


def test_tables_are_found_again() -> None:
    rng = np.random.default_rng(1)
    for bits in (1, 2, 5):
        table = rng.permutation(1 << bits) - 3
        assert table_of(table[places(20, 30, bits)]) == tuple(table.tolist())
    assert table_of(rng.integers(0, 2, (20, 30))) is None
    assert table_of(np.full((3, 3), 5)) == (5, 5)
    assert table_of(np.full((2, 3), 5)) is None  # a table is a quarter of the weights at most
