"""ONNX Tile: a value repeated along its axes."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.movement import take
from gatesmith.frontend.registry import converter
from gatesmith.frontend.values import Activation


@converter("Tile", inputs=2, since=6)
def convert(call: Call) -> Activation:
    """A Take along every axis that is repeated."""
    x = call.activation(0)
    repeats = call.integers_of(1, "the repeats")
    if len(repeats) != len(x.full):
        what = f"Tile of {list(x.full)} has {len(repeats)} repeats"
        raise call.error("shape", what, "there must be one for each axis", "export again")
    for axis, count in enumerate(repeats):
        call.must_fit((*x.full, count))
        x = take(call, x, axis, [*range(x.full[axis])] * count)
    return x
