"""How much each site minds each width: the error that it alone makes at the outputs.

Everything else is left float, so that the errors add up as the optimiser adds them, as long as they
are small. Two measures:

    mse   squared error of the outputs, as a part of their variance
    kl    Kullback-Leibler divergence of the class probabilities, in nats (ZeroQ, Cai et al., 2020,
          section 3.2), for outputs that are scores of classes

Only what lies behind a site is run again: the values in front of it are kept from the float run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from gatesmith.ir import Array, Graph, Node, Reals
from gatesmith.ops.const import Const
from gatesmith.ops.input import Input
from gatesmith.ops.softmax import Softmax
from gatesmith.quant.calibrate.runner import Floats, Frames, Runner, batches, count, named
from gatesmith.quant.mixed.trial import Progress, Trials, quiet
from gatesmith.quant.prepare.sites import Site

MEASURES = ("mse", "kl")

BATCH = 256
"""Frames whose values are kept at a time: many, as each of many graphs is made ready for each."""


def output_errors(
    trials: Trials,
    widths: Mapping[str, Sequence[int]],
    runner: Runner,
    frames: Frames,
    *,
    progress: Progress = quiet,
) -> dict[str, dict[str, dict[int, float]]]:
    """By measure the error that each site makes at each width; 0 where there is no choice.

    Args:
        trials: The network and its grids.
        widths: That each site may have.
        runner: Runs real graphs.
        frames: A few hundred.
        progress: Told which part of the work is done.
    """
    errors = {m: {name: dict.fromkeys(own, 0.0) for name, own in widths.items()} for m in MEASURES}
    free = [name for name, own in widths.items() if len(own) > 1]
    tails = {name: _Tail(trials.graph, trials.sites[name]) for name in free}
    outputs = trials.graph.outputs
    spread = dict.fromkeys((o.name for o in outputs), 0.0)
    kept = list(dict.fromkeys([*outputs, *(n for tail in tails.values() for n in tail.front)]))
    total, done = count(frames), 0
    steps = -(-total // BATCH) * len(free)
    for batch in batches(frames, BATCH):
        values = {**named(trials.graph, batch)}
        values |= runner(trials.graph, [n for n in kept if not isinstance(n.op, Input)], batch)
        for output in outputs:
            spread[output.name] += _spread(values[output.name])
        for name, tail in tails.items():
            progress("sensitivity", done, steps)
            done += 1
            for bits in widths[name]:
                got = tail.run(trials, bits, values, runner)
                for measure, output in product(MEASURES, outputs):
                    off = _measured(measure, output, values[output.name], got[output.name])
                    errors[measure][name][bits] += off
    scales = {"mse": 1 / max(sum(spread.values()), 1e-300), "kl": 1 / max(total, 1)}
    return {
        m: {name: {b: scales[m] * e for b, e in own.items()} for name, own in by_site.items()}
        for m, by_site in errors.items()
    }


def joint_error(
    trials: Trials, runner: Runner, frames: Frames, measure: str = "mse"
) -> Callable[[Mapping[str, int]], float]:
    """The error that a choice of widths for all sites makes, on the scale of output_errors."""
    error = divergence(trials.graph, runner, next(batches(frames, BATCH)), measure)
    return lambda bits: error(trials.quantized(bits))


def divergence(
    graph: Graph, runner: Runner, frames: Frames, measure: str = "mse"
) -> Callable[[Graph], float]:
    """The error of a network with the outputs of ``graph``, on the scale of output_errors."""
    outputs, first = graph.outputs, frames
    wanted = runner(graph, outputs, first)
    spread = sum(_spread(wanted[output.name]) for output in outputs)
    scale = 1 / (max(spread, 1e-300) if measure == "mse" else max(count(first), 1))

    def error(other: Graph) -> float:
        got = runner(other, other.outputs, first)
        return scale * sum(
            _measured(measure, old, wanted[old.name], got[new.name])
            for old, new in zip(outputs, other.outputs, strict=True)
        )

    return error


class _Tail:
    """What lies behind a site. ``front`` are the values that it starts from."""

    def __init__(self, graph: Graph, site: Site) -> None:
        self.graph, self.site = graph, site
        behind = {site.node}
        front: dict[Node, None] = {}
        for node in graph:
            if node in behind or any(arg in behind for arg in node.args):
                behind.add(node)
        for node in graph:
            if node in behind and node is not site.node:
                front |= dict.fromkeys(
                    a for a in node.args if a not in behind and not isinstance(a.op, Const)
                )
        if not isinstance(site.node.op, Const):
            front[site.node] = None
        self.front = [node for node in front if not self._constant(node)]
        self._graphs: dict[int, Graph] = {}

    def _constant(self, node: Node) -> bool:
        """Whether it depends on no input."""
        return not any(isinstance(n.op, Input) for n in Graph((node,)))

    def run(
        self, trials: Trials, bits: int, values: Mapping[str, Floats], runner: Runner
    ) -> dict[str, Floats]:
        """Outputs for the values in front."""
        fed = {node.name: values[node.name] for node in self.front}
        name = self.site.name
        grid = trials.grid(name, bits)
        if name in fed:  # the same graph for all widths
            fed[name] = np.asarray(grid.fake(np.asarray(fed[name], np.float64)), np.float32)
            key = 0
        else:
            key = bits
        if key not in self._graphs:
            weight = None if name in fed else Array(grid.fake(trials.weight(name, bits)))
            self._graphs[key] = self._cut(weight)
        graph = self._graphs[key]
        own = [node for node in graph.outputs if not isinstance(node.op, Input)]
        got: dict[str, Floats] = dict(runner(graph, own, fed)) if own else {}
        return {
            old.name: got.get(new.name, fed.get(old.name, values[old.name]))
            for old, new in zip(self.graph.outputs, graph.outputs, strict=True)
        }

    def _cut(self, weight: Array | None) -> Graph:
        """The graph with Inputs in front, and another weight."""
        front = set(self.front)
        new: dict[Node, Node] = {}
        for node in self.graph:
            if node in front:
                new[node] = Node(node.name, Input(node.type), origin=node.origin)
                continue
            if any(arg not in new for arg in node.args):
                continue  # in front of the front
            args = tuple(new[arg] for arg in node.args)
            if isinstance(node.op, Input):
                continue
            kept = node if args == node.args else replace(node, args=args, tensor=None)
            if weight is not None and node is self.site.node:
                kept = replace(node, op=Const(weight), tensor=None)
            new[node] = kept
        return Graph(tuple(new.get(o, o) for o in self.graph.outputs), self.graph.name)


def _spread(values: Floats) -> float:
    """Sum over the frames of the squared distance from the mean frame."""
    exact = np.asarray(values, np.float64)
    return float(np.square(exact - exact.mean(axis=0)).sum())


def _measured(measure: str, output: Node, wanted: Floats, got: Floats) -> float:
    """Sum over the frames."""
    a, b = np.asarray(wanted, np.float64), np.asarray(got, np.float64)
    if measure == "mse":
        return float(np.square(a - b).sum())
    p, q = _log_probabilities(output, a), _log_probabilities(output, b)
    return max(0.0, float((np.exp(p) * (p - q)).sum()))


def _log_probabilities(output: Node, scores: Reals) -> NDArray[np.float64]:
    """Of the classes on the last axis."""
    if isinstance(output.op, Softmax):
        return np.asarray(np.log(np.maximum(scores, 1e-30)))
    off = scores - scores.max(axis=-1, keepdims=True)
    return np.asarray(off - np.log(np.exp(off).sum(axis=-1, keepdims=True)))
