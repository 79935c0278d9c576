"""A data set as quantizing and training use it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.errors import UserError
from gatesmith.ir import Ints


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """Frames of one input, and their classes.

    Attributes:
        x: (n, *shape of a frame): integers are codes, float32 are the numbers themselves.
        y: Class of each frame, int64 (n,), where the data has them.
        source: What was given, for messages.
        scale: A code stands for ``scale * (code - zero)``; 1 for floats.
        zero: The code that stands for 0; 0 for floats.
        class_names: Name of each class, where the data has them: a folder of images.

    >>> pixels = Data(np.array([[0, 255]], np.uint8), None, "here", Fraction(1, 255), Fraction(0))
    >>> pixels.real()
    array([[0., 1.]], dtype=float32)
    """

    x: NDArray[Any]
    y: Ints | None
    source: str
    scale: Fraction = Fraction(1)
    zero: Fraction = Fraction(0)
    class_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.x)

    def real(self, index: slice | NDArray[Any] = slice(None)) -> NDArray[np.float32]:
        """The numbers that the network is fed, of the frames of ``index``."""
        x = self.x[index]
        if x.dtype.kind == "f":
            return x.astype(np.float32, copy=False)
        if x.dtype.itemsize == 1:
            codes = np.arange(256, dtype=np.uint8).view(x.dtype)
            table: NDArray[np.float32] = self._stand_for(codes)[x.view(np.uint8)]
            return table
        return self._stand_for(x)

    def _stand_for(self, codes: NDArray[Any]) -> NDArray[np.float32]:
        """Integers ``(a * code + b) / d``, so that 255 of u8:1/255 is 1 and not a little less."""
        below = self.scale.denominator * self.zero.denominator
        slope, offset = int(self.scale * below), int(-self.scale * self.zero * below)
        real: NDArray[np.float64] = (codes.astype(np.float64) * slope + offset) / below
        return real.astype(np.float32)

    def take(self, index: slice | NDArray[Any]) -> Data:
        """Some of the frames."""
        return replace(self, x=self.x[index], y=None if self.y is None else self.y[index])

    def labels(self, purpose: str) -> Ints:
        """Class of each frame; UserError data.no-labels where there are none.

        Args:
            purpose: What needs them, the beginning of a sentence: "training", "--budget accuracy".
        """
        if self.y is not None:
            return self.y
        raise UserError(
            "data.no-labels",
            f"{purpose} needs the class of each frame",
            where=self.source,
            why="the data has no labels",
            fix=(
                "give them beside the frames: numpy.savez(path, x=frames, y=labels)",
                "give them in a file of their own: --labels FILE",
            ),
        )
