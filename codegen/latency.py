"""Latency of a design: from the first beat of a frame in to its last one out, in an idle core.

Without branches that is where the schedules of the stages lead, one behind the other. A branch that
is full holds the fork back, and with it the other one: FIFOs are as deep as the interval asks for
(codegen/fifo_depth.py), and the beats of a frame that enters an idle core come faster. The least
solution of all conditions for a single frame has that in it (codegen/token_flow.py).
"""

from __future__ import annotations

import numpy as np

from gatesmith.codegen import fifo_depth
from gatesmith.codegen.design import Design
from gatesmith.codegen.token_flow import Graph


def latency(design: Design) -> int:
    """Cycles from the first beat in to the last beat out of a frame that enters an idle core.

    Beats come one a cycle on every input, nothing stalls at the outputs. A pipeline that is held up
    counts as full: with bubbles inside it holds less, and some cycles may come on top (1 to 21, in
    14 of 2,016 random networks; docs/regress.md).
    """
    branches = any(len(stage.sources) > 1 or len(stage.sinks) > 1 for stage in design)
    return _of_one_frame(design) if branches else design.least_latency


def _of_one_frame(design: Design) -> int:
    """Of all conditions; the next frame comes when this one has long left."""
    graph = Graph(design, {})
    soonest = np.zeros(graph.size, np.int64)
    for row in graph.heads:
        soonest[row.all] = np.arange(row.size)
    alone = fifo_depth.solver(design, graph, fifo_depth.longest(graph, design))
    edges = alone.solve(soonest)
    assert edges is not None, "a design that was sized stands still"
    outputs = [port.driver for port in design.outputs if port.driver is not None]
    return max(int(edges[graph.links[driver].stop - 1]) for driver in outputs)
