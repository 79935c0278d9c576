"""What a run of ``gatesmith prune`` found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gatesmith.ir import Graph
from gatesmith.pruning.counts import LayerCount, counts, totals
from gatesmith.pruning.hardware import Hardware


@dataclass(frozen=True, slots=True, eq=False)
class Pruned:
    """A finished run.

    Attributes:
        out: The file that was written.
        before: The network as it came, tidied.
        graph: What was written.
        accuracy_before: Top-1 of the unpruned network on the test data; None without labels.
        accuracy_after: Top-1 of the pruned one.
        steps: Accuracy after each step, by name, in order.
        seconds: Wall time of the run.
        frames: Frames that accuracy was measured on.
        removed: What went, in words, by layer or block.
        hardware: Cost before and after; None where it cannot be built.
        history: A record for each epoch of fine-tuning.
        sensitivity: Layer, ratio, and what pruning it alone costs.
        notes: Things the user should know.
        settings: Options of the run.
    """

    out: Path
    before: Graph
    graph: Graph
    accuracy_before: float | None
    accuracy_after: float | None
    steps: tuple[tuple[str, float | None], ...]
    seconds: float
    frames: int
    removed: Mapping[str, str]
    hardware: tuple[Hardware | None, Hardware | None]
    history: Sequence[Mapping[str, Any]]
    sensitivity: Sequence[tuple[str, float, float]]
    notes: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints."""
        old, new = counts(self.before), counts(self.graph)
        before, after = totals(self.before), totals(self.graph)
        first, last = self.hardware
        return {
            "out": str(self.out),
            "accuracy_before": self.accuracy_before,
            "accuracy_after": self.accuracy_after,
            "parameters_before": before["parameters"],
            "parameters_after": after["parameters"],
            "macs_before": before["macs"],
            "macs_after": after["macs"],
            "hardware_before": None if first is None else first.as_json(),
            "hardware_after": None if last is None else last.as_json(),
            "frames": self.frames,
            "seconds": round(self.seconds, 1),
            "layers": rows(old, new),
            "removed": dict(self.removed),
            "steps": [{"name": name, "accuracy": value} for name, value in self.steps],
            "epochs": list(self.history),
            "sensitivity": [list(row) for row in self.sensitivity],
            "notes": list(self.notes),
            "settings": dict(self.settings),
        }


def rows(old: Sequence[LayerCount], new: Sequence[LayerCount]) -> list[dict[str, Any]]:
    """A row for each layer of either network, in the order of the first, then new ones."""
    before, after = ({row.name: row for row in side} for side in (old, new))
    found = []
    for name in dict.fromkeys([*before, *after]):
        a, b = before.get(name), after.get(name)
        shown = a or b
        assert shown is not None
        found.append(
            {
                "name": name,
                "op": shown.op,
                "channels_before": None if a is None else a.channels,
                "channels_after": None if b is None else b.channels,
                "parameters_before": 0 if a is None else a.nonzero,
                "parameters_after": 0 if b is None else b.nonzero,
                "macs_before": 0 if a is None else a.nonzero_macs,
                "macs_after": 0 if b is None else b.nonzero_macs,
            }
        )
    return found
