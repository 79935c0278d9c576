"""The memory behind the AXI4 buses of a core in simulation, and the ports that it is reached by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cocotbext.axi import (  # type: ignore[import-untyped]
    AxiRamRead,
    AxiRamWrite,
    AxiReadBus,
    AxiWriteBus,
)

from gatesmith.codegen.registers.dma import READS, WRITES

SIZE = 1 << 48
"""Bytes of it; only what is written takes any."""


def ports(prefix: str, *, reads: bool) -> list[tuple[str, bool, int]]:
    """Name, whether it is an input of the core, and bits of every port of a bus."""
    pins = READS if reads else WRITES
    return [(f"{prefix}_{pin.name}", not pin.out, max(1, pin.bits)) for pin in pins]


def ids(prefix: str, *, reads: bool) -> tuple[str, str]:
    """IDs, which cocotbext-axi asks for and the core has none of: what it gives, and gets back."""
    asked, answered = ("arid", "rid") if reads else ("awid", "bid")
    return f"{prefix}_{asked}", f"{prefix}_{answered}"


def attach(
    dut: Any, buses: Sequence[tuple[str, bool]], clock: Any, reset: Any, *, active: bool
) -> list[Any]:
    """One memory behind all buses, each (prefix, whether it reads); what answers on each."""
    rams: list[Any] = []
    for prefix, reads in buses:
        kind, ram = (AxiReadBus, AxiRamRead) if reads else (AxiWriteBus, AxiRamWrite)
        pins = kind.from_prefix(dut, prefix)
        rams.append(ram(pins, clock, reset, reset_active_level=active, size=SIZE))
        rams[-1].mem = rams[0].mem
        rams[-1].log.setLevel("WARNING")
    return rams


def channels(ram: Any, *, reads: bool) -> list[Any]:
    """Those that can be stalled."""
    letters = ("ar", "r") if reads else ("aw", "w", "b")
    return [getattr(ram, f"{letter}_channel") for letter in letters]
