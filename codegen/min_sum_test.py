import itertools

import numpy as np
import pytest

from gatesmith.codegen.min_sum import Table, least


def brute(sizes: list[int], tables: list[Table]) -> float:
    return min(
        sum(float(t.values[tuple(choice[v] for v in t.of)]) for t in tables)
        for choice in itertools.product(*map(range, sizes))
    )


@pytest.mark.parametrize("seed", range(40))
def test_it_is_the_least_of_all_choices(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 4, rng.integers(1, 6)).tolist()
    tables = [Table((v,), rng.integers(0, 50, n).astype(float)) for v, n in enumerate(sizes)]
    for _ in range(int(rng.integers(0, 7))):
        of = tuple(rng.permutation(len(sizes))[: rng.integers(1, 4)].tolist())
        values = rng.integers(0, 50, [sizes[v] for v in of]).astype(float)
        values[rng.random(values.shape) < 0.15] = np.inf
        tables.append(Table(of, values))

    found = least(sizes, tables)

    assert found.exact
    assert found.total == brute(sizes, tables)
    told = sum(float(t.values[tuple(found.values[v] for v in t.of)]) for t in tables)
    assert told == found.total


def test_a_table_that_would_be_too_large_is_not_made_and_the_answer_says_so() -> None:
    rng = np.random.default_rng(0)
    sizes = [4] * 6
    pairs = itertools.combinations(range(6), 2)
    tables = [Table(pair, rng.random((4, 4))) for pair in pairs]

    small, whole = least(sizes, tables, most=64), least(sizes, tables)

    assert (small.exact, whole.exact) == (False, True)
    assert whole.total == pytest.approx(brute(sizes, tables))
    assert small.total >= whole.total - 1e-12
