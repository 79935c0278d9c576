"""Arrays in a .npz file whose bytes are the same on every machine."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTHS = ("<i1", "<i2", "<i4", "<i8")


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays for ``numpy.load``, integers in the narrowest type that holds them.

    Unlike ``numpy.savez``: any names ("file"), no time of day, little-endian. Not compressed, for
    the bytes would be those of the machine's zlib.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as whole:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy")
            with whole.open(entry, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, narrowest(np.asarray(array)), allow_pickle=False)


def narrowest(array: NDArray[Any]) -> NDArray[Any]:
    """The same numbers in the narrowest signed type; other than integers as little-endian ones.

    >>> narrowest(np.array([-128, 127])).dtype, narrowest(np.array([0, 128])).dtype
    (dtype('int8'), dtype('int16'))
    """
    if array.dtype.kind in "iu":
        lo, hi = int(array.min(initial=0)), int(array.max(initial=0))
        for width in WIDTHS:
            kind = np.iinfo(width)
            if kind.min <= lo and hi <= kind.max:
                return array.astype(width)
    return array.astype(array.dtype.newbyteorder("<"))
