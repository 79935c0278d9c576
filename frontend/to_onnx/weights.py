"""Constants as tensors of the file, behind their quantizers.

QONNX: the float32 nearest to each value of the grid, and a Quant that finds the code again, wide
enough for the grid's codes. QDQ: the codes, behind DequantizeLinear. Levels of a grid are codes
like others; the remark beside the constant names them.
"""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from gatesmith.frontend.to_onnx.constants import Known
from gatesmith.frontend.to_onnx.grids import SINCE_WIDE, WIDE, blocks, one_axis, remark, storage
from gatesmith.frontend.to_onnx.uniform import Uniform, bipolar_quant, quant, refuse
from gatesmith.frontend.to_onnx.writer import Writer
from gatesmith.ir import Ints, Reals
from gatesmith.ops.fake_quant import Grid


def write_known(w: Writer, value: Known) -> str:
    """A constant as an initializer, behind its quantizer where it has one."""
    if value.grid is None:
        return w.store(value.name, np.asarray(value.data, np.float64))
    if w.form == "qdq":
        return _integers(w, value, value.grid)
    return _quantized(w, value, value.grid)


def _quantized(w: Writer, value: Known, grid: Grid) -> str:
    doc = remark(grid)
    single = value.data.astype(np.float32)
    stored = w.store(value.store or value.name, single, doc=doc)
    if grid.kind == "bipolar":
        return bipolar_quant(w, value.name, stored, grid.scale.data, None, doc=doc)
    what = Uniform(grid.scale.data, grid.zero_point.data, grid.clip, doc=doc)
    codes = np.rint(np.asarray(single, np.float64) / what.scale) + what.zero
    if (grid.values(codes.astype(np.int64)) != value.data).any():
        raise ValueError(f"{value.name}: float32 does not hold the values of the grid")
    return quant(w, value.name, stored, what, None)


def _integers(w: Writer, value: Known, grid: Grid) -> str:
    zero = grid.zero_point.data
    codes = np.asarray(np.rint(value.data / grid.scale.data) + zero, np.int64)
    if (grid.values(codes) != value.data).any():
        raise ValueError(f"{value.name}: its values are not those of its grid")
    kind = storage(grid.clip, zero)
    if kind is None:
        kind = int(TensorProto.INT32)
        if zero.any() or grid.clip.bits > 32:
            refuse(w, value.name, f"16 bits do not hold the codes {grid.clip} and the zero point")
    if kind in WIDE:
        w.require(SINCE_WIDE)
    doc = remark(grid)
    scale, zero, axis, block = _along(w, value.data.shape, grid.scale.data, zero)
    inputs = [
        w.store(value.store or value.name, codes, kind, doc),
        w.store(f"{value.name}_scale", scale),
    ]
    if zero.any():
        inputs.append(w.store(f"{value.name}_zero", zero, kind))
    attributes = {"axis": axis} | ({"block_size": block} if block else {})
    return w.emit(value.name, "DequantizeLinear", inputs, None, doc=doc, **attributes)


def _along(
    w: Writer, shape: tuple[int, ...], scale: Reals, zero: Ints
) -> tuple[Reals, Ints, int, int]:
    """Scale and zero point as DequantizeLinear takes them, their axis, and the size of blocks."""
    scale, zero = np.broadcast_arrays(scale, zero)
    axis = one_axis(scale)
    if axis == -1:
        return scale.reshape(()), zero.reshape(()), 0, 0
    if axis is not None:
        return scale.reshape(-1), zero.reshape(-1), axis - scale.ndim + len(shape), 0
    w.require(SINCE_WIDE)
    axis, size, both = blocks(np.stack([scale, zero], axis=-1), (*shape, 2))
    return both[..., 0], np.asarray(both[..., 1], np.int64), axis, size
