"""Reshape: another shape, the same elements in the same (row-major) order. Costs no hardware."""

from __future__ import annotations

from dataclasses import dataclass

from gatesmith.ir import Op, TensorType, Values


@dataclass(frozen=True, slots=True)
class Reshape(Op):
    """New frame shape; on integers and reals alike."""

    shape: tuple[int, ...]

    def infer(self, *args: TensorType) -> TensorType:
        """The new shape; the sizes must agree."""
        (x,) = args
        new = TensorType(self.shape, x.elem)
        if new.size != x.size:
            raise ValueError(f"cannot reshape {x} to {self.shape}")
        return new

    def run(self, *args: Values) -> Values:
        """A view."""
        (x,) = args
        return x.reshape(x.shape[0], *self.shape)
