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
from gatesmith.codegen.fitted import SUM, recording
from gatesmith.codegen.stream import Stage

MODULE = ROOT / "codegen/coefficients.py"
HEAD = '''"""LUTs of a feature (codegen/fitted.py).

Written by ``python benchmarks/costs.py --fit``; docs/costs.md tells from what.
"""

from __future__ import annotations

COEFFICIENTS: dict[str, float] = {
'''
MIDDLE = """}

GUESSED = (
"""
END = """)
\"\"\"Features that no synthesised block has: their coefficients are guesses.\"\"\"
"""
PULL = 0.1
"""Weight of PRIOR, in relative errors of a coefficient and of a stage."""


PRIOR: dict[str, float] = {
    **dict.fromkeys(COEFFICIENTS, 1.0),
    "converter.counter": 3,
    "converter.place": 0.16,
    "converter.shift": 0.56,
    "counter.wrap": 1.3,
    "dense.counter": 2,
    "dense.one": 5,
    "dense.pointer": 5,
    "fifo.block": 1.4,
    "fifo.block_wrap": 0.85,
    "fifo.distributed": 3,
    "fifo.distributed_wrap": 0.9,
    "fifo.one": 2.5,
    "fifo.single": 3,
    "fork.reader": 2,
    "gather.address": 6,
    "gather.debt": 3,
    "gather.one": 3,
    "gather.ring": 8,
    "join.one": 3,
    "multiply.bit": 1.2,
    "parallel.counter": 2,
    "parallel.one": 12,
    "parallel.step": 2,
    "pipeline.one": 2,
    "pool.bit": 1.5,
    "pool.tree": 1.5,
    "product.gated": 0.5,
    "product.xnor": 0.2,
    "reduce.compare": 1.5,
    "reduce.one": 3,
    "requantize.add_constant": 0.1,
    "requantize.clamp": 0.5,
    "requantize.range": 0.4,
    "rom.alone_deep": 1.45,
    "rom.block": 1.5,
    "rom.many": 2.5,
    "skid.one": 4,
    "threshold.compare": 0.7,
    "threshold.constant": 0.8,
    "top.match": 1.5,
    "tree.count": 1.2,
    "window.address": 4,
    "window.counter": 3,
    "window.line": 2,
    "window.number": 8,
    "window.one": 5,
    "window.ring": 1.5,
}
"""What a feature is thought to take before anything is synthesised: by its gates, or by what the
formulas had before they were fitted."""


def fit(pairs: Iterable[tuple[Stage, dict[str, int]]]) -> None:
    """Write codegen/coefficients.py."""
    names = sorted(COEFFICIENTS)
    rows, wanted, weights = [], [], []
    for stage, found in pairs:
        with recording() as features:
            cost = stage.cost()
        luts = found["logic"] + found["memory"]
        rows.append([features.get(name, 0.0) for name in names])
        wanted.append(luts - (cost.lut - features.get(SUM, 0.0)))
        weights.append(max(luts, 4) ** -0.75)
    result = _solve(np.array(rows), np.array(wanted), np.array(weights), names)
    lines = [f'    "{name}": {value:.3g},\n' for name, value in zip(names, result, strict=True)]
    seen = np.array(rows).any(axis=0)
    guessed = [f'    "{name}",\n' for name, used in zip(names, seen, strict=True) if not used]
    text = HEAD + "".join(lines) + MIDDLE + "".join(guessed) + END
    MODULE.write_text(text, "utf-8")


def _solve(
    rows: NDArray[np.float64],
    wanted: NDArray[np.float64],
    weights: NDArray[np.float64],
    names: list[str],
) -> NDArray[np.float64]:
    """Coefficients."""
    now = np.array([PRIOR[name] for name in names])
    scale = np.sqrt((rows * weights[:, None]) ** 2).sum(axis=0)
    used = scale > 0
    pull = np.diag(np.where(used, PULL, 1.0) / np.maximum(now, 0.05))
    matrix = np.concatenate([rows * weights[:, None], pull])
    target = np.concatenate([wanted * weights, np.diag(pull) * now])
    found, _ = nnls(matrix, target)
    result: NDArray[np.float64] = found
    return result
