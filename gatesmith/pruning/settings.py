"""What the user asks of ``gatesmith prune``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

LOW_RANK = ("svd", "tucker", "cp", "separable", "depthwise")
"""Kinds that put several smaller layers in the place of one (prune/low_rank)."""

MASKED = ("unstructured", "nm", "block")
"""Kinds that leave zeros in the weights (prune/patterns.py)."""

KINDS = ("structured", "layers", *MASKED, *LOW_RANK)

PATTERNS = {"unstructured": "unstructured", "nm": "nm:2:4", "block": "block:4x4"}
"""Pattern of a kind where none is said."""

CRITERION = {"structured": "taylor", "unstructured": "lamp", "nm": "l1", "block": "l1"}
"""Criterion of a kind where none is said; ``l2`` for structured without data."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Options of one run; texts are as on the command line.

    Attributes:
        kind: One of KINDS.
        ratio: Part that goes, 0 to 1; None where a budget or a pattern says it.
        of: What the ratio is a part of: ``macs``, ``parameters`` or ``units`` (structured).
        budget: Limits, as text: hardware resources, ``macs``, ``parameters``.
        criterion: One of CRITERIA; None: by kind.
        energy: Part of the squared singular values that low-rank kinds keep; in place of a ratio.
        scope: ``layer``: the same part of every layer; ``global``: the least of all; None: by kind.
        pattern: ``2:4`` for nm, ``8x4`` (PE x SIMD) for block; None: by kind.
        layers: Ratio of single layers, by name.
        sensitivity: Whether the ratio of each layer follows from how much the network suffers.
        schedule: ``one-shot``, ``iterative:N`` or ``gradual``.
        round_to: Channels (or ranks) stay a multiple of it; None: 4 channels, any rank.
        most: Largest part of one layer that may go.
        cycles: Of a frame, at which hardware is counted; None: those of ``gatesmith build``.
        samples: Frames that data-driven criteria look at.
        labels: File of labels for ``--data``.
        test: Data that accuracy is measured on; None: the data itself, or what training held out.
        test_labels: Labels of ``test``.
        input_spec: Which codes arrive and what they stand for; None: found from the data.
        epochs: Of fine-tuning; 0 for none.
        batch: Frames of a training step.
        rate: Highest learning rate.
        distill: Share of the unpruned network's answers in the loss, 0 to 1.
        augment: ``none``, ``crop`` or ``crop-flip``; ``crop:1`` moves images by up to one pixel.
        seed: Of everything that is drawn at random.
        bf16: Whether layers compute in bfloat16 while training.
        device: ``auto``, ``cpu`` or ``cuda``.
        checkpoint: File that training is saved to after each epoch, and resumed from.
        report: .html file for the report.
    """

    kind: str = "structured"
    ratio: float | None = None
    of: str = "macs"
    budget: str | None = None
    criterion: str | None = None
    energy: float | None = None
    scope: str | None = None
    pattern: str | None = None
    layers: Mapping[str, float] = field(default_factory=dict)
    sensitivity: bool = False
    schedule: str = "one-shot"
    round_to: int | None = None
    most: float = 0.9
    cycles: int | None = None
    samples: int = 512
    labels: Path | None = None
    test: str | None = None
    test_labels: Path | None = None
    input_spec: str | None = None
    epochs: int = 0
    batch: int = 128
    rate: float = 1e-3
    distill: float = 0.5
    augment: str = "none"
    seed: int = 0
    bf16: bool = False
    device: str = "auto"
    checkpoint: Path | None = None
    report: Path | None = None

    @property
    def criterion_name(self) -> str:
        """The criterion, said or by kind."""
        return self.criterion or CRITERION.get(self.kind, "l2")

    @property
    def multiple(self) -> int:
        """What channels or ranks are a multiple of: prime numbers of channels fold badly."""
        return self.round_to or (4 if self.kind == "structured" else 1)

    @property
    def scope_name(self) -> str:
        """``global`` or ``layer``, said or by kind."""
        return self.scope or ("layer" if self.kind == "structured" else "global")

    @property
    def pattern_text(self) -> str:
        """The pattern as prune/patterns.py reads it."""
        if self.pattern is None or self.kind == "unstructured":
            return PATTERNS[self.kind]
        return f"{self.kind}:{self.pattern}"
