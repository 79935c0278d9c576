"""ONNX DepthToSpace: blocks of channels become blocks of rows and columns."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation


@converter(
    "DepthToSpace",
    attributes=(
        Attribute("blocksize", "int", required=True),
        Attribute("mode", "string", "DCR", since=11),
    ),
)
def convert(call: Call) -> Activation:
    """Reshape, Transpose, Reshape, as the definition has it; before opset 11 the mode is DCR."""
    x = call.activation(0)
    block = call.integer("blocksize")
    mode = call.text("mode") if call.opset >= 11 else "DCR"
    if mode not in ("DCR", "CRD"):
        what, why = f"mode of DepthToSpace is {mode!r}", "it is DCR or CRD"
        raise call.error("attribute", what, why, "export the model again")
    channels, height, width = picture(call, x)
    if block < 1 or channels % block**2:
        what = f"DepthToSpace of {channels} channels with blocks of {block}"
        raise call.error("shape", what, "the blocks do not divide the channels", "mend blocksize")
    depth = channels // block**2
    if mode == "DCR":
        split, perm = (block, block, depth, height, width), (2, 3, 0, 4, 1)
    else:
        split, perm = (depth, block, block, height, width), (0, 3, 1, 4, 2)
    blocks = call.transpose(call.reshape(x.node, split), perm)
    y = call.reshape(blocks, (depth, height * block, width * block), "_merge")
    return Activation(y, x.batched, x.kind)


def picture(call: Call, x: Activation) -> tuple[int, int, int]:
    """Channels, height, width of a batch of pictures."""
    if len(x.full) != 4 or not x.batched:
        what = f"{call.node.op_type} of the shape {list(x.full)}"
        why = "it takes batch, channels, height and width"
        raise call.error("shape", what, why, "add the missing axes with Unsqueeze")
    channels, height, width = x.frame
    return channels, height, width
