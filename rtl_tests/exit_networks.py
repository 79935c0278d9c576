"""Small networks of two heads, and data whose frames leave early in a wanted pattern."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx

from gatesmith.ir import Ints
from gatesmith.ir.execute import execute
from gatesmith.ir.store import load
from gatesmith.rtl_tests.qonnx_builder import Net

POOL = 400
"""Random frames to choose from."""


def chain(*, dyadic: bool = False) -> onnx.ModelProto:
    """Two convolutions; a head behind each. One stream crosses."""
    net = Net((2, 6, 6), 51, dyadic)
    net.rename |= {"x": "image"}
    net.conv(2, 4, (3, 3), 3, pads=[1] * 4, strides=[2, 2]).put("Relu").quant(4, 0.5, signed=0)
    features = net.current
    net.flat().dense(36, 5, 3, bias=True)
    early, net.current = net.current, features
    net.conv(4, 4, (3, 3), 3, pads=[1] * 4, per_channel=True).put("Relu").quant(4, 2.0, signed=0)
    net.flat().dense(36, 5, 3, bias=True)
    return _named(net, early)


def residual(*, dyadic: bool = False) -> onnx.ModelProto:
    """A residual around the branch: two streams cross; scales of scores by channel, and a pool."""
    net = Net((2, 6, 6), 52, dyadic)
    net.rename |= {"x": "image"}
    net.conv(2, 4, (3, 3), 3, pads=[1] * 4).put("Relu").quant(4, 0.5, signed=0)
    skip = net.current
    net.conv(4, 4, (3, 3), 3, pads=[1] * 4).put("Relu").quant(4, 2.0, signed=0)
    features = net.current
    net.pool((6, 6), "AveragePool").flat()
    net.put("Gemm", net.weight(4, 3, 4, per_channel=True), net.real(3), transB=1)
    early, net.current = net.current, features
    net.conv(4, 4, (3, 3), 3, pads=[1] * 4).quant(4, 4.0).put("Add", skip).put("Relu")
    net.quant(4, 1.0, signed=0).pool().flat()
    net.put("Gemm", net.weight(4, 3, 36, per_channel=True), net.real(3), transB=1)
    return _named(net, early)


def _named(net: Net, early: str) -> onnx.ModelProto:
    late = net.current
    net.rename |= {early: "early", late: "late"}
    model = net.model(early, late)
    return model


def pool(build: Path) -> tuple[Ints, Ints]:
    """Random codes for the only input of a build, and where each frame would leave (1: early)."""
    graph = load(build / "ir" / "integer")
    (given,) = (node for node in graph if not node.args)
    rng = np.random.default_rng(4)
    elem = given.type.int_elem
    codes = elem.lo + elem.step * rng.integers(0, elem.count, (POOL, *given.type.shape))
    fade = np.linspace(0, 1, POOL).reshape(-1, *(1,) * len(given.type.shape))
    codes = np.where(elem.step == 1, (codes * fade).astype(np.int64), codes)
    answers = execute(graph, {given.name: codes})[graph.outputs[0]]
    return codes, answers[:, 1].astype(np.int64)


def pattern(codes: Ints, leaves: Ints, exits: Sequence[int]) -> Ints:
    """Frames of the pool that leave (1) or go on (0) as said."""
    rng = np.random.default_rng(5)
    chosen = [rng.choice(np.flatnonzero(leaves == wanted)) for wanted in exits]
    found: Ints = codes[np.array(chosen)]
    return found
