"""Train a graph with quantizers, and write it back.

Deterministic: one seed gives one result, on one kind of machine with one number of threads. A
training that was interrupted goes on from its checkpoint (checkpoint.py) to the same result.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gatesmith.errors import UserError
from gatesmith.ir import Graph
from gatesmith.quant.calibrate.binary import signs_of_sums
from gatesmith.quant.train.checkpoint import Checkpoint, fingerprint
from gatesmith.quant.train.images import crop_flip
from gatesmith.quant.train.losses import Losses
from gatesmith.quant.train.module import GraphModule, ModuleOptions
from gatesmith.quant.train.options import FitOptions, rate_at, stage_bits
from gatesmith.quant.train.plan import logits

CALIBRATION = 512
"""Frames that batch norms begin from."""

Progress: TypeAlias = Callable[[str, int, int], None]
Pair: TypeAlias = tuple[NDArray[Any], NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one pass gave.

    Attributes:
        loss: Mean over the frames.
        accuracy: Share of the training frames that were right while training; None without labels.
        held_out: The same on held-out frames, after the epoch.
        seconds: Time; differs from run to run.
        bits: Least bits of int quantizers in this stage, or None for the graph's own.
    """

    loss: float
    accuracy: float | None
    held_out: float | None
    seconds: float
    bits: int | None


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained graph with FakeQuant nodes, weights on their grids, and how it went."""

    graph: Graph
    history: tuple[Epoch, ...]


def fit(
    graph: Graph,
    x: NDArray[Any],
    y: NDArray[Any] | None,
    options: FitOptions,
    *,
    affine: tuple[float, float] = (1.0, 0.0),
    teacher: Graph | None = None,
    progress: Progress | None = None,
    held_out: Pair | None = None,
) -> Fitted:
    """Train.

    Args:
        graph: With FakeQuant nodes where values are quantized. Weights may be float: the quantizer
            on them is trained too, and begins better from float weights than from rounded ones.
        x: (N, *shape) float32 values, or codes of any integer type.
        y: (N,) classes, or None: then the teacher's outputs are what is learned.
        options: How.
        affine: (scale, zero) of x: a value is ``scale * (x - zero)``.
        teacher: The float graph; for distillation, hints and training without labels.
        progress: Called with a line of text, steps done and steps in all.
        held_out: Frames and classes that are never trained on.

    Raises:
        UserError: quantize.no-fake-quant, quantize.labels, quantize.checkpoint, quantize.diverged,
            quantize.several-inputs, quantize.no-teacher.
    """
    training = Training(graph, x, y, options, affine, teacher, progress, held_out)
    training.train()
    return training.fitted()


class Search(Protocol):
    """What a search of widths does in a training."""

    def loss(self, module: GraphModule) -> Tensor:
        """To be added to the loss."""

    def step(self) -> None:
        """After the gradients."""


class Training:
    """One training: the arguments of :func:`fit`, and what else a search of bits needs.

    Args:
        widths: Least and most bits, where widths are searched (bits.py).
        search: What adds to the loss of each step, and moves the widths.
    """

    def __init__(  # noqa: PLR0917 - those of fit
        self,
        graph: Graph,
        x: NDArray[Any],
        y: NDArray[Any] | None,
        options: FitOptions,
        affine: tuple[float, float],
        teacher: Graph | None,
        progress: Progress | None,
        held_out: Pair | None,
        widths: tuple[int, int] | None = None,
        search: Search | None = None,
    ) -> None:
        graph = signs_of_sums(graph)
        self.options, self.progress, self.affine = options, progress, affine
        self.device = device_of(options.device)
        self.losses = Losses(graph, y, teacher, options, self.device)
        kept = self.losses.kept
        module_options = ModuleOptions(options.estimators, options.normalize, kept, widths)
        self.module = GraphModule(graph, module_options).to(self.device)
        if len(self.module.inputs) != 1:
            raise _several_inputs(graph, len(self.module.inputs))
        self.x, self.y, self.held_out, self.search = x, y, held_out, search
        self.logits = logits(graph.outputs[0]).name
        self.epochs: list[Epoch] = []
        self.best: tuple[float, dict[str, Tensor]] | None = None
        self.per_epoch = math.ceil(len(x) / options.batch)
        key = fingerprint(graph, teacher, options, (x, y, affine, held_out))
        self.checkpoint = Checkpoint(options.checkpoint, key)
        self.random = torch.Generator().manual_seed(options.seed)

    def train(self) -> None:
        """Every epoch that is not done yet."""
        with deterministic():
            self.module.calibrate(self._values(_spread(self.x, CALIBRATION)))
            self.optimizer = self._optimizer()
            self.losses.prepare(self._batches_in_order())
            first = self._resume()
            self.began = time.monotonic()
            for epoch in range(first, self.options.epochs):
                self._epoch(epoch, first)
                self.checkpoint.save(self._state())
            if self.options.keep == "best" and self.best is not None:
                self.module.load_state_dict(self.best[1])
            self.module.at_bits(None)
            self.module.eval()

    def fitted(self) -> Fitted:
        """The result."""
        with deterministic():
            return Fitted(self.module.graph(), tuple(self.epochs))

    # -- an epoch ----------------------------------------------------------------------------------

    def _epoch(self, epoch: int, first: int) -> None:
        started, options = time.monotonic(), self.options
        bits = stage_bits(options, epoch)
        self.module.at_bits(bits)
        self.module.train()
        for norm in self.module.norm.values():
            norm.frozen = epoch >= options.epochs - options.freeze_bn_epochs  # type: ignore[assignment]
        order = torch.randperm(len(self.x), generator=self.random).numpy()
        total = right = torch.zeros((), device=self.device)
        for step, at in enumerate(range(0, len(order), options.batch)):
            rows = order[at : at + options.batch]
            loss, hits = self._step(rows, epoch * self.per_epoch + step)
            total, right = total + loss * len(rows), right + hits
            if step % 20 == 0 or step == self.per_epoch - 1:
                done = at + len(rows)
                self._check(float(total), epoch)
                self._tell(epoch, first, step, float(total) / done, float(right) / done)
        accuracy = float(right) / len(order) if self.y is not None else None
        held_out = self._held_out()
        seconds = time.monotonic() - started
        self.epochs.append(Epoch(float(total) / len(order), accuracy, held_out, seconds, bits))
        final = bits is None  # an earlier stage is another network
        if held_out is not None and final and (self.best is None or held_out > self.best[0]):
            state = {name: value.clone() for name, value in self.module.state_dict().items()}
            self.best = (held_out, state)

    def _step(self, rows: NDArray[np.int64], step: int) -> tuple[Tensor, Tensor]:
        """One batch: loss and number of frames that were right."""
        rate = rate_at(self.options, step / self.per_epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        x = self._values(self.x[rows], augment=True)
        amp = (
            torch.autocast(self.device.type, torch.bfloat16) if self.options.amp else nullcontext()
        )
        with amp:
            values = self.module.run(x)
        loss, hits = self.losses(values, x, rows)
        if self.search is not None:
            loss = loss + self.search.loss(self.module)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        if self.search is not None:
            self.search.step()
        self.module.keep()
        return loss.detach(), hits

    def _values(self, codes: NDArray[Any], augment: bool = False) -> Tensor:
        """Real values of some frames, on the device."""
        x = torch.from_numpy(np.ascontiguousarray(codes)).to(self.device)
        if augment and self.options.augment != "none":
            x = crop_flip(
                x,
                shift=self.options.shift,
                flip=self.options.augment == "crop-flip",
                random=self.random,
            )
        return real(x, self.affine)

    def _batches_in_order(self) -> Iterator[Tensor]:
        for at in range(0, len(self.x), 512):
            yield self._values(self.x[at : at + 512])

    def _held_out(self) -> float | None:
        if self.held_out is None:
            return None
        x, y = self.held_out
        self.module.eval()
        right = 0
        with torch.no_grad():
            for at in range(0, len(x), 512):
                scores = self.module.run(self._values(x[at : at + 512]))[self.logits]
                best = scores.reshape(len(scores), -1).argmax(1).cpu().numpy()
                right += int((best == y[at : at + 512]).sum())
        return right / len(x)

    # -- around it ---------------------------------------------------------------------------------

    def _optimizer(self) -> torch.optim.Optimizer:
        """Weight decay on weights only; scales at their own rate."""
        weights: list[Tensor] = []
        others: list[Tensor] = []
        scales: list[Tensor] = []
        for name, value in self.module.named_parameters():
            if name.endswith(".b"):
                continue  # a width: the search's
            if value.requires_grad and name.startswith("quantizer."):
                scales.append(value)
            elif value.requires_grad:
                (weights if name.startswith("parameter.") and value.ndim > 1 else others).append(
                    value
                )
        groups: list[dict[str, Any]] = [
            {"params": weights, "weight_decay": self.options.weight_decay, "factor": 1.0},
            {"params": others, "weight_decay": 0.0, "factor": 1.0},
            {"params": scales, "weight_decay": 0.0, "factor": self.options.scale_lr},
        ]
        groups = [group for group in groups if group["params"]]
        if self.options.optimizer == "sgd":
            return torch.optim.SGD(groups, lr=self.options.lr, momentum=0.9, nesterov=True)
        return torch.optim.AdamW(groups, lr=self.options.lr, fused=True)

    def _state(self) -> dict[str, Any]:
        return {
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": self.random.get_state(),
            "epochs": [[e.loss, e.accuracy, e.held_out, e.seconds, e.bits] for e in self.epochs],
            "best": None if self.best is None else list(self.best),
        }

    def _resume(self) -> int:
        """Epochs that are done already."""
        state = self.checkpoint.load(self.device)
        if state is None:
            return 0
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.random.set_state(state["random"].cpu())
        self.epochs = [Epoch(*entry) for entry in state["epochs"]]
        self.best = None if state["best"] is None else (state["best"][0], state["best"][1])
        return len(self.epochs)

    def _check(self, total: float, epoch: int) -> None:
        if math.isfinite(total):
            return
        raise UserError(
            "quantize.diverged",
            "the training diverged: its loss is no number any more",
            where=f"epoch {epoch + 1} of {self.options.epochs}",
            why=f"steps were too large at the learning rate {self.options.lr:g}",
            fix=(
                f"a smaller learning rate: {self.options.lr / 10:g}",
                "a warm-up of one epoch, more bits, or a batch norm behind each layer (normalize)",
            ),
        )

    def _tell(self, epoch: int, first: int, step: int, loss: float, accuracy: float) -> None:
        if self.progress is None:
            return
        done = epoch * self.per_epoch + step + 1
        total, here = self.options.epochs * self.per_epoch, done - first * self.per_epoch
        left = (time.monotonic() - self.began) / max(1, here) * (total - done)
        right = f", accuracy {accuracy:.2%}" if self.y is not None else ""
        text = (
            f"epoch {epoch + 1}/{self.options.epochs}: loss {loss:.4f}{right}, {clock(left)} left"
        )
        self.progress(text, done, total)


def real(x: Tensor, affine: tuple[float, float]) -> Tensor:
    """``scale * (x - zero)`` in float32."""
    scale, zero = affine
    x = x.float()
    x = x - zero if zero else x
    return x * scale if scale != 1.0 else x


def device_of(name: str) -> torch.device:
    """``auto`` is CUDA where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def clock(seconds: float) -> str:
    """Minutes and seconds, or hours and minutes.

    >>> clock(75), clock(7300)
    ('1:15', '2 h 01')
    """
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02}"
    return f"{whole // 3600} h {whole % 3600 // 60:02}"


def _spread(x: NDArray[Any], count: int) -> NDArray[Any]:
    """Some frames from everywhere."""
    return x[np.linspace(0, len(x) - 1, min(count, len(x))).astype(np.int64)]


@contextmanager
def deterministic() -> Iterator[None]:
    """Only algorithms that give the same bits each time."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def _several_inputs(graph: Graph, count: int) -> UserError:
    return UserError(
        "quantize.several-inputs",
        f"{graph.name} has {count} inputs, and training takes networks of one",
        where=graph.name,
        why="a frame of the data is one array",
        fix=("join the inputs into one and split it in the model", "quantize it without training"),
    )
