"""One run of ``gatesmith prune`` and what it knows so far; training in between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatesmith.data.split import calibration
from gatesmith.errors import UserError
from gatesmith.ir import Graph
from gatesmith.prune.importance import Sample
from gatesmith.pruning.hardware import Coster
from gatesmith.pruning.settings import Settings
from gatesmith.quant.prepare.fold_affine import fold_affine
from gatesmith.quantizing.training import augmentation
from gatesmith.task import Task

if TYPE_CHECKING:
    from gatesmith.prune.mask_training import Rising
    from gatesmith.prune.patterns import Masks
    from gatesmith.quant.train.options import FitOptions


@dataclass(slots=True, eq=False)
class Session(Task):
    """A task and what has been found.

    Attributes:
        settings: What the user asks.
        steps: Accuracy after each step.
        removed: What went, in words, by layer or block.
        history: A record for each epoch.
        sensitivity: Layer, ratio, loss above that of the whole network.
        coster: Plans hardware.
    """

    settings: Settings
    steps: list[tuple[str, float | None]] = field(default_factory=list)
    removed: dict[str, str] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    sensitivity: list[tuple[str, float, float]] = field(default_factory=list)
    coster: Coster = field(init=False)

    def step(self, name: str, accuracy: float | None) -> None:
        """Note the accuracy after a step."""
        self.steps.append((name, accuracy))

    def sample(self) -> Sample | None:
        """Frames for criteria; None without data."""
        if not len(self.data):
            return None
        some = calibration(self.data, self.settings.samples, self.settings.seed)
        return Sample(some.real(), some.y)

    def trained(
        self, graph: Graph, epochs: int, number: int = 0, kept: Masks | Rising | None = None
    ) -> Graph:
        """The graph after some epochs of fine-tuning, measured; its teacher is the whole network.

        Args:
            graph: Pruned.
            epochs: 0 leaves it as it is.
            number: Of this training among those of the run, from 0.
            kept: Masks that are kept while training, or a Ramp.
        """
        if not epochs:
            return graph
        options = self._options(epochs, number)
        held_out = None if self.test.y is None else (self.test.x, self.test.y)
        about: Mapping[str, Any] = dict(
            affine=(float(self.data.scale), float(self.data.zero)),
            teacher=self.clean,
            progress=self.progress,
            held_out=held_out,
        )
        if kept is None:
            from gatesmith.quant.train.fit import fit

            fitted = fit(graph, self.data.x, self.data.y, options, **about)
        else:
            from gatesmith.prune.mask_training import fit_masked

            fitted = fit_masked(graph, self.data.x, self.data.y, options, kept, **about)
        self.history += [asdict(epoch) for epoch in fitted.history]
        return fold_affine(fitted.graph)  # the batch norms of training

    def _options(self, epochs: int, number: int) -> FitOptions:
        from gatesmith.quant.train.options import FitOptions

        s = self.settings
        augment, shift = augmentation(s.augment)
        checkpoint = s.checkpoint
        if checkpoint is not None and number:
            checkpoint = Path(f"{checkpoint}.{number}")
        try:
            return FitOptions(
                epochs=epochs,
                batch=s.batch,
                lr=s.rate,
                warm_up=min(1.0, epochs / 10),
                seed=s.seed,
                device=s.device,
                distill=1.0 if self.data.y is None else s.distill,
                normalize=True,
                augment=augment,
                shift=shift,
                amp=s.bf16,
                checkpoint=checkpoint,
            )
        except ValueError as error:
            raise UserError(
                "cli.bad-value",
                "an option of training is unknown",
                where="gatesmith prune",
                why=str(error),
                fix=("gatesmith prune -h lists what there is",),
            ) from error


def shares(total: int, rounds: int) -> list[int]:
    """``total`` epochs over some rounds, the later ones more.

    >>> shares(10, 3), shares(1, 2)
    ([3, 3, 4], [0, 1])
    """
    return [total * (k + 1) // rounds - total * k // rounds for k in range(rounds)]
