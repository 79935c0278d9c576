from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from gatesmith.codegen.signed_digits import count_digits, digits


def value(shift: int, negative: bool) -> int:
    return -(1 << shift) if negative else 1 << shift


def test_digits_add_up_to_the_number_and_no_form_has_fewer() -> None:
    least: dict[int, tuple[int, int]] = {}
    for signs in product((-1, 0, 1), repeat=9):
        n = sum(sign << shift for shift, sign in enumerate(signs))
        found = (sum(map(abs, signs)), signs.count(-1))
        least[n] = min(least.get(n, found), found)
    for n in range(1, 256):
        form = digits(n)
        assert sum(value(*digit) for digit in form) == n
        assert (len(form), sum(digit.negative for digit in form)) == least[n], n


def test_count_is_that_of_the_digits() -> None:
    numbers = np.array([*range(-300, 300), 2**61 - 1, -(2**61)])
    counts = [len(digits(abs(int(n)))) if n else 0 for n in numbers]
    assert count_digits(numbers).tolist() == counts


def test_zero_has_no_digits_to_ask_for() -> None:
    with pytest.raises(ValueError, match=r"^expected a positive number, not 0$"):
        digits(0)
