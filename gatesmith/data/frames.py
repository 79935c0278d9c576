"""Frames of a data set: their shape, their numbers, what they stand for.

Frames may have any shape of the right size, (N, 28, 28) for an input of 784 or of [1, 28, 28].
Pictures with their channels last, (N, H, W, C), fit an input of [C, H, W] and are turned; where
both orders fit, the model's own counts. An input of one axis takes the elements as they come.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.data.files import NUMBERS, extents
from gatesmith.errors import UserError
from gatesmith.ir import IntType

SINGLE = 2**24
"""Float32 holds every integer up to here."""


def fit(raw: NDArray[Any], shape: tuple[int, ...], where: str) -> NDArray[Any]:
    """The frames of ``raw`` in the shape of the input, (n, *shape).

    Errors: ``data.dtype``, ``data.empty``, ``data.shape``.
    """
    if raw.dtype.kind not in NUMBERS:
        raise UserError(
            "data.dtype",
            f"the data is an array of {raw.dtype}",
            where=where,
            why="expected integers or real numbers",
            fix=("save the frames as uint8 codes or float32 numbers",),
        )
    if raw.size == 0:
        raise UserError(
            "data.empty",
            "there are no frames",
            where=where,
            why=f"the array has shape {raw.shape}",
            fix=(f"give frames as an array of shape {_told(shape)}",),
        )
    given = raw.shape[1:]
    if raw.ndim == 0 or math.prod(given) != math.prod(shape):
        raise _unfit(raw, shape, where)
    flat = len(extents(given)) <= 1 or len(shape) == 1
    if flat or extents(given) == extents(shape):
        return raw.reshape(len(raw), *shape)
    streamed = (*shape[1:], shape[0])
    if len(shape) > 2 and extents(given) == extents(streamed):
        return np.ascontiguousarray(np.moveaxis(raw.reshape(len(raw), *streamed), -1, 1))
    raise _unfit(raw, shape, where)


def _told(shape: tuple[int, ...]) -> str:
    return f"({', '.join(['N', *map(str, shape)])})"


def _unfit(raw: NDArray[Any], shape: tuple[int, ...], where: str) -> UserError:
    wanted = _told(shape)
    if len(shape) > 2:
        wanted += f", or {_told((*shape[1:], shape[0]))} with the channels last"
    fix = [f"give frames as an array of shape {wanted}"]
    if raw.shape == shape:
        fix.insert(0, "this is one frame: give an array of frames, frame[None]")
    return UserError(
        "data.shape",
        "the frames do not fit the input",
        where=where,
        why=f"the array has shape {raw.shape}, expected {wanted}",
        fix=tuple(fix),
    )


def checked(
    x: NDArray[Any], scale: Fraction, zero: Fraction, elem: IntType | None, where: str
) -> NDArray[Any]:
    """Integers as they are, real numbers as float32; both inside what the input carries.

    Args:
        x: (n, *shape).
        scale: With ``zero``, what codes stand for: ``scale * (code - zero)``.
        zero: The code that stands for 0.
        elem: Type of the codes, where it is declared.
        where: The source, for messages.

    Errors: ``data.not-finite``, ``data.range``.
    """
    if x.dtype.kind != "f":
        whole = x.astype(np.uint8) if x.dtype.kind == "b" else x
        _check_codes(whole, elem, where)
        return whole
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused
        real = x.astype(np.float32, copy=False)
    finite = np.isfinite(real)
    if not finite.all():
        raise _not_finite(real, finite, where)
    if elem is not None:
        _check_reach(real, scale, zero, elem, where)
    return real


def _place(bad: NDArray[np.bool_]) -> list[int]:
    """Index of the first that is marked: frame, then place."""
    return [int(i) for i in np.unravel_index(int(bad.argmax()), bad.shape)]


def _not_finite(real: NDArray[Any], finite: NDArray[np.bool_], where: str) -> UserError:
    nan, bad = int(np.isnan(real).sum()), int((~finite).sum())
    parts = [f"{nan} NaN"] * (nan > 0) + [f"{bad - nan} infinite"] * (bad > nan)
    frames = int((~finite).reshape(len(real), -1).any(axis=1).sum())
    return UserError(
        "data.not-finite",
        "the data holds values that are no finite float32 numbers",
        where=where,
        why=f"{' and '.join(parts)} of {real.size} in {frames} of {len(real)} frames, the first at"
        f" {_place(~finite)}",
        fix=("clean the data: numpy.isfinite(x) tells which frames to leave out",),
    )


def _check_codes(codes: NDArray[Any], elem: IntType | None, where: str) -> None:
    lo, hi, step = (-SINGLE, SINGLE, 1) if elem is None else (elem.lo, elem.hi, elem.step)
    bad = np.zeros(codes.shape, bool)
    if int(codes.min()) < lo or int(codes.max()) > hi or step > 1:
        # Python integers: an int8 array cannot be compared with 255, nor uint64 with -1
        kind = np.iinfo(codes.dtype)
        bad = (codes < max(lo, kind.min)) | (codes > min(hi, kind.max))
        bad |= (codes.astype(np.int64) - lo) % step != 0
    if not bad.any():
        return
    at = _place(bad)
    told = "float32 holds integers up to 2**24" if elem is None else f"the input's type is {elem}"
    raise UserError(
        "data.range",
        "the data holds codes outside the input's type",
        where=where,
        why=f"{int(bad.sum())} of {codes.size}, the first at {at} is {codes[tuple(at)]}; {told}",
        fix=(
            "give codes of the input's type, or real numbers as a float array",
            "say what the codes are: --input TYPE:SCALE[:ZERO], for instance u8:1/255",
        ),
    )


def _check_reach(
    real: NDArray[Any], scale: Fraction, zero: Fraction, elem: IntType, where: str
) -> None:
    """Real numbers outside the codes' reach would all become its ends."""
    least, most = (scale * (code - zero) for code in (elem.lo, elem.hi))
    bad = (real < float(least - scale / 2)) | (real > float(most + scale / 2))
    if not bad.any():
        return
    at = _place(bad)
    raise UserError(
        "data.range",
        "the data holds numbers that no input code stands for",
        where=where,
        why=f"{int(bad.sum())} of {real.size}, the first at {at} is {real[tuple(at)]}; codes of"
        f" {elem} stand for {float(least):g} to {float(most):g}",
        fix=(
            "give the codes as an integer array",
            "give the numbers that the network is fed, or another --input TYPE:SCALE[:ZERO]",
        ),
    )
