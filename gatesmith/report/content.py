"""What a report of quantization shows, in its own terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class LayerRow:
    """A layer with weights; the first fields are those of ``gatesmith quantize --json``.

    Attributes:
        name: Of the node.
        op: Conv or MatMul.
        weights: Kind of the weights' grid; None where they stay real.
        weight_bits: Bits of a weight.
        per: What has a scale of its own: tensor, channel, group.
        activations: Type of the input's codes.
        activation_bits: Bits of one.
        parameters: Number of weights.
        memory_bits: Bits of all weights.
        scales: Least and largest scale of the weights.
        sqnr: Power of the weights over that of their rounding errors, in dB.
    """

    name: str
    op: str
    weights: str | None
    weight_bits: int | None
    per: str | None
    activations: str | None
    activation_bits: int | None
    parameters: int
    memory_bits: int | None
    scales: tuple[float, float] | None = None
    sqnr: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class WeightPicture:
    """The weights of a layer before and after.

    Attributes:
        counts: Weights in each bin, before they were put on the grid, (bins,).
        edges: Of the bins, (bins + 1,).
        levels: Values that the grid can give, rising, (levels,).
        codes: Weights at each level, (levels,).
        unit: What the numbers are: "weight", or "weight / scale of its channel".
    """

    counts: NDArray[Any]
    edges: NDArray[np.float64]
    levels: NDArray[np.float64]
    codes: NDArray[Any]
    unit: str = "weight"


@dataclass(frozen=True, slots=True, eq=False)
class ActivationPicture:
    """The values at a quantizer, before it.

    Attributes:
        counts: Values in each bin, (bins,).
        edges: Of the bins, (bins + 1,).
        levels: Values that the grid can give, rising, (levels,).
    """

    counts: NDArray[Any]
    edges: NDArray[np.float64]
    levels: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class QuantReport:
    """Everything that a report of ``gatesmith quantize`` shows; what is empty is left out.

    Attributes:
        model: Name of the network.
        accuracy_float: Top-1 of the float network, 0 to 1; None without labels.
        accuracy_quantized: Top-1 of the integers.
        frames: Frames that accuracy was measured on.
        steps: Accuracy after each step, by name, in order.
        layers: A row each.
        weights: By name of the layer.
        activations: By name of the site.
        sensitivity: Layer, bits, and what quantizing it alone costs.
        sensitivity_unit: What that cost is.
        history: A record for each epoch: loss, accuracy, held_out (None where not known), bits.
        trade: Label, cost and accuracy of networks to compare.
        trade_unit: What their cost is.
        settings: Options of the run.
        notes: Things the user should know.
    """

    model: str
    accuracy_float: float | None = None
    accuracy_quantized: float | None = None
    frames: int = 0
    steps: Sequence[tuple[str, float | None]] = ()
    layers: Sequence[LayerRow] = ()
    weights: Mapping[str, WeightPicture] = field(default_factory=dict)
    activations: Mapping[str, ActivationPicture] = field(default_factory=dict)
    sensitivity: Sequence[tuple[str, int, float]] = ()
    sensitivity_unit: str = "loss"
    history: Sequence[Mapping[str, Any]] = ()
    trade: Sequence[tuple[str, float, float]] = ()
    trade_unit: str = "bits of a weight"
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
