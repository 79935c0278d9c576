"""Recipes of gatesmith compress on real networks: accuracy, and how small the weights get.

    python benchmarks/compression.py FLOATS ../shared/data [NAME ...]

FLOATS has the files that examples/training/train_float.py writes (cnv_s0.onnx with --width 0.5).
Every recipe of benchmarks/recipes is one call of gatesmith compress on one thread; what it says
goes into benchmarks/results/compression.json, the table into docs/pruning.md (pruning.py).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from one_thread import gatesmith

ROOT = Path(__file__).parent.parent
RECIPES = ROOT / "benchmarks/recipes"
RESULTS = ROOT / "benchmarks/results/compression.json"


def run(name: str, floats: Path, data: Path) -> dict[str, Any]:
    """One recipe, as a user would run it."""
    text = (RECIPES / f"{name}.toml").read_text("utf-8")
    recipe = floats / f"{name}.toml"
    recipe.write_text(text.replace("FLOATS", str(floats)).replace("DATA", str(data)), "utf-8")
    found, load = gatesmith(name, ["compress", str(recipe)])
    kept = ("stages", "compression_ratio", "layers", "seconds")
    return {**{key: found[key] for key in kept if key in found}, "load": load}


def main() -> None:
    """Every recipe, or those that are named."""
    known = sorted(path.stem for path in RECIPES.glob("*.toml"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("floats", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("names", nargs="*", choices=[*known, []])
    asked = parser.parse_args()
    for name in asked.names or known:
        result = run(name, asked.floats.resolve(), asked.data.resolve())
        results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        RESULTS.write_text(json.dumps({**results, name: result}, indent=1) + "\n")
        print(name, f"{result['compression_ratio']:.1f}x", flush=True)


if __name__ == "__main__":
    main()
