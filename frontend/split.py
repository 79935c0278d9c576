"""ONNX Split: sizes as an attribute (opset 2 to 12), an input (13), or a number of parts (18)."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.movement import take
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation


@converter(
    "Split",
    inputs=(1, 2),
    attributes=(
        Attribute("axis", "int", 0),
        Attribute("split", "ints", until=12),
        Attribute("num_outputs", "int", since=18),
    ),
    since=2,
)
def convert(call: Call) -> tuple[Activation | None, ...]:
    """A Take for each part that something reads."""
    x = call.activation(0)
    axis = call.axis(call.integer("axis"), len(x.full))
    sizes = _sizes(call, x.full[axis])
    parts: list[Activation | None] = []
    at = 0
    for size, used in zip(sizes, call.used, strict=True):
        parts.append(take(call, x, axis, range(at, at + size)) if used else None)
        at += size
    return tuple(parts)


def _sizes(call: Call, extent: int) -> tuple[int, ...]:
    """Extents of the parts; they fill the axis."""
    count = len(call.node.output)
    sizes = call.integers("split") if call.opset < 13 else None
    if call.opset >= 13 and call.has(1):
        sizes = call.integers_of(1, "the sizes")
    parts = [a.i for a in call.node.attribute if a.name == "num_outputs"]
    if parts and (sizes is not None or parts[0] != count):
        why = f"the node has {count} outputs" + (" and a list of sizes" if sizes else "")
        what = f"num_outputs of Split is {parts[0]}"
        raise call.error("attribute", what, why, "give the sizes, or num_outputs, not both")
    if sizes is None:
        each = -(-extent // count)
        even = extent % count == 0 or bool(parts)  # with num_outputs the last may be smaller
        sizes = (*(each,) * (count - 1), extent - each * (count - 1)) if even else ()
    if len(sizes) != count or sum(sizes) != extent or min(sizes) < 0:
        what = f"Split cannot make {count} parts of {extent} elements"
        why = f"the sizes are {list(sizes)}" if sizes else "they are not equal"
        raise call.error("shape", what, why, "export with one size for each output")
    return sizes
