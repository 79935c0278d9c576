"""What a recipe says, read and checked: the steps of each network that it makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gatesmith.pruning.settings import Settings as PruneSettings
from gatesmith.quantizing.settings import Settings as QuantizeSettings
from gatesmith.task import Sources

AUTO, LEAST = "auto", "least"

AXES = (
    "weight_bits",
    "parameters",
    "macs",
    "lut",
    "ff",
    "dsp",
    "block_rams",
    "cycles",
    "energy_nj",
)
"""What the networks of a Pareto run may be compared by, beside accuracy."""


@dataclass(frozen=True, slots=True)
class CodeSettings:
    """How weights are stored.

    Attributes:
        rom: A way to store them for every layer that can be stored so; ``auto`` takes for each
            layer what makes the cheapest hardware, ``least`` the fewest bits.
    """

    rom: str = AUTO


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """Options of ``gatesmith build``.

    Attributes:
        cycles: Most clock cycles a frame.
        fps: Frames a second, with ``clock_mhz``.
        clock_mhz: Clock.
        fold: Wishes by layer, as texts behind ``--fold LAYER=``.
        exit: ``OUTPUT:MARGIN``; the hardware that stages are compared by is that without it.
    """

    cycles: int | None = None
    fps: float | None = None
    clock_mhz: float | None = None
    fold: Mapping[str, str] = field(default_factory=dict)
    exit: str | None = None


@dataclass(frozen=True, slots=True)
class Steps:
    """What is done to the network, in order; None leaves a step out.

    Attributes:
        prune: Any number of times.
        quantize: Once.
        code: How weights are stored.
        build: The core.
    """

    prune: tuple[PruneSettings, ...] = ()
    quantize: QuantizeSettings | None = None
    code: CodeSettings | None = None
    build: BuildSettings | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """One network.

    Attributes:
        values: What tells it apart from the others, by ``prune.0.ratio`` and the like.
        steps: How it is made.
    """

    values: Mapping[str, Any]
    steps: Steps

    @property
    def name(self) -> str:
        """Its values, in a few words."""
        return ", ".join(map(_short, self.values.values())) or "recipe"


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe file.

    Attributes:
        file: Where it is.
        text: What it says, by table and key, for reports.
        model: The float network.
        sources: Its data; files are absolute paths.
        out: Folder for everything that is made.
        axis: One of AXES.
        report: Whether to write a page.
        points: Networks to make; the first is the result, the others are there to compare.
        keys: What ``[[pareto]]`` varies.
    """

    file: Path
    text: Mapping[str, Any]
    model: Path
    sources: Sources
    out: Path
    axis: str
    report: bool
    points: tuple[Point, ...]
    keys: tuple[str, ...] = ()


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
