"""Pruned real networks as cores: half of the multiplications gone, int8, every bit equal.

    python benchmarks/pruned_cores.py [--frames N] [--shared ../shared] [NAME ...]

For each float network: gatesmith prune (structured, l2, without data and training: accuracy is not
what this is about), quantize on random frames, build, and verify random frames with stalls. Writes
benchmarks/results/pruned-cores.json; docs/pruning.md has the table (benchmarks/pruning.py).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx

import gatesmith
from gatesmith.errors import UserError, UserErrors

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "pruned-cores.json"
FLOATS = {
    "resnet8": ROOT / "examples/float/resnet8_s0.onnx",
    "mnist_cnn": ROOT / "examples/float/mnist_cnn_s0.onnx",
    **{
        name: Path(f"models/float/{name}.onnx")
        for name in ("model_ic", "model_kws", "model_ad", "model_vww", "vww_96_float")
    },
    "cntk_mnist": Path("models/cntk_mnist/model.onnx"),
}
"""Relative ones are below the shared folder."""

RATIO = {"model_vww": 0.35}
"""Part of the multiplications, where half would leave less than a tenth of some layer."""


def frames(model: Path, count: int) -> np.ndarray:
    """Random float32 frames in the shape of the model's input."""
    graph = onnx.load(model).graph
    known = {tensor.name for tensor in graph.initializer}
    (given,) = (value for value in graph.input if value.name not in known)
    shape = [d.dim_value for d in given.type.tensor_type.shape.dim][1:]
    return np.random.default_rng(7).standard_normal((count, *shape)).astype(np.float32)


def run(model: Path, folder: Path, count: int, ratio: float) -> dict[str, Any]:
    """One network, all four commands."""
    started = time.perf_counter()
    x = frames(model, 64)
    np.savez(folder / "calibration.npz", x=x)
    np.savez(folder / "test.npz", x=x[:count])
    pruned = gatesmith.prune(model, None, folder / "pruned.onnx", ratio=ratio, criterion="l2")
    made = pruned.as_json()
    gatesmith.quantize(folder / "pruned.onnx", folder / "calibration.npz", folder / "int8.onnx")
    built = gatesmith.build(folder / "int8.onnx", folder / "build")
    verdict = gatesmith.verify(folder / "build", folder / "test.npz", stall=True).as_json()
    kept = ("frames", "equal", "all_equal", "interval", "interval_predicted", "unexplained")
    return {
        **{
            key: made[key]
            for key in ("macs_before", "macs_after", "parameters_before", "parameters_after")
        },
        **{key: verdict[key] for key in kept},
        "latency": built.content["latency"],
        "seconds": round(time.perf_counter() - started, 1),
    }


def main() -> None:
    """Every network, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*FLOATS, []])
    parser.add_argument("--frames", type=int, default=4, help="simulated of each [%(default)s]")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    asked = parser.parse_args()
    for name in asked.names or FLOATS:
        with tempfile.TemporaryDirectory() as folder:
            try:
                model, ratio = asked.shared / FLOATS[name], RATIO.get(name, 0.5)
                row = run(model, Path(folder), asked.frames, ratio)
            except (UserError, UserErrors) as error:
                row = {"refused": str(error)}
        print(name, json.dumps(row), flush=True)
        known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        results = {key: {**known, name: row}[key] for key in FLOATS if key in {**known, name: row}}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
