"""ONNX SpaceToDepth: blocks of rows and columns become blocks of channels."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.depth_to_space import picture
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation


@converter("SpaceToDepth", attributes=(Attribute("blocksize", "int", required=True),))
def convert(call: Call) -> Activation:
    """Reshape, Transpose, Reshape, as the definition has it."""
    x = call.activation(0)
    block = call.integer("blocksize")
    channels, height, width = picture(call, x)
    if block < 1 or height % block or width % block:
        what = f"SpaceToDepth of {height} x {width} with blocks of {block}"
        raise call.error("shape", what, "the blocks do not divide the picture", "mend blocksize")
    rows, columns = height // block, width // block
    split = (channels, rows, block, columns, block)
    blocks = call.transpose(call.reshape(x.node, split), (2, 4, 0, 1, 3))
    y = call.reshape(blocks, (block * block * channels, rows, columns), "_merge")
    return Activation(y, x.batched, x.kind)
