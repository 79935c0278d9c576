"""Data sets for verification: files to values of the design's input stream.

- ``.npz`` with ``x`` and optionally ``y`` (labels), ``.npy``, IDX (LeCun's MNIST format), IDX.gz.
- Integer arrays are values of the input type and must lie inside it.
- Float arrays are real numbers. Where the model's first quantizer made the stream's codes, they
  are quantized as it does, exactly; else each must be a number that a code stands for, up to two
  units in the last place of the array's type (1/255 has no exact float).
- Frames may have any shape of the right size: (N, 28, 28) fits an input of 784.
"""

from __future__ import annotations

import gzip
import math
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gatesmith.errors import UserError
from gatesmith.ir import Ints, IntType, Reals

HostQuantizer: TypeAlias = Callable[[Reals], Ints]
"""Real frames to codes, exactly."""

_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_CHUNK = 1 << 21
"""Elements converted at a time."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Frames for a design.

    Attributes:
        source: The file, for messages.
        x: Values of the input type, (frames, *shape), in the smallest integer type that holds it.
        labels: Class of each frame, where the data has them.
        real: The frames as they were given, where the model's first quantizer made ``x`` of them.
    """

    source: Path
    x: NDArray[Any]
    labels: Ints | None
    real: NDArray[Any] | None = None

    def frames(self, start: int, end: int) -> Ints:
        """A range of frames as int64."""
        return self.x[start:end].astype(np.int64)


def load(
    path: Path,
    entry: Mapping[str, Any],
    *,
    frames: int | None = None,
    labels: Path | None = None,
    quantize: HostQuantizer | None = None,
) -> Dataset:
    """Read the first ``frames`` frames (all there are, if fewer).

    Args:
        path: The data.
        entry: ``input`` of build.json.
        frames: At most so many.
        labels: Label file: .npy, .npz (array y) or IDX.
        quantize: The model's first quantizer, where its codes are what the stream carries.

    Errors: ``verify.data-unreadable``, ``verify.data-empty``, ``verify.data-shape``,
    ``verify.data-range``, ``verify.data-off-grid``, ``verify.data-not-finite``,
    ``verify.labels``.
    """
    raw, found = _read(path, "x")
    if labels is not None:
        found, _ = _read(labels, "y")
    if raw.dtype.kind not in "iufb":
        _refuse(path, "unreadable", f"array of {raw.dtype}", "expected numbers", _RESAVE)
    shape = tuple(int(extent) for extent in entry["shape"])
    size = math.prod(shape)
    if raw.ndim == 0 or len(raw) == 0 or frames == 0:
        _refuse(path, "empty", "there are no frames", f"its shape is {raw.shape}", _RESAVE)
    if math.prod(raw.shape[1:]) != size:
        why = f"a frame has shape {raw.shape[1:]}, expected {size} elements, {shape}"
        _refuse(path, "shape", "the frames do not fit the input", why, _MATCH)
    count = len(raw) if frames is None else min(frames, len(raw))
    classes = None if found is None else _classes(labels or path, found, len(raw))[:count]
    raw = raw[:count].reshape(count, *shape)
    x = _convert(path, raw, entry, quantize)
    return Dataset(path, x, classes, raw if quantize and raw.dtype.kind == "f" else None)


# ---- files --------------------------------------------------------------------------------------

_RESAVE = ("save it with numpy.savez(path, x=frames, y=labels)", "give an IDX or .npy file")
_MATCH = ("give data of the model's input shape",)


def _read(path: Path, name: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """The array called ``name``, and the labels beside it if there are any."""
    try:
        with path.open("rb") as file:
            head = file.read(4)
        if head[:2] == b"PK":
            with np.load(path, allow_pickle=False) as arrays:
                if name not in arrays:
                    why = f"it holds {', '.join(arrays.files) or 'nothing'}, expected {name}"
                    _refuse(path, "unreadable", f"there is no array {name}", why, _RESAVE)
                return arrays[name], arrays["y"] if "y" in arrays and name != "y" else None
        if head == b"\x93NUM":
            return np.load(path, allow_pickle=False), None
        data = gzip.decompress(path.read_bytes()) if head[:2] == b"\x1f\x8b" else path.read_bytes()
        return _idx(data), None
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UserError(
            "verify.data-unreadable",
            "cannot read the data",
            where=str(path),
            why=f"{type(error).__name__}: {why}",
            fix=_RESAVE,
        ) from error


def _idx(data: bytes) -> NDArray[Any]:
    """IDX: two zeros, element type, dimensions, extents (big-endian), then the elements."""
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _IDX_TYPES or data[3] == 0:
        raise ValueError("this is neither .npz, .npy nor IDX")
    rank = data[3]
    shape = tuple(int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(rank))
    dtype = np.dtype(_IDX_TYPES[data[2]])
    needed = 4 + 4 * rank + math.prod(shape) * dtype.itemsize
    if len(data) != needed:
        raise ValueError(f"IDX of shape {shape} has {needed} bytes, this file has {len(data)}")
    return np.frombuffer(data, dtype, offset=4 + 4 * rank).reshape(shape)


def _classes(path: Path, labels: NDArray[Any], frames: int) -> Ints:
    """One class number a frame; rows with a single 1 (one-hot) are taken too."""
    flat = labels.reshape(len(labels), -1) if labels.ndim else labels.reshape(1, 1)
    why = ""
    if len(flat) != frames:
        why = f"there are {len(flat)} labels for {frames} frames"
    elif flat.shape[1] > 1 and _one_hot(flat):
        flat = flat.argmax(axis=1)[:, None]
    elif flat.shape[1] != 1:
        why = f"labels have shape {labels.shape}, expected one class number a frame, or one-hot"
    elif labels.dtype.kind not in "iub":
        why = f"labels are {labels.dtype}, expected class numbers"
    if why:
        fix = ("give one integer a frame",)
        raise UserError("verify.labels", "the labels do not fit", where=str(path), why=why, fix=fix)
    return flat[:, 0].astype(np.int64)


def _one_hot(rows: NDArray[Any]) -> bool:
    """Whether every row is zeros but for one 1."""
    return bool((((rows == 0) | (rows == 1)).all(axis=1) & (rows.sum(axis=1) == 1)).all())


# ---- values -------------------------------------------------------------------------------------


def _convert(
    path: Path, raw: NDArray[Any], entry: Mapping[str, Any], quantize: HostQuantizer | None
) -> NDArray[Any]:
    """Values of the input type, a chunk at a time."""
    elem = IntType(**entry["elem"])
    small = np.result_type(np.min_scalar_type(elem.lo), np.min_scalar_type(elem.hi))
    result = np.empty(raw.shape, small if small.kind in "iu" else np.int64)
    step = max(1, _CHUNK // max(1, math.prod(raw.shape[1:])))
    for start in range(0, len(raw), step):
        part = raw[start : start + step]
        if raw.dtype.kind == "f":
            values = _from_real(path, part, entry, start, quantize)
        else:
            # a uint64 beyond int64 must not wrap into the range
            whole = np.minimum(part, np.iinfo(np.int64).max) if part.dtype == np.uint64 else part
            values = whole.astype(np.int64)
        inside = (values >= elem.lo) & (values <= elem.hi) & ((values - elem.lo) % elem.step == 0)
        if not inside.all():
            at = _first(~inside, start)
            why = f"element {at} is {part[tuple(np.argwhere(~inside)[0])]}, the type is {elem}"
            fix = (
                "give values of the input type, or real numbers as a float array",
                "say what the stream carries when building: --input TYPE:SCALE[:ZERO]",
            )
            _refuse(path, "range", "the data is outside the input type", why, fix)
        result[start : start + step] = values
    return result


def _from_real(
    path: Path,
    part: NDArray[Any],
    entry: Mapping[str, Any],
    start: int,
    quantize: HostQuantizer | None,
) -> Ints:
    finite = np.isfinite(part)
    if not finite.all():
        why = f"element {_first(~finite, start)} is {part[tuple(np.argwhere(~finite)[0])]}"
        _refuse(path, "not-finite", "the data holds no finite number", why, ("clean the data",))
    real = part.astype(np.float64)
    if quantize is not None:
        return quantize(real).reshape(real.shape)
    meaning = entry["meaning"]
    if meaning is None:
        why = "the input's integers stand for no real number that build.json knows"
        codes_only = ("give the integer codes as an integer array",)
        _refuse(path, "off-grid", "the data is real and the input is not", why, codes_only)
    scale, offset = (_row(meaning[key], part.shape[-1]) for key in ("scale", "offset"))
    codes = np.rint((real - offset) / scale)
    value = codes * scale + offset
    unit = np.spacing(np.maximum(np.abs(part), np.abs(value).astype(part.dtype)))
    slack = 2 * unit.astype(np.float64) + 4 * 2.0**-52 * (np.abs(codes * scale) + np.abs(offset))
    on_grid = np.abs(real - value) <= slack
    if not on_grid.all():
        where = tuple(np.argwhere(~on_grid)[0])
        why = (
            f"element {_first(~on_grid, start)} is {part[where]}, the nearest code stands for"
            f" {value[where]:.9g}"
        )
        fix = (
            "give the integer codes as an integer array",
            "give real numbers that the stream can carry: scale * code + offset of build.json",
        )
        _refuse(path, "off-grid", "the data has values that no input code stands for", why, fix)
    return codes.clip(-(2.0**62), 2.0**62).astype(np.int64)


def _row(texts: list[str], channels: int) -> Reals:
    """Nearest floats of rationals, one for all channels or one for each."""
    values = np.array([float(Fraction(text)) for text in texts])
    assert len(values) in (1, channels), f"{len(values)} entries for {channels} channels"
    return values


def _first(bad: NDArray[np.bool_], start: int) -> list[int]:
    """Index of the first marked element in the whole data set: frame, then place."""
    frame, *place = (int(i) for i in np.argwhere(bad)[0])
    return [start + frame, *place]


def _refuse(path: Path, code: str, what: str, why: str, fix: tuple[str, ...]) -> NoReturn:
    raise UserError(f"verify.data-{code}", what, where=str(path), why=why, fix=fix)
