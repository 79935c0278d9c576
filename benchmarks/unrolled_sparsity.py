"""LUTs of unrolled layers against the zeros among their weights, by Yosys.

    python benchmarks/unrolled_sparsity.py

Two layers with random weights, evenly distributed over the weights that are not zero; the sparser
ones are the dense ones with more weights set to zero, unstructured. A row tells what Yosys made of
the generated modules (gatesmith/synthesis/cells.py has its steps), what the formula predicts, and
the part of the dense layer's LUTs. Writes benchmarks/results/unrolled-sparsity.json.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from gatesmith.codegen.dense_unrolled import unrolled_stage
from gatesmith.codegen.matrix_unit import Naming
from gatesmith.codegen.stream import Stream
from gatesmith.ir import BIPOLAR, TERNARY, Array, Ints, IntType
from gatesmith.ops.dense import Dense
from gatesmith.synthesis.cells import FLOW, measure

I4, U4 = IntType(-8, 7), IntType(0, 15)
LAYERS = {
    "64 x 64, 4-bit weights, 4-bit inputs": (I4, U4, 64, 64),
    "256 x 64, ternary weights, bipolar inputs": (TERNARY, BIPOLAR, 256, 64),
}
"""Types of weight and input, inputs, outputs."""

ZEROS = (0.0, 0.5, 0.75, 0.9)
RESULTS = Path(__file__).parent / "results"
SEED = 1


def weights(kind: IntType, inputs: int, outputs: int, zeros: float) -> Ints:
    """Random weights; the same for every part of zeros, but for these."""
    rng = np.random.default_rng(SEED)
    values = np.array([value for value in range(kind.lo, kind.hi + 1) if value])
    dense = rng.choice(values, (outputs, inputs))
    order = rng.permutation(dense.size).reshape(dense.shape)
    return np.where(order < round(zeros * dense.size), 0, dense)


def row(name: str, zeros: float) -> dict[str, Any]:
    """One layer, one part of zeros."""
    kind, x, inputs, outputs = LAYERS[name]
    op = Dense(Array(weights(kind, inputs, outputs, zeros)), kind)
    stream = Stream(x, inputs, 1, inputs)
    stage = unrolled_stage(Naming("unrolled", "unrolled", (), "unrolled"), op, stream)
    found, predicted = measure(stage.files(), stage.module), stage.cost()
    return {
        "layer": name,
        "zeros": zeros,
        "weights": stage.used,
        "digits": stage.digits,
        "lut": found.lut,
        "ff": found.ff,
        "lut_predicted": predicted.lut,
        "ff_predicted": predicted.ff,
        "latency": stage.latency,
    }


def main() -> None:
    """Measure all and print the table."""
    rows = [row(name, zeros) for name in LAYERS for zeros in track(ZEROS, name)]
    dense = {row["layer"]: row["lut"] for row in rows if row["zeros"] == 0}
    table = Table("layer", "zeros", "digits", "LUT", "of dense", "predicted", "FF")
    for found in rows:
        part = found["part_of_dense"] = round(found["lut"] / dense[found["layer"]], 4)
        table.add_row(
            found["layer"],
            f"{found['zeros']:.0%}",
            f"{found['digits']:,}",
            f"{found['lut']:,}",
            f"{part:.1%}",
            f"{found['lut_predicted']:,}",
            f"{found['ff']:,}",
        )
    Console().print(table)
    content = {"yosys": list(FLOW), "seed": SEED, "rows": rows}
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "unrolled-sparsity.json"
    path.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
