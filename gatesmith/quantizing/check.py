"""Options that would change nothing: each is an error, since nothing may be ignored silently."""

from __future__ import annotations

from collections.abc import Sequence

from gatesmith.errors import UserError, raise_all
from gatesmith.quant.prepare.sites import OUTPUT, Site
from gatesmith.quantizing.settings import Settings


def check_options(settings: Settings) -> None:
    """Errors ``cli.missing-option``, all of them at once."""
    plain = Settings()
    training = {
        "--lr": settings.rate is not None,
        "--batch": settings.batch != plain.batch,
        "--distill": settings.distill is not None,
        "--hints": settings.hints,
        "--progressive": settings.progressive,
        "--augment": settings.augment != plain.augment,
        "--bf16": settings.bf16,
        "--device": settings.device != plain.device,
        "--checkpoint": settings.checkpoint is not None,
    }
    budget = {
        "--cycles": settings.cycles is not None,
        "--learn-bits": settings.learn_bits,
        "--choices": settings.choices != plain.choices,
    }
    errors = []
    if not settings.epochs and not settings.learn_bits:
        errors += [_needs(option, "--train EPOCHS") for option, given in training.items() if given]
    if settings.budget is None:
        errors += [_needs(option, "--budget LIMITS") for option, given in budget.items() if given]
    if settings.test_labels is not None and settings.test is None:
        errors.append(_needs("--test-labels", "--test FILE"))
    raise_all(errors)


def check_sites(settings: Settings, sites: Sequence[Site]) -> None:
    """``--outputs`` where no output takes a quantizer. Errors: ``quantize.outputs``."""
    if settings.outputs is None or any(site.role == OUTPUT for site in sites):
        return
    raise UserError(
        "quantize.outputs",
        "no output of the network takes a quantizer",
        where=f"--outputs {settings.outputs}",
        why="the outputs are the last layer's sums, exact integers as they are",
        fix=("leave out --outputs",),
    )


def _needs(option: str, other: str) -> UserError:
    return UserError(
        "cli.missing-option",
        f"{option} says nothing without {other.split(maxsplit=1)[0]}",
        where="gatesmith quantize",
        why=f"it is about what {other.split(maxsplit=1)[0]} does",
        fix=(f"add {other}", f"leave out {option}"),
    )
