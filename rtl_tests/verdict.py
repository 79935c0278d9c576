"""What verification found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What verification found. Cycles are clock cycles, times are seconds.

    Attributes:
        frames: Frames of data that were run.
        equal: Frames whose every output beat was right in every run, of RTL and of HLS.
        outputs: For each output its ``name``, and ``equal``: frames in which it was right.
        all_equal: Nothing at all went wrong.
        interval: Cycles between results in steady state, the longest seen; None for one frame.
        interval_min: The shortest seen.
        interval_mean: Their mean.
        interval_predicted: From build.json.
        interval_worst: Where cycles hang on data, what ``interval_predicted`` is then: that of
            frames which all take longest; else None.
        late: Beside it, cycles by which a frame ended behind the schedule of the worst case at
            most; 0 or less, if none did.
        on_time: Whether latency and steady interval are no longer than predicted, or where cycles
            hang on data no frame was late; None where nothing was measured.
        latency: First input beat to last output beat of a frame in an empty pipeline, difference
            of the clock edges at which they are taken.
        latency_predicted: From build.json.
        top1: Share of frames whose best class is the label's; None without labels, and where the
            first output is neither a vector nor an index.
        early: Share of frames that left at the early exit; None where there is none.
        unexplained: Differences from the original model that float rounding does not account for;
            None where it was not asked.
        original: What the comparison with it showed.
        cycles: Simulated, all runs of the RTL; 0 without it.
        seconds_build: Simulator, from the cache or built.
        seconds_reference: NumPy.
        seconds_sim: Simulation, all runs.
        stalls: What run 2 did; None without it.
        mismatch: The first difference, None if there is none.
        gates: The netlist that was simulated in the place of the RTL (rtl_tests/gates.py), or None.
        hls: What C simulation of the HLS project found (rtl_tests/hls.py); None without it.
    """

    frames: int
    equal: int
    outputs: Sequence[Mapping[str, Any]]
    all_equal: bool
    interval: int | None
    interval_min: int | None
    interval_predicted: int
    latency: int | None
    latency_predicted: int
    top1: float | None
    unexplained: int | None
    original: Mapping[str, Any] | None
    cycles: int
    seconds_build: float
    seconds_reference: float
    seconds_sim: float
    stalls: Mapping[str, Any] | None
    mismatch: Mapping[str, Any] | None
    interval_mean: float | None = None
    interval_worst: int | None = None
    late: int | None = None
    early: float | None = None
    hls: Mapping[str, Any] | None = None
    on_time: bool | None = None
    gates: Mapping[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values, by attribute."""
        return asdict(self)
