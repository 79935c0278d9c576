"""Nodes that one ONNX operator stands for together.

1. Conv and the Add of one constant a channel: its bias; 2. Pad between the elements and Conv:
ConvTranspose; 3. LayerNorm, Mul and Add of one constant a channel: scale and bias; 4. a quantizer
and its Dequantize. A node that is read elsewhere, or wanted for itself, stays alone.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from gatesmith.ir import Graph, Node
from gatesmith.ops.add import Add
from gatesmith.ops.bipolar_quant import BipolarQuant
from gatesmith.ops.const import Const
from gatesmith.ops.conv import Conv
from gatesmith.ops.dequantize import Dequantize
from gatesmith.ops.layer_norm import LayerNorm
from gatesmith.ops.mul import Mul
from gatesmith.ops.multi_threshold import MultiThreshold
from gatesmith.ops.pad import Pad
from gatesmith.ops.quantize import Quantize


def fusions(graph: Graph, kept: Collection[Node]) -> dict[Node, Node]:
    """Every node that is written with its only reader, by that reader."""
    users = graph.users()
    found: dict[Node, Node] = {}
    for node in graph:
        for arg in node.args:
            if users[arg] == 1 and arg not in kept and _belongs(arg, node, found):
                found[arg] = node
    return found


def _belongs(arg: Node, node: Node, found: dict[Node, Node]) -> bool:
    match arg.op, node.op:
        case Conv(), Add():
            return term(node, arg) is not None
        case Pad(), Conv():
            return spread(arg, node) is not None
        case LayerNorm(), Mul():
            return term(node, arg) is not None
        case Mul(), Add():
            return (
                any(found.get(inner) is arg for inner in arg.args) and term(node, arg) is not None
            )
        case ((Quantize() | BipolarQuant() | MultiThreshold()), Dequantize()):
            return True
    return False


def term(node: Node, arg: Node) -> Node | None:
    """The other operand of a node, if it is a constant with one element for each channel."""
    others = [other for other in node.args if other is not arg]
    if len(others) != 1 or not isinstance(others[0].op, Const):
        return None
    shape = others[0].type.shape
    channels = arg.type.channels
    fits = shape[-1:] == (channels,) and others[0].type.size == channels
    return others[0] if fits and len(shape) <= len(arg.type.shape) else None


@dataclass(frozen=True, slots=True)
class Spread:
    """Attributes of the ConvTranspose that a Pad and a Conv make, both (h, w)."""

    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    added: tuple[int, int]


def spread(pad: Node, conv: Node) -> Spread | None:
    """The ConvTranspose that says the same, or None; the reverse of frontend/conv_transpose.py."""
    if not isinstance(pad.op, Pad) or not isinstance(conv.op, Conv) or conv.args[0] is not pad:
        return None
    op, window = pad.op, conv.op
    if any(op.before) or any(op.after) or op.value or op.interior[2] or not any(op.interior):
        return None
    if window.strides != (1, 1):
        return None
    strides = (op.interior[0] + 1, op.interior[1] + 1)
    top, left, bottom, right = window.pads
    before, after, added = [], [], []
    for axis, (front, back) in enumerate(((top, bottom), (left, right))):
        reach = (conv.args[1].type.shape[axis] - 1) * window.dilations[axis]
        before.append(reach - front)
        after.append(max(reach - back, 0))
        added.append(max(back - reach, 0))
        if front > reach or added[-1] >= max(strides[axis], window.dilations[axis]):
            return None
    return Spread(strides, (*before, *after), (added[0], added[1]))  # type: ignore[arg-type]
