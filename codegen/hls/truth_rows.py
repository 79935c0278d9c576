"""HLS of Dense as truth tables."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gatesmith.codegen.hls.kernel import Kernel, Rom, kernel
from gatesmith.codegen.truth_rows import Function, TruthRowsStage
from gatesmith.ir import Ints, IntType

WORD = 64
"""Most bits of a table in one entry of an array."""


@kernel(TruthRowsStage)
def truth_rows(stage: TruthRowsStage) -> Kernel:
    """Wires and tables of the distinct functions, all of them of as many wires as the largest."""
    found, bit = stage.functions, IntType(0, 1)
    most = max(1, *(len(f.decision.support) for f in found.distinct))
    width = min(WORD, 1 << most)
    wires = np.zeros((len(found.distinct), most), np.int64)
    tables = np.zeros((len(found.distinct), (1 << most) // width), np.uint64)
    for row, function in enumerate(found.distinct):
        support = function.decision.support
        wires[row, most - len(support) :] = [function.wires[k] for k in support]
        tables[row] = _packed(_results(function, most), width)
    constants = {
        "X_W": stage.x.width,
        "Y_W": stage.sink.width,
        "VECTORS": stage.x.vectors,
        "T_B": width,
    }
    roms = (
        Rom.plain("wires", wires, stage.x.width.bit_length(), "bits of x that a function reads"),
        Rom.plain("tables", tables.view(np.int64), width, "its results"),
        Rom.plain(
            "places",
            np.array([found.places]),
            len(found.distinct).bit_length(),
            "function of each bit of y",
        ),
    )
    return Kernel("truth_rows.h", "truth_rows", {"XB": bit, "YB": bit}, constants, roms)


def _results(function: Function, wires: int) -> Ints:
    """For every word of so many wires, of which the last are those that are read."""
    decision = function.decision
    support = decision.support
    results = []
    for word in range(1 << len(support)):
        bits = [0] * len(function.wires)
        for place, wire in enumerate(reversed(support)):
            bits[wire] = (word >> place) & 1
        results.append(decision.run(bits))
    return np.array(results * (1 << wires - len(support)), np.int64)


def _packed(results: Ints, width: int) -> NDArray[np.uint64]:
    places = np.arange(width, dtype=np.uint64)
    parts = results.astype(np.uint64).reshape(-1, width) << places
    words: NDArray[np.uint64] = np.bitwise_or.reduce(parts, axis=1)
    return words
