"""Product: y = a * b, element by element, on integers. Exact: the result's range holds them all."""

from __future__ import annotations

from dataclasses import dataclass

from gatesmith.ir import BIPOLAR, IntType, Op, TensorType, Values


@dataclass(frozen=True, slots=True)
class Product(Op):
    """``a * b`` of two operands of one shape; of two bipolar ones it is bipolar.

    >>> Product().infer(TensorType((4,), IntType(-3, 5)), TensorType((4,), IntType(0, 7)))
    i7[-21..35][4]
    >>> Product().infer(TensorType((4,), BIPOLAR), TensorType((4,), BIPOLAR))
    bipolar[4]
    """

    def infer(self, *args: TensorType) -> TensorType:
        """Same shape, exact range, which must fit 63 bits."""
        a, b = args
        if a.shape != b.shape:
            raise ValueError(f"expected operands of one shape, not {a} and {b}")
        if a.elem == b.elem == BIPOLAR:
            return TensorType(a.shape, BIPOLAR)
        x, y = a.int_elem, b.int_elem
        ends = [i * j for i in (x.lo, x.hi) for j in (y.lo, y.hi)]
        elem = IntType(min(ends), max(ends))
        if elem.bits > 63:
            raise ValueError(f"a * b needs {elem.bits} bits, over 63")
        return TensorType(a.shape, elem)

    def run(self, *args: Values) -> Values:
        """int64."""
        a, b = args
        return a * b
