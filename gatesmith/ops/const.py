"""Const: a constant array. Its value has no batch axis."""

from __future__ import annotations

from dataclasses import dataclass

from gatesmith.ir import Array, IntType, Op, Real, TensorType, Values


@dataclass(frozen=True, slots=True)
class Const(Op):
    """A constant; float64 data is real, and exact: the rational that each float64 denotes."""

    value: Array

    def infer(self, *args: TensorType) -> TensorType:
        """Real, or the tightest integer range."""
        data = self.value.data
        if data.dtype.kind == "f" or data.size == 0:
            return TensorType(data.shape, Real())
        return TensorType(data.shape, IntType(int(data.min()), int(data.max())))

    def run(self, *args: Values) -> Values:
        """The array itself."""
        data: Values = self.value.data
        return data
