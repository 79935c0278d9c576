"""What ``gatesmith hls4ml`` found."""

from __future__ import annotations

import importlib.metadata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gatesmith.hls4ml_bridge.compare import UNEXPLAINED, Verdict
from gatesmith.hls4ml_bridge.layers import Layer
from gatesmith.hls4ml_bridge.settings import Settings


@dataclass(frozen=True, slots=True)
class Bridged:
    """A project of hls4ml and how its C simulation compares.

    Attributes:
        model: Name of the file.
        out: The project.
        backend: hls4ml's.
        io: ``parallel`` or ``stream``.
        form: ``codes`` or ``real``.
        hls4ml: Its version.
        simulated: Whether the C simulation ran.
        not_simulated: Why it did not.
        layers: Every layer: its verdict, or only its types where nothing was simulated.
        frames: Simulated.
        equal: Frames whose output is ours in every value.
        output_difference: Largest difference of an output, in steps of our last integer.
        top1: Of the simulation, 0 to 1; None without labels.
        top1_ours: Of our integers.
        same_class: Frames of the same class in both; None where the output is no class.
        seconds: ``compile`` and ``simulate``.
        notes: What the user should know.
    """

    model: str
    out: Path
    backend: str
    io: str
    form: str
    hls4ml: str
    simulated: bool
    not_simulated: str | None
    layers: tuple[Mapping[str, Any], ...]
    frames: int = 0
    equal: int = 0
    output_difference: float = 0.0
    top1: float | None = None
    top1_ours: float | None = None
    same_class: int | None = None
    seconds: Mapping[str, float] | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def start(
        cls,
        model: Path,
        out: Path,
        settings: Settings,
        layers: Sequence[Layer],
        notes: tuple[str, ...],
    ) -> Bridged:
        """Before the simulation."""
        why = None
        if settings.project_only:
            why = "--project-only"
        elif settings.lacks is not None:
            why = f"the backend {settings.vendor} simulates with {settings.lacks}, not on PATH"
        bare = tuple(
            {
                "name": layer.name,
                "kind": layer.kind,
                "types": {r: repr(t) for r, t in sorted(layer.types.items()) if t},
            }
            for layer in layers
        )
        version = importlib.metadata.version("hls4ml")
        return cls(model.name, out, settings.vendor, settings.io, settings.form, version,
                   False, why, bare, notes=notes)  # fmt: skip

    def compared(
        self, verdicts: Sequence[Verdict], seconds: Mapping[str, float], ends: Mapping[str, Any]
    ) -> Bridged:
        """With the verdicts, and the outputs as run.py gathered them."""
        meaning, theirs = ends["meaning"], ends["theirs"]
        channels = ends["real"].shape[1]
        if self.form == "codes":
            off = np.abs(theirs - ends["ours"])
        else:
            scales = np.array([abs(float(s)) for s in meaning.scale])
            scale = scales if scales.size in (1, channels) else scales[:1]
            real = ends["real"]
            off = np.where(np.isclose(theirs, real, rtol=1e-12, atol=0), 0.0, theirs - real)
            off = np.abs(off) / scale
        same = classes = top1 = ours1 = None
        if ends["classes"] is not None and theirs.shape[1] > 1:
            scores = theirs if self.form == "real" else meaning.real(theirs.astype(np.int64))
            classes = scores.argmax(axis=1)
            same = int((classes == ends["classes"]).sum())
            if ends["labels"] is not None:
                top1 = float((classes == ends["labels"]).mean())
                ours1 = float((ends["classes"] == ends["labels"]).mean())
        return replace(
            self,
            simulated=True,
            layers=tuple(asdict(verdict) for verdict in verdicts),
            frames=ends["frames"],
            equal=int((off == 0).all(axis=1).sum()),
            output_difference=float(off.max(initial=0.0)),
            top1=top1,
            top1_ours=ours1,
            same_class=same,
            seconds={name: round(value, 2) for name, value in seconds.items()},
        )

    @property
    def unexplained(self) -> int:
        """Layers with a difference that nothing explains; must be 0."""
        return sum(layer.get("cause") == UNEXPLAINED for layer in self.layers)

    @property
    def causes(self) -> dict[str, int]:
        """Layers by cause."""
        return dict(sorted(Counter(layer["cause"] for layer in self.layers).items()))

    def as_json(self) -> dict[str, Any]:
        """For ``--json`` and the project's folder."""
        return {
            "model": self.model,
            "out": str(self.out),
            "backend": self.backend,
            "io": self.io,
            "form": self.form,
            "hls4ml": self.hls4ml,
            "simulated": self.simulated,
            "not_simulated": self.not_simulated,
            "frames": self.frames,
            "equal": self.equal,
            "output_difference": self.output_difference,
            "top1": self.top1,
            "top1_ours": self.top1_ours,
            "same_class": self.same_class,
            "unexplained": self.unexplained,
            "causes": self.causes if self.simulated else {},
            "layers": [dict(layer) for layer in self.layers],
            "seconds": None if self.seconds is None else dict(self.seconds),
            "notes": list(self.notes),
        }
