"""In which order the hardware reads the inputs of a layer.

A convolution reads (kh, kw, C). A matrix product behind a Flatten of a map that was turned reads
the map as its stream has it, channels last: lowering moves the rows of its weights (quant/mat_mul).
Patterns along the inputs (N of M neighbours, blocks) must be laid in that order.
"""

from __future__ import annotations

import numpy as np

from gatesmith.ir import Ints, Node
from gatesmith.ops.add import Add
from gatesmith.ops.clip import Clip
from gatesmith.ops.const import Const
from gatesmith.ops.conv import Conv
from gatesmith.ops.div import Div
from gatesmith.ops.fake_quant import FakeQuant
from gatesmith.ops.function import Function
from gatesmith.ops.leaky_relu import LeakyRelu
from gatesmith.ops.mul import Mul
from gatesmith.ops.relu import Relu
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.sign import Sign
from gatesmith.ops.sub import Sub
from gatesmith.ops.take import Take
from gatesmith.ops.transpose import Transpose
from gatesmith.quant.calibrate.layers import Layer

_KEEPS = (Reshape, Relu, Clip, FakeQuant, Function, LeakyRelu, Sign, Add, Sub, Mul, Div)


def input_order(layer: Layer) -> Ints:
    """Rows of the matrix (inputs, outputs) as the Dense has them: its input i is ``order[i]``."""
    shape = layer.weight.type.shape
    rows = int(np.prod(shape[:-1]))
    own = np.arange(rows)
    x = layer.source
    if isinstance(layer.node.op, Conv) or x.type.size != rows:
        return own
    at = stream_positions(x)
    return own if at is None else np.argsort(at, kind="stable")


def stream_positions(x: Node) -> Ints | None:
    """Position of each element of a value in the stream that carries it; None: its own order."""
    at = np.arange(x.type.size)
    while True:
        data = [arg for arg in x.args if not isinstance(arg.op, Const)]
        if len(data) != 1 or data[0].type.size != x.type.size:
            break
        (arg,) = data
        places = np.arange(arg.type.size).reshape(arg.type.shape)
        match x.op:
            case Transpose():
                places = places.transpose(x.op.perm)
            case Take():
                places = np.take(places, x.op.index.data, axis=x.op.axis)
            case _ if not isinstance(x.op, _KEEPS):
                break
        at = places.reshape(-1)[at]
        x = arg
    return at if len(np.unique(at)) == at.size else None
