"""Numbers of a gatesmith core: real numbers, integers, codes, words of 32 bits; exact.

``entry`` is an input or output of core.json. Integers are what the model computes with; a code is
what stands for one on the wires; a beat is ``lanes`` codes, filled up to whole words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

HALF = Fraction(1, 2)
STEPS_AT_HALF = {"ROUND", "HALF_UP", "HALF_DOWN", "HALF_ODD"}

EXACT: dict[str, Callable[[Fraction], int]] = {
    "ROUND": round,
    "CEIL": ceil,
    "FLOOR": floor,
    "ROUND_TO_ZERO": lambda x: floor(x) if x >= 0 else ceil(x),
    "UP": lambda x: ceil(x) if x >= 0 else floor(x),
    "HALF_UP": lambda x: floor(x + HALF) if x >= 0 else ceil(x - HALF),
    "HALF_DOWN": lambda x: ceil(x - HALF) if x >= 0 else floor(x + HALF),
    "HALF_ODD": lambda x: round(x - 1) + 1,
}
"""Rounding modes, exact."""


def quantize(given: NDArray[Any], entry: Mapping[str, Any]) -> NDArray[np.int64]:
    """Integers of a frame of an input, as the model quantizes it; integers stay. ValueError."""
    if given.dtype.kind in "iub":
        return given.astype(np.int64)
    real = given.astype(np.float64)
    if not np.isfinite(real).all():
        raise ValueError("the data holds no finite number")
    how = entry["quantizer"]
    if how is None:
        return on_grid(real, entry)
    if how["kind"] == "bipolar":
        return np.where(real >= 0, 1, -1).astype(np.int64)
    if how["kind"] != "uniform":
        raise ValueError(f"give integers: {how['why']}")
    return quantized(real, how)


def quantized(x: NDArray[np.float64], how: Mapping[str, Any]) -> NDArray[np.int64]:
    """round(x / scale + zero), clamped: in float64, and exactly where that could be in doubt."""
    scale, zero = Fraction(how["scale"]), Fraction(how["zero"])
    lo, hi, mode = how["lo"], how["hi"], how["rounding"]
    t = x / float(scale) + float(zero)
    inside = np.clip(t, lo - 1, hi + 1)
    rounding: dict[str, Callable[[Any], Any]] = {
        "ROUND": np.rint,
        "CEIL": np.ceil,
        "FLOOR": np.floor,
        "ROUND_TO_ZERO": np.trunc,
        "UP": lambda v: np.copysign(np.ceil(np.abs(v)), v),
        "HALF_UP": lambda v: np.copysign(np.floor(np.abs(v) + 0.5), v),
        "HALF_DOWN": lambda v: np.copysign(np.ceil(np.abs(v) - 0.5), v),
        "HALF_ODD": lambda v: np.rint(v - 1) + 1,
    }
    whole = rounding[mode](inside)
    codes: NDArray[np.int64] = whole.clip(lo, hi).astype(np.int64)
    tie = 0.5 if mode in STEPS_AT_HALF else 0.0
    doubt = np.abs(t - tie - np.rint(t - tie)) <= 2.0**-45 * (1 + np.abs(t) + abs(float(zero)))
    for at in zip(*np.nonzero(doubt & (t >= lo - 1) & (t <= hi + 1)), strict=True):
        exact = EXACT[mode](Fraction(float(x[at])) / scale + zero)
        codes[at] = min(max(exact, lo), hi)
    return codes


def on_grid(x: NDArray[np.float64], entry: Mapping[str, Any]) -> NDArray[np.int64]:
    """Integers of real numbers that integers stand for, up to their rounding to float32."""
    meaning = entry["meaning"]
    if meaning is None or not len(meaning["scale"]) == len(meaning["offset"]) == 1:
        raise ValueError(f"give integers: those of {entry['name']} stand for no one scale")
    scale, offset = (float(Fraction(meaning[key][0])) for key in ("scale", "offset"))
    codes = np.rint((x - offset) / scale)
    slack = 2.0**-22 * np.maximum(np.abs(x), abs(offset)) + 2.0**-40 * abs(scale)
    if (np.abs(codes * scale + offset - x) > slack).any():
        raise ValueError(f"a value of {entry['name']} is no {scale:g} * n + {offset:g}: round it")
    return codes.astype(np.int64)


def modelled(flat: NDArray[Any], shape: Sequence[int], axes: Sequence[int] | None) -> NDArray[Any]:
    """A frame in the order of the model, from the order of the stream."""
    if axes is None:
        return flat.reshape(tuple(shape))
    placed = tuple(shape[axis] for axis in axes)
    back = tuple(list(axes).index(k) for k in range(len(axes)))
    return flat.reshape(placed).transpose(back)


def streamed(n: NDArray[Any], shape: Sequence[int], axes: Sequence[int] | None) -> NDArray[Any]:
    """A frame of the model in the order of the stream, flat."""
    framed = n.reshape(tuple(shape))
    return (framed if axes is None else framed.transpose(tuple(axes))).reshape(-1)


def exact(n: NDArray[Any], entry: Mapping[str, Any]) -> NDArray[Any]:
    """Fractions that the integers of an output stand for. ValueError where there are none."""
    meaning = entry["meaning"]
    if meaning is None:
        raise ValueError("the integers of this output stand for no real numbers")
    scale, offset = ([Fraction(text) for text in meaning[key]] for key in ("scale", "offset"))
    count = max(len(scale), len(offset))
    found = np.empty(n.size, object)
    for k, v in enumerate(streamed(n, entry["shape"], entry["axes"])):
        c = k % count
        found[k] = int(v) * scale[c % len(scale)] + offset[c % len(offset)]
    return modelled(found, entry["shape"], entry["axes"])


def words(n: ArrayLike, entry: Mapping[str, Any]) -> NDArray[np.uint32]:
    """Words of one frame of integers of an input, (beats, words of a beat). ValueError."""
    elem, bits, lanes = entry["elem"], entry["bits"], entry["lanes"]
    values = np.asarray(n, np.int64)
    steps = values - elem["lo"]
    if ((steps < 0) | (values > elem["hi"]) | (steps % elem["step"] != 0)).any():
        raise ValueError(f"a value of {entry['name']} is outside of {entry['type']}")
    flat = streamed(values, entry["code_shape"], entry["axes"])
    codes = flat if elem["step"] == 1 else (flat - elem["lo"]) // elem["step"]
    beats = np.zeros((entry["beats"], lanes), np.int64)
    beats.reshape(-1)[: len(codes)] = codes
    planes = (beats[:, :, None] >> np.arange(bits)) & 1
    chunks = -(-entry["tdata_bits"] // 32)
    wide = np.zeros((entry["beats"], 32 * chunks), np.uint8)
    wide[:, : lanes * bits] = planes.reshape(entry["beats"], -1)
    packed = np.packbits(wide, axis=1, bitorder="little")
    return np.ascontiguousarray(packed).view("<u4").astype(np.uint32)


def integers(given: NDArray[np.uint32], entry: Mapping[str, Any]) -> NDArray[np.int64]:
    """Integers of one frame of an output, of its words."""
    elem, bits, lanes = entry["elem"], entry["bits"], entry["lanes"]
    beats = np.ascontiguousarray(given.reshape(entry["beats"], -1).astype("<u4"))
    planes = np.unpackbits(beats.view(np.uint8), axis=1, bitorder="little")
    planes = planes[:, : lanes * bits].reshape(-1, bits).astype(np.int64)
    codes = (planes << np.arange(bits)).sum(axis=1)[: entry["channels"] * entry["vectors"]]
    if elem["step"] != 1:
        codes = elem["lo"] + elem["step"] * codes
    elif elem["lo"] < 0:
        codes = codes - ((codes >> (bits - 1)) << bits)
    return modelled(codes, entry["shape"], entry["axes"])
