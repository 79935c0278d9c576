"""Parameters of many elements, numbered."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from gatesmith.quant.form import combined, objects


def test_many_arrays_of_many_values_do_not_run_over() -> None:
    channels, arrays = 2048, 8  # 2048**8 combinations are thinkable, more than 63 bits hold
    rng = np.random.default_rng(0)
    given = [objects([Fraction(int(v)) for v in rng.permutation(channels)]) for _ in range(arrays)]

    numbers, rows = combined(given)

    assert [rows[n] for n in numbers.tolist()] == list(zip(*given, strict=True))


def test_arrays_broadcast() -> None:
    column = objects([Fraction(1), Fraction(2)]).reshape(2, 1)
    row = objects([Fraction(3), Fraction(3), Fraction(4)])

    numbers, rows = combined([column, row])

    assert [[rows[n] for n in line] for line in numbers.tolist()] == [
        [(1, 3), (1, 3), (1, 4)],
        [(2, 3), (2, 3), (2, 4)],
    ]
