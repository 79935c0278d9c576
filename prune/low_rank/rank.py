"""Which rank: by kept energy, by a share of the work, or by noise.

    energy    the smallest rank that keeps this share of the sum of the squared weights
    share     the largest rank whose parts cost at most so much
    noise     the singular values above what noise of the weights makes alone (vbmf.py)

Ranks are rounded so that what runs side by side divides them: up for an energy, down for a share.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

import numpy as np

from gatesmith.ir import Reals
from gatesmith.prune.low_rank.method import Ranks

EXACT = 1e-12
"""Energy that rounding of float64 may lose."""


def kept(spectrum: Reals) -> Reals:
    """Share of the energy that ranks 1, 2, ... keep.

    >>> kept(np.array([4.0, 3.0, 0.0])).tolist()
    [0.64, 1.0, 1.0]
    """
    energy = spectrum**2
    share: Reals = np.cumsum(energy) / energy.sum()
    return share


def energy_ranks(spectra: Sequence[Reals], energy: float) -> Ranks:
    """The smallest ranks with which the split keeps the energy (0 to 1).

    What may be lost is shared out evenly where there are several bonds: together they lose no more
    than the sum (De Lathauwer et al., SIAM J. Matrix Anal. Appl. 2000, property 10).

    >>> energy_ranks([np.array([3.0, 2.0, 1.0])], 13 / 14)
    (2,)
    """
    each = 1 - (1 - energy) / len(spectra) - EXACT
    return tuple(min(int(np.searchsorted(kept(s), each)) + 1, len(s)) for s in spectra)


def searched_rank(limit: int, energy: float, lost: Callable[[int], float]) -> int:
    """The same where a rank has to be tried: ``lost(rank)`` is a share of the energy.

    High ranks take longest to try, so the search comes from below.

    >>> searched_rank(50, 0.8, lambda rank: 1 / rank)
    5
    """

    def enough(rank: int) -> bool:
        return rank == limit or 1 - lost(rank) >= energy - EXACT

    high = 1
    while not enough(high):
        high = min(2 * high, limit)
    return bisect_left(range(high), True, lo=high // 2 + 1, key=enough)


def ladder(spectra: Sequence[Reals] | None, limits: Ranks) -> list[Ranks]:
    """Ranks from the smallest to the limits, no bond ever falling.

    With several bonds they rise so that each keeps the same energy.

    >>> ladder([np.array([2.0, 1.0]), np.array([2.0, 0.9, 0.5])], (2, 3))
    [(1, 1), (1, 2), (2, 2), (2, 3)]
    """
    if spectra is None or len(spectra) == 1:
        return [(rank,) for rank in range(1, limits[0] + 1)]
    shares = [kept(s) for s in spectra]
    levels = np.unique(np.concatenate(shares))
    places = [np.minimum(np.searchsorted(s, levels) + 1, len(s)) for s in shares]
    found = [tuple(int(rank) for rank in each) for each in zip(*places, strict=True)]
    return list(dict.fromkeys([*found, limits]))


def largest(
    steps: Sequence[Ranks], round_to: int, cost: Callable[[Ranks], int], most: float
) -> Ranks | None:
    """The last of rising ranks whose cost is at most ``most``, rounded down; None where none is."""
    rounded = [r for r in (rounded_down(r, round_to) for r in steps) if r is not None]
    if not rounded:
        rounded = [steps[-1]]  # the limits themselves are below ``round_to``
    place = bisect_right(rounded, most, key=cost)
    return rounded[place - 1] if place else None


def rounded_down(ranks: Ranks, to: int) -> Ranks | None:
    """Multiples of ``to``; None where one would be 0."""
    found = tuple(rank - rank % to for rank in ranks)
    return found if min(found) else None


def rounded_up(ranks: Ranks, limits: Ranks, to: int) -> Ranks:
    """Multiples of ``to``, but at most the limits.

    >>> rounded_up((3, 9), (16, 10), 4)
    (4, 10)
    """
    return tuple(min(-(-r // to) * to, most) for r, most in zip(ranks, limits, strict=True))
