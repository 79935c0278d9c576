"""Which survivors are no change at all: by reachability, by the protocol, by a memory's content."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gatesmith.pipeline import quiet
from gatesmith.rtl_tests.mutation.design import Rtl, flipped
from gatesmith.rtl_tests.mutation.equivalence import (
    BEYOND,
    DIFFERENT,
    EQUIVALENT,
    UNDECIDED,
    Judged,
    judge,
)
from gatesmith.rtl_tests.mutation.mutant import Mutant

pytest.importorskip("pyslang")
pytest.importorskip("pyosys")

CORE = """\
module core (
    input  wire logic       clk,
    input  wire logic       rst,
    input  wire logic [2:0] s_axis_tdata,
    input  wire logic       s_axis_tvalid,
    output wire logic       s_axis_tready,
    output wire logic [3:0] m_axis_tdata,
    output wire logic       m_axis_tvalid,
    input  wire logic       m_axis_tready
);
    logic [3:0] rom [0:3];
    initial $readmemh("core.mem", rom);
    logic [1:0] at_q;
    logic [3:0] y_q;
    logic       valid_q;
    always_ff @(posedge clk) begin
        if (s_axis_tvalid && s_axis_tready) begin
            at_q <= at_q == 2'd2 ? '0 : at_q + 1'b1;
            y_q  <= s_axis_tdata > 3'd6 ? 4'd0 : s_axis_tdata + rom[at_q];
        end
        if (m_axis_tready) valid_q <= 1'b0;
        if (s_axis_tvalid && s_axis_tready) valid_q <= 1'b1;
        if (rst) begin
            at_q    <= '0;
            valid_q <= 1'b0;
        end
    end
    assign s_axis_tready = !valid_q || m_axis_tready;
    assign m_axis_tdata  = y_q;
    assign m_axis_tvalid = valid_q;
endmodule
"""
BUILD: dict[str, Any] = {
    "top": "core",
    "inputs": [{"prefix": "s_axis", "elem": {"lo": 0, "hi": 6, "step": 1}, "lanes": 1}],
    "stages": [],
}


@pytest.fixture
def rtl(tmp_path: Path) -> Rtl:
    folder = tmp_path / "rtl"
    folder.mkdir()
    (folder / "core.sv").write_text(CORE)
    (folder / "core.mem").write_text("1\n2\n3\n4\n")
    (folder / "files.f").write_text("core.sv\n")
    return Rtl.of(tmp_path, "core")


def changed(before: str, after: str) -> Mutant:
    assert CORE.count(before) == 1
    at = CORE.index(before)
    return Mutant("core.sv", "core", 1, "relation", at, at + len(before), before, after, "run")


def verdict(rtl: Rtl, mutant: Mutant, build: Mapping[str, Any] = BUILD) -> str:
    found = judge(rtl, build, {1: mutant}, quiet, timeout=60, jobs=1)
    assert isinstance(found[1], Judged)
    return found[1].verdict


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ("at_q == 2'd2", "at_q >= 2'd2", EQUIVALENT),  # 3 is never reached
        ("at_q == 2'd2", "at_q == 2'd1", DIFFERENT),
        ("s_axis_tdata > 3'd6", "1'b0", EQUIVALENT),  # no code is 7
        ("s_axis_tdata > 3'd6", "s_axis_tdata > 3'd5", DIFFERENT),
        ("at_q    <= '0;", ";", DIFFERENT),  # what a reset clears counts
        ("!valid_q || m_axis_tready", "!valid_q", DIFFERENT),  # and when it takes
        ("rom[at_q]", "rom[at_q] + s_axis_tdata[3]", BEYOND),
    ],
)
def test_verdict(rtl: Rtl, before: str, after: str, wanted: str) -> None:
    assert verdict(rtl, changed(before, after)) == wanted


def test_the_range_of_codes_comes_from_the_build(rtl: Rtl) -> None:
    wider = {**BUILD["inputs"][0], "elem": {"lo": 0, "hi": 7, "step": 1}}

    assert verdict(rtl, changed("s_axis_tdata > 3'd6", "1'b0"), {**BUILD, "inputs": [wider]}) == (
        DIFFERENT
    )


@pytest.mark.parametrize(("word", "wanted"), [(1, DIFFERENT), (3, EQUIVALENT)])
def test_a_word_that_is_never_read_may_be_anything(rtl: Rtl, word: int, wanted: str) -> None:
    ((image, places, text),) = rtl.in_images()

    assert verdict(rtl, flipped(image, text, places[word], 0)) == wanted


def test_a_word_that_means_the_same_is_one(rtl: Rtl) -> None:
    """Bit 3 of what is read counts for nothing: however the word gets its turn."""
    core = CORE.replace("rom[at_q]", "(word_q & 4'd7)").replace(
        "if (s_axis_tvalid", "word_q <= rom[at_q];\n        if (s_axis_tvalid", 1
    )
    core = core.replace("logic [1:0] at_q;", "logic [1:0] at_q;\n    logic [3:0] word_q;")
    (rtl.folder / "core.sv").write_text(core)
    other = Rtl.of(rtl.folder.parent, "core")
    ((image, places, text),) = other.in_images()

    found = judge(
        other,
        BUILD,
        {bit: flipped(image, text, places[1], bit) for bit in (2, 3)},
        quiet,
        timeout=60,
        jobs=1,
    )
    assert found[2].verdict == DIFFERENT
    assert found[3].verdict == EQUIVALENT and "wherever it is read" in found[3].how


def test_without_time_nothing_is_asked(rtl: Rtl) -> None:
    found = judge(rtl, BUILD, {4: changed("at_q == 2'd2", "1'b0")}, quiet, timeout=0, jobs=1)
    assert found[4].verdict == UNDECIDED
