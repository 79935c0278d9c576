"""Writing one uniform or bipolar quantizer, parameter for parameter, in QONNX or standard ONNX."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from onnx import TensorProto

from gatesmith.errors import UserError
from gatesmith.frontend.registry import QONNX
from gatesmith.frontend.to_onnx.grids import SINCE_WIDE, WIDE, bits_of, one_axis, storage, whole
from gatesmith.frontend.to_onnx.layout import Shape, in_order
from gatesmith.frontend.to_onnx.writer import Writer
from gatesmith.ir import Ints, IntType, Node, Reals


@dataclass(frozen=True, slots=True, eq=False)
class Uniform:
    """scale * (code - zero) with code = clamp(round(x / scale + zero), clip).

    Attributes:
        scale: Shaped for the tensor of the file, as ``zero`` is.
        zero: Zero point.
        clip: Codes.
        rounding: A key of :data:`gatesmith.ops.quantize.ROUNDING`.
        doc: Remark.
    """

    scale: Reals
    zero: Reals | Ints
    clip: IntType
    rounding: str = "ROUND"
    doc: str = ""

    @property
    def bits(self) -> tuple[int, bool, bool] | None:
        """(bits, signed, narrow) for QONNX, or None where it has no such quantizer."""
        return None if self.rounding == "HALF_ODD" else bits_of(self.clip, exact=True)

    @property
    def not_linear(self) -> str:
        """Why QuantizeLinear cannot say it; empty where it can."""
        zero = np.rint(self.zero)
        odd = zero % 2 == 1
        if (zero != self.zero).any():
            return "its zero point is no integer"
        if self.rounding != "ROUND" and not (self.rounding == "HALF_ODD" and odd.all()):
            return f"it rounds in the mode {self.rounding}, and QuantizeLinear half to even"
        if self.rounding == "ROUND" and odd.any():
            return "its zero point is odd, so that QuantizeLinear sends ties to odd codes"
        if storage(self.clip, np.asarray(zero, np.int64)) is None:
            return f"16 bits do not hold the codes {self.clip} and the zero point"
        if one_axis(np.broadcast_arrays(self.scale, zero)[0]) is None:
            return "its scale changes along more than one axis"
        return ""


def quant(w: Writer, name: str, data: str, what: Uniform, shape: Shape | None) -> str:
    """QONNX Quant; where it has no such range of codes, the next wider one."""
    width, signed, narrow = what.bits or bits_of(what.clip, exact=False) or (0, False, False)
    assert width, what.clip
    inputs = [
        w.store(f"{name}_{part}", np.asarray(value, np.float64))
        for part, value in (("scale", what.scale), ("zero", what.zero), ("bits", width))
    ]
    return w.emit(
        name,
        "Quant",
        [data, *inputs],
        shape,
        doc=what.doc,
        domain=QONNX,
        signed=int(signed),
        narrow=int(narrow),
        rounding_mode=what.rounding,
    )


def bipolar_quant(
    w: Writer, name: str, data: str, scale: Reals, shape: Shape | None, *, doc: str
) -> str:
    """QONNX BipolarQuant."""
    inputs = [data, w.store(f"{name}_scale", scale)]
    return w.emit(name, "BipolarQuant", inputs, shape, doc=doc, domain=QONNX)


@dataclass(frozen=True, slots=True)
class Linear:
    """A QuantizeLinear that was written.

    Attributes:
        codes: Tensor.
        kind: Its element type.
        parameters: Tensors with scale and zero point, for DequantizeLinear too.
        axis: Axis of the parameters; 0 where there is one for all.
    """

    codes: str
    kind: int
    parameters: tuple[str, str]
    axis: int

    def dequantized(self, w: Writer, name: str, shape: Shape, doc: str) -> str:
        """The DequantizeLinear that belongs to it."""
        inputs = [self.codes, *self.parameters]
        return w.emit(name, "DequantizeLinear", inputs, shape, doc=doc, axis=self.axis)


def linear(w: Writer, name: str, x: Node, what: Uniform) -> Linear:
    """QuantizeLinear, and Clip where the element type has more codes."""
    order = w.order(x)
    shape = in_order(x.type.shape, order)
    scale, zero = np.broadcast_arrays(what.scale, np.asarray(what.zero, np.int64))
    kind, along = storage(what.clip, zero), one_axis(scale)
    assert kind is not None and along is not None
    if kind in WIDE:
        w.require(SINCE_WIDE)
    axis, form = (0, ()) if along == -1 else (1 + along + len(shape) - scale.ndim, (-1,))
    parameters = (
        w.store(f"{name}_scale", scale.reshape(form)),
        w.store(f"{name}_zero", zero.reshape(form), kind),
    )
    full = what.clip == whole(kind)
    codes = w.emit(
        name if full else f"{name}_all",
        "QuantizeLinear",
        [w.tensor(x, order), *parameters],
        shape,
        elem=kind,
        axis=axis,
    )
    if not full:
        codes = _clipped(w, name, codes, what.clip, kind)
    return Linear(codes, kind, parameters, axis)


def _clipped(w: Writer, name: str, codes: str, clip: IntType, kind: int) -> str:
    """Clip of codes; runtimes have none for 16 bits, and clip 32."""
    _, shape = w.infos[codes]
    held = int(TensorProto.INT32) if kind in WIDE else kind
    if held != kind:
        codes = w.emit(f"{name}_32", "Cast", [codes], shape, elem=held, to=held)
    ends = [
        w.store(f"{name}_{end}", value, held) for end, value in (("lo", clip.lo), ("hi", clip.hi))
    ]
    stem = name if held == kind else f"{name}_clip"
    codes = w.emit(stem, "Clip", [codes, *ends], shape, elem=held)
    return codes if held == kind else w.emit(name, "Cast", [codes], shape, elem=kind, to=kind)


ROUNDING = {"ROUND": "Round", "FLOOR": "Floor", "CEIL": "Ceil"}
"""Modes that are standard operators."""


def arithmetic(w: Writer, name: str, x: Node, what: Uniform) -> str:
    """Codes as reals, step by step, where QuantizeLinear cannot say it.

    Codes of more than 32 bits are not clipped: such a range stands for none (frontend/trunc.py).
    """
    if what.rounding not in ROUNDING:
        refuse(w, name, what.not_linear)
    order = w.order(x)
    shape, y = in_order(x.type.shape, order), w.tensor(x, order)
    for kind, value, nothing in (("Div", what.scale, 1.0), ("Add", what.zero, 0.0)):
        if (np.asarray(value) != nothing).any():
            by = w.store(f"{name}_{kind.lower()}_by", np.asarray(value, np.float64))
            y = w.emit(f"{name}_{kind.lower()}", kind, [y, by], shape)
    y = w.emit(f"{name}_round", ROUNDING[what.rounding], [y], shape)
    if what.clip.bits > 32:
        return y
    ends = [w.store(f"{name}_lo", float(what.clip.lo)), w.store(f"{name}_hi", float(what.clip.hi))]
    return w.emit(name, "Clip", [y, *ends], shape)


def refuse(w: Writer, name: str, why: str) -> NoReturn:
    """UserError of a quantizer that the form of the file cannot say."""
    if w.form == "qdq":
        code, kind = "quantize.qdq-form", "standard ONNX"
        fix = "write QONNX instead: --format qonnx"
    else:
        code, kind = "quantize.qonnx-form", "QONNX"
        fix = "use integer codes of 16 bits or fewer that are rounded half to even"
    what = f"a quantizer has no form in {kind}"
    raise UserError(code, what, where=f"node {name}", why=why, fix=(fix,))
