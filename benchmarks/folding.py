"""How long folds take to choose, and what choosing them together saves.

    python benchmarks/folding.py [--models FOLDER]

Writes benchmarks/results/folding.json. FOLDER has ic_resnet8_int8.onnx (MLPerf Tiny). Seconds are
of the processor, so that other work on the machine hardly counts. Networks of 50 layers have random
4-bit weights. "alone": each layer the cheapest fold by itself, as was done before.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gatesmith.codegen.cost import Cost
from gatesmith.codegen.fifo import FifoStage
from gatesmith.codegen.fold import PRICES, Target, budget, fold_cost, price
from gatesmith.codegen.fold_model import Memory
from gatesmith.codegen.fold_options import candidates
from gatesmith.codegen.fold_search import Search, curve, intervals
from gatesmith.codegen.matrix_unit import Fold
from gatesmith.codegen.matrix_units import fold_cycles
from gatesmith.codegen.plan import plan
from gatesmith.codegen.wish import Wish
from gatesmith.frontend.importer import import_model
from gatesmith.ir import Array, Graph, IntType, Node, TensorType
from gatesmith.ops.dense import Dense
from gatesmith.ops.input import Input
from gatesmith.ops.threshold import Threshold
from gatesmith.ops.window import Window
from gatesmith.pipeline import to_integers

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "folding.json"
U4, W4 = IntType(0, 15), IntType(-7, 7)
LAYERS = 50


def perceptron() -> Graph:
    """50 layers of 96 to 384 inputs."""
    rng = np.random.default_rng(0)
    widths = [int(w) for w in rng.choice([96, 128, 192, 256, 384], LAYERS + 1)]
    node = Node("x", Input(TensorType((1, widths[0]), U4)))
    for number, width in enumerate(widths[1:]):
        node = quantized(rng, node, f"fc{number}", width)
    return Graph((node,))


def convolutions() -> Graph:
    """50 convolutions of 3x3, from 32 channels of 32x32 to 256 of 4x4."""
    rng = np.random.default_rng(1)
    node = Node("x", Input(TensorType((32, 32, 32), U4)))
    for number in range(LAYERS):
        stride = 2 if number in (12, 25, 38) else 1
        outs = 32 << sum(number >= edge for edge in (12, 25, 38))
        op = Window((3, 3), (stride, stride), (1, 1, 1, 1), (1, 1), Array([0]), 1)
        window = Node(f"w{number}", op, (node,))
        node = quantized(rng, window, f"conv{number}", outs)
    return Graph((node,))


def quantized(rng: np.random.Generator, x: Node, name: str, outs: int) -> Node:
    """A layer of 4-bit weights and 15 thresholds."""
    weights = rng.integers(-7, 8, (outs, x.type.channels))
    dense = Node(name, Dense(Array(weights), W4), (x,))
    steps = np.arange(1, 16)[None, :] * 40
    return Node(f"{name}_t", Threshold(Array(steps), U4, Array([0])), (dense,))


def networks(models: Path | None) -> Iterator[tuple[str, Graph]]:
    """By name."""
    files = [ROOT / "examples" / "tfc" / "TFC_1W1A.onnx"]
    files += [] if models is None else [models / "ic_resnet8_int8.onnx"]
    for file in files:
        yield file.stem, to_integers(import_model(file, None), file)[1]
    yield "50 matrix products", perceptron()
    yield "50 convolutions", convolutions()


def alone(graph: Graph, cycles: int) -> dict[Node, Fold]:
    """Each layer by itself, with the Threshold behind it."""
    behind = {n.args[0]: n for n in graph if isinstance(n.op, Threshold)}
    return {
        node: min(
            (f for f in candidates(node, cycles, Wish()) if fold_cycles(node, f, cycles) <= cycles),
            key=lambda fold: price(fold_cost(node, behind.get(node), fold, cycles)),
        )
        for node in graph
        if isinstance(node.op, Dense)
    }


def told(graph: Graph, folds: dict[Node, Fold], cycles: int) -> dict[str, int]:
    """What the whole design takes without its FIFOs."""
    stages = plan(graph, folds, "net", cycles)
    cost = sum((s.cost() for s in stages if not isinstance(s, FifoStage)), Cost())
    return {"lut": cost.lut, "ff": cost.ff, "dsp": cost.dsp, "price": round(price(cost))}


def measured(graph: Graph) -> dict[str, Any]:
    """Of one network."""
    layers = sum(isinstance(node.op, Dense) for node in graph)
    target = budget(graph, Target())
    clock = [time.process_time()]

    def lap() -> float:
        clock.append(time.process_time())
        return round(clock[-1] - clock[-2], 2)

    memory = Memory(graph, {})
    choice = memory.model(target).choose(PRICES)
    assert choice is not None
    found: dict[str, Any] = {"layers": layers, "cycles": target, "first_s": lap()}
    found["ways"] = sum(len(memory.options(node, target).folds) for node in memory.dense)
    places = intervals(memory)
    found |= {"intervals": len(places), "intervals_s": lap()}
    limits = {name: int(1.5 * choice.of(name)) + 1 for name in ("lut", "dsp", "bram")}
    fit = Search(memory, limits, places).fastest()
    found |= {"limits": limits, "limits_s": lap(), "proven": fit.proven}
    found["fastest"] = None if fit.choice is None else fit.choice.interval
    lap()
    found |= {"points": len(curve(memory, places, 96)), "curve_s": lap()}
    together = {node: taken.fold for node, taken in choice.taken.items()}
    found["together"] = told(graph, together, target)
    found["alone"] = told(graph, alone(graph, target), target)
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path)
    asked = parser.parse_args()
    rows = {}
    for name, graph in networks(asked.models):
        rows[name] = measured(graph)
        print(name, rows[name], flush=True)
    RESULT.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
