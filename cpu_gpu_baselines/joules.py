"""Energy that the machine itself counts: RAPL of the processor, NVML of a GPU.

RAPL counts the whole package, whoever keeps it busy; a figure is only told for what a counter said,
and else there is the reason why not. Sources: Linux powercap (sysfs), NVML
nvmlDeviceGetTotalEnergyConsumption.
"""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

POWERCAP = Path("/sys/class/powercap")
LEAST_SECONDS = 0.3
"""The counters are updated every few milliseconds."""


@dataclass(frozen=True, slots=True)
class Meter:
    """A counter of energy.

    Attributes:
        name: What is counted.
        read: Joules so far.
        wraps: Joules at which it starts again; 0 for never.
    """

    name: str
    read: Callable[[], float]
    wraps: float = 0.0


def meter(device: str, powercap: Path = POWERCAP) -> Meter | str:
    """The counter of ``cpu`` or ``gpu``, or why there is none."""
    return _nvml() if device == "gpu" else _rapl(powercap)


def joules(source: Meter, call: Callable[[], object]) -> tuple[float, int]:
    """Energy of some calls, and how many they were."""
    begin, calls = time.perf_counter(), 0
    before = source.read()
    while not calls or time.perf_counter() - begin < LEAST_SECONDS:
        call()
        calls += 1
    used = source.read() - before
    return (used + source.wraps if used < 0 else used), calls


def _rapl(powercap: Path) -> Meter | str:
    zones = sorted(powercap.glob("intel-rapl:[0-9]")) if powercap.is_dir() else []
    if not zones:
        return f"this machine has no RAPL counter ({powercap})"
    counters = [zone / "energy_uj" for zone in zones]
    try:
        for counter in counters:
            counter.read_text()
        wraps = sum(int((z / "max_energy_range_uj").read_text()) for z in zones) / 1e6
    except OSError as error:
        return f"the RAPL counter cannot be read: {error.strerror} ({counters[0]})"
    packages = f"RAPL, {len(zones)} package{'s' if len(zones) > 1 else ''}"
    return Meter(packages, lambda: sum(int(c.read_text()) for c in counters) / 1e6, wraps)


def _nvml() -> Meter | str:
    if importlib.util.find_spec("pynvml") is None:
        return "NVML is not installed: pip install nvidia-ml-py"
    nvml: Any = importlib.import_module("pynvml")
    try:
        nvml.nvmlInit()
        handle = nvml.nvmlDeviceGetHandleByIndex(0)
        nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except nvml.NVMLError as error:
        return f"NVML: {error}"
    return Meter(
        "NVML, GPU 0", lambda: float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1e3
    )
