"""What a run of ``gatesmith compress`` found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatesmith.compressing.steps import Point, Recipe
from gatesmith.compressing.store import Stage
from gatesmith.prune.coding.sizes import FLOAT_BITS
from gatesmith.report.curves import unbeaten


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """A network of the recipe.

    Attributes:
        point: What was asked.
        stages: How it was made, the network as it came first; empty where it could not be.
        why: Why not.
    """

    point: Point
    stages: Sequence[Stage]
    why: str | None = None

    @property
    def last(self) -> Stage | None:
        """Its last stage."""
        return self.stages[-1] if self.stages else None

    def cost(self, axis: str) -> float | None:
        """On an axis of a Pareto run; None where it is not known."""
        if self.last is None:
            return None
        content = self.last.content
        if axis in content:
            return float(content[axis])
        hardware = content["hardware"]
        return None if hardware is None else float(hardware[axis])


@dataclass(frozen=True, slots=True, eq=False)
class Compressed:
    """A finished run.

    Attributes:
        recipe: What was asked.
        networks: The result first, then those to compare it with.
        files: Where the result is, by ``result``, ``report``, ``build``; below the folder.
        seconds: Wall time of the run.
        notes: Things the user should know.
    """

    recipe: Recipe
    networks: Sequence[Made]
    files: Mapping[str, str | None]
    seconds: float
    notes: tuple[str, ...]

    @property
    def stages(self) -> Sequence[Stage]:
        """Of the result."""
        return self.networks[0].stages

    @property
    def front(self) -> list[bool]:
        """Of each network: whether none beats it, where cost and accuracy are known."""
        known = [self._known(made) for made in self.networks]
        best = unbeaten([row[0] for row in known if row], [row[1] for row in known if row])
        marks = iter(best.tolist())
        return [bool(row) and next(marks) for row in known]

    def _known(self, made: Made) -> tuple[float, float] | None:
        cost = made.cost(self.recipe.axis)
        if made.last is None or cost is None or made.last.content["accuracy"] is None:
            return None
        return cost, made.last.content["accuracy"]

    def ratio(self, content: Mapping[str, Any]) -> float:
        """How many times fewer bits than float32 weights of the network as it came."""
        return compression_ratio(self.stages, content)

    def as_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints."""
        told = self.lasting()
        timed = [
            {**row, "resumed": stage.resumed, "seconds": round(stage.seconds, 1)}
            for row, stage in zip(told["stages"], self.stages, strict=True)
        ]
        return {**told, "stages": timed, "seconds": round(self.seconds, 1)}

    def lasting(self) -> dict[str, Any]:
        """The same without what differs from run to run: result.json."""
        first, last = self.stages[0].content, self.stages[-1].content
        found: dict[str, Any] = {"recipe": self.recipe.file.name, **self.files}
        for key in ("accuracy", "parameters", "macs", "weight_bits", "hardware"):
            found |= {f"{key}_before": first[key], f"{key}_after": last[key]}
        return {
            **found,
            "compression_ratio": self.ratio(last),
            "frames": first["frames"],
            "stages": [self._stage(stage) for stage in self.stages],
            "layers": list(last.get("layers", ())),
            "axis": self.recipe.axis,
            "points": [
                self._point(made, best)
                for made, best in zip(self.networks, self.front, strict=True)
                if len(self.networks) > 1
            ],
            "notes": list(self.notes),
        }

    def _stage(self, stage: Stage) -> dict[str, Any]:
        kept = ("accuracy", "parameters", "macs", "weight_bits", "hardware")
        return {
            "name": stage.name,
            "kind": stage.kind,
            **{key: stage.content[key] for key in kept},
            "compression_ratio": self.ratio(stage.content),
            "network": _below(self.recipe.out, stage.network) if stage.kind != "float" else None,
            "file": _below(self.recipe.out, stage.file),
        }

    def _point(self, made: Made, best: bool) -> dict[str, Any]:
        last = made.last
        row = {"name": made.point.name, "values": dict(made.point.values), "why": made.why}
        if last is None:
            return {**row, "accuracy": None, "cost": None, "front": False}
        kept = ("accuracy", "parameters", "macs", "weight_bits", "hardware")
        return {
            **row,
            **{key: last.content[key] for key in kept},
            "compression_ratio": self.ratio(last.content),
            "cost": made.cost(self.recipe.axis),
            "front": best,
            "network": _below(self.recipe.out, last.network),
            "stages": [_below(self.recipe.out, stage.file) for stage in made.stages],
        }


def compression_ratio(stages: Sequence[Stage], content: Mapping[str, Any]) -> float:
    """Bits of float32 weights of the network as it came for each bit of weights that is left."""
    bits: int = content["weight_bits"]
    weights: int = stages[0].content["weights"]
    return round(FLOAT_BITS * weights / max(1, bits), 3)


def _below(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()
