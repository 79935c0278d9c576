"""HLS of the matrix-vector unit that packs products: the same products, packed by the HLS tool."""

from __future__ import annotations

from gatesmith.codegen.dense_packed import DensePackedStage
from gatesmith.codegen.hls.dense import dense
from gatesmith.codegen.hls.kernel import Kernel, kernel


@kernel(DensePackedStage)
def dense_packed(stage: DensePackedStage) -> Kernel:
    """As of the unit that does not pack; weights as they are."""
    return dense(stage)
