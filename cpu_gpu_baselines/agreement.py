"""Compare the exact meaning of a model with the float32 original, and explain every difference.

Per quantizer of the real IR, on data:

1. The float runtime runs the model. Its codes are read off its own float results:
   round((y * denominator - offset) / scale). A result that is not on that grid, but for float32
   rounding, differs and is unexplained.
2. The exact value in front of the quantizer is computed from *the runtime's* codes of the
   quantizers before it (so that one difference is counted once and does not spread), and with it
   a bound on the runtime's error there (error_bound.py). Quantizing it gives the exact codes.
3. A code that differs is *explained* when the runtime's code is among the codes of
   [value - bound, value + bound]: a rounding of float32 crossed a step of the quantizer. Otherwise
   it is unexplained, and one of the two computes something else.

Constants that the runtime computes are read from it first (float_constants.py). The results of the
model are compared in the same way: real ones must lie within the bound, TopK's
indices must be those of some values within it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from gatesmith.cpu_gpu_baselines.comparison import Comparison, TensorAgreement
from gatesmith.ir import Graph, Ints, Node

FRAMES = 1024
"""Frames at a time: bounds the memory."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """The exact meaning against the float runtime, on some frames.

    Attributes:
        engine: Name and version of the float runtime.
        frames: Frames compared.
        quantizers: One entry per quantizer, in the order of the graph.
        outputs: One entry per output that is not itself a quantizer's.
        constants: Constants that differ, weights on a step of their quantizer for instance
            (float_constants.py); they count as differences too.
        predictions: The runtime's class of each frame: the first index of a TopK result, else the
            lowest index of the largest value.
        top1_float: Fraction of frames whose prediction is the label; None without labels.
    """

    engine: str
    frames: int
    quantizers: tuple[TensorAgreement, ...]
    outputs: tuple[TensorAgreement, ...]
    constants: tuple[TensorAgreement, ...]
    predictions: Ints = field(repr=False, compare=False)
    top1_float: float | None = None

    @property
    def parts(self) -> tuple[TensorAgreement, ...]:
        """All entries."""
        return (*self.constants, *self.quantizers, *self.outputs)

    @property
    def compared(self) -> int:
        """Codes and results compared."""
        return sum(part.compared for part in self.parts)

    @property
    def differing(self) -> int:
        """Codes and results that differ."""
        return sum(part.differing for part in self.parts)

    @property
    def explained(self) -> int:
        """Differences that float32 rounding accounts for."""
        return sum(part.explained for part in self.parts)

    @property
    def unexplained(self) -> int:
        """Differences that it does not account for; must be 0."""
        return self.differing - self.explained


def agreement(
    real: Graph,
    model: ModelProto,
    inputs: NDArray[Any] | Mapping[Node, NDArray[Any]],
    labels: NDArray[Any] | None = None,
    *,
    onnxruntime: bool = True,
) -> Agreement:
    """Compare ``real`` with the float32 runtime of ``model``, from which it was imported.

    Args:
        real: The imported graph, quantizers and reals still in it.
        model: The ONNX model, batch size 1.
        inputs: (frames, ...) for the only Input, or one array per Input: integer codes where the
            Input is of integers, else float32 values.
        labels: Class of each frame.
        onnxruntime: ``False`` takes the onnx package's evaluator even where onnxruntime is
            installed.

    Errors: those of :class:`FloatRuntime`.
    """
    comparison = Comparison(real, model, onnxruntime)
    given = comparison.given(inputs)
    frames = len(next(iter(given.values())))
    predictions = []
    for start in range(0, frames, FRAMES):
        part = {node: array[start : start + FRAMES] for node, array in given.items()}
        predictions.append(comparison.compare(part))
    found = np.concatenate(predictions) if predictions else np.zeros(0, np.int64)
    top1 = None
    if labels is not None:
        top1 = float(np.mean(found == np.asarray(labels).reshape(-1)[:frames]))
    quantizers, outputs = comparison.result()
    return Agreement(
        comparison.runtime.engine,
        frames,
        quantizers,
        outputs,
        comparison.constants,
        found,
        top1,
    )
