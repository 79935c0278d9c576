"""What a run of ``gatesmith quantize`` found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gatesmith.ir import Graph, Node
from gatesmith.ops.const import Const
from gatesmith.ops.conv import Conv
from gatesmith.ops.fake_quant import FakeQuant, Grid
from gatesmith.ops.mat_mul import MatMul

_MOVING = ("Reshape", "Transpose", "Take", "Pad", "MaxPool", "Relu")


@dataclass(frozen=True, slots=True, eq=False)
class Quantized:
    """A finished run.

    Attributes:
        out: The file that was written.
        graph: What it means: a real graph with FakeQuant.
        accuracy_float: Top-1 of the float network on the test data, 0 to 1; None without labels.
        accuracy_quantized: Top-1 of the integers.
        steps: Accuracy after each step, by name, in order.
        seconds: Wall time of the run.
        frames: Frames that accuracy was measured on.
        chosen: What mixed precision chose and why; None without a budget.
        history: A record for each epoch of training.
        notes: Things the user should know.
        settings: Options of the run.
    """

    out: Path
    graph: Graph
    accuracy_float: float | None
    accuracy_quantized: float | None
    steps: tuple[tuple[str, float | None], ...]
    seconds: float
    frames: int
    chosen: Mapping[str, Any] | None
    history: Sequence[Mapping[str, Any]]
    notes: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints."""
        return {
            "out": str(self.out),
            "accuracy_float": self.accuracy_float,
            "accuracy_quantized": self.accuracy_quantized,
            "frames": self.frames,
            "seconds": round(self.seconds, 1),
            "layers": layer_rows(self.graph),
            "steps": [{"name": name, "accuracy": value} for name, value in self.steps],
            "budget": None if self.chosen is None else dict(self.chosen),
            "epochs": list(self.history),
            "notes": list(self.notes),
            "settings": dict(self.settings),
        }


def layer_rows(graph: Graph) -> list[dict[str, Any]]:
    """A row for each layer with weights."""
    rows = []
    for node in graph:
        if not isinstance(node.op, Conv | MatMul):
            continue
        x, w = (_grid(arg) for arg in node.args)
        size = int(np.prod(node.args[1].type.shape))
        bits = None if w is None else w.bits
        rows.append(
            {
                "name": node.name,
                "op": type(node.op).__name__,
                "weights": None if w is None else w.kind,
                "weight_bits": bits,
                "per": None if w is None else _per(w),
                "activations": None if x is None else _signed(x),
                "activation_bits": None if x is None else x.clip.bits,
                "parameters": size,
                "memory_bits": None if bits is None else size * bits,
            }
        )
    return rows


def _grid(node: Node) -> Grid | None:
    """The grid that a layer's operand is on, through what only moves it."""
    while True:
        if isinstance(node.op, FakeQuant):
            return node.op.grid
        if type(node.op).__name__ not in _MOVING or isinstance(node.op, Const):
            return None
        node = node.args[0]


def _per(grid: Grid) -> str:
    scale = grid.scale.data
    if scale.size == 1:
        return "tensor"
    return "channel" if scale.size == scale.shape[-1] else "group"


def _signed(grid: Grid) -> str:
    if grid.kind != "int":
        return grid.kind
    return ("i" if grid.clip.signed else "u") + str(grid.clip.bits)
