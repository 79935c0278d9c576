"""HLS of the matrix-vector unit that drops beats of zeros."""

from __future__ import annotations

from gatesmith.codegen.dense_skip import DenseSkipStage
from gatesmith.codegen.hls.dense import dense_constants, dense_elems, weights_rom
from gatesmith.codegen.hls.kernel import Kernel, kernel


@kernel(DenseSkipStage)
def dense_skip(stage: DenseSkipStage) -> Kernel:
    """As the folded unit; what 0 is on the wires."""
    constants = {**dense_constants(stage), "ZERO": stage.zero_code}
    roms = (weights_rom(stage),)
    return Kernel("dense_skip.h", "dense_skip", dense_elems(stage), constants, roms)
