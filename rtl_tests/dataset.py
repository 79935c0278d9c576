"""Data sets for verification: files to values of the design's input streams.

- ``.npz`` with ``x`` and optionally ``y`` (labels), ``.npy``, IDX (LeCun's MNIST format), IDX.gz.
- For several inputs an ``.npz`` with an array for each, called as the model calls the input.
- Integer arrays are values of the input type and must lie inside it.
- Float arrays are real numbers. Where the model's first quantizer made the stream's codes, they
  are quantized as it does, exactly; else each must be a number that a code stands for, up to two
  units in the last place of the array's type (1/255 has no exact float).
- Frames may have any shape of the right size: (N, 28, 28) fits an input of 784. Where a stream has
  another order of axes than the model (channels last instead of first), frames may be in either:
  (N, 32, 32, 3) fits an input of [3, 32, 32]. The model's order counts where both fit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gatesmith.data.files import (
    RESAVE,
    Mislabelled,
    Unreadable,
    class_numbers,
    extents,
    read_arrays,
)
from gatesmith.errors import UserError
from gatesmith.ir import Ints, IntType, Reals
from gatesmith.rtl_tests.vectors import to_model

HostQuantizer: TypeAlias = Callable[[Reals], Ints]
"""Real frames to codes, exactly."""

_CHUNK = 1 << 21
"""Elements converted at a time."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Frames for a design, in the order of its inputs.

    Attributes:
        source: The file, for messages.
        x: Values of each input's type, (frames, *code_shape), in the smallest integer type that
            holds them.
        labels: Class of each frame, where the data has them.
        real: For each input, the frames as they were given, (frames, *shape), where the model's
            first quantizer made ``x`` of them.
    """

    source: Path
    x: tuple[NDArray[Any], ...]
    labels: Ints | None
    real: tuple[NDArray[Any] | None, ...]

    def __len__(self) -> int:
        return len(self.x[0])

    def frames(self, start: int, end: int) -> list[Ints]:
        """A range of frames of every input, as int64."""
        return [x[start:end].astype(np.int64) for x in self.x]


def load(
    path: Path,
    entries: Sequence[Mapping[str, Any]],
    *,
    frames: int | None = None,
    labels: Path | None = None,
    quantize: Sequence[HostQuantizer | None] | None = None,
) -> Dataset:
    """Read the first ``frames`` frames (all there are, if fewer).

    Args:
        path: The data.
        entries: ``inputs`` of build.json.
        frames: At most so many.
        labels: Label file: .npy, .npz (array y) or IDX.
        quantize: For each input the model's first quantizer, where its codes are what the stream
            carries.

    Errors: ``verify.data-unreadable``, ``verify.data-empty``, ``verify.data-shape``,
    ``verify.data-range``, ``verify.data-off-grid``, ``verify.data-not-finite``,
    ``verify.labels``.
    """
    arrays, found = _read(path, [_called(entry, len(entries) == 1) for entry in entries])
    if labels is not None:
        (found,), _ = _read(labels, [("y",)])
    counts = [_frames(path, raw) for raw in arrays]
    if len(set(counts)) > 1:
        why = f"the inputs have {', '.join(map(str, counts))} frames"
        _refuse(path, "shape", "the inputs have different numbers of frames", why, RESAVE)
    count = counts[0] if frames is None else min(frames, counts[0])
    if count == 0:
        _refuse(path, "empty", "there are no frames", f"its shape is {arrays[0].shape}", RESAVE)
    classes = None if found is None else _classes(labels or path, found, counts[0])[:count]
    x: list[NDArray[Any]] = []
    real: list[NDArray[Any] | None] = []
    for entry, raw, op in zip(entries, arrays, quantize or [None] * len(entries), strict=True):
        coded = op is None or raw.dtype.kind != "f"
        fitted = _fit(path, raw[:count], entry, entry["code_shape" if coded else "shape"])
        x.append(_convert(path, fitted, entry, None if coded else op))
        real.append(None if coded else fitted)
    return Dataset(path, tuple(x), classes, tuple(real))


def _called(entry: Mapping[str, Any], only: bool) -> tuple[str, ...]:
    """What the array of an input may be called."""
    names = (str(entry["name"]), str(entry["node"]))
    return tuple(dict.fromkeys(("x", *names) if only else names))


def _frames(path: Path, raw: NDArray[Any]) -> int:
    """Number of frames in an array of numbers."""
    if raw.dtype.kind not in "iufb":
        _refuse(path, "unreadable", f"array of {raw.dtype}", "expected numbers", RESAVE)
    return len(raw) if raw.ndim else 0


def _fit(
    path: Path, raw: NDArray[Any], entry: Mapping[str, Any], wanted: Sequence[int]
) -> NDArray[Any]:
    """Frames in the shape ``wanted``, given so or, where that is one of codes, as streamed."""
    shape, given = tuple(wanted), raw.shape[1:]
    axes = entry["axes"] if wanted == entry["code_shape"] else None
    if math.prod(given) != math.prod(shape):
        why = f"a frame has shape {given}, expected {math.prod(shape)} elements, {shape}"
        _refuse(path, "shape", "the frames do not fit the input", why, _MATCH)
    flat = len(extents(given)) <= 1
    if axes is None or flat or extents(given) == extents(shape):
        return raw.reshape(len(raw), *shape)
    streamed = tuple(shape[axis] for axis in axes)
    if extents(given) == extents(streamed):
        return to_model(raw.reshape(len(raw), *streamed), axes)
    why = f"a frame has shape {given}, expected {shape}, or {streamed} as the stream carries it"
    _refuse(path, "shape", "the frames do not fit the input", why, _MATCH)


# ---- files --------------------------------------------------------------------------------------

_MATCH = ("give data of the model's input shape",)


def _read(
    path: Path, names: Sequence[Sequence[str]]
) -> tuple[list[NDArray[Any]], NDArray[Any] | None]:
    """An array for each input, under one of its names, and the labels beside them, if any."""
    try:
        return read_arrays(path, names)
    except Unreadable as error:
        _refuse(path, "unreadable", error.what, error.why, error.fix)


def _classes(path: Path, labels: NDArray[Any], frames: int) -> Ints:
    """One class number a frame; rows with a single 1 (one-hot) are taken too."""
    try:
        return class_numbers(labels, frames)
    except Mislabelled as error:
        fix = ("give one integer a frame",)
        raise UserError(
            "verify.labels", "the labels do not fit", where=str(path), why=str(error), fix=fix
        ) from error


# ---- values -------------------------------------------------------------------------------------


def _convert(
    path: Path, raw: NDArray[Any], entry: Mapping[str, Any], quantize: HostQuantizer | None
) -> NDArray[Any]:
    """Values of the input type, a chunk at a time."""
    elem = IntType(**entry["elem"])
    small = np.result_type(np.min_scalar_type(elem.lo), np.min_scalar_type(elem.hi))
    frame = entry["code_shape"]
    result = np.empty((len(raw), *frame), small if small.kind in "iu" else np.int64)
    step = max(1, _CHUNK // max(1, math.prod(raw.shape[1:])))
    for start in range(0, len(raw), step):
        part = raw[start : start + step]
        if raw.dtype.kind == "f":
            values = _from_real(path, part, entry, start, quantize).reshape(len(part), *frame)
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
        return quantize(real)
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
