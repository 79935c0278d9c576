"""Proofs succeed on the RTL as it is and fail, with a counterexample, on RTL that is broken."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

import gatesmith
from gatesmith.api import build
from gatesmith.checks import prove
from gatesmith.errors import UserError
from gatesmith.rtl_tests.formal import blocks
from gatesmith.rtl_tests.formal.netlist import reset_verdict
from gatesmith.rtl_tests.formal.proof import FAILED, PROVEN, TOLD, Proof, Verdict
from gatesmith.rtl_tests.formal.run import _one
from gatesmith.rtl_tests.formal.solve import solve
from gatesmith.rtl_tests.formal.tools import Tools, find_tools

SECONDS = 300.0
CYCLES = 24
"""In which broken RTL has to fail."""
ALL = {block.name: block.make for block in blocks.shipped()}


@pytest.fixture(scope="module")
def found() -> Tools:
    try:
        return find_tools()
    except UserError as error:
        pytest.skip(error.why)


def broken(proof: Proof, old: str, new: str) -> Proof:
    """With one piece of the module's text replaced, which is there once."""
    times = {name: text.count(old) for name, text in proof.files.items()}
    assert sum(times.values()) == 1, f"{old!r} is there {times} times"
    files = {name: text.replace(old, new) for name, text in proof.files.items()}
    return replace(proof, files=files)


def verdicts(found: list[Verdict]) -> dict[str, str]:
    return {verdict.property: verdict.verdict for verdict in found}


SKID = "SkidBuffer W=1"
FIFO = "Fifo W=1 DEPTH=2 BLOCK_RAM=0"
RAM = "Fifo W=1 DEPTH=2 BLOCK_RAM=1"
FORK = "Fork W=1 readers=2 reader=0"
WIDE = "WidthConverter W=1 IN=2 OUT=3"
RING = "Ring KEEP=2 FIRST=1 STEP_W=2 N_W=4"
GATE = "Gate 1 beat(s)"
CONCAT = "Concat 2 + 1 beats"
SWAP = "Gather swap, ring"
CROP = "Gather crop, in order"
JOIN = "Join sum"
TREE = "AdderTree TERMS=3 TERM_W=2 SUM_W=4 SIGNED=1"
ROWS = "DenseUnrolled 3 x 2, unrolled rows"
DENSE = "Dense 2 x 2 ternary, PE 1, SIMD 1"
AFFINE = "Requantize half to even"
LINE = "Window 1 x 3, kernel 1 x 2, a tap a beat"

QUICK = {
    "beat lost": (SKID, "spare_valid_q <= 1'b1;", "spare_valid_q <= 1'b0;", "in_order"),
    "beat doubled": (FIFO, "if (give) read_d = ", "if (give && take) read_d = ", "in_order"),
}
SLOW = {
    "valid falls": (SKID, "(m_axis_tready || !out_valid_q)", "(m_axis_tready || out_valid_q)",
                    "valid_holds"),
    "reset forgets": (SKID, "            out_valid_q   <= 1'b0;\n            spare",
                      "            spare", "reset_clears"),
    "half the rate": (SKID, "s_axis_tready = !spare_valid_q", "s_axis_tready = !out_valid_q",
                      "takes_when_room"),
    "swallowed": (FIFO, "count_q <= left + N_W'(take);", "count_q <= left + N_W'(take && !give);",
                  "in_order"),
    "one more than fits": (FIFO, "left + N_W'(take) != N_W'(DEPTH)", "left != N_W'(DEPTH)",
                           "nothing_lost"),
    "read too early": (RAM, "left != '0 && !rst", "(left != '0 || take) && !rst", "in_order"),
    "taken too early": (FORK, "if (step) begin", "if (step || ready[0]) begin", "nothing_lost"),
    "data moves": (FORK, "if (step) begin", "if (step || ready[1]) begin", "data_stable"),
    "converter overflows": (WIDE, "count_q <= N_W'(START)", "count_q <= N_W'(START + 1)",
                            "in_order"),
    "converter stands": (WIDE, "count_q >= N_W'(OUT)", "count_q > N_W'(OUT)", "never_stuck"),
    "ring too large": (RING, "slack_q <= N_W'(0 - KEEP)", "slack_q <= N_W'(0 - KEEP - 1)",
                       "ready_right"),
    "ring overflows": (RING, "slack_q <= N_W'(0 - KEEP)", "slack_q <= N_W'(0 - KEEP - 1)",
                       "counts_fit"),
    "ring needs less": (RING, "fresh_q <= N_W'(0 - FIRST)", "fresh_q <= N_W'(1 - FIRST)",
                        "have_right"),
    "ring locks": (RING, "ready = slack_q[N_W-1]", "ready = slack_q[N_W-1] && !slack_q[0]",
                   "never_both_wait"),
    "gate drops the wrong": (GATE, "take && !leave", "take && leave", "nothing_extra"),
    "decision without its frame": (GATE, "first && s0_axis_tvalid && (", "first && (",
                                   "taken_together"),
    "turns": (CONCAT, "beat_q == ($clog2(MOST))'(COUNT0 - 1)", "beat_q == ($clog2(MOST))'(0)",
              "in_order"),
    "places": (SWAP, "if (put) ring[write_q]", "if (put) ring[read_q]", "in_order"),
    "owed": (CROP, "owed_q <= owed_q - A_W'(take) +", "owed_q <= owed_q -", "in_order"),
    "sum of another beat": (JOIN, "s0_axis_tready = step && s1_axis_tvalid",
                            "s0_axis_tready = step", "nothing_lost"),
    "sign": (TREE, "$signed({SIGNED && from[t*FROM_W+FROM_W-1], from", "$signed({1'b0, from",
             "sum_right"),
    "rounding": (AFFINE, "& ~", "| ", "in_order"),
    "weights of another pass": (DENSE, "address_q <= last_beat && last_pass ?",
                                "address_q <= last_beat ?", "in_order"),
    "a difference": (ROWS, "4'(s3) + 4'({x", "4'(s3) - 4'({x", "in_order"),
    "window": (LINE, "if (put) ram[write_q]", "if (put) ram[p_address_q]", "in_order"),
}  # fmt: skip
"""Instance, text of the module, what replaces it, a property that fails then."""


@pytest.mark.parametrize("what", QUICK)
def test_broken_rtl_has_a_counterexample(what: str, found: Tools) -> None:
    name, old, new, fails = QUICK[what]
    judged = solve(broken(ALL[name](), old, new), found, SECONDS)
    (wrong,) = (verdict for verdict in judged if verdict.property == fails)
    assert wrong.verdict == FAILED, verdicts(judged)
    assert wrong.trace is not None and "$enddefinitions" in Path(wrong.trace).read_text()


@pytest.mark.slow
@pytest.mark.parametrize("what", SLOW)
def test_every_property_can_fail(what: str, found: Tools) -> None:
    """One assertion by itself: with the text as it is none is violated, broken it is."""
    name, old, new, fails = SLOW[what]
    alone = ALL[name]().alone(fails, CYCLES)
    (wrong,) = solve(broken(alone, old, new), found, SECONDS, traces=False)
    assert wrong.verdict == FAILED and wrong.depth is not None


@pytest.mark.slow
@pytest.mark.parametrize("what", ALL)
def test_every_block_is_proven(what: str, found: Tools) -> None:
    proof = ALL[what]()
    judged = _one(proof, found, SECONDS)
    good = {PROVEN, "bounded"} if proof.depth else {PROVEN}
    assert set(verdicts(judged).values()) <= good, verdicts(judged)


def test_every_property_is_told_and_made_to_fail() -> None:
    names = {name for make in ALL.values() for name in make().properties}
    assert names | {"reset_only_control"} == set(TOLD)
    failing = {fails for *_, fails in (*QUICK.values(), *SLOW.values())}
    assert names - failing == {"mark_consistent"}  # of the proof, not of the RTL


def test_data_with_a_reset_is_found(found: Tools) -> None:
    proof = ALL[SKID]()
    whole = reset_verdict(proof, proof.data, found.versions[1])
    old = "            out_valid_q   <= 1'b0;\n            spare"
    reset = broken(proof, old, old.replace("            out", "            out_q <= '0;\n out", 1))
    wrong = reset_verdict(reset, proof.data, found.versions[1])
    assert (whole.verdict, wrong.verdict, wrong.trace) == (PROVEN, FAILED, "m_axis_tdata, out_q")


def test_a_verdict_is_kept_by_content(
    found: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATESMITH_CACHE", str(tmp_path))
    proof = ALL[RING]()
    first = solve(proof, found, SECONDS)
    dead = replace(found, sby="/bin/false")
    assert solve(proof, dead, SECONDS) == first
    with pytest.raises(UserError) as caught:
        solve(broken(proof, "FIRST  = 1", "FIRST  = 2"), dead, SECONDS)
    assert caught.value.code == "prove.failed"


def test_missing_programs_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name, path=None: None)
    with pytest.raises(UserError) as caught:
        find_tools()
    assert caught.value.code == "prove.no-solver"
    assert "yowasp-sby" in caught.value.why and "z3" in caught.value.why
    assert caught.value.fix[0] == "pip install 'gatesmith[formal]'"


def test_a_name_that_nothing_has_is_refused(found: Tools) -> None:
    with pytest.raises(UserError) as caught:
        prove(only="Fofo")
    assert caught.value.code == "prove.nothing"
    assert "Fifo" in caught.value.why


def test_harness_is_the_same_every_time() -> None:
    assert [make().harness for make in ALL.values()] == [
        block.make().harness for block in blocks.shipped()
    ]


def test_names_are_unique_and_short() -> None:
    names = [block.name for block in blocks.shipped()]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[\w .,x=*+>()/-]+", name) for name in names)


def test_result_as_json(found: Tools) -> None:
    result = prove(only=SKID).as_json()
    assert json.loads(json.dumps(result)) == result
    assert result["ok"] and result["counts"] == {"proven": 10}
    assert {e["property"] for e in result["properties"]} >= {"in_order", "reset_only_control"}


@pytest.mark.slow
def test_blocks_of_a_build(found: Tools, tmp_path: Path) -> None:
    """The text in the folder is what is proven; what is left out is said."""
    model = Path(gatesmith.__file__).parents[1] / "examples/digits/digits_2w2a.onnx"
    if not model.is_file():
        pytest.skip("the examples are not beside the package: it is installed")
    folder = tmp_path / "build"
    build(model, folder, cycles=64, input_spec="u5:1/16")
    whole = prove(folder, only="SkidBuffer", timeout=SECONDS)
    assert whole.ok
    assert {v.instance for v in whole.verdicts} == {f"W=1 (of {w})" for w in (4, 2, 35)}
    assert [s.stage for s in whole.skipped] == ["MatMul_0", "MatMul_1"]
    assert all("bits of registers and memory" in s.why for s in whole.skipped)

    skid = folder / "rtl" / "gs_skid_buffer.sv"
    skid.write_text(skid.read_text("utf-8").replace("spare_valid_q <= 1'b1;", ""), "utf-8")
    traces = tmp_path / "traces"
    wrong = prove(folder, only="(of 35)", timeout=SECONDS, traces=traces)
    assert not wrong.ok
    (lost,) = (v for v in wrong.verdicts if v.property == "in_order")
    assert lost.verdict == FAILED and lost.trace is not None
    assert Path(lost.trace).parent == traces and Path(lost.trace).is_file()

    skid.unlink()
    with pytest.raises(UserError) as caught:
        prove(folder, only="(of 35)")
    assert caught.value.code == "prove.not-the-build"
