"""Predicted against measured cycles of a network at many folds.

    python benchmarks/folds.py examples/tfc/TFC_1W1A.onnx --input u8:1/255 --data IMAGES

Each fold is built and its RTL simulated on some frames, with and without stalls; a row tells
interval and latency as predicted and as measured, the cost by formula, and whether every bit was
equal. Writes benchmarks/results/folds-MODEL.json. Times are not part of it: they depend on the
machine.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

import gatesmith

CYCLES = (8, 16, 24, 32, 49, 64, 100, 128, 196, 256, 392, 512, 784, 1024, 3136, 12544)
RESULTS = Path(__file__).parent / "results"


def measure(model: Path, data: Path, spec: str | None, cycles: int, frames: int) -> dict[str, Any]:
    """One row."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "build"
        built = gatesmith.build(model, out, cycles=cycles, input_spec=spec)
        verdict = gatesmith.verify(out, data, frames=frames, stall=True)
    folds = [f"{s['pe']}x{s['simd']}" for s in built.content["stages"] if s["kind"] == "Dense"]
    return {
        "target": cycles,
        "folds": folds,
        "interval_predicted": verdict.interval_predicted,
        "interval": [verdict.interval_min, verdict.interval],
        "latency_predicted": verdict.latency_predicted,
        "latency": verdict.latency,
        "frames": verdict.frames,
        "equal": verdict.equal,
        "cost": built.content["cost"],
    }


def main(
    model: Path,
    data: Annotated[Path, typer.Option()],
    spec: Annotated[str | None, typer.Option("--input")] = None,
    frames: int = 30,
) -> None:
    """Measure all folds and print the table."""
    rows = [measure(model, data, spec, cycles, frames) for cycles in track(CYCLES, "folds")]
    table = Table(
        "target", "PE x SIMD", "interval", "measured", "latency", "measured", "equal", "LUT"
    )
    for row in rows:
        low, high = row["interval"]
        table.add_row(
            str(row["target"]),
            " ".join(row["folds"]),
            str(row["interval_predicted"]),
            str(high) if low == high else f"{low}..{high}",
            str(row["latency_predicted"]),
            str(row["latency"]),
            f"{row['equal']} of {row['frames']}",
            f"{row['cost']['lut']:,}",
        )
    Console().print(table)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"folds-{model.stem}.json"
    path.write_text(json.dumps({"model": model.name, "rows": rows}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    typer.run(main)
