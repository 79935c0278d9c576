"""A batch of networks through everything: draw, build, reference, RTL, HLS, float original.

A network that the product refuses is drawn again, so that every number of a run becomes a network
that runs. If a tool gives up on a batch as a whole, its halves are tried, down to the network that
it is about: that one fails, and the others are judged.
"""

from __future__ import annotations

import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from gatesmith.errors import UserError, UserErrors
from gatesmith.ir import Ints, Values
from gatesmith.rtl_tests.dataset import Dataset
from gatesmith.rtl_tests.original_frames import original_frames
from gatesmith.rtl_tests.regress import coverage
from gatesmith.rtl_tests.regress.case import (
    Build,
    Case,
    Crashed,
    Refused,
    Tamper,
    make_case,
    write_other,
)
from gatesmith.rtl_tests.regress.grammar import draw
from gatesmith.rtl_tests.regress.hls_batch import build_hls, run_hls
from gatesmith.rtl_tests.regress.judge import off_schedule, rtl_failure
from gatesmith.rtl_tests.regress.other import Reload, other_network
from gatesmith.rtl_tests.regress.outcome import CRASH, EQUAL, MISMATCH, REFUSED, Outcome
from gatesmith.rtl_tests.regress.recipe import Recipe
from gatesmith.rtl_tests.regress.rtl_batch import ToolError, jobs_of, run_rtl

ATTEMPTS = 12
"""Draws of one number; a number that is refused so often is reported as refused."""


class Original(Protocol):
    """The original model in a float runtime (gatesmith.original)."""

    def take(self, x: Mapping[str, Values], labels: Ints | None) -> None: ...

    def told(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Tools:
    """The product, as the kit calls it.

    Attributes:
        build: gatesmith.build.
        original: The float original of a build folder; None: it is not run.
        rtl: Whether the RTL runs.
        hls: Whether the HLS C++ runs.
        strict: Whether an interval or a latency that is not the predicted one is a failure.
        tamper: Changes a build before it runs: for tests of the kit.
        verify: gatesmith.verify, which names the layer of a failure; None: it is not named.
        reload: gatesmith.reload; None: no core becomes another network.
        root: Where working folders are made; None: the system's.
    """

    build: Build
    original: Callable[[Path], Original] | None = None
    rtl: bool = True
    hls: bool = True
    strict: bool = False
    tamper: Tamper | None = None
    verify: Callable[..., Any] | None = None
    reload: Reload | None = None
    root: Path | None = None


def run_numbers(
    seed: int, numbers: Sequence[int], tools: Tools, types: str = "fast"
) -> list[Outcome]:
    """Networks of a run by number, as one batch; ``types``: of hls_batch.TYPES."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gatesmith-regress-", dir=tools.root) as name:
        work = Path(name)
        outcomes: dict[int, Outcome] = {}
        cases: dict[int, Case] = {}
        for number in numbers:
            outcomes[number], case = _drawn(seed, number, work, tools)
            if case is not None:
                cases[number] = case
        judged = judge(list(cases.values()), work, tools, types)
        for number, case in cases.items():
            outcomes[number] = _with(outcomes[number], judged[case.name])
    share = (time.monotonic() - started) / len(numbers)
    return [replace(outcomes[number], seconds=round(share, 3)) for number in numbers]


def _drawn(seed: int, number: int, work: Path, tools: Tools) -> tuple[Outcome, Case | None]:
    """The network of a number: built, or what came of it."""
    refusals: list[str] = []
    for attempt in range(ATTEMPTS):
        recipe = draw(seed, number, attempt)
        made = _made(recipe, f"n{number}", work, tools)
        if isinstance(made, Refused):
            refusals.append(made.code)
        if not isinstance(made, Refused) or attempt == ATTEMPTS - 1:
            break
    outcome, case = _built(number, recipe, made)
    return replace(outcome, refusals=tuple(refusals)), case


def _made(recipe: Recipe, name: str, work: Path, tools: Tools) -> Case | Refused | Crashed:
    made = make_case(recipe, name, work, tools.build, tools.tamper)
    return with_other(made, work / f"{name}.onnx", work, tools) if isinstance(made, Case) else made


def with_other(case: Case, model: Path, work: Path, tools: Tools) -> Case | Crashed:
    """The case with another network to load, where its core takes one."""
    if tools.reload is None or not case.options.get("reloadable"):
        return case
    try:
        copy = work / f"{case.name}_first.onnx"
        shutil.copyfile(model, copy)
        other = other_network(case.folder, copy, case.seed, tools.reload)
        if other is not None:
            write_other(case, other)
    except Exception:
        return Crashed(traceback.format_exc())
    return case


def _built(
    number: int, recipe: Recipe, made: Case | Refused | Crashed
) -> tuple[Outcome, Case | None]:
    """What is known of a network before it runs."""
    outcome = Outcome(number=number, family=recipe.family, state=REFUSED, recipe=recipe.as_json())
    match made:
        case Crashed(text):
            failure = {"engine": "build", "kind": "traceback", "found": text}
            return replace(outcome, state=CRASH, failure=failure), None
        case Case():
            return replace(outcome, state=EQUAL), made
        case Refused():
            return outcome, None


def run_recipes(recipes: Sequence[Recipe], tools: Tools, types: str) -> list[Outcome]:
    """These recipes as one batch, without another try; for shrinking."""
    with tempfile.TemporaryDirectory(prefix="gatesmith-shrink-", dir=tools.root) as name:
        work = Path(name)
        built = [
            _built(k, recipe, _made(recipe, f"n{k}", work, tools))
            for k, recipe in enumerate(recipes)
        ]
        judged = judge([case for _, case in built if case is not None], work, tools, types)
        return [
            outcome if case is None else _with(outcome, judged[case.name])
            for outcome, case in built
        ]


@dataclass(slots=True)
class Judged:
    """What the engines said of a case."""

    case: Case
    state: str = EQUAL
    failure: dict[str, Any] | None = None
    original: dict[str, Any] | None = None
    timing: dict[str, Any] | None = None
    cycles: int = 0

    def wrong(self, state: str, failure: dict[str, Any]) -> None:
        """Note a failure, unless there is one."""
        if self.failure is None:
            self.state, self.failure = state, failure


def judge(cases: Sequence[Case], work: Path, tools: Tools, types: str) -> dict[str, Judged]:
    """Every engine on every case, by name."""
    judged = {case.name: Judged(case) for case in cases}
    if tools.rtl:
        _by_halves(cases, work / "rtl", judged, partial(_rtl, strict=tools.strict))
    if tools.hls:
        _by_halves(cases, work / f"hls_{types}", judged, _hls)
    for entry in judged.values():
        if tools.original is not None:
            _original(entry, tools.original)
    return judged


def _rtl(
    cases: Sequence[Case], work: Path, judged: dict[str, Judged], *, strict: bool = False
) -> None:
    jobs = {case.name: jobs_of(case, case.seed % 65521) for case in cases}
    runs = run_rtl(cases, jobs, work, cases[0].seed)
    for case in cases:
        entry = judged[case.name]
        entry.cycles = sum(run.cycles for run in runs[case.name])
        failure = rtl_failure(case, runs[case.name])
        if failure is not None:
            entry.wrong(MISMATCH, failure)
            continue
        entry.timing = off_schedule(case.build, runs[case.name][0])
        if entry.timing is not None and strict:
            entry.wrong(MISMATCH, entry.timing)


def _hls(cases: Sequence[Case], work: Path, judged: dict[str, Judged]) -> None:
    program = build_hls(cases, work, _types(work))
    for case in cases:
        failure = run_hls(program, case, work)
        if failure is not None:
            judged[case.name].wrong(MISMATCH, {"engine": "hls", "types": _types(work), **failure})


def _types(work: Path) -> str:
    """The folder says how the integers are compiled."""
    return work.name.removeprefix("hls_").split(".")[0]


def _by_halves(
    cases: Sequence[Case],
    work: Path,
    judged: dict[str, Judged],
    run: Callable[[Sequence[Case], Path, dict[str, Judged]], None],
) -> None:
    """Run a batch; where a tool gives up on it, each half."""
    if not cases:
        return
    try:
        run(cases, work, judged)
    except ToolError as error:
        if len(cases) == 1:
            engine = "hls" if run is _hls else "rtl"
            failure = {"engine": engine, "kind": "tool", "found": str(error)}
            if engine == "hls":
                failure["types"] = _types(work)
            judged[cases[0].name].wrong(CRASH, failure)
            return
        middle = len(cases) // 2
        for number, half in enumerate((cases[:middle], cases[middle:])):
            _by_halves(half, work.with_name(f"{work.name}.{number}"), judged, run)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _original(entry: Judged, open_original: Callable[[Path], Original]) -> None:
    """The float model on the same frames: every difference has to be its rounding's."""
    case = entry.case
    none = (None,) * len(case.given)
    data = Dataset(case.folder, tuple(case.given), None, none)
    try:
        frames = original_frames(case.build["inputs"], data, 0, case.frames)
        original = open_original(case.folder)
        original.take(frames, None)
        told = original.told()
    except (UserError, UserErrors) as error:
        first = error.errors[0] if isinstance(error, UserErrors) else error
        entry.original = {"skipped": first.code}
        return
    except Exception:
        failure = {"engine": "original", "kind": "traceback", "found": traceback.format_exc()}
        entry.wrong(CRASH, failure)
        return
    keys = ("compared", "differing", "explained", "unexplained")
    entry.original = {key: told[key] for key in keys}
    if told["unexplained"]:
        entry.wrong(MISMATCH, {"engine": "original", "kind": "unexplained", **entry.original})


def _with(outcome: Outcome, judged: Judged) -> Outcome:
    case = judged.case
    return replace(
        outcome,
        state=judged.state,
        failure=judged.failure,
        options=case.options,
        marks=coverage.marks(case),
        original=judged.original or {},
        timing=judged.timing,
        cycles=judged.cycles,
        frames=case.frames,
    )
