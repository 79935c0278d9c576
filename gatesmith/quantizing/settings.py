"""What the user asks of ``gatesmith quantize``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

FORMATS = ("qonnx", "qdq")


@dataclass(frozen=True, slots=True)
class Settings:
    """Options of one run; texts are as on the command line.

    Attributes:
        weights: Scheme of every weight (quant/prepare/scheme.py).
        activations: Scheme of every activation.
        ends: Scheme of the first and the last layer's weights; None: as the others.
        layers: ``WEIGHTS/ACTIVATIONS`` by layer name, for single layers; either part may be empty.
        input_spec: Which codes arrive and what they stand for; None: found from the data.
        outputs: Scheme of a quantizer behind the outputs; None: the last sums as they are.
        format: ``qonnx`` or ``qdq``.
        labels: File of labels for ``--data``.
        test: Data that accuracy is measured on; None: the data itself, or what training held out.
        test_labels: Labels of ``test``.
        samples: Frames that calibration looks at.
        observer: How activation ranges are found; None: by width.
        rounding: ``nearest`` or ``learned``; None: by width.
        equalize: Whether to equalize neighbouring layers; None: by width.
        bias_correction: Whether to correct the mean of each layer; None: by width.
        keep_zeros: Whether weights that are 0 stay so; None: of pruned networks (zeros.py).
        epochs: Of training; 0 for none.
        batch: Frames of a training step.
        rate: Learning rate; None: by kind of weights.
        distill: Share of the float network's answers in the loss, 0 to 1; None: by kind.
        hints: Whether to follow the float network's features too (FitNets).
        progressive: Whether to lower the bits step by step while training.
        augment: ``none``, ``crop`` or ``crop-flip``; ``crop:1`` moves images by up to one pixel.
        bf16: Whether layers compute in bfloat16 while training.
        budget: Limits for mixed precision, as text; None for one width.
        choices: Bits that mixed precision may choose from.
        cycles: Clock cycles a frame that costs are counted at; None: those of ``gatesmith build``.
        learn_bits: Whether mixed precision trains its bit widths instead of solving for them.
        seed: Of everything that is drawn at random.
        device: ``auto``, ``cpu`` or ``cuda``.
        checkpoint: File that training is saved to after each epoch, and resumed from.
        report: Folder or .html file for the report.
    """

    weights: str = "int8"
    activations: str = "int8"
    ends: str | None = None
    layers: Mapping[str, str] = field(default_factory=dict)
    input_spec: str | None = None
    outputs: str | None = None
    format: str = "qonnx"
    labels: Path | None = None
    test: str | None = None
    test_labels: Path | None = None
    samples: int = 512
    observer: str | None = None
    rounding: str | None = None
    equalize: bool | None = None
    bias_correction: bool | None = None
    keep_zeros: bool | None = None
    epochs: int = 0
    batch: int = 128
    rate: float | None = None
    distill: float | None = None
    hints: bool = False
    progressive: bool = False
    augment: str = "none"
    bf16: bool = False
    budget: str | None = None
    choices: tuple[int, ...] = (2, 3, 4, 6, 8)
    cycles: int | None = None
    learn_bits: bool = False
    seed: int = 0
    device: str = "auto"
    checkpoint: Path | None = None
    report: Path | None = None
