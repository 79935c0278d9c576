"""A constant as few signed powers of two: what a product by a constant costs in adders.

    n = sum of sign * 2**shift

No form has fewer digits than the canonical one (Reitwieser 1960, Binary Arithmetic, Advances in
Computers 1). Where several have as few, the one with the fewest negative digits is taken: 3 is
2 + 1 and not 4 - 1, because the sum of two narrow terms is narrower than the difference of two
wide ones.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from gatesmith.ir import Ints


class Digit(NamedTuple):
    """``-2**shift`` where ``negative``, else ``2**shift``."""

    shift: int
    negative: bool


@lru_cache(maxsize=1 << 16)
def digits(n: int) -> tuple[Digit, ...]:
    """Signed digits of a positive number, lowest first.

    >>> [(-1) ** d.negative << d.shift for d in digits(3)], [d.shift for d in digits(28)]
    ([1, 2], [2, 5])
    """
    if n < 1:
        raise ValueError(f"expected a positive number, not {n}")
    if n == 1:
        return (Digit(0, False),)
    if n % 2 == 0:
        return tuple(Digit(d.shift + 1, d.negative) for d in digits(n // 2))
    forms = [
        (Digit(0, d < 0), *(Digit(e.shift + 1, e.negative) for e in digits((n - d) // 2)))
        for d in (1, -1)
    ]
    return min(forms, key=lambda form: (len(form), sum(d.negative for d in form)))


def count_digits(values: Ints) -> Ints:
    """Signed digits of the magnitude of each value: ones in ``n ^ 3 * n``.

    >>> count_digits(np.array([0, 1, -3, 7, 21, -1024]))
    array([0, 1, 2, 2, 3, 1])
    """
    n = np.abs(values).astype(np.uint64)
    return np.bitwise_count(n ^ (np.uint64(3) * n)).astype(np.int64)
