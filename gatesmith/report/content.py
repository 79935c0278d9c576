"""What reports show, in their own terms."""

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


@dataclass(frozen=True, slots=True)
class PrunedRow:
    """A layer before and after; the fields are those of ``gatesmith prune --json``.

    Attributes:
        name: Of the node.
        op: Conv or MatMul.
        channels_before: Outputs; None where there was no such layer.
        channels_after: The same; None where it is gone.
        parameters_before: Weights that are not 0.
        parameters_after: The same.
        macs_before: Multiplications by weights that are not 0, a frame.
        macs_after: The same.
    """

    name: str
    op: str
    channels_before: int | None
    channels_after: int | None
    parameters_before: int
    parameters_after: int
    macs_before: int
    macs_after: int


@dataclass(frozen=True, slots=True, eq=False)
class PruneReport:
    """Everything that a report of ``gatesmith prune`` shows; what is empty is left out.

    Attributes:
        model: Name of the network.
        accuracy_before: Top-1 of the unpruned network, 0 to 1; None without labels.
        accuracy_after: Top-1 of the pruned one.
        frames: Frames that accuracy was measured on.
        steps: Accuracy after each step, by name, in order.
        parameters: Before and after, with biases, without zeros.
        macs: Multiplications of a frame before and after.
        layers: A row each.
        removed: What went, in words, by layer or block.
        hardware: Name of a resource, how much of it before and after; None where not known.
        history: A record for each epoch of fine-tuning.
        sensitivity: Layer, ratio, and what pruning it alone adds to the loss.
        settings: Options of the run.
        notes: Things the user should know.
    """

    model: str
    accuracy_before: float | None = None
    accuracy_after: float | None = None
    frames: int = 0
    steps: Sequence[tuple[str, float | None]] = ()
    parameters: tuple[int, int] = (0, 0)
    macs: tuple[int, int] = (0, 0)
    layers: Sequence[PrunedRow] = ()
    removed: Mapping[str, str] = field(default_factory=dict)
    hardware: Sequence[tuple[str, float, float | None]] = ()
    history: Sequence[Mapping[str, Any]] = ()
    sensitivity: Sequence[tuple[str, float, float]] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True, eq=False)
class StageRow:
    """A network after one stage of ``gatesmith compress``.

    Attributes:
        name: Of the stage.
        accuracy: Top-1, 0 to 1; None without labels.
        parameters: With biases, without zeros.
        macs: Multiplications of a frame by weights that are not 0.
        weight_bits: To store the weights of all layers.
        compression_ratio: How many times fewer than float32 weights of the network as it came.
        hardware: Amount of each resource, by name; empty where it is not known.
    """

    name: str
    accuracy: float | None
    parameters: int
    macs: int
    weight_bits: int
    compression_ratio: float
    hardware: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class CodedRow:
    """How the weights of a layer are stored.

    Attributes:
        layer: Its name.
        weights: How many there are.
        bits: Of a weight.
        rom: Way to store them that was taken.
        sizes: Bits of every way that fits the layer, by its name.
    """

    layer: str
    weights: int
    bits: int
    rom: str
    sizes: Mapping[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class PointRow:
    """A network of a Pareto run.

    Attributes:
        name: Short: the values that tell it apart.
        accuracy: Top-1; None where the point could not be reached.
        cost: On the axis of the run; None likewise.
        front: Whether no other point beats it.
        stage: Its figures; None likewise.
        why: Why it could not be reached.
    """

    name: str
    accuracy: float | None
    cost: float | None
    front: bool
    stage: StageRow | None
    why: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class CompressReport:
    """Everything that a report of ``gatesmith compress`` shows; what is empty is left out.

    Attributes:
        model: Name of the network.
        frames: Frames that accuracy was measured on.
        stages: A row each, the network as it came first.
        coding: A row for each layer.
        histories: Records of the epochs of each stage that trained, by its name.
        points: Networks of a Pareto run.
        axis: What their cost is.
        settings: The recipe, by table and key.
        notes: Things the user should know.
    """

    model: str
    frames: int = 0
    stages: Sequence[StageRow] = ()
    coding: Sequence[CodedRow] = ()
    histories: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    points: Sequence[PointRow] = ()
    axis: str = "weight bits"
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
