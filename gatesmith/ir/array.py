"""Constant arrays inside the IR: immutable, compared and hashed by content."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Array:
    """A read-only int64 or float64 array that can be an attribute of a frozen dataclass.

    >>> Array([1, 2]) == Array(np.array([1, 2])), Array([[0.5]])
    (True, float64[1, 1]#fa576fae)
    """

    __slots__ = ("_digest", "data")

    def __init__(self, data: ArrayLike) -> None:
        given = np.asarray(data)
        kind = np.float64 if given.dtype.kind == "f" else np.int64
        array: NDArray[Any] = np.array(given, dtype=kind, order="C")
        array.setflags(write=False)
        self.data = array
        self._digest: str | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.data.shape

    @property
    def digest(self) -> str:
        """SHA-256 of type, shape and content, in hexadecimal."""
        if self._digest is None:
            head = f"{self.data.dtype}{self.data.shape}".encode()
            self._digest = hashlib.sha256(head + self.data.tobytes()).hexdigest()
        return self._digest

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Array) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        shape = ", ".join(map(str, self.shape))
        return f"{self.data.dtype}[{shape}]#{self.digest[:8]}"
