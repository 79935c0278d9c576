"""The ways to build a matrix-vector product, by name."""

from __future__ import annotations

from gatesmith.codegen.dense import FoldedUnit
from gatesmith.codegen.matrix_unit import Fold, Layer, MatrixUnit
from gatesmith.ir import Node
from gatesmith.ops.dense import Dense

UNITS: dict[str, MatrixUnit] = {unit.name: unit for unit in (FoldedUnit(),)}
"""In the order in which messages list them; of equal price the earlier one is taken."""

ROMS = tuple(dict.fromkeys(rom for unit in UNITS.values() for rom in unit.roms))
"""Ways to store weights, of all units."""


def layer_of(node: Node) -> Layer:
    """What a unit may know of a Dense node."""
    assert isinstance(node.op, Dense)
    x = node.args[0].type
    return Layer(node.op, x.int_elem, x.vectors * node.op.groups)


def fold_cycles(node: Node, fold: Fold) -> int:
    """Cycles a frame of a Dense under a fold."""
    return UNITS[fold.unit].cycles(layer_of(node), fold)
