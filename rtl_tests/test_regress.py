"""The regression kit itself: same seed, same networks; it finds what is broken on purpose, makes it
smaller, saves it and repeats it; its driver moves beats as the bench of a build does.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import numpy as np
import onnx
import pytest

from gatesmith.api import build, reload
from gatesmith.errors import UserError
from gatesmith.original import OriginalModel
from gatesmith.rtl_tests import mutate
from gatesmith.rtl_tests.qdq_net import STYLES
from gatesmith.rtl_tests.qdq_networks import NETWORKS as QDQ
from gatesmith.rtl_tests.regress import bundle, corpus, coverage, junit, report, worker
from gatesmith.rtl_tests.regress.case import Case, Crashed, make_case, write_model
from gatesmith.rtl_tests.regress.grammar import draw
from gatesmith.rtl_tests.regress.kinds import KINDS
from gatesmith.rtl_tests.regress.other import Other, other_network
from gatesmith.rtl_tests.regress.outcome import CRASH, EQUAL, MISMATCH, REFUSED, Outcome
from gatesmith.rtl_tests.regress.recipe import GRAMMAR, Recipe
from gatesmith.rtl_tests.regress.rtl_batch import jobs_of, run_rtl
from gatesmith.rtl_tests.regress.run import Regressed, Settings, regress
from gatesmith.rtl_tests.regress.shrink import shrink, simpler
from gatesmith.rtl_tests.regress.worker import Tools, run_numbers
from gatesmith.rtl_tests.simulator import build_simulator, simulate
from gatesmith.templates.tb import toolchain

SMALL = 30
"""Seed whose first network is small, of several steps, and has a skid buffer."""


def quiet(what: str, done: int, total: int) -> None:
    pass


def grammar(count: int, seed: int = 5) -> list[Recipe]:
    found = [draw(seed, number) for number in range(4 * count)]
    return [recipe for recipe in found if recipe.family == GRAMMAR][:count]


# ---- the grammar ---------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_networks() -> None:
    for recipe in (draw(3, number) for number in range(20)):
        first, again = (write_model(recipe).model.SerializeToString() for _ in range(2))
        assert first == again
    assert [draw(3, n).key() for n in range(20)] == [draw(3, n).key() for n in range(20)]
    assert len({draw(seed, n).key() for seed in (1, 2) for n in range(50)}) == 100
    assert draw(3, 4, attempt=0).key() != draw(3, 4, attempt=1).key()


def test_networks_are_legal_onnx() -> None:
    for recipe in grammar(80):
        model = write_model(recipe).model
        standard = [node for node in model.graph.node if not node.domain]
        assert standard
        onnx.checker.check_model(model)


def test_every_kind_of_step_is_drawn() -> None:
    kinds = {step.kind for recipe in grammar(300) for step in recipe.steps}
    assert kinds == set(KINDS)


def test_every_quantized_network_can_be_written() -> None:
    pytest.importorskip("onnxruntime")
    for network in sorted(QDQ.keys() - corpus.LARGE):
        for style in sorted(STYLES):
            assert corpus.write("qdq", 5, {"network": network, "style": style}).model.graph.node


def test_a_recipe_survives_json() -> None:
    for recipe in grammar(20):
        assert Recipe.of(json.loads(json.dumps(recipe.as_json()))) == recipe


# ---- shrinking -----------------------------------------------------------------------------------


def test_what_is_simpler_is_never_drawn_back() -> None:
    for recipe in grammar(15):
        for smaller in simpler(recipe):
            assert smaller != recipe
            assert len(smaller.steps) <= len(recipe.steps)
            assert all(a <= b for a, b in zip(smaller.shape, recipe.shape, strict=True))


def test_shrinking_ends_at_the_culprit() -> None:
    """Whatever fails for a pool beside anything else ends as a pool with plain arguments."""
    recipe = next(r for r in grammar(200) if any(s.kind == "pool" for s in r.steps[1:]))
    failure = {"engine": "rtl", "kind": "data"}

    def judge(recipes: Sequence[Recipe]) -> list[Outcome]:
        return [outcome_of(r, any(s.kind == "pool" for s in r.steps)) for r in recipes]

    def outcome_of(r: Recipe, fails: bool) -> Outcome:
        state = MISMATCH if fails else EQUAL
        told = failure if fails else None
        return Outcome(number=0, family=GRAMMAR, state=state, recipe=r.as_json(), failure=told)

    small = Recipe.of(shrink(outcome_of(recipe, True), judge, rounds=200).recipe)

    (step,) = small.steps
    assert step.kind == "pool"
    assert step.args["kernel"] == [1, 1]
    assert not small.options
    assert small.frames == 2
    assert set(small.shape) == {1}


# ---- results -------------------------------------------------------------------------------------


def result(tmp_path: Path) -> Regressed:
    recipe = grammar(1)[0].as_json()
    marks = ("Dense/signed", "Dense/2", "onnx/Conv", "unit folded/one")
    failure = {"engine": "rtl", "kind": "data", "found": "a\x00<b>"}
    base = Outcome(number=0, family=GRAMMAR, state=EQUAL, recipe=recipe, marks=marks, frames=8)
    outcomes = (
        base,
        replace(base, number=1, state=MISMATCH, failure=failure),
        replace(base, number=2, state=CRASH, failure={**failure, "engine": "build"}),
        replace(base, number=3, state=REFUSED, refusals=("quant.real-output",) * 12),
        replace(
            base, number=4, timing={"kind": "interval", "expected": 4, "found": 5, "run": "plain"}
        ),
    )
    saved = {1: {"bundle": str(tmp_path / "b")}, 2: {"bundle": str(tmp_path / "c")}}
    return Regressed(Settings(networks=5), outcomes, saved, 1.5)


def test_json_counts(tmp_path: Path) -> None:
    told = result(tmp_path).as_json()
    assert json.loads(json.dumps(told)) == told
    assert (told["ok"], told["networks"], told["mismatches"]) == (False, 3, 1)
    assert [failure["number"] for failure in told["failures"]] == [1, 2]
    assert told["refused"] == {"quant.real-output": 12}
    assert told["never_built"] == [3]
    assert told["off_schedule"]["counts"] == {"interval": 1, "late": 0, "latency": 0}
    assert told["coverage"]["cells"]["Dense"]["signed"] == 3
    assert "EarlyExit" in told["coverage"]["never"]["rows"]
    assert "Conv" not in told["coverage"]["never"]["onnx"]
    assert "Gemm" in told["coverage"]["never"]["onnx"]


def test_too_many_refusals_are_no_pass() -> None:
    recipe = grammar(1)[0].as_json()
    good = Outcome(number=0, family=GRAMMAR, state=EQUAL, recipe=recipe)
    many = replace(good, refusals=("quant.real-output",) * 40)
    assert Regressed(Settings(networks=1), (good,) * 50).ok
    assert not Regressed(Settings(networks=1), (good,) * 50 + (many,)).ok


def test_junit(tmp_path: Path) -> None:
    junit.write_junit(result(tmp_path), tmp_path / "out" / "r.xml")
    (suite,) = Xml.parse(tmp_path / "out" / "r.xml").getroot()
    counts = {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "5", "failures": "1", "errors": "1", "skipped": "1"}
    assert [[part.tag for part in case] for case in suite] == [
        ["properties"],
        ["properties", "failure"],
        ["properties", "error"],
        ["properties", "skipped"],
        ["properties"],
    ]
    assert {p.get("name") for p in suite[0][0]} >= {"seed", "number", "options", "cycles"}


@pytest.mark.parametrize("suffix", report.SUFFIXES)
def test_pages(suffix: str, tmp_path: Path) -> None:
    page = tmp_path / f"page{suffix}"
    report.write_report(result(tmp_path).as_json(), page)
    text = page.read_text("utf-8")
    assert "1 mismatches" in text
    assert "unit folded" in text
    assert "--replay" in text
    with pytest.raises(UserError, match="Markdown or HTML"):
        report.check_report(tmp_path / "page.pdf")


def test_every_row_has_a_name_of_its_own() -> None:
    assert len(set(coverage.rows())) == len(coverage.rows())
    assert len(set(coverage.columns())) == len(coverage.columns())


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "cli.missing-option"),
        ({"networks": 3, "minutes": 1.0}, "cli.contradicting-options"),
        ({"networks": 0}, "cli.bad-value"),
        ({"minutes": float("inf")}, "cli.bad-value"),
        ({"networks": 1, "jobs": -1}, "cli.bad-value"),
        ({"networks": 1, "seed": -1}, "cli.bad-value"),
    ],
)
def test_settings_that_say_nothing(given: dict[str, float], code: str) -> None:
    with pytest.raises(UserError) as caught:
        Settings(**given).check()  # type: ignore[arg-type]
    assert caught.value.code == code


def test_what_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no failure that regress saved"):
        bundle.replay(tmp_path, Tools(build))


# ---- with a simulator ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def simulator() -> None:
    try:
        toolchain.find_cocotb()
        toolchain.find_verilator()
    except toolchain.ToolError as missing:
        pytest.skip(f"no simulator: {missing}")


def broken_skid_buffer(folder: Path) -> None:
    """The wrong constant in a template: a beat that waits in a skid buffer loses its lowest bit."""
    path = folder / "rtl" / "gs_skid_buffer.sv"
    if path.exists():
        mutate.substitute(path, "spare_q <= s_axis_tdata;", "spare_q <= s_axis_tdata ^ W'(1);")


def check_found(tmp_path: Path, rounds: int) -> tuple[dict[str, Any], Recipe]:
    """One network through a broken template; what failed, and the network as it was drawn."""
    tools = Tools(build, OriginalModel, hls=False, tamper=broken_skid_buffer)
    settings = Settings(
        networks=1, seed=SMALL, jobs=1, failures=tmp_path / "failures", rounds=rounds
    )

    found = regress(settings, tools, quiet)

    told = found.as_json()
    assert not told["ok"]
    assert told["mismatches"] == 1
    (failure,) = told["failures"]
    assert failure["failure"]["engine"] == "rtl"
    place = Path(failure["bundle"])
    content = json.loads((place / "bundle.json").read_text("utf-8"))
    assert content["versions"]["gatesmith"]
    assert content["command"].startswith("gatesmith regress --replay")
    assert (place / "as_drawn.onnx").exists()
    again = bundle.replay(place, tools)
    assert again.state == MISMATCH
    assert again.failure == content["failure"]
    assert bundle.replay(place, replace(tools, tamper=None)).state == EQUAL
    return failure, Recipe.of(found.outcomes[0].recipe)


@pytest.mark.usefixtures("simulator")
def test_a_broken_template_is_found_and_saved(tmp_path: Path) -> None:
    check_found(tmp_path, rounds=0)


@pytest.mark.slow
@pytest.mark.usefixtures("simulator")
def test_a_broken_template_is_made_smaller(tmp_path: Path) -> None:
    failure, drawn = check_found(tmp_path, rounds=6)
    small = Recipe.of(failure["small"])
    assert not small.options
    assert len(small.steps) < len(drawn.steps)
    assert np.prod(small.shape) <= np.prod(drawn.shape)


@pytest.mark.usefixtures("simulator")
def test_a_core_that_verilator_refuses_does_not_hide_the_others(tmp_path: Path) -> None:
    numbers: list[str] = []

    def tamper(folder: Path) -> None:
        numbers.append(folder.name)
        if len(numbers) == 1:
            top = folder / "rtl" / f"{folder.name}.sv"
            top.write_text(top.read_text("utf-8").replace("endmodule", "endmodul"), "utf-8")

    tools = Tools(build, hls=False, tamper=tamper)
    settings = Settings(networks=2, seed=12, jobs=1, failures=tmp_path / "f", rounds=0)

    found = regress(settings, tools, quiet)

    assert sorted(outcome.state for outcome in found.outcomes) == [CRASH, EQUAL]


@pytest.mark.usefixtures("simulator")
def test_a_core_becomes_another_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    number = 60  # of seed 1: reloadable, and small
    tools = Tools(build, hls=False, reload=reload, root=tmp_path)
    (right,) = run_numbers(1, [number], tools)
    assert right.state == EQUAL
    assert any(mark.endswith("/reload") for mark in right.marks)

    def half(*given: Any) -> Other | None:
        other = other_network(*given)
        assert other is not None
        return replace(other, words=other.words[: len(other.words) // 2])

    monkeypatch.setattr(worker, "other_network", half)
    (wrong,) = run_numbers(1, [number], tools)
    assert wrong.state == MISMATCH
    assert wrong.failure is not None and wrong.failure["run"] == "reload"
    assert wrong.failure["kind"] == "data"


def test_a_traceback_of_the_product_is_a_failure(tmp_path: Path) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise KeyError("lost")

    made = make_case(grammar(1)[0], "n0", tmp_path, breaks)

    assert isinstance(made, Crashed)
    assert "KeyError: 'lost'" in made.text


@pytest.mark.slow
@pytest.mark.usefixtures("simulator")
def test_as_many_processes_as_you_like(tmp_path: Path) -> None:
    tools = Tools(build, OriginalModel)
    one, two = (
        regress(
            Settings(networks=8, seed=4, jobs=jobs, batch=4, failures=tmp_path), tools, quiet
        ).outcomes
        for jobs in (1, 2)
    )
    assert [replace(o, seconds=0.0) for o in one] == [replace(o, seconds=0.0) for o in two]
    assert all(outcome.state == EQUAL for outcome in one)


@pytest.mark.slow
@pytest.mark.usefixtures("simulator")
def test_the_driver_moves_beats_as_the_bench_does(tmp_path: Path) -> None:
    """Same seed, same stalls, same resets: every time stamp is that of tb.sv under cocotb."""
    for name, recipe in enumerate(grammar(2, seed=8)):
        case = make_case(recipe, f"n{name}", tmp_path, build)
        assert isinstance(case, Case)
        jobs = jobs_of(case, 77)
        ours = run_rtl([case], {case.name: jobs}, tmp_path / f"batch{name}", 1)[case.name]
        program, work = build_simulator(case.folder), tmp_path / f"cocotb{name}"
        simulate(program, jobs, case.folder, work, data=case.folder / "vectors")
        for ran, job in zip(ours, jobs, strict=True):
            assert ran.errors == 0
            theirs = (work / job.name / "times.txt").read_text("ascii").splitlines()
            assert list(ran.times) == theirs, job.name


@pytest.mark.slow
@pytest.mark.usefixtures("simulator")
def test_a_slice_of_the_run(tmp_path: Path) -> None:
    found = regress(
        Settings(networks=24, seed=2, failures=tmp_path), Tools(build, OriginalModel), quiet
    )
    assert found.ok, found.as_json()["failures"]
    assert np.mean([outcome.frames for outcome in found.outcomes]) > 3
