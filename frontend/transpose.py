"""ONNX Transpose: without ``perm`` the axes are reversed."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation


@converter("Transpose", attributes=(Attribute("perm", "ints"),))
def convert(call: Call) -> Activation:
    """Frame axes in another order; the batch axis must stay in front."""
    x = call.activation(0)
    rank = len(x.full)
    perm = call.integers("perm") or tuple(reversed(range(rank)))
    if sorted(perm) != list(range(rank)):
        what = f"perm of Transpose is {list(perm)}"
        why = f"it must be an order of the {rank} axes of {list(x.full)}"
        raise call.error("axis", what, why, "export the model again")
    if not x.batched:
        return Activation(call.transpose(x.node, perm, suffix=""), False, x.kind)
    if perm[0] != 0:
        raise call.batch_error(f"moves the batch axis (perm {list(perm)})")
    frame = tuple(axis - 1 for axis in perm[1:])
    return Activation(call.transpose(x.node, frame, suffix=""), True, x.kind)
