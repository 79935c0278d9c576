"""The criteria by name: what each needs and what it can rank."""

from __future__ import annotations

from dataclasses import dataclass

from gatesmith.errors import UserError


@dataclass(frozen=True, slots=True)
class Criterion:
    """One measure of importance.

    Attributes:
        name: As on the command line.
        meaning: In one line.
        data: Whether it is measured on frames.
        weights: Whether single weights can be ranked by it; units always can.
    """

    name: str
    meaning: str
    data: bool = False
    weights: bool = True


CRITERIA: dict[str, Criterion] = {
    criterion.name: criterion
    for criterion in (
        Criterion("l1", "sum of magnitudes (Li et al., 2017)"),
        Criterion("l2", "root of the sum of squares (Han et al., 2015)"),
        Criterion("lamp", "squares over those at least as large (Lee et al., 2021)"),
        Criterion("gamma", "scale of the batch norm (Liu et al., 2017)", data=True, weights=False),
        Criterion("taylor", "gradient times value (Molchanov et al., 2017, 2019)", data=True),
        Criterion("fisher", "squared gradient times squared value (Theis et al., 2018)", data=True),
        Criterion(
            "hessian", "second derivative times squared value (LeCun et al., 1990)", data=True
        ),
        Criterion("apoz", "share of frames not zero (Hu et al., 2016)", data=True, weights=False),
        Criterion("geometric-median", "distance from the others (He et al., 2019)", weights=False),
        Criterion("random", "a random number: the control"),
    )
}


def criterion_of(name: str, *, weights: bool) -> Criterion:
    """The criterion of this name; UserError prune.criterion where it cannot rank what is wanted."""
    found = CRITERIA.get(name)
    if found is not None and (found.weights or not weights):
        return found
    usable = ", ".join(c.name for c in CRITERIA.values() if c.weights or not weights)
    raise UserError(
        "prune.criterion",
        f"{name!r} is no criterion" if found is None else f"{name} cannot rank single weights",
        where=f"--criterion {name}",
        why="there is none of this name" if found is None else "it has one number a channel",
        fix=(f"one of {usable}",)
        if found is None
        else (f"one of {usable}", "--kind structured, which removes whole channels"),
    )
