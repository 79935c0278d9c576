"""What a training makes small: labels, a teacher's outputs, a teacher's inner values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own habit

from gatesmith.errors import UserError
from gatesmith.ir import Graph
from gatesmith.quant.train.module import GraphModule, ModuleOptions
from gatesmith.quant.train.options import FitOptions
from gatesmith.quant.train.plan import chains, logits


class Losses:
    """The sum of these, as far as they are wanted.

    - Cross entropy against the labels, times 1 - distill;
    - distill times temperature**2 times the Kullback-Leibler divergence from the teacher's softmax
      (Hinton et al., 2015, section 2); without labels the squared distance of the outputs instead;
    - hint_weight times the mean squared distance of each hinted value from the teacher's, over its
      variance (FitNets, Romero et al., 2015, section 2.2, with equal widths: no regressor).
    """

    def __init__(
        self,
        graph: Graph,
        y: NDArray[Any] | None,
        teacher: Graph | None,
        options: FitOptions,
        device: torch.device,
    ) -> None:
        self.options = options
        self.outputs = tuple(logits(output).name for output in graph.outputs)
        needed = y is None or options.distill > 0 or bool(options.hints)
        if needed and teacher is None:
            raise _no_teacher(graph, labels=y is not None)
        self.hints = _hints(graph, teacher, options.hints) if teacher is not None else ()
        self.kept = tuple(dict.fromkeys((*self.outputs, *self.hints)))
        self.labels = None if y is None else _labels(graph, y).to(device)
        self.teacher: GraphModule | None = None
        if needed and teacher is not None:
            self.teacher_outputs = tuple(logits(output).name for output in teacher.outputs)
            kept = tuple(dict.fromkeys((*self.teacher_outputs, *self.hints)))
            self.teacher = GraphModule(teacher, ModuleOptions(kept=kept)).to(device).eval()
        self.known: list[Tensor] | None = None

    @torch.no_grad()
    def prepare(self, batches: Iterable[Tensor]) -> None:
        """Ask the teacher once for every frame, where frames stay as they are."""
        if self.teacher is None or self.hints or self.options.augment != "none":
            return
        found = [[self.teacher.run(x)[name] for name in self.teacher_outputs] for x in batches]
        self.known = [torch.cat(parts) for parts in zip(*found, strict=True)]

    def __call__(
        self, values: dict[str, Tensor], x: Tensor, rows: NDArray[np.int64]
    ) -> tuple[Tensor, Tensor]:
        """Loss, and how many frames are right."""
        options = self.options
        at = torch.from_numpy(rows).to(x.device)
        outputs = [values[name].float() for name in self.outputs]
        taught, inner = self._taught(x, at)
        if self.labels is None:
            pairs = zip(outputs, taught, strict=True)
            loss = torch.stack([F.mse_loss(a, b) for a, b in pairs]).sum()
            hits = torch.zeros((), device=x.device)
        else:
            scores, labels = outputs[0].flatten(1), self.labels[at]
            loss = F.cross_entropy(scores, labels, label_smoothing=options.label_smoothing)
            hits = (scores.argmax(1) == labels).sum()
            if options.distill > 0:
                soft = _divergence(scores, taught[0].flatten(1), options.temperature)
                loss = (1 - options.distill) * loss + options.distill * soft
        for name in self.hints:
            away = F.mse_loss(values[name].float(), inner[name])
            loss = loss + options.hint_weight * away / inner[name].var().clamp(min=1e-12)
        return loss, hits

    @torch.no_grad()
    def _taught(self, x: Tensor, at: Tensor) -> tuple[list[Tensor], dict[str, Tensor]]:
        if self.teacher is None:
            return [], {}
        if self.known is not None:
            return [part[at] for part in self.known], {}
        # Without augmentation it is asked once (prepare), with it as quickly as the student learns.
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.options.amp):
            values = self.teacher.run(x)
        found = {name: value.float() for name, value in values.items()}
        return [found[name] for name in self.teacher_outputs], found


def _divergence(scores: Tensor, taught: Tensor, temperature: float) -> Tensor:
    ours = F.log_softmax(scores / temperature, 1)
    theirs = F.log_softmax(taught / temperature, 1)
    divergence = F.kl_div(ours, theirs, reduction="batchmean", log_target=True)
    return divergence * temperature**2


def _hints(graph: Graph, teacher: Graph, hints: tuple[str, ...]) -> tuple[str, ...]:
    both = {node.name for node in graph} & {node.name for node in teacher}
    if hints == ("auto",):
        return tuple(c.end.name for c in chains(graph) if c.inner and c.end.name in both)
    missing = [name for name in hints if name not in both]
    if missing:
        raise UserError(
            "quantize.hints",
            f"no value is called {', '.join(missing)} in both networks",
            where="hints",
            why="a hint is a value of the float network and of the quantized one",
            fix=("names of layers as gatesmith inspect prints them", "auto: every layer"),
        )
    return hints


def _labels(graph: Graph, y: NDArray[Any]) -> Tensor:
    """int64; UserError quantize.labels when they do not fit the output."""
    output = logits(graph.outputs[0])
    classes = output.type.size
    whole = y.ndim == 1 and (y.dtype.kind in "iu" or bool((y == np.floor(y)).all()))
    if len(graph.outputs) != 1 or not whole or (len(y) and not 0 <= y.min() <= y.max() < classes):
        what = f"{y.dtype}{list(y.shape)}"
        if whole and len(y):
            what += f" from {y.min()} to {y.max()}"
        raise UserError(
            "quantize.labels",
            "the labels do not fit the output of the network",
            where=f"labels: {what}; {len(graph.outputs)} output(s), the first: {output.type}",
            why=f"training needs one whole number from 0 to {classes - 1} a frame, and one output",
            fix=("labels that number the outputs", "leave them out: the float network is copied"),
        )
    return torch.from_numpy(y.astype(np.int64))


def _no_teacher(graph: Graph, *, labels: bool) -> UserError:
    return UserError(
        "quantize.no-teacher",
        "this training needs the float network",
        where=graph.name,
        why="distillation and hints compare with it" if labels else "there are no labels",
        fix=("pass the float network", "train with labels alone"),
    )
