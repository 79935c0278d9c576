"""Stages that look at a whole vector before they give it: softmax and layer norm."""

from __future__ import annotations

from gatesmith.codegen.builder import Builder
from gatesmith.codegen.int_layer_norm import IntLayerNormStage
from gatesmith.codegen.int_softmax import IntSoftmaxStage
from gatesmith.codegen.layers import layer
from gatesmith.codegen.matrix_unit import divisors
from gatesmith.codegen.stream import Stream
from gatesmith.codegen.two_pass import TwoPassStage
from gatesmith.ir import Node, Op
from gatesmith.ops.int_layer_norm import IntLayerNorm
from gatesmith.ops.int_softmax import IntSoftmax

TWO_PASS: dict[type[Op], type[TwoPassStage]] = {
    IntLayerNorm: IntLayerNormStage,
    IntSoftmax: IntSoftmaxStage,
}


def _two_pass(builder: Builder, node: Node) -> None:
    """The fewest lanes that are quick enough; no more than the unit of a vector can follow."""
    t = node.args[0].type
    module, kind = builder.module(node.name), TWO_PASS[type(node.op)]

    def stage(lanes: int) -> TwoPassStage:
        x = Stream(t.int_elem, t.channels, t.vectors, lanes)
        return kind(node.name, node.name, node.origin, module, x, node.op)  # type: ignore[call-arg]

    lanes = divisors(t.channels)
    quickest = stage(t.channels).interval
    wanted = max(builder.cycles, quickest)
    chosen = stage(next(n for n in lanes if stage(n).interval <= wanted))
    tap = builder.take(node.args[0]).buffer().convert(t.channels, chosen.x.lanes).put(chosen)
    builder.registered.add(tap.driver)  # tready comes from registers
    builder.give(node, tap)


for _op in TWO_PASS:
    layer(_op)(_two_pass)
