"""Depths of the FIFOs of a design with gates: life and rate when all go on, speed when few do.

docs/decisions/0010-data-dependent-cycles.md has the argument. In short:

    1. Depths for frames that all go on, at the interval of the slowest stage (fifo_depth.py). Any
       pattern of exits only takes events away from that schedule, so it cannot stand still.
    2. Depths for frames that all leave, at the interval of the slowest stage before a gate: what
       is before the gates, alone. The features of as many frames as the early head has under
       way wait there.
    3. Behind each gate a whole frame, so that the gate can pass one on and look at the next while
       the late part is busy; before the merge as many decisions as frames can leave meanwhile.

Each FIFO gets the most that one of these asks for: what is enough stays enough when it is deeper.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from gatesmith.codegen import parts
from gatesmith.codegen.design import CorePort, Design, Driver, Placed
from gatesmith.codegen.early_exit import EarlyExitStage
from gatesmith.codegen.fifo_depth import fifos, wanted_interval, with_depths
from gatesmith.codegen.gate import GateStage
from gatesmith.codegen.stream import Stage

MOST_DECISIONS = 512
"""Decisions that wait at most: a few bits each."""


def has_gates(design: Design) -> bool:
    """Whether some of its frames may leave early."""
    return any(isinstance(stage, GateStage) for stage in design)


def behind_gates(design: Design) -> set[str]:
    """Stages that see only the frames that went on; not the one that puts the answers together."""
    return _reached(design, lambda stage: not isinstance(stage, EarlyExitStage))


def _reached(design: Design, passes: Callable[[Stage], bool] = lambda stage: True) -> set[str]:
    """Gates and what they drive, directly or not, as far as ``passes`` says."""
    found: set[str] = set()
    for placed in design.placed:
        driven = any(driver.name in found for driver in placed.drivers)
        if isinstance(placed.stage, GateStage) or (driven and passes(placed.stage)):
            found.add(placed.stage.name)
    return found


def early_interval(design: Design) -> int:
    """Cycles a frame when all frames leave early."""
    return wanted_interval(early_part(design))


def size_with_exits(design: Design, size: Callable[[Design], Design]) -> Design:
    """The design with the depths of steps 1 to 3.

    Args:
        design: With FIFOs of any depth.
        size: Gives a design the least depths for its interval.

    Raises:
        ValueError: As ``size``.
    """
    early = early_part(design)
    found = dict.fromkeys(fifos(design), 0)
    for sized in (size(design), size(early)):
        for name, stage in fifos(sized).items():
            found[name] = max(found[name], stage.depth)
    for name, least in _floors(design, early).items():
        found[name] = max(found[name], least)
    return with_depths(design, found)


def early_part(design: Design) -> Design:
    """What works on every frame; what the gates and the merge take from it goes out."""
    late = _reached(design)
    kept = tuple(
        placed
        for placed in design.placed
        if isinstance(placed.stage, GateStage) or placed.stage.name not in late
    )
    read = Counter(driver for placed in kept for driver in placed.drivers)
    ends = [
        (Driver(placed.stage.name, k), placed.stage.node, stream)
        for placed in kept
        for k, stream in enumerate(placed.stage.sinks)
    ]
    outputs = tuple(
        CorePort(f"end{k}", node, stream, driver)
        for k, (driver, node, stream) in enumerate(ends)
        if not read[driver]
    )
    return Design(f"{design.name}_early", design.inputs, kept, outputs)


def _floors(design: Design, early: Design) -> dict[str, int]:
    """Step 3."""
    found: dict[str, int] = {}
    gates = {stage.name for stage in design if isinstance(stage, GateStage)}
    for name, stage in fifos(design).items():
        (driver,) = _placed(design, name).drivers
        if driver.name in gates:
            found[name] = stage.x.beats
    edges = design.schedule()
    for placed in design.placed:
        if isinstance(placed.stage, EarlyExitStage) and placed.drivers[0].name in fifos(design):
            (decided,) = _placed(design, placed.drivers[0].name).drivers
            late = int(edges[placed.drivers[1]][-1] - edges[decided][-1])
            frames = parts.ceil_div(max(0, late), wanted_interval(early)) + 2
            found[placed.drivers[0].name] = min(frames, MOST_DECISIONS)
    return found


def _placed(design: Design, name: str) -> Placed:
    return next(placed for placed in design.placed if placed.stage.name == name)
