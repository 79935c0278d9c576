"""What a benchmark found: a row for each engine and number of threads, and the machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from gatesmith.cpu_gpu_baselines.timing import Timing

FORMAT = 1
CSV = (
    *("engine", "threads", "batch", "latency_us", "throughput", "equal", "differing", "top1"),
    *("energy_uj", "weight_bytes", "skipped"),
)


@dataclass(frozen=True, slots=True)
class BatchTime:
    """Times of one batch size; of a call, in microseconds.

    Attributes:
        batch: Frames.
        median_us: Of all samples.
        low_us: First quartile.
        high_us: Third quartile.
        least_us: Smallest.
        samples: How many.
        throughput: Frames a second, from the median.
    """

    batch: int
    median_us: float
    low_us: float
    high_us: float
    least_us: float
    samples: int
    throughput: float

    @classmethod
    def of(cls, batch: int, time: Timing) -> BatchTime:
        """From seconds."""
        median, low, high, least = (
            round(1e6 * t, 3) for t in (time.median, time.low, time.high, time.least)
        )
        return cls(batch, median, low, high, least, time.samples, round(batch / time.median, 1))


@dataclass(slots=True, kw_only=True)
class Row:
    """One engine with one number of threads.

    Attributes:
        engine: Name.
        kind: integer, float, or fpga.
        device: cpu, gpu or fpga.
        threads: Of the engine; None where it has no such setting.
        skipped: Why it was not measured; None where it was.
        equal: Of integer engines, whether every code of every frame is the reference's; None for
            float engines and where nothing was run.
        compared: Codes or classes compared.
        compared_what: Which of them.
        differing: How many differ.
        unexplained: Those that float32 rounding does not explain, of the file itself, over all
            codes inside it; None where that is not known.
        top1: Share of frames whose class is the label's.
        latency_us: Median of batch 1; None where that was not measured.
        batch: Frames at a time at which ``throughput`` is best.
        throughput: Frames a second.
        batches: All sizes.
        energy_uj: Of a frame, at ``batch``; None with ``energy_why``.
        energy_why: Which counter was read, or why none.
        weight_bytes: Everything constant, as the engine holds it.
        note: Versions, kernels, instruction set.
        problems: What went wrong and did not end the row.
    """

    engine: str
    kind: str
    device: str
    threads: int | None = None
    skipped: str | None = None
    equal: bool | None = None
    compared: int | None = None
    compared_what: str | None = None
    differing: int | None = None
    unexplained: int | None = None
    top1: float | None = None
    latency_us: float | None = None
    batch: int | None = None
    throughput: float | None = None
    batches: list[BatchTime] = field(default_factory=list)
    energy_uj: float | None = None
    energy_why: str = "not measured"
    weight_bytes: int | None = None
    note: str = ""
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Benched:
    """A whole benchmark.

    Attributes:
        date: ISO 8601, UTC.
        model: Name and integers of the network: frames, parameters, operations, bits of weights.
        machine: Where it ran (machine.py).
        settings: Times, batches, threads.
        rows: Engines.
        fpga: Cycles of the build, and at a stated clock times; None without a build.
        notes: What the user should know.
    """

    date: str
    model: Mapping[str, Any]
    machine: Mapping[str, Any]
    settings: Mapping[str, Any]
    rows: Sequence[Row]
    fpga: Mapping[str, Any] | None
    notes: Sequence[str]

    @property
    def all_equal(self) -> bool:
        """No integer engine, nor the core where it was run, gave a wrong code."""
        core = self.fpga is None or self.fpga["equal"] is not False
        return core and all(row.equal is not False for row in self.rows)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"format": FORMAT, "all_equal": self.all_equal, **asdict(self)}

    def as_csv(self) -> str:
        """A line for each row, and one for the FPGA."""
        import csv
        import io

        file = io.StringIO()
        writer = csv.DictWriter(file, CSV, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in self.rows)
        if self.fpga is not None:
            writer.writerow({**self.fpga, "engine": "fpga", "batch": 1})
        return file.getvalue()
