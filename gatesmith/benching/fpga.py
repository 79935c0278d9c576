"""What a build folder says about the core: cycles, and times at a clock that the user states."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gatesmith.benching.settings import Settings
from gatesmith.pipeline import Progress
from gatesmith.rtl_tests.verify import verify


def fpga(
    folder: Path, build: Mapping[str, Any], data: Path, settings: Settings, progress: Progress
) -> dict[str, Any]:
    """Cycles of a frame, predicted or measured, and what they are at a clock.

    Errors: those of verify, where cycles are measured.
    """
    interval, latency = int(build["interval"]), int(build["latency"])
    found: dict[str, Any] = {
        "interval_cycles": interval,
        "latency_cycles": latency,
        "cycles_from": "build.json: exact schedule"
        + (", worst case" if build["data_dependent"] else ""),
        "equal": None,
        "frames": 0,
        "clock_mhz": settings.clock_mhz,
        "clock_from": "stated by --clock-mhz" if settings.clock_mhz else "none stated",
        "latency_us": None,
        "throughput": None,
        "cost": build["cost"],
    }
    if settings.measure:
        verdict = verify(
            folder, data, frames=settings.measure, labels=settings.labels, progress=progress
        )
        found["cycles_from"] = f"measured in simulation, {verdict.frames} frames"
        found["interval_cycles"] = verdict.interval_mean or verdict.interval or interval
        found["latency_cycles"] = verdict.latency or latency
        found |= {"equal": verdict.all_equal, "frames": verdict.frames}
    if settings.clock_mhz:
        found["latency_us"] = found["latency_cycles"] / settings.clock_mhz
        found["throughput"] = settings.clock_mhz * 1e6 / found["interval_cycles"]
    return found
