"""LUTs of rows of few bits: truth tables beside adders and comparators, by Yosys.

    python benchmarks/truth_rows.py

Rows of random weights over bipolar inputs, each with a threshold in the middle of its sums, as
a TruthRowsStage and as a DenseUnrolledStage with the ThresholdStage behind it. Writes
benchmarks/results/truth-rows.json after each row; rows that are there are not measured again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from gatesmith.codegen.dense_unrolled import unrolled_stage
from gatesmith.codegen.matrix_unit import Naming
from gatesmith.codegen.stream import Stream
from gatesmith.codegen.threshold import ThresholdStage
from gatesmith.codegen.truth_rows import TruthRowsStage
from gatesmith.ir import BIPOLAR, TERNARY, Array, IntType
from gatesmith.ops.dense import Dense
from gatesmith.ops.threshold import Threshold
from gatesmith.synthesis.cells import FLOW, measure

RESULTS = Path(__file__).parent / "results/truth-rows.json"
INPUTS, ROWS, SEED = 64, 64, 2
READS = (4, 6, 10)
WEIGHTS = {"8 bits": IntType(-127, 127), "ternary": TERNARY}


def row(kind: str, reads: int) -> dict[str, Any]:
    """One layer, both ways."""
    rng = np.random.default_rng([SEED, reads])
    weights, most = np.zeros((ROWS, INPUTS), np.int64), WEIGHTS[kind].hi
    for weight in weights:
        drawn = rng.integers(1, most + 1, reads) * rng.choice([-1, 1], reads)
        weight[rng.permutation(INPUTS)[:reads]] = drawn
    op = Dense(Array(weights), WEIGHTS[kind])
    x = Stream(BIPOLAR, INPUTS, 1, INPUTS)
    sums = unrolled_stage(Naming("sums", "sums", (), "sums"), op, x)
    steps = Array(rng.integers(-most // 2, most // 2 + 1, (ROWS, 1)))
    threshold = Threshold(steps, BIPOLAR, Array([0]))
    behind = ThresholdStage("threshold", "threshold", (), "threshold", threshold, sums.sink)
    truth = TruthRowsStage("truth", "truth", (), "truth", op, x, threshold)
    found = {stage.module: measure(stage.files(), stage.module) for stage in (sums, behind, truth)}
    return {
        "weights": kind,
        "reads": reads,
        "rows": ROWS,
        "lut_adders": found["sums"].lut,
        "lut_thresholds": found["threshold"].lut,
        "lut_truth": found["truth"].lut,
        "lut_truth_predicted": truth.cost().lut,
    }


def main() -> None:
    """Measure what is missing and write."""
    rows: list[dict[str, Any]] = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else []
    done = {(found["weights"], found["reads"]) for found in rows}
    for kind in WEIGHTS:
        for reads in READS:
            if (kind, reads) in done:
                continue
            rows.append(row(kind, reads))
            print(rows[-1], flush=True)
            content = {"yosys": list(FLOW), "seed": SEED, "rows": rows}
            RESULTS.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
