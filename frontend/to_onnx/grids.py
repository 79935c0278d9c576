"""What the quantizers of files can say about a range of codes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from onnx import TensorProto

from gatesmith.frontend.quant import code_range
from gatesmith.ir import Ints, IntType, Reals
from gatesmith.ops.fake_quant import Grid

MOST_BITS = 32

_STORAGE = (
    (TensorProto.UINT8, 8, False),
    (TensorProto.INT8, 8, True),
    (TensorProto.UINT16, 16, False),
    (TensorProto.INT16, 16, True),
)
WIDE = {TensorProto.UINT16, TensorProto.INT16}
"""Types that QuantizeLinear and DequantizeLinear have from opset 21 on."""

SINCE_WIDE = 21


def whole(kind: int) -> IntType:
    """Codes of an element type.

    >>> whole(TensorProto.INT8)
    i8
    """
    _, bits, signed = next(entry for entry in _STORAGE if entry[0] == kind)
    return code_range(bits, signed, False)


def storage(clip: IntType, zero: Ints) -> int | None:
    """Least element type for codes and their zero point; None where 16 bits are too few.

    >>> storage(IntType(-8, 7), np.array(0)) == TensorProto.INT8
    True
    """
    lo, hi = min(clip.lo, int(zero.min())), max(clip.hi, int(zero.max()))
    for kind, _, _ in _STORAGE:
        if whole(kind).lo <= lo and hi <= whole(kind).hi:
            return int(kind)
    return None


def bits_of(clip: IntType, *, exact: bool) -> tuple[int, bool, bool] | None:
    """(bits, signed, narrow) of the QONNX quantizer with these codes; None where there is none.

    Args:
        clip: Codes.
        exact: Whether it must have no others; without, the narrowest that has them all.

    >>> bits_of(IntType(-1, 1), exact=True), bits_of(IntType(0, 5), exact=True)
    ((2, True, True), None)
    >>> bits_of(IntType(-64, 64), exact=False)
    (8, True, True)
    """
    signed = clip.lo < 0
    for bits in range(2 if signed else 1, MOST_BITS + 1):
        for narrow in (True, False):
            found = code_range(bits, signed, narrow)
            if found.lo > found.hi or (bits == 1 and narrow):
                continue
            fits = found.lo <= clip.lo and clip.hi <= found.hi
            if found == clip or (fits and not exact):
                return bits, signed, narrow
    return None


def remark(grid: Grid) -> str:
    """The kind of a grid, for who reads the file: what no quantizer of a file says."""
    said: dict[str, Any] = {"kind": grid.kind, "bits": grid.bits}
    if grid.levels is not None:
        said["levels"] = grid.levels.data.tolist()
    return json.dumps(said)


def one_axis(data: Reals | Ints) -> int | None:
    """The only axis along which a parameter has several values; None where there are more.

    -1 where there is none.
    """
    long = [axis for axis, extent in enumerate(data.shape) if extent != 1]
    if not long:
        return -1
    return long[0] if len(long) == 1 else None


def blocks(data: Any, shape: tuple[int, ...]) -> tuple[int, int, Any]:
    """A parameter as DequantizeLinear has it with ``block_size``: (axis, block size, parameter).

    The largest blocks of equal values along one axis; where there are none, blocks of one.

    Args:
        data: Broadcasts to ``shape``.
        shape: Of what is quantized.
    """
    full = np.broadcast_to(data, shape)
    best = (0, 1, full)
    for axis, extent in enumerate(shape):
        for size in range(extent, best[1], -1):
            first = full.take(range(0, extent, size), axis=axis)
            spread = np.repeat(first, size, axis=axis).take(range(extent), axis=axis)
            if (spread == full).all():
                best = (axis, size, first)
                break
    return best
