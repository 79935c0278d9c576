"""Training of the quantized network: defaults by width, and the way to quant/train and back."""

from __future__ import annotations

import importlib.util
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from gatesmith.errors import UserError
from gatesmith.ir import Graph
from gatesmith.quant.prepare.sites import grids_of, insert

if TYPE_CHECKING:
    from gatesmith.quant.train.options import FitOptions
    from gatesmith.quantizing.run import Run

DEVICES = ("auto", "cpu", "cuda")

SEARCHED = 3
"""Epochs of a search of widths where none are asked for."""


def train(run: Run, graph: Graph) -> tuple[Graph, list[dict[str, Any]]]:
    """The trained graph, and a record for each epoch.

    It starts from the float weights on the calibrated grids; its teacher is the float network.

    Errors: ``quantize.labels``, ``quantize.checkpoint``, ``quantize.diverged``,
    ``quantize.no-fake-quant``.
    """
    options = fit_options(run, graph)
    held_out = None if run.test.y is None else (run.test.x, run.test.y)
    start = insert(run.clean, grids_of(graph))
    about: dict[str, Any] = dict(
        affine=(float(run.data.scale), float(run.data.zero)),
        teacher=run.clean,
        progress=run.progress,
        held_out=held_out,
    )
    if run.zeros:
        from gatesmith.prune.mask_training import fit_masked

        fitted = fit_masked(start, run.data.x, run.data.y, options, run.zeros, **about)
    else:
        from gatesmith.quant.train.fit import fit

        fitted = fit(start, run.data.x, run.data.y, options, **about)
    return fitted.graph, [asdict(epoch) for epoch in fitted.history]


def need_torch(device: str, what: str) -> None:
    """Refuse a training that cannot be done, before any work.

    Args:
        device: As the user said it.
        what: The option that trains.

    Errors: ``cli.bad-value``, ``quantize.no-torch``, ``quantize.no-cuda``.
    """
    if device not in DEVICES:
        raise UserError(
            "cli.bad-value",
            f"--device {device!r} is unknown",
            where=what,
            why=f"there are {', '.join(DEVICES)}",
            fix=("leave it out: CUDA is used where there is one",),
        )
    if importlib.util.find_spec("torch") is None:
        raise UserError(
            "quantize.no-torch",
            "training needs PyTorch",
            where=what,
            why="the package is not installed",
            fix=('pip install "gatesmith[train]"',),
        )
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "quantize.no-cuda",
            "there is no CUDA device to train on",
            where="--device cuda",
            why=f"PyTorch {torch.__version__} finds none",
            fix=("leave out --device", "install a build of PyTorch for your GPU"),
        )


def fit_options(run: Run, graph: Graph) -> FitOptions:
    """What the user said, and what suits the widths of ``graph`` for the rest."""
    from gatesmith.quant.train.recipe import recipe

    settings = run.settings
    least = min(scheme.bits for scheme in run.recipe.values())
    augment, shift = augmentation(settings.augment)
    given: dict[str, Any] = {
        "batch": settings.batch,
        "hints": ("auto",) if settings.hints else (),
        "progressive": tuple(b for b in (8, 6, 4, 3) if b > least) if settings.progressive else (),
        "augment": augment,
        "shift": shift,
        "amp": settings.bf16,
        "device": settings.device,
        "checkpoint": settings.checkpoint,
    }
    if settings.rate is not None:
        given["lr"] = settings.rate
    if settings.distill is not None:
        given["distill"] = settings.distill
    if run.data.y is None:
        given["distill"] = 1.0  # the float network is all there is to learn from
    start = recipe(graph, settings.epochs or SEARCHED, seed=settings.seed)
    try:
        return replace(start, **given)
    except ValueError as error:
        raise UserError(
            "cli.bad-value",
            "an option of training is unknown",
            where="gatesmith quantize",
            why=str(error),
            fix=("gatesmith quantize -h lists what there is",),
        ) from error


def augmentation(text: str) -> tuple[str, int | None]:
    """``crop:2`` as its name and pixels. Errors: ``cli.bad-value``."""
    name, _, shift = text.partition(":")
    return name, _pixels(shift) if shift else None


def _pixels(text: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) < 1000:
        return int(text)
    raise UserError(
        "cli.bad-value",
        f"{text!r} is no number of pixels",
        where="--augment",
        why="behind the colon stands how far a crop moves an image at most",
        fix=("write --augment crop:1",),
    )
