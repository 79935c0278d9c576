"""The tensor IR: types, constant arrays, nodes, graphs, and what can be done with any graph."""

from gatesmith.ir.array import Array
from gatesmith.ir.graph import Graph, Node, Op, Rule
from gatesmith.ir.types import (
    BIPOLAR,
    TERNARY,
    Affine,
    Elem,
    Ints,
    IntType,
    Real,
    Reals,
    TensorType,
    Values,
)

__all__ = [
    "BIPOLAR",
    "TERNARY",
    "Affine",
    "Array",
    "Elem",
    "Graph",
    "IntType",
    "Ints",
    "Node",
    "Op",
    "Real",
    "Reals",
    "Rule",
    "TensorType",
    "Values",
]
