"""A choice of widths made better by what the sum of sensitivities does not see.

Errors of several coarse sites do not add up. So from the optimum of the sum one goes on to
neighbours: a site one width up, or one up and another one down, within the limits. Those are tried
first whose sum is least; the error is that of the whole network on quick grids. The first that is
better is taken, until a number of networks has been run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

from gatesmith.quant.mixed.cost import Table, Unit, predicted
from gatesmith.quant.mixed.optimise import Errors, exceeded

RUNS = 48
"""Networks that are run."""

Choice: TypeAlias = dict[str, int]


def refined(
    start: Mapping[str, int],
    joint: Callable[[Mapping[str, int]], float],
    errors: Errors,
    fits: Callable[[Mapping[str, int]], bool],
    *,
    tied: Mapping[str, str],
    runs: int = RUNS,
) -> Choice:
    """The best choice found; ``start`` if none is better.

    Args:
        start: A choice of widths.
        joint: Error of a choice, of the whole network.
        errors: Of each site at each width, to order what is tried.
        fits: Whether a choice keeps the limits.
        tied: Sites that must have the width of another one.
        runs: Most calls of ``joint``.
    """
    best = dict(start)
    least = joint(best)
    seen = {tuple(best.values())}
    left = runs - 1
    while left > 0:
        for choice in _neighbours(best, errors, fits, tied):
            if tuple(choice.values()) in seen:
                continue
            seen.add(tuple(choice.values()))
            error = joint(choice)
            left -= 1
            if error < least:
                best, least = choice, error
                break
            if left == 0:
                return best
        else:
            return best
    return best


def within(
    units: Sequence[Unit], table: Table, limits: Mapping[str, float]
) -> Callable[[Mapping[str, int]], bool]:
    """Whether a choice keeps limits by the table."""
    return lambda bits: not exceeded(predicted(units, table, bits), limits)


def _neighbours(
    bits: Choice,
    errors: Errors,
    fits: Callable[[Mapping[str, int]], bool],
    tied: Mapping[str, str],
) -> Iterator[Choice]:
    """Choices that fit, one step up or one up and one down, least sum of errors first."""
    heads = [site for site, own in errors.items() if len(own) > 1 and site not in tied]
    ups = [moved for site in heads if (moved := _moved(bits, site, 1, errors, tied))]
    swaps = [
        moved
        for up in ups
        for site in heads
        if up[site] == bits[site] and (moved := _moved(up, site, -1, errors, tied))
    ]

    def total(choice: Mapping[str, int]) -> float:
        return sum(errors[site][width] for site, width in choice.items())

    yield from filter(fits, sorted(ups + swaps, key=total))


def _moved(
    bits: Choice, site: str, step: int, errors: Errors, tied: Mapping[str, str]
) -> Choice | None:
    """A site, and those tied to it, at the next width; None where there is none."""
    widths = sorted(errors[site])
    place = widths.index(bits[site]) + step
    if not 0 <= place < len(widths):
        return None
    group = (site, *(other for other, first in tied.items() if first == site))
    return {**bits, **dict.fromkeys(group, widths[place])}
