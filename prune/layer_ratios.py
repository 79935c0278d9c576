"""A ratio for each layer: the least sum of losses that together remove enough, exactly.

All sums that no other one beats (less loss and as much removed) are kept, layer by layer
(Nemhauser and Ullmann, 1969); of those, what a bound shows to be too bad is left out. The bound is
the Lagrangian of the layers still to come: with a price for each weight they can do no better than
each by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gatesmith.errors import UserError
from gatesmith.ir import Ints, Reals
from gatesmith.prune.schedule import count_at
from gatesmith.prune.sensitivity import Curves

_HALVINGS = 200
_SLACK = 1e-9
"""Relative: bounds are sums of floats."""


@dataclass(frozen=True, slots=True, eq=False)
class _Options:
    """What one layer can do: weights removed, loss above that of the whole network, ratio."""

    removed: Ints
    loss: Reals
    ratio: Reals


def by_layer_ratios(curves: Curves, target: float, sizes: Mapping[str, int]) -> dict[str, float]:
    """Ratio of each layer, of those that the curves have.

    Args:
        curves: Of sensitivity.py; every name of ``sizes`` is in it.
        target: Share of all sizes together that goes at least, 0 to 1.
        sizes: Weights (or units, or multiplications) of each layer, by name.

    Raises:
        UserError: prune.unreachable-ratio.
    """
    options = [_options(curves, name, size) for name, size in sizes.items()]
    total = sum(sizes.values())
    need = count_at(target, total)
    most = sum(int(option.removed.max()) for option in options)
    if most < need:
        raise _unreachable(target, most / max(1, total), curves)
    chosen = _search(options, need) if options else []
    return {
        name: float(option.ratio[at])
        for name, option, at in zip(sizes, options, chosen, strict=True)
    }


def _options(curves: Curves, name: str, size: int) -> _Options:
    loss = np.array(curves.rise(name))
    finite = np.isfinite(loss)
    ratio = np.array(curves.ratios)[finite]
    return _Options(np.array([count_at(r, size) for r in ratio]), loss[finite], ratio)


def _search(options: list[_Options], need: int) -> list[int]:
    """Number of the option of each layer."""
    price, best = _price(options, need)
    rest = [float((o.loss - price * o.removed).min()) for o in options]
    removed, loss = np.zeros(1, np.int64), np.zeros(1)
    trail: list[tuple[Ints, Ints]] = []
    for at, option in enumerate(options):
        sums = np.minimum(removed[:, None] + option.removed, need).reshape(-1)
        losses = (loss[:, None] + option.loss).reshape(-1)
        bound = losses + price * (need - sums) + sum(rest[at + 1 :])
        good = np.flatnonzero(bound <= best + _SLACK * (1 + abs(best)))
        order = good[np.lexsort((losses[good], -sums[good]))]
        least = np.minimum.accumulate(losses[order])
        order = order[np.concatenate(([True], losses[order][1:] < least[:-1]))]
        trail.append(np.divmod(order, len(option.loss)))
        removed, loss = sums[order], losses[order]
    assert removed[0] == need, "the bound cut off what it was made from"
    chosen, state = [], 0  # the first removes most: enough
    for before, option_of in reversed(trail):
        chosen.append(int(option_of[state]))
        state = int(before[state])
    return chosen[::-1]


def _price(options: list[_Options], need: int) -> tuple[float, float]:
    """The price of a weight that bounds best, and the loss of a choice that removes enough."""

    def choice(price: float) -> tuple[int, float]:
        total, loss = 0, 0.0
        for option in options:
            value = option.loss - price * option.removed
            at = int(np.lexsort((-option.removed, value))[0])
            total, loss = total + int(option.removed[at]), loss + float(option.loss[at])
        return total, loss

    low, high = 0.0, 1.0 + 2.0 * sum(float(np.abs(o.loss).max()) for o in options)
    if choice(low)[0] >= need:
        return low, choice(low)[1]
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if choice(middle)[0] >= need:
            high = middle
        else:
            low = middle
    return high, choice(high)[1]


def _unreachable(target: float, most: float, curves: Curves) -> UserError:
    return UserError(
        "prune.unreachable-ratio",
        f"no ratios of the layers remove {target:.1%} together",
        where=f"ratio {target:g}",
        why=f"at the largest ratios that were tried, up to {curves.ratios[-1]:g}, {most:.1%} go",
        fix=(f"a ratio of at most {int(most * 1000) / 1000:g}", "try larger ratios for each layer"),
    )
