"""Single blocks over a grid of parameters, for what networks meet too seldom."""

from __future__ import annotations

from itertools import product

import numpy as np

from gatesmith.codegen.fifo import FifoStage
from gatesmith.codegen.skid_buffer import SkidBufferStage
from gatesmith.codegen.stream import Stage, Stream
from gatesmith.codegen.table import TableStage
from gatesmith.codegen.threshold import ThresholdStage
from gatesmith.codegen.width_converter import WidthConverterStage
from gatesmith.ir import Array, IntType
from gatesmith.ops.table import Table
from gatesmith.ops.threshold import Threshold


def unsigned(bits: int) -> IntType:
    """0 .. 2**bits - 1."""
    return IntType(0, (1 << bits) - 1)


def converters() -> list[Stage]:
    """Ratios up and down, by whole numbers and not, of elements of one to eight bits."""
    ratios = (
        *((1, 4, 1), (1, 16, 1), (16, 1, 1), (1, 64, 1), (32, 1, 2), (8, 2, 4), (2, 8, 4)),
        *((3, 5, 3), (5, 3, 4), (7, 8, 2), (8, 7, 2), (4, 6, 8), (16, 6, 3), (6, 16, 3)),
        *((1, 9, 8), (9, 1, 8), (12, 32, 2), (1, 3, 6)),
    )
    return [
        WidthConverterStage(f"wc{a}_{b}_{w}", "", (), Stream(unsigned(w), a * b, 1, a), a * b, b)
        for a, b, w in ratios
    ]


def fifos() -> list[Stage]:
    """In LUT-RAM, in block RAM; one beat, powers of two and not."""
    sizes = (
        *((1, 8), (2, 8), (3, 4), (5, 20), (16, 8), (24, 14), (33, 7), (64, 16), (100, 12)),
        *((200, 6), (40, 60), (300, 16), (600, 18), (1200, 30), (512, 40), (2048, 8), (5000, 9)),
        *((1024, 72), (900, 100), (70, 80)),
    )
    return [FifoStage(f"fifo{d}_{w}", "", (), Stream(unsigned(w), 1, d, 1), d) for d, w in sizes]


def skids() -> list[Stage]:
    """Widths."""
    widths = (1, 2, 4, 9, 16, 33, 64)
    return [SkidBufferStage(f"skid{w}", "", (), Stream(unsigned(w), 1, 4, 1)) for w in widths]


def thresholds() -> list[Stage]:
    """Steps, widths, lanes and channels; seeded thresholds in the middle of the range."""
    rng = np.random.default_rng(5)
    found: list[Stage] = []
    sizes = (
        *(
            (1, 6, 1, 16),
            (1, 10, 4, 64),
            (3, 8, 1, 32),
            (3, 12, 2, 2),
            (7, 10, 1, 8),
            (7, 10, 1, 64),
        ),
        *(
            (15, 12, 1, 16),
            (15, 9, 2, 2),
            (3, 6, 8, 8),
            (1, 8, 16, 16),
            (255, 16, 1, 1),
            (15, 16, 1, 1),
        ),
        *((7, 7, 4, 4), (3, 16, 1, 128)),
    )
    for steps, bits, lanes, channels in sizes:
        half = 1 << (bits - 2)
        rows = np.sort(rng.integers(-half, half, (channels, steps)), axis=1)
        falling = Array(np.zeros(channels, np.int64))
        op = Threshold(Array(rows), unsigned(steps.bit_length()), falling)
        x = Stream(IntType(-2 * half, 2 * half - 1), channels, 2, lanes)
        name = f"thr{steps}_{bits}_{lanes}_{channels}"
        found.append(ThresholdStage(name, "", (), name, op, x))
    return found


def tables() -> list[Stage]:
    """Sigmoids and noise."""
    rng = np.random.default_rng(6)
    found: list[Stage] = []
    for bits, out, noise in product((4, 6, 8, 10), (4, 8), (False, True)):
        x = np.arange(1 << bits)
        top = (1 << out) - 1
        smooth = top / (1 + np.exp(-(x / (1 << bits) - 0.5) * 8))
        rows = rng.integers(0, top + 1, x.size) if noise else np.round(smooth).astype(np.int64)
        op = Table(Array(rows[None]), unsigned(out), unsigned(bits))
        name = f"tab{bits}_{out}_{'noise' if noise else 'sigmoid'}"
        found.append(TableStage(name, "", (), name, op, Stream(unsigned(bits), 2, 2, 1)))
    return found


BLOCKS = {
    "converters": converters,
    "fifos": fifos,
    "skids": skids,
    "thresholds": thresholds,
    "tables": tables,
}
