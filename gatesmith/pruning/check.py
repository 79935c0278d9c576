"""Options of ``gatesmith prune`` that are wrong, or that would change nothing."""

from __future__ import annotations

from gatesmith.errors import UserError, raise_all
from gatesmith.prune.importance import CRITERIA
from gatesmith.prune.importance.criteria import criterion_of
from gatesmith.prune.patterns import Pattern
from gatesmith.prune.schedule import Schedule
from gatesmith.pruning.settings import KINDS, LOW_RANK, MASKED, Settings

SHARES = ("macs", "parameters", "units")


def check_options(settings: Settings, *, data: bool) -> None:
    """Errors ``cli.bad-value``, ``cli.missing-option``, ``cli.contradicting-options``, all at once.

    Args:
        settings: What was asked.
        data: Whether there is data.
    """
    s = settings
    if s.kind not in KINDS:
        raise _bad("--kind", s.kind, f"there are {', '.join(KINDS)}")
    errors = [*_training(s, data=data), *_amounts(s), *_of_other_kinds(s)]
    if s.of not in SHARES:
        errors.append(_bad("--of", s.of, f"there are {', '.join(SHARES)}"))
    if s.scope not in (None, "layer", "global"):
        errors.append(_bad("--scope", s.scope, "there are layer and global"))
    if s.rate <= 0:
        errors.append(_bad("--lr", s.rate, "it must be above 0"))
    if s.test_labels is not None and s.test is None:
        errors.append(_needs("--test-labels", "--test FILE"))
    raise_all(errors)
    Schedule.parse(s.schedule)
    if s.kind in MASKED:
        Pattern.parse(s.pattern_text)
    if s.kind in (*MASKED, "structured"):
        found = criterion_of(s.criterion_name, weights=s.kind in MASKED)
        asks = found.data and s.criterion is not None
        if (asks or s.sensitivity) and not data:
            what = "--sensitivity" if s.sensitivity else f"--criterion {found.name}"
            raise _no_data(what)
    if s.kind == "layers" and not data:
        raise _no_data("--kind layers")


def _training(s: Settings, *, data: bool) -> list[UserError]:
    plain = Settings()
    given = {
        "--lr": s.rate != plain.rate,
        "--batch": s.batch != plain.batch,
        "--distill": s.distill != plain.distill,
        "--augment": s.augment != plain.augment,
        "--device": s.device != plain.device,
        "--checkpoint": s.checkpoint is not None,
        "--bf16": s.bf16,
        "--schedule": s.schedule != plain.schedule,
    }
    if s.epochs and not data:
        return [_no_data(f"--train {s.epochs}")]
    if s.epochs:
        return []
    return [_needs(option, "--train EPOCHS") for option, there in given.items() if there]


def _amounts(s: Settings) -> list[UserError]:
    """Exactly one way to say how much goes."""
    ways = {
        "--ratio": s.ratio is not None,
        "--budget": s.budget is not None,
        "--energy": s.energy is not None,
        "--layer": bool(s.layers) and s.ratio is None,
    }
    said = [way for way, there in ways.items() if there]
    if len(said) > 1:
        return [
            UserError(
                "cli.contradicting-options",
                f"{' and '.join(said)} each say how much goes",
                where="gatesmith prune",
                why="the rest would follow from exactly one of them",
                fix=(f"leave out {' or '.join(said)}",),
            )
        ]
    if not said and s.kind != "nm":
        return [
            UserError(
                "cli.missing-option",
                "nothing says how much is to go",
                where="gatesmith prune",
                why="there is no --ratio and no --budget",
                fix=("add --ratio 0.5", 'or --budget "macs=5M"'),
            )
        ]
    return []


def _of_other_kinds(s: Settings) -> list[UserError]:
    """Options that this kind does not look at."""
    plain = Settings()
    weighed, cut = s.kind in (*MASKED, "structured"), s.kind == "structured"
    kinds = {
        "--criterion": (s.criterion is not None, weighed, "structured, unstructured, nm, block"),
        "--scope": (s.scope is not None, weighed, "structured, unstructured, nm, block"),
        "--sensitivity": (s.sensitivity, weighed, "structured, unstructured, nm, block"),
        "--schedule": (
            s.schedule != plain.schedule,
            weighed,
            "structured, unstructured, nm, block",
        ),
        "--pattern": (s.pattern is not None, s.kind in ("nm", "block"), "nm and block"),
        "--budget": (s.budget is not None, cut, "structured"),
        "--most": (s.most != plain.most, cut, "structured"),
        "--of": (s.of != plain.of, cut, "structured"),
        "--round": (
            s.round_to is not None,
            cut or s.kind in LOW_RANK,
            "structured and the low-rank ones",
        ),
        "--energy": (s.energy is not None, s.kind in LOW_RANK, ", ".join(LOW_RANK)),
        "--layer": (bool(s.layers), weighed, "structured, unstructured, nm, block"),
    }
    return [
        UserError(
            "cli.contradicting-options",
            f"{option} says nothing with --kind {s.kind}",
            where="gatesmith prune",
            why=f"it belongs to the kinds {which}",
            fix=(f"leave out {option}", "or choose another --kind"),
        )
        for option, (there, fits, which) in kinds.items()
        if there and not fits
    ]


def _bad(option: str, value: object, why: str) -> UserError:
    return UserError(
        "cli.bad-value",
        f"{option} {value!r} is unknown" if isinstance(value, str) else f"{option} is {value}",
        where="gatesmith prune",
        why=why,
        fix=("gatesmith prune -h lists what there is",),
    )


def _needs(option: str, other: str) -> UserError:
    return UserError(
        "cli.missing-option",
        f"{option} says nothing without {other.split(maxsplit=1)[0]}",
        where="gatesmith prune",
        why=f"it is about what {other.split(maxsplit=1)[0]} does",
        fix=(f"add {other}", f"leave out {option}"),
    )


def _no_data(what: str) -> UserError:
    free = ", ".join(c.name for c in CRITERIA.values() if not c.data)
    return UserError(
        "prune.data",
        f"{what} looks at data, and there is none",
        where="gatesmith prune",
        why="no --data was given",
        fix=("add --data FILE", f"take a criterion that needs none: --criterion {free}"),
    )
