"""Coefficients of the features of codegen/fitted.py from synthesised stages.

Of each stage the LUTs that the formulas know exactly are taken off what was found; the rest is a
sum of features times coefficients that are not negative (non-negative least squares, Lawson and
Hanson 1974). A stage counts by the inverse of its LUTs to the power 3/4: between equal weight of
relative and of absolute errors. A weak pull towards the coefficients as they are holds those of
features that no stage has, or that come only together with others.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from cost_designs import ROOT
from numpy.typing import NDArray
from scipy.optimize import nnls

from gatesmith.codegen.coefficients import COEFFICIENTS
from gatesmith.codegen.fitted import recording
from gatesmith.codegen.stream import Stage

MODULE = ROOT / "codegen/coefficients.py"
HEAD = '''"""LUTs of a feature (codegen/fitted.py).

Written by ``python benchmarks/costs.py --fit``; docs/costs.md tells from what.
"""

from __future__ import annotations

COEFFICIENTS: dict[str, float] = {
'''
PULL = 0.1
"""Weight of the coefficients as they are, in relative errors of one stage."""


def fit(pairs: Iterable[tuple[Stage, dict[str, int]]]) -> None:
    """Write codegen/coefficients.py."""
    names = sorted(COEFFICIENTS)
    rows, wanted, weights = [], [], []
    for stage, found in pairs:
        with recording() as features:
            cost = stage.cost()
        known = sum(COEFFICIENTS[name] * amount for name, amount in features.items())
        luts = found["logic"] + found["memory"]
        rows.append([features.get(name, 0.0) for name in names])
        wanted.append(luts - (cost.lut - known))
        weights.append(max(luts, 4) ** -0.75)
    result = _solve(np.array(rows), np.array(wanted), np.array(weights), names)
    lines = [f'    "{name}": {value:.3g},\n' for name, value in zip(names, result, strict=True)]
    MODULE.write_text(HEAD + "".join(lines) + "}\n", "utf-8")


def _solve(
    rows: NDArray[np.float64],
    wanted: NDArray[np.float64],
    weights: NDArray[np.float64],
    names: list[str],
) -> NDArray[np.float64]:
    """Coefficients."""
    now = np.array([COEFFICIENTS[name] for name in names])
    scale = np.sqrt((rows * weights[:, None]) ** 2).sum(axis=0)
    used = scale > 0
    pull = np.diag(np.where(used, PULL, 1.0) / np.maximum(now, 0.05))
    matrix = np.concatenate([rows * weights[:, None], pull])
    target = np.concatenate([wanted * weights, np.diag(pull) * now])
    found, _ = nnls(matrix, target)
    result: NDArray[np.float64] = found
    return result
