"""How to train, and what follows from it at a time in epochs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from gatesmith.quant.train.quantizers import Estimators


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How to train.

    Attributes:
        epochs: Passes over the data; with 0 only the module's start is written back.
        batch: Frames a step.
        lr: Learning rate at its highest.
        scale_lr: Factor of it for scales of quantizers.
        weight_decay: Of weights only (not biases, scales, batch norms), as in AdamW.
        optimizer: ``adam`` or ``sgd`` (momentum 0.9, Nesterov).
        schedule: ``cosine`` or ``constant``, by step.
        warm_up: Epochs over which the rate rises from 0.
        seed: Of the order of frames and of augmentation.
        device: ``auto`` is CUDA where there is one.
        estimators: How quantizers learn.
        normalize: A batch norm in the place of each bias but the last layer's (module.py).
        label_smoothing: Share of the target that goes to all classes.
        distill: Share of the loss that the teacher has, 0 to 1; 1 without labels.
        temperature: Of both softmaxes, in distillation (Hinton et al., 2015).
        hints: Names of nodes whose values are held to the teacher's (FitNets, Romero et al., 2015);
            ``("auto",)`` is every layer but the last.
        hint_weight: Factor of that loss.
        progressive: Bits of the first epochs, falling; the last stage has the graph's own. Epochs
            are shared evenly.
        freeze_bn_epochs: Last epochs in which batch norms use their running statistics.
        augment: ``none``, ``crop`` or ``crop-flip`` (images).
        shift: Pixels that a crop moves an image by at most; None: an eighth of its size. Small
            networks of few bits cannot learn from as much as float ones.
        amp: Layers in bfloat16 while training.
        keep: ``last`` or ``best`` (by accuracy on the held-out frames).
        checkpoint: File to write after each epoch and to resume from.
    """

    epochs: int = 10
    batch: int = 128
    lr: float = 1e-3
    scale_lr: float = 1.0
    weight_decay: float = 0.0
    optimizer: str = "adam"
    schedule: str = "cosine"
    warm_up: float = 0.0
    seed: int = 0
    device: str = "auto"
    estimators: Estimators = field(default_factory=Estimators)
    normalize: bool = False
    label_smoothing: float = 0.0
    distill: float = 0.0
    temperature: float = 4.0
    hints: tuple[str, ...] = ()
    hint_weight: float = 1.0
    progressive: tuple[int, ...] = ()
    freeze_bn_epochs: int = 0
    augment: str = "none"
    shift: int | None = None
    amp: bool = False
    keep: str = "last"
    checkpoint: Path | None = None

    def __post_init__(self) -> None:
        for name, known in _KNOWN.items():
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} must be one of {', '.join(known)}, not {getattr(self, name)}"
                )
        if not 0 <= self.distill <= 1 or self.epochs < 0 or self.batch < 1:
            raise ValueError("distill is 0 to 1, epochs 0 or more, batch 1 or more")


_KNOWN = {
    "optimizer": ("adam", "sgd"),
    "schedule": ("cosine", "constant"),
    "augment": ("none", "crop", "crop-flip"),
    "keep": ("last", "best"),
}


def stage_bits(options: FitOptions, epoch: int) -> int | None:
    """Least bits in this epoch, None in the last stage."""
    stages = (*options.progressive, None)
    return stages[min(len(stages) - 1, epoch * len(stages) // max(1, options.epochs))]


def rate_at(options: FitOptions, epoch: float) -> float:
    """Learning rate at a time in epochs."""
    if epoch < options.warm_up:
        return options.lr * (epoch + 1e-3) / options.warm_up
    if options.schedule == "constant":
        return options.lr
    share = (epoch - options.warm_up) / max(1e-9, options.epochs - options.warm_up)
    return options.lr * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
