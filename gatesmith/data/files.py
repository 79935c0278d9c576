"""Arrays out of files: ``.npz``, ``.npy``, IDX (LeCun's MNIST format) and IDX.gz.

The content of a file decides, not its name. What is wrong is raised as :class:`Unreadable` or
:class:`Mislabelled`; who asked makes a UserError of it, with the code of its own command.
"""

from __future__ import annotations

import gzip
import math
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.ir import Ints

RESAVE = ("save it with numpy.savez(path, x=frames, y=labels)", "give an IDX or .npy file")
NUMBERS = "iufb"
"""Kinds of NumPy types that are numbers: integers, floats, truth values."""

_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


class Unreadable(Exception):  # noqa: N818 - it becomes a UserError
    """A file does not hold what is wanted.

    Attributes:
        what: One sentence, no full stop.
        why: What there is, and what is wanted.
        fix: What the user can change.
    """

    def __init__(self, what: str, why: str, fix: tuple[str, ...] = RESAVE) -> None:
        super().__init__(what)
        self.what, self.why, self.fix = what, why, fix


class Mislabelled(Exception):  # noqa: N818 - it becomes a UserError
    """Labels are not one class number a frame; the text says why."""


def read_arrays(
    path: Path, names: Sequence[Sequence[str]]
) -> tuple[list[NDArray[Any]], NDArray[Any] | None]:
    """An array for each input, under one of its names, and the labels beside them, if any.

    Args:
        path: The file. Only in an ``.npz`` arrays have names, and are there several.
        names: For each input what its array may be called, best first.

    Errors: :class:`Unreadable`.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4)
        if head[:2] == b"PK":
            with np.load(path, allow_pickle=False) as arrays:
                found = [_chosen(arrays.files, called) for called in names]
                labelled = "y" in arrays.files and "y" not in found
                return [arrays[name] for name in found], arrays["y"] if labelled else None
        if len(names) > 1:
            wanted = ", ".join(called[0] for called in names)
            why = f"it is one array, and the core has {len(names)} inputs: {wanted}"
            fix = ("save it with numpy.savez, an array for each input, called as the input",)
            raise Unreadable("there is an input without data", why, fix)
        if head == b"\x93NUM":
            return [np.load(path, allow_pickle=False)], None
        data = gzip.decompress(path.read_bytes()) if head[:2] == b"\x1f\x8b" else path.read_bytes()
        return [_idx(data)], None
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Unreadable("cannot read the data", f"{type(error).__name__}: {why}") from error


def _chosen(there: Sequence[str], called: Sequence[str]) -> str:
    """The first of the names that is there."""
    for name in called:
        if name in there:
            return name
    why = f"it holds {', '.join(there) or 'nothing'}, expected {called[0]}"
    raise Unreadable(f"there is no array {called[0]}", why)


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


def extents(shape: Sequence[int]) -> list[int]:
    """Extents that say something about the order of the elements."""
    return [extent for extent in shape if extent != 1]


def class_numbers(labels: NDArray[Any], frames: int) -> Ints:
    """One class number a frame; rows with a single 1 (one-hot) are taken too.

    Errors: :class:`Mislabelled`.
    """
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
        raise Mislabelled(why)
    return flat[:, 0].astype(np.int64)


def _one_hot(rows: NDArray[Any]) -> bool:
    """Whether every row is zeros but for one 1."""
    return bool((((rows == 0) | (rows == 1)).all(axis=1) & (rows.sum(axis=1) == 1)).all())
