"""HLS of Product."""

from __future__ import annotations

from gatesmith.codegen.hls.kernel import Constant, Kernel, kernel, value_bits
from gatesmith.codegen.product import ProductStage

KINDS = {
    "xnor": "gs::BOTH_SIGNS",
    "sign_a": "gs::A_SIGN",
    "sign_b": "gs::B_SIGN",
    "multiply": "gs::NUMBERS",
}


@kernel(ProductStage)
def product(stage: ProductStage) -> Kernel:
    """Element by element."""
    elems = {"A": stage.a.elem, "B": stage.b.elem, "Y": stage.out}
    constants: dict[str, Constant] = {
        "A_W": stage.a.width,
        "B_W": stage.b.width,
        "Y_W": stage.sink.width,
        "LANES": stage.a.lanes,
        "BEATS": stage.a.beats,
        "KIND": KINDS[stage.kind],
        "P_B": max(stage.numbers.bits, value_bits(*elems.values())) + 1,
    }
    return Kernel("product.h", "product", elems, constants)
