"""What the host has to do to the numbers that go in and come out: for drivers, in JSON.

Of an input its ``quantizer``:

    null                            the model has none: integers arrive as they were declared
    {"kind": "uniform", ...}        round(x / scale + zero) by ``rounding``, clamped to lo and hi;
                                    scale and zero as exact fractions
    {"kind": "bipolar"}             1 where x is 0 or above, else -1
    {"kind": "other", "why": ...}   anything else: the host has to compute it by the model
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from gatesmith.codegen.registers.around import Classes
from gatesmith.ir import Graph, Node
from gatesmith.ops.bipolar_quant import BipolarQuant
from gatesmith.ops.input import Input
from gatesmith.ops.quantize import Quantize
from gatesmith.ops.reshape import Reshape


def quantizer_json(real: Graph, entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """The quantizer of an input of build.json."""
    if entry["host_quantizer"] is None:
        return None
    node = next(node for node in real if node.name == entry["host_quantizer"])
    if not _at_input(node):
        return {"kind": "other", "why": "the model computes something before it quantizes"}
    match node.op:
        case BipolarQuant():
            return {"kind": "bipolar"}
        case Quantize(scale, zero, clip, rounding) if scale.data.size == zero.data.size == 1:
            return {
                "kind": "uniform",
                "scale": str(Fraction(float(scale.data.reshape(-1)[0]))),
                "zero": str(Fraction(float(zero.data.reshape(-1)[0]))),
                "lo": clip.lo,
                "hi": clip.hi,
                "rounding": rounding,
            }
        case _:
            return {"kind": "other", "why": "its scale or zero point is not one number"}


def classes_json(classes: Classes | None) -> dict[str, bool] | None:
    """How the class is read off an output."""
    if classes is None:
        return None
    return {"index": classes.index, "falls": classes.falls}


def _at_input(node: Node) -> bool:
    """Whether nothing but shapes is before a quantizer."""
    at = node
    while at.args and (at is node or isinstance(at.op, Reshape)):
        at = at.args[0]
    return isinstance(at.op, Input)
