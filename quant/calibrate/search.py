"""Activation ranges by what they do to the outputs of the network.

One range after the other, from the input on, is made narrower or wider in steps as long as the
squared error at the network's outputs falls. Greedy, on a few frames; it starts from the ranges
that the observers chose and never ends with a larger error on those frames.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from gatesmith.ir import Array, Graph, Node, Reals
from gatesmith.ops.fake_quant import FakeQuant, Grid
from gatesmith.ops.softmax import Softmax
from gatesmith.quant.calibrate.runner import Frames, Runner, batches
from gatesmith.quant.calibrate.scales import all_pow2, exact_scale
from gatesmith.quant.prepare.sites import grids_of, insert

FRAMES = 64
"""Frames of the error; all run at once."""

_STEP = 2.0**0.25
_MOST = 4  # steps in one direction


def search(
    graph: Graph,
    sites: Graph,
    grids: Mapping[str, Grid],
    groups: Mapping[str, tuple[str, ...]],
    *,
    frames: Frames,
    runner: Runner,
    progress: Callable[[str, int, int], None],
) -> dict[str, Grid]:
    """Better grids of activations; weights are left real meanwhile.

    Args:
        graph: The float network, whose outputs are to be met.
        sites: The network that the grids are for: the same, or without_relu of it.
        grids: Grid of each activation, by name of its site.
        groups: Sites whose grids may change, those that share one together.
        frames: Calibration data.
        runner: Runs graphs.
        progress: Told which range is at hand.
    """
    some = next(batches(frames, FRAMES))
    wanted = outputs(graph, some, runner)
    quantized = insert(sites, grids)
    least = squared_error(outputs(quantized, some, runner), wanted)
    for done, names in enumerate(groups.values()):
        progress("search", done, len(groups))
        for factor in (1 / _STEP, _STEP):
            found = False
            for _ in range(_MOST):
                tried = _scaled(quantized, names, factor)
                error = squared_error(outputs(tried, some, runner), wanted)
                if error >= least:
                    break
                quantized, least, found = tried, error, True
            if found:
                break
    return grids_of(quantized)


def _scaled(graph: Graph, names: tuple[str, ...], factor: float) -> Graph:
    """The graph with the scales of some grids times ``factor``; powers of two stay such."""
    grid = grids_of(graph)[names[0]]
    scale = grid.scale.data
    if all_pow2(scale):
        factor = 2.0 if factor > 1 else 0.5
    new = replace(grid, scale=Array(exact_scale(scale * factor, grid.clip)))
    return with_grids(graph, dict.fromkeys(names, new))


def with_grids(graph: Graph, grids: Mapping[str, Grid]) -> Graph:
    """Other grids in the FakeQuants behind the named nodes."""

    def rule(node: Node, _users: Mapping[Node, int]) -> Node | None:
        if not isinstance(node.op, FakeQuant) or node.args[0].name not in grids:
            return None
        return replace(node, op=FakeQuant(grids[node.args[0].name]))

    return graph.rewrite(rule)


def outputs(graph: Graph, frames: Frames, runner: Runner) -> list[Reals]:
    """Values of the outputs, by their order; of a Softmax what it reads, which says more."""
    nodes = [node.args[0] if isinstance(node.op, Softmax) else node for node in graph.outputs]
    values = runner(graph, list(dict.fromkeys(nodes)), frames)
    return [np.asarray(values[node.name], np.float64) for node in nodes]


def squared_error(values: list[Reals], wanted: list[Reals]) -> float:
    """Mean squared error of several outputs, each in units of its own mean square."""
    error = 0.0
    for value, want in zip(values, wanted, strict=True):
        error += float(np.square(value - want).mean() / (np.square(want).mean() or 1.0))
    return error
