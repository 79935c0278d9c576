"""Plan: from the integer graph to the design, the graph of stages.

Every layer becomes its stage (codegen/layers.py); between layers come a width converter where the
lanes differ, a skid buffer behind each layer, so that no combinational path of tready runs through
more than one of them, and a fork where a value is read more than once. Where branches meet again,
and around sliding windows, which read in bursts, FIFOs hold what comes early; their depths are
computed last, and those not needed are left out (codegen/fifo_depth.py). A matrix-vector unit with
several passes holds two input vectors, so neighbouring stages are decoupled and the interval of the
design is that of its slowest stage (docs/decisions/0005-replay-buffer.md).
"""

from __future__ import annotations

from collections.abc import Mapping

from gatesmith.codegen import (  # noqa: F401, registers the layers
    layers_exit,
    layers_join,
    layers_more,
    layers_window,
)
from gatesmith.codegen.builder import Builder
from gatesmith.codegen.design import CorePort, Design
from gatesmith.codegen.fold import Target
from gatesmith.codegen.fold_options import MAX_WIDTH
from gatesmith.codegen.layers import LAYERS, lanes_in
from gatesmith.codegen.matrix_unit import Fold
from gatesmith.codegen.matrix_units import fold_cycles
from gatesmith.errors import UserError
from gatesmith.ir import Graph, Node
from gatesmith.ops.input import Input

MAX_LUT = 4_000_000
"""Largest design that is emitted, in LUTs of the estimate: the largest FPGA there is."""


def plan(
    graph: Graph,
    folds: Mapping[Node, Fold],
    name: str,
    cycles: int | None = None,
    lanes: int | None = None,
) -> Design:
    """The design of an integer graph.

    Args:
        graph: What to build.
        folds: Of every matrix-vector unit.
        name: Of the top module.
        cycles: Most cycles a frame that a stage should take; None takes what the folds give.
        lanes: Of every input; None takes the fewest that do not slow the design down.

    Errors: ``codegen.too-wide``, ``codegen.too-large``.
    """
    if cycles is None:
        cycles = max((fold_cycles(node, fold) for node, fold in folds.items()), default=0)
        cycles = cycles or max(node.type.size for node in graph)
    builder = Builder(graph, folds, cycles, name)
    for node in graph:
        if isinstance(node.op, Input):
            builder.enter(node, lanes_in(graph, node, folds, cycles, lanes))
        else:
            LAYERS[type(node.op)](builder, node)
    outputs = []
    for index, node in enumerate(graph.outputs):
        tap = builder.take(node).buffer()
        port = "y" if len(graph.outputs) == 1 else f"y{index}"
        outputs.append(CorePort(port, node.name, tap.stream, tap.driver))
    result = Design(name, tuple(builder.inputs), tuple(builder.placed), tuple(outputs))
    _check_size(result)
    return result


def check_target(result: Design, target: Target) -> None:
    """Refuse a design that misses the interval the user asked for. Errors: ``codegen.target``."""
    if target.cycles is None or result.interval <= target.cycles:
        return
    slowest = max(result.stages, key=lambda stage: stage.interval)
    raise UserError(
        "codegen.target",
        f"{target.cycles} cycles a frame are out of reach",
        where=f'stage "{slowest.name}", {target.said}',
        why=f"it needs {slowest.interval} cycles a frame, and no fold makes it faster",
        fix=(f"ask for {result.interval} cycles or more",),
    )


def _check_size(result: Design) -> None:
    """Refuse what no tool will digest, before a line of it is written."""
    for stage in result.stages:
        width = max(s.width for s in (*stage.sources, *stage.sinks))
        if width > MAX_WIDTH:
            raise UserError(
                "codegen.too-wide",
                f"a stream would be {width} bits wide",
                where=f'stage "{stage.name}"',
                why=f"streams of more than {MAX_WIDTH} bits are not emitted: no tool routes them",
                fix=("fold more: a larger --cycles, or smaller PE and SIMD in --fold",),
            )
    lut = result.cost.lut
    if lut > MAX_LUT:
        largest = max(result.stages, key=lambda stage: stage.cost().lut)
        raise UserError(
            "codegen.too-large",
            f"the design would take about {lut:,} LUTs",
            where=f'largest stage "{largest.name}", about {largest.cost().lut:,} LUTs',
            why=f"more than {MAX_LUT:,}, so it fits no FPGA and synthesis would not end",
            fix=("fold more: a larger --cycles, or smaller PE and SIMD in --fold",),
        )
