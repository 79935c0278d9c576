"""Bipolar perceptrons on a GPU: the packed kernels of triton_kernels.py, a launch a layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatesmith.cpu_gpu_baselines.engines import triton_kernels
from gatesmith.cpu_gpu_baselines.engines.engine import (
    Array,
    Bound,
    Engine,
    Opened,
    Subject,
    Unavailable,
)
from gatesmith.cpu_gpu_baselines.engines.torch_engine import torch_package
from gatesmith.cpu_gpu_baselines.engines.triton_kernels import ROWS, WORD
from gatesmith.ir import BIPOLAR, Graph, Ints, Node
from gatesmith.ops.dense import Dense
from gatesmith.ops.input import Input
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.threshold import Threshold

NEVER = 2**31 - 1


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A Dense of bits and, but for the last, its thresholds.

    Attributes:
        weights: int32 (outputs, words), bit i % 32 of word i // 32.
        inputs: Values of an input vector.
        at: int32 thresholds; None: sums are wanted.
        flip: int32, 1 where the output falls.
    """

    weights: Array
    inputs: int
    at: Array | None
    flip: Array | None


class Triton(Engine):
    """XNOR and popcount, 32 products an operation."""

    name = "triton-xnor"
    kind = "integer"
    device = "gpu"
    threaded = False

    def open(self, subject: Subject, threads: int) -> Opened:
        """Weights on the device."""
        torch = torch_package("gpu")
        if not triton_kernels.HERE:
            raise Unavailable("triton is not installed: pip install triton")
        note = f"Triton, {torch.cuda.get_device_name()}, transfers counted"
        return Packed(torch, subject, "cuda", note)


def layers(graph: Graph) -> list[Layer]:
    """The chain of a bipolar perceptron. Raises Unavailable."""
    nodes = [n for n in graph if not isinstance(n.op, Input | Reshape)]
    dense, steps = nodes[0::2], nodes[1::2]
    strange = [n for n in dense if not _is_bipolar(n)]
    strange += [n for n in steps if not isinstance(n.op, Threshold) or n.type.elem != BIPOLAR]
    if strange or len(dense) != len(steps) + 1 or not _is_chain(graph):
        named = ", ".join(f"{n.name} ({type(n.op).__name__})" for n in strange) or "its shape"
        raise Unavailable(f"written for chains of bipolar Dense and Threshold only, not {named}")
    return [_layer(d, t) for d, t in zip(dense, [*steps, None], strict=True)]


def _is_chain(graph: Graph) -> bool:
    order = list(graph)
    linked = all(node.args == (order[at],) for at, node in enumerate(order[1:]))
    return linked and graph.outputs == (order[-1],)


def _is_bipolar(node: Node) -> bool:
    if not isinstance(node.op, Dense) or node.op.groups > 1 or len(node.type.shape) != 1:
        return False
    return node.args[0].type.elem == BIPOLAR and bool((np.abs(node.op.weights.data) == 1).all())


def _layer(dense: Node, step: Node | None) -> Layer:
    assert isinstance(dense.op, Dense)
    weights = dense.op.weights.data
    outs, ins = weights.shape
    padded = np.zeros((outs, -(-ins // WORD) * WORD), np.uint8)
    padded[:, :ins] = weights > 0
    packed = np.packbits(padded, axis=1, bitorder="little").view("<i4")
    if step is None:
        return Layer(packed, ins, None, None)
    assert isinstance(step.op, Threshold)
    at = np.broadcast_to(step.op.thresholds.data[:, 0], outs).clip(-NEVER, NEVER)
    flip = np.broadcast_to(step.op.falling.data, outs)
    return Layer(packed, ins, at.astype(np.int32), flip.astype(np.int32))


class Packed(Opened):
    """A chain of layers on a device; ``cpu`` is for Triton's interpreter."""

    def __init__(self, torch: Any, subject: Subject, device: str, note: str) -> None:
        self._torch, self._device, self.note = torch, device, note
        self._layers = layers(subject.integer)
        (self._x,) = subject.codes.values()
        self._held = [
            [None if a is None else torch.from_numpy(np.array(a)).to(device) for a in
             (layer.weights, layer.at, layer.flip)]
            for layer in self._layers
        ]  # fmt: skip
        self.weight_bytes = sum(layer.weights.nbytes for layer in self._layers)

    def bind(self, frames: Ints) -> Bound:
        """A launch that packs, and one for each layer."""
        torch, device = self._torch, self._device
        given = torch.from_numpy(np.ascontiguousarray(self._x[frames], np.int8))
        rows = len(frames)
        blocks = -(-rows // ROWS)
        words = [layer.weights.shape[1] for layer in self._layers]
        places = [torch.empty((rows, many), dtype=torch.int32, device=device) for many in words]
        sums = torch.empty((rows, len(self._layers[-1].weights)), dtype=torch.int32, device=device)
        last: list[Any] = []

        def call() -> None:
            x = given.to(device)
            triton_kernels.pack[(blocks, words[0])](
                x, places[0], rows, INS=self._layers[0].inputs, WORDS=words[0], R=ROWS
            )
            following = zip(self._layers, self._held, places, [*places[1:], sums], strict=True)
            for layer, (weights, at, flip), source, target in following:
                outs = len(layer.weights)
                triton_kernels.layer[(blocks, -(-outs // WORD))](
                    source, weights, weights if at is None else at,
                    weights if flip is None else flip, target, rows,
                    INS=layer.inputs, WORDS=layer.weights.shape[1], OUTS=outs,
                    BITS=at is not None, R=ROWS,
                )  # fmt: skip
            last[:] = [sums.cpu()]

        def read() -> Sequence[Array]:
            return [value.numpy() for value in last]

        return Bound(call, read)
