"""Which mutants a text has, and that each stands beside the original without changing it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from gatesmith.rtl_tests.mutation import operators
from gatesmith.rtl_tests.mutation.choose import choose
from gatesmith.rtl_tests.mutation.design import Rtl, elaborate
from gatesmith.rtl_tests.mutation.mutant import COPY, IMAGE, INSTANCE, RUN, Mutant
from gatesmith.rtl_tests.mutation.schemata import CHOSEN, schemata

pytest.importorskip("pyslang")

INNER = """\
module inner #(
    parameter int W = 4  // bits
) (
    input  wire logic         clk,
    input  wire logic         rst,
    // data
    input  wire logic [W-1:0] s_axis_tdata,
    output wire logic [W-1:0] m_axis_tdata
);
    localparam int DEAD = 0;
    logic [W-1:0] x_q;
    logic         unused_ok;
    assign unused_ok = &{1'b0, rst};
    always_ff @(posedge clk) begin
        if (s_axis_tdata != '0 && !rst) x_q <= s_axis_tdata + 4'd1;
        else x_q <= '0;
    end
    generate
        if (DEAD == 1) begin : g_dead
            assign m_axis_tdata = x_q - 4'd1;
        end else begin : g_live
            assign m_axis_tdata = x_q;
        end
    endgenerate
endmodule
"""
OUTER = """\
module outer (
    input  wire logic       clk,
    input  wire logic       rst,
    input  wire logic [3:0] s_axis_tdata,
    output wire logic [3:0] m_axis_tdata
);
    logic [3:0] rom [0:3];
    initial $readmemh("outer.mem", rom);
    logic [3:0] word_q;
    always_ff @(posedge clk) word_q <= rom[s_axis_tdata[1:0]];
    inner #(.W(4)) u_inner (
        .clk(clk), .rst(rst), .s_axis_tdata(word_q), .m_axis_tdata(m_axis_tdata)
    );
endmodule
"""


@pytest.fixture
def rtl(tmp_path: Path) -> Rtl:
    folder = tmp_path / "rtl"
    folder.mkdir()
    for name, text in (("outer.sv", OUTER), ("inner.sv", INNER), ("outer.mem", "1\nf\n3\n3\n")):
        (folder / name).write_text(text)
    (folder / "files.f").write_text("outer.sv\ninner.sv\n")
    return Rtl.of(tmp_path, "outer")


def changes(rtl: Rtl, line: str) -> list[tuple[str, str, str]]:
    """Kind, what was there and what is instead, of one line of inner.sv."""
    number = INNER[: INNER.index(line)].count("\n") + 1
    return [
        (m.kind, m.before, m.after)
        for m in rtl.sites()
        if m.file == "inner.sv" and m.line == number
    ]


def test_every_operator_condition_and_statement_has_its_mutants(rtl: Rtl) -> None:
    found = changes(rtl, "if (s_axis_tdata != '0")

    assert ("reset", "s_axis_tdata != '0 && !rst", "(s_axis_tdata != '0) || (!rst)") in found
    assert ("relation", "s_axis_tdata != '0", "(s_axis_tdata) == ('0)") in found
    assert ("constant", "'0", "'1") in found
    assert ("reset", "!rst", "!(!(rst))") in found
    assert ("arithmetic", "s_axis_tdata + 4'd1", "(s_axis_tdata) - (4'd1)") in found
    assert ("constant", "4'd1", "4'd2") in found
    assert ("statement", "x_q <= s_axis_tdata + 4'd1;", ";") in found
    assert ("reset", "s_axis_tdata != '0 && !rst", "1'b1") in found
    assert len(found) == len(set(found))


def test_what_is_not_elaborated_or_not_hardware_has_none(rtl: Rtl) -> None:
    assert changes(rtl, "assign m_axis_tdata = x_q - 4'd1;") == []
    assert changes(rtl, "assign unused_ok") == []
    assert changes(rtl, "assign m_axis_tdata = x_q;")


def test_how_a_mutant_gets_into_the_model(rtl: Rtl) -> None:
    how = {(m.file, m.kind, m.before): m.how for m in rtl.sites()}

    assert how["inner.sv", "width", "W-1"] == COPY
    assert how["inner.sv", "arithmetic", "s_axis_tdata + 4'd1"] == RUN
    assert how["outer.sv", "parameter", "4"] == INSTANCE
    assert how["outer.sv", "width", "word_q"] == RUN  # a copy of the top were the whole again
    assert not [m for m in rtl.sites() if m.file == "outer.sv" and m.how == COPY]


def test_memory_images_are_known_with_their_width(rtl: Rtl) -> None:
    (image,) = rtl.images
    assert (image.file, image.bits, image.words) == ("outer.mem", 4, 4)

    chosen, _, _ = choose(rtl, 500, 1, lambda m: False)
    changed = [m for m in chosen if m.how == IMAGE]

    assert changed
    for mutant in changed:
        text = mutant.applied("1\nf\n3\n3\n")
        assert text != "1\nf\n3\n3\n"
        assert [len(line) for line in text.splitlines()] == [1, 1, 1, 1]


def test_all_mutants_stand_in_one_model_that_elaborates(rtl: Rtl) -> None:
    mutants = [m for m in rtl.sites() if not elaborate(
        {**rtl.texts, m.file: m.applied(rtl.texts[m.file])}, "outer")[1]]  # fmt: skip
    files = schemata(rtl, dict(enumerate(mutants, 1)))

    assert elaborate(files, "outer")[1] == []
    text = "".join(files.values())
    for number, mutant in enumerate(mutants, 1):
        assert f"{CHOSEN} == {number} " in text or f"{CHOSEN} != {number})" in text, mutant


def test_nested_mutants_keep_the_text_of_the_original(rtl: Rtl) -> None:
    outer = next(m for m in rtl.sites() if m.before == "s_axis_tdata != '0 && !rst")
    inner = next(m for m in rtl.sites() if m.before == "!rst" and m.file == "inner.sv")
    files = schemata(rtl, {1: outer, 2: inner})

    (found,) = [text for text in files["inner.sv"].splitlines() if "<= s_axis_tdata + " in text]
    assert found.strip() == (
        f"if (({CHOSEN} == 1 ? ({outer.after}) : (s_axis_tdata != '0 && "
        f"({CHOSEN} == 2 ? ({inner.after}) : (!rst))))) x_q <= s_axis_tdata + 4'd1;"
    )


def test_without_mutants_the_text_is_as_it_was(rtl: Rtl) -> None:
    files = schemata(rtl, {})
    assert {name: files[name] for name in rtl.texts} == dict(rtl.texts)


def test_the_same_seed_chooses_the_same_and_kinds_take_turns(rtl: Rtl) -> None:
    first, _, sites = choose(rtl, 20, 3, lambda m: False)
    again, _, _ = choose(rtl, 20, 3, lambda m: False)
    other, _, _ = choose(rtl, 20, 4, lambda m: False)

    assert first == again != other
    assert sites > 20
    counts = Counter(m.kind for m in first)
    assert max(counts.values()) <= 6, counts


def test_refused_mutants_are_stillborn_and_others_are_made_instead(rtl: Rtl) -> None:
    def refused(mutant: Mutant) -> bool:
        return mutant.kind == "constant"

    chosen, stillborn, _ = choose(rtl, 25, 1, refused)

    assert len(chosen) == 25
    assert stillborn
    assert not any(map(refused, chosen))


@pytest.mark.parametrize(
    ("text", "others"),
    [
        ("3", ["4", "2"]),
        ("0", ["1"]),
        ("'0", ["'1"]),
        ("1'b1", ["1'b0"]),
        ("4'sd7", ["4'sd8", "4'sd6"]),
        ("W", ["(W) + 1", "(W) - 1"]),
    ],
)
def test_numbers_near(text: str, others: list[str]) -> None:
    assert operators.near(text)[: len(others)] == others
    assert text not in operators.near(text)
