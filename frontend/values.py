"""What an ONNX tensor is to the frontend: a constant, or a value computed for every frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray

from gatesmith.ir import Node

T = onnx.TensorProto
FLOATS = {T.FLOAT, T.DOUBLE, T.FLOAT16, T.BFLOAT16}
INT_BITS: dict[int, tuple[bool, int]] = {
    T.UINT2: (False, 2),
    T.INT2: (True, 2),
    T.UINT4: (False, 4),
    T.INT4: (True, 4),
    T.UINT8: (False, 8),
    T.INT8: (True, 8),
    T.UINT16: (False, 16),
    T.INT16: (True, 16),
    T.UINT32: (False, 32),
    T.INT32: (True, 32),
    T.UINT64: (False, 64),
    T.INT64: (True, 64),
}
"""(signed, bits) of each ONNX integer element type."""


MOST_AXES = 16
"""Of a tensor: NumPy has a bound too, and broadcasting adds axes."""

MOST_ELEMENTS = 1 << 22
"""Of one frame, anywhere in the network, and of a constant that is computed here: 2048 x 2048.

A stream takes a cycle for each beat and the checks of every pass hold frames in memory: beyond
this a file is damaged, hostile, or no network for one FPGA.
"""


def kind_name(kind: int) -> str:
    """Name of an ONNX element type.

    >>> kind_name(1)
    'FLOAT'
    """
    return str(T.DataType.Name(kind)) if kind in T.DataType.values() else f"type {kind}"


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A tensor known at import.

    Attributes:
        data: float64 for every real type (float32 is exact in it), else the integers themselves.
        kind: Element type in the file.
        name: Tensor in the file.
    """

    data: NDArray[Any]
    kind: int
    name: str

    @property
    def full(self) -> tuple[int, ...]:
        """Shape in the file."""
        return self.data.shape


@dataclass(frozen=True, slots=True, eq=False)
class Activation:
    """A tensor computed for every frame.

    Attributes:
        node: Its value in the IR, without the batch axis.
        batched: Whether the tensor in the file has a leading batch axis, of extent 1.
        kind: Element type in the file.
    """

    node: Node
    batched: bool
    kind: int

    @property
    def frame(self) -> tuple[int, ...]:
        """Shape in the IR."""
        return self.node.type.shape

    @property
    def full(self) -> tuple[int, ...]:
        """Shape in the file, for one frame."""
        return (1, *self.frame) if self.batched else self.frame


@dataclass(frozen=True, slots=True)
class Unknown:
    """A tensor behind a problem that is already reported."""


Value: TypeAlias = Constant | Activation | Unknown


def exact_product(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[NDArray[Any], bool]:
    """Product in float64, and whether no element was rounded (Dekker 1971, two-product).

    >>> exact_product(np.float64([0.1]), np.float64([4.0]))[1]
    True
    >>> exact_product(np.float64([0.1]), np.float64([3.0]))[1]
    False
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        p = a * b
        a_hi, a_lo = _split(a)
        b_hi, b_lo = _split(b)
        error = ((a_hi * b_hi - p) + a_hi * b_lo + a_lo * b_hi) + a_lo * b_lo
        # outside this range the error term itself may underflow or the split overflow
        safe = (np.abs(p) > 2.0**-900) & (np.maximum(np.abs(a), np.abs(b)) < 2.0**900)
        zero = (a == 0) | (b == 0)
    return p, bool((zero | ((error == 0) & safe & np.isfinite(p))).all())


def _split(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Veltkamp: two halves of 26 bits whose products are exact."""
    big = x * 134217729.0
    hi = big - (big - x)
    return hi, x - hi


def exact_difference(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[NDArray[Any], bool]:
    """Difference in float64, and whether no element was rounded (Knuth, two-sum).

    >>> exact_difference(np.float64([1e16]), np.float64([0.5]))[1]
    False
    """
    s = a - b
    shadow = s - a
    error = (a - (s - shadow)) + (-b - shadow)
    return s, bool((error == 0).all())
