"""How large the result of a constant node may be, asked before it is computed.

A node of a few bytes can ask for terabytes (ConstantOfShape, Expand, Tile, Range, ...), and onnx's
reference implementation loops in Python over what NumPy has no function for.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import onnx

from gatesmith.frontend.values import MOST_ELEMENTS

GROWS = frozenset(
    [
        "AffineGrid",
        "BlackmanWindow",
        "CenterCropPad",
        "Col2Im",
        "ConstantOfShape",
        "DFT",
        "Expand",
        "EyeLike",
        "Gather",
        "GatherND",
        "GridSample",
        "HammingWindow",
        "HannWindow",
        "ImageDecoder",
        "MaxUnpool",
        "MelWeightMatrix",
        "OneHot",
        "Pad",
        "Range",
        "Resize",
        "RoiAlign",
        "STFT",
        "StringSplit",
        "TfIdfVectorizer",
        "Tile",
        "Upsample",
    ]
)
"""Operators whose result can be larger than their operands together."""

SLOW = dict.fromkeys(
    [
        "AveragePool",
        "Col2Im",
        "Conv",
        "ConvInteger",
        "ConvTranspose",
        "DeformConv",
        "GRU",
        "GridSample",
        "LSTM",
        "LpPool",
        "MaxPool",
        "MaxRoiPool",
        "MaxUnpool",
        "NonMaxSuppression",
        "QLinearConv",
        "RNN",
        "Resize",
        "RoiAlign",
        "Upsample",
        "DFT",
        "STFT",
        "TfIdfVectorizer",
        "Attention",
    ],
    1 << 14,
) | dict.fromkeys(["Einsum", "Gemm", "MatMul", "MatMulInteger", "QLinearMatMul"], 1 << 20)
"""Most elements of the result, and of each operand, of operators that take more than a pass."""

Shapes = Mapping[str, tuple[tuple[int, ...], int]]


def too_large(node: onnx.NodeProto, operands: list[int], shapes: Shapes) -> str | None:
    """Why a constant node is not computed, if it is not.

    Args:
        node: All its operands are constant.
        operands: Their elements.
        shapes: Shape and element type of its results, as far as they are known.
    """
    most = min(MOST_ELEMENTS, SLOW.get(node.op_type, MOST_ELEMENTS))
    for name in node.output:
        if name in shapes:
            elements = prod(shapes[name][0])
            if elements > most:
                return (
                    f"its result {name!r} would have {elements} elements, at most {most} are made"
                )
        elif name and node.op_type in GROWS:
            return f"how large its result {name!r} would be cannot be told beforehand"
    if max(operands, default=0) > most and node.op_type in SLOW:
        return f"it has an operand of {max(operands)} elements, at most {most} are taken"
    if sum(operands) > 4 * MOST_ELEMENTS:
        return f"its operands have {sum(operands)} elements, at most {4 * MOST_ELEMENTS} are taken"
    return None
