"""Tables of a recipe as Settings: every key known, every value of its type and in its range."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from gatesmith.codegen.matrix_unit import PLAIN
from gatesmith.codegen.matrix_units import ROMS
from gatesmith.codegen.wish import Wish
from gatesmith.compressing.options import HELD, options, shown
from gatesmith.compressing.problems import Problems
from gatesmith.compressing.steps import AUTO, LEAST, BuildSettings, CodeSettings, Steps
from gatesmith.prune.coding.sizes import FORMATS
from gatesmith.pruning.check import check_options as check_prune
from gatesmith.pruning.settings import Settings as PruneSettings
from gatesmith.pruning.target import limits
from gatesmith.quant.calibrate.post_training import PostOptions
from gatesmith.quant.mixed.budget import Budget
from gatesmith.quant.prepare.scheme import Scheme
from gatesmith.quant.train.options import FitOptions
from gatesmith.quant.with_exit import Exit
from gatesmith.quantizing.check import check_options as check_quantize
from gatesmith.quantizing.recipe import make_recipe
from gatesmith.quantizing.settings import FORMATS as FILES
from gatesmith.quantizing.settings import Settings as QuantizeSettings
from gatesmith.quantizing.training import DEVICES, augmentation
from gatesmith.task import Sources

TABLES: dict[str, type] = {
    "prune": PruneSettings,
    "quantize": QuantizeSettings,
    "code": CodeSettings,
    "build": BuildSettings,
}
STORED = {PLAIN: "dense", **{rom: rom for rom in ROMS if rom in FORMATS}}
"""Ways to store weights that hardware reads, with their names in prune/coding/sizes.py."""

Settings = TypeVar("Settings")


def read_steps(
    raw: Mapping[str, Any], sources: Sources, seed: int, problems: Problems
) -> Steps | None:
    """The tables as steps; None where something is wrong.

    Args:
        raw: ``prune`` a list of tables, the others a table each, or missing.
        sources: The data of all steps.
        seed: Of steps that have none of their own.
        problems: Gets everything that is wrong.
    """
    known = len(problems.found)
    prunes = []
    for number, table in enumerate(raw.get("prune", ())):
        where = f"[[prune]] {number}"
        found = _read(PruneSettings, table, where, problems, seed=seed, **_data(sources))
        if found is not None:
            _check_prune(found, where, sources, problems)
            prunes.append(found)
    single: dict[str, Any] = {}
    for name, extra in (
        ("quantize", {"seed": seed, **_data(sources)}),
        ("code", {}),
        ("build", {}),
    ):
        if name in raw:
            single[name] = _read(TABLES[name], raw[name], f"[{name}]", problems, **extra)
    steps = Steps(tuple(prunes), **single)
    if steps.quantize is not None:
        _check_quantize(steps.quantize, problems)
    if steps.code is not None:
        _check_code(steps.code, problems)
    if steps.build is not None:
        _check_build(steps.build, problems)
    return steps if len(problems.found) == known else None


def _data(sources: Sources) -> dict[str, Any]:
    return {
        "labels": sources.labels,
        "test": sources.test,
        "test_labels": sources.test_labels,
        "input_spec": sources.input_spec,
    }


def _read(
    kind: type[Settings], table: Any, where: str, problems: Problems, **given: Any
) -> Settings | None:
    """A table as Settings; None where a key or a value is wrong."""
    if not isinstance(table, Mapping):
        problems.add(where, "this is no table", f"expected a table, not {shown(table)}",
                     f"write {where} on a line, and its keys below it")  # fmt: skip
        return None
    known, values, wrong = options(kind), dict(given), False
    for key, value in table.items():
        option = known.get(key.replace("-", "_"))
        if option is None:
            wrong = True
            unknown(problems, where, key, known)
            continue
        try:
            values[option.field] = option.read(value)
        except ValueError as error:
            wrong = True
            problems.add(f"{where}, {key}", f"{key} cannot be {shown(value)}", str(error),
                         f"change it, or leave out {key}")  # fmt: skip
    return None if wrong else kind(**values)


def unknown(problems: Problems, where: str, key: str, known: Mapping[str, Any]) -> None:
    """A key that the table does not have."""
    near = difflib.get_close_matches(key, known, 1)
    fix = [f"did you mean {near[0]}?"] if near else [f"leave out {key}"]
    why = f"the keys are {', '.join(known)}"
    if key in (*HELD, "input", "data", "model") and "model" not in known:
        why, fix = "it is the same for all steps", [f"write {key} at the top of the recipe"]
    if key in ("checkpoint", "report") and "model" not in known:
        why, fix = "the recipe takes care of it", [f"leave out {key}"]
    problems.add(f"{where}, {key}", f"{key} is unknown", why, *fix)


def _check_prune(settings: PruneSettings, where: str, sources: Sources, problems: Problems) -> None:
    problems.tried(where, lambda: check_prune(settings, data=sources.data is not None))
    budget = settings.budget
    if budget is not None:
        problems.tried(f"{where}, budget", lambda: limits(budget))
    _check_training(where, settings.augment, settings.device, problems)


def _check_quantize(settings: QuantizeSettings, problems: Problems) -> None:
    where = "[quantize]"
    problems.tried(where, lambda: check_quantize(settings))
    problems.tried(where, lambda: make_recipe((), replace(settings, layers={})))
    for layer, text in settings.layers.items():
        weights, _, data = text.partition("/")
        for scheme, weight in ((weights, True), (data, False)):
            if scheme or not text.strip("/"):
                place = f"{where}, layer, {layer}"
                problems.tried(place, partial(Scheme.parse, scheme, weight=weight))
    budget = settings.budget
    if budget is not None:
        problems.tried(f"{where}, budget", lambda: Budget.parse(budget))
    plain = PostOptions()
    problems.tried(
        where,
        lambda: PostOptions(
            observer=settings.observer or plain.observer, rounding=settings.rounding
        ),
    )
    if settings.format not in FILES:
        problems.add(f"{where}, format", f'format "{settings.format}" is unknown',
                     f"there are {', '.join(FILES)}", "leave it out")  # fmt: skip
    _check_training(where, settings.augment, settings.device, problems)


def _check_training(where: str, augment: str, device: str, problems: Problems) -> None:
    found = problems.tried(f"{where}, augment", lambda: augmentation(augment))
    if found is not None:
        name, shift = found
        problems.tried(f"{where}, augment", lambda: FitOptions(augment=name, shift=shift))
    if device not in DEVICES:
        problems.add(f"{where}, device", f'device "{device}" is unknown',
                     f"there are {', '.join(DEVICES)}", "leave it out")  # fmt: skip


def _check_code(settings: CodeSettings, problems: Problems) -> None:
    known = (AUTO, LEAST, *STORED)
    if settings.rom not in known:
        problems.add("[code], rom", f'rom "{settings.rom}" is unknown',
                     f"there are {', '.join(known)}", f'write rom = "{AUTO}"')  # fmt: skip


def _check_build(settings: BuildSettings, problems: Problems) -> None:
    s, where = settings, "[build]"
    wishes = [
        problems.tried(f"{where}, fold, {layer}", partial(Wish.parse, text))
        for layer, text in s.fold.items()
    ]
    leave = s.exit
    if leave is not None:
        problems.tried(where, lambda: Exit.parse(leave))
    ways = {
        "cycles": s.cycles is not None,
        "fps": s.fps is not None,
        "fold": any(wish is not None and wish.folds for wish in wishes),
    }
    said = [name for name, there in ways.items() if there]
    if len(said) > 1:
        problems.add(where, f"{' and '.join(said)} each set the speed of the core",
                     "the folding follows from exactly one of them",
                     f"leave out {' or '.join(said)}")  # fmt: skip
    if (s.fps is None) != (s.clock_mhz is None):
        one, other = ("fps", "clock_mhz") if s.fps is not None else ("clock_mhz", "fps")
        problems.add(where, f"{one} says nothing without {other}",
                     "cycles a frame = clock frequency / frames a second: both are needed",
                     f"add {other}", f"leave out {one} and say cycles")  # fmt: skip
