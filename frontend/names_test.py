from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatesmith.frontend.names import LONGEST, Names, identifier


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("/layers.0/Gemm:1", "layers_0_Gemm_1"),
        ("wire", "wire_"),
        ("Always_FF", "Always_FF_"),
        ("s_axis_tdata", "n_s_axis_tdata"),
        ("M_AXIS_", "n_M_AXIS"),
        ("clk", "clk_"),
        ("0", "n0"),
        ("a b\tc", "a_b_c"),
        ("café", "cafe"),
        ("层", "n"),
        ("", "n"),
        ("__x__", "x"),
        ("very/" * 20 + "long/0/end", "_".join(["very"] * 10) + "_long_0_end"),
    ],
)
def test_identifiers(text: str, name: str) -> None:
    assert identifier(text) == name


@given(st.lists(st.text() | st.sampled_from(["wire", "Wire", "a_2", "a", "A", "a/", "n"])))
def test_names_are_identifiers_and_differ_in_more_than_case(texts: list[str]) -> None:
    names = Names()
    given_out = [names.fresh(text) for text in texts]
    assert len({name.lower() for name in given_out}) == len(texts)
    for name in given_out:
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name, re.ASCII)
        assert len(name) <= LONGEST + 8
