"""The ways to build a matrix-vector product, by name."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from gatesmith.codegen.dense import FoldedUnit
from gatesmith.codegen.dense_blocks import BlocksUnit
from gatesmith.codegen.dense_nm import NmUnit
from gatesmith.codegen.dense_numbers import DenseNumbersStage
from gatesmith.codegen.dense_packed import LutUnit, PackedUnit
from gatesmith.codegen.dense_skip import SkipUnit
from gatesmith.codegen.dense_unrolled import DenseUnrolledStage, UnrolledUnit
from gatesmith.codegen.matrix_unit import FOLDED, PLAIN, Fold, Layer, MatrixUnit
from gatesmith.codegen.stream import Stage
from gatesmith.codegen.truth_rows import TruthRowsStage, TruthUnit
from gatesmith.codegen.windowing import stream_groups, taps_order
from gatesmith.ir import Array, Node
from gatesmith.ops.dense import Dense
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.threshold import Threshold
from gatesmith.ops.window import Window

UNITS: dict[str, MatrixUnit] = {
    unit.name: unit
    for unit in (
        *(FoldedUnit(), NmUnit(), BlocksUnit(), SkipUnit(), UnrolledUnit()),
        *(TruthUnit(), PackedUnit(), LutUnit()),
    )
}
"""In the order in which messages list them; of equal price the earlier one is taken."""

ROMS = tuple(dict.fromkeys(rom for unit in UNITS.values() for rom in unit.roms))
"""Ways to store weights, of all units."""


def refusal(unit: MatrixUnit, layer: Layer, rom: str) -> str | None:
    """Why a unit cannot build a layer with this way to store weights; None when it can."""
    if layer.op.reloadable and (unit.name, rom) != (FOLDED, PLAIN):
        return "it is --reloadable: only a folded unit with plain weights has a memory to write"
    return unit.refuses(layer, rom)


def with_threshold(stage: Stage, threshold: Threshold) -> Stage | None:
    """A stage of a Dense that applies the Threshold behind it too; None where it cannot."""
    if isinstance(stage, DenseUnrolledStage | TruthRowsStage):
        return stage.with_threshold(threshold)
    return None


def with_requantize(stage: Stage, requantize: Requantize) -> Stage | None:
    """A stage of a Dense that applies the Requantize behind it too; None where it cannot."""
    if isinstance(stage, DenseNumbersStage):
        return stage.with_requantize(requantize)
    return None


def layer_of(node: Node, cycles: int | None = None) -> Layer:
    """What a unit may know of a Dense node.

    Args:
        node: The Dense.
        cycles: Most cycles a frame of the design; they decide the order of a Window's stream, and
            with it that of the weights. None leaves them in the order of the IR.
    """
    op, source = node.op, node.args[0]
    assert isinstance(op, Dense)
    x = source.type
    if isinstance(source.op, Window) and cycles is not None:
        op = _moved(op, source.op, source.args[0].type.channels, stream_groups(source, cycles))
    return Layer(op, x.int_elem, x.vectors * op.groups)


@lru_cache(maxsize=256)  # the search for a fold asks again and again
def _moved(op: Dense, window: Window, channels: int, groups: int) -> Dense:
    """A Dense with its weights in the order in which a window of ``groups`` parts comes."""
    if groups == window.groups:
        return op
    order = taps_order(window, channels, groups)
    return replace(op, weights=Array(op.weights.data[:, order]))


def fold_cycles(node: Node, fold: Fold, cycles: int | None = None) -> int:
    """Cycles a frame of a Dense under a fold; ``cycles`` as in :func:`layer_of`."""
    return UNITS[fold.unit].cycles(layer_of(node, cycles), fold)
