"""The kernel of every stage."""

from __future__ import annotations

from gatesmith.codegen.fifo import FifoStage
from gatesmith.codegen.hls import (  # noqa: F401, registers the kernels
    concat,
    decide,
    dense,
    dense_blocks,
    dense_nm,
    dense_numbers,
    dense_packed,
    dense_skip,
    dense_unrolled,
    depthwise,
    early_exit,
    fork,
    gate,
    gather,
    int_layer_norm,
    int_softmax,
    join,
    max_pool,
    product,
    reduce,
    requantize,
    select,
    table,
    threshold,
    top_k,
    truth_rows,
    width_converter,
    window,
)
from gatesmith.codegen.hls.kernel import KERNELS, Kernel
from gatesmith.codegen.skid_buffer import SkidBufferStage
from gatesmith.codegen.stream import Stage

PASSING: tuple[type[Stage], ...] = (FifoStage, SkidBufferStage)
"""Stages that are the depth of a channel here."""

SKID_DEPTH = 2
"""Beats in a skid buffer."""


def kernel_of(stage: Stage) -> Kernel:
    """The kernel of a stage that is none of :data:`PASSING`."""
    make = KERNELS.get(type(stage))
    if make is None:
        raise AssertionError(f"{type(stage).__name__} has no kernel: write codegen/hls/STEM.py")
    return make(stage)


def places(stage: Stage) -> int:
    """Beats that wait in a stage of :data:`PASSING`."""
    return stage.depth if isinstance(stage, FifoStage) else SKID_DEPTH
