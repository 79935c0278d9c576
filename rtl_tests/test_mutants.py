"""The benches of the blocks notice what is wrong: a flipped bit, a wrong threshold, a lost beat."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

from gatesmith.rtl_tests import bench, test_dense, test_requantize, test_skid_buffer, test_threshold
from gatesmith.rtl_tests.bench import Case


def flip(text: str, line: int) -> str:
    """Invert the lowest bit of one word of a memory file."""
    lines = text.splitlines()
    lines[line] = f"{int(lines[line], 16) ^ 1:0{len(lines[line])}x}"
    return "\n".join(lines) + "\n"


MEMORIES = [
    (test_dense, test_dense.CASES, "dense_xnor_folded_weights.mem", 0),
    (test_dense, test_dense.CASES, "dense_signed_weights.mem", -1),
    (test_dense, test_dense.CASES, "dense_ternary_weights.mem", 4),
    (test_threshold, test_threshold.CASES, "threshold_popcount_narrow_thresholds.mem", 1),
    (test_requantize, test_requantize.CASES, "requantize_mul_varies_params.mem", 3),
]


@pytest.mark.parametrize(("module", "cases", "file", "line"), MEMORIES)
def test_one_flipped_bit_is_noticed(
    module: ModuleType, cases: Sequence[Case], file: str, line: int, tmp_path: Path
) -> None:
    changed = []

    def mutate(name: str, text: str) -> str:
        if name != file:
            return text
        changed.append(name)
        return flip(text, line)

    name = module.__name__
    failed, log = bench.simulate([case.stage for case in cases], name, tmp_path, mutate)

    assert changed == [file]
    assert failed > 0, log[-3000:]


LOGIC = {
    "beat lost under back-pressure": ("spare_valid_q <= 1'b1;", "spare_valid_q <= 1'b0;"),
    "beat doubled": ("out_valid_q   <= spare_valid_q || s", "out_valid_q   <= out_valid_q || s"),
    "valid falls": ("if (m_axis_tready || !out_valid_q)", "if (m_axis_tready || out_valid_q)"),
    "reset forgets": ("            out_valid_q   <= 1'b0;\n            spare", "            spare"),
    "half the rate": ("s_axis_tready = !spare_valid_q", "s_axis_tready = !out_valid_q"),
}


@pytest.mark.slow  # each is a simulator of its own
@pytest.mark.parametrize("what", LOGIC)
def test_wrong_logic_is_noticed(what: str, tmp_path: Path) -> None:
    right, wrong = LOGIC[what]
    changed = []

    def mutate(name: str, text: str) -> str:
        if name == "gs_skid_buffer.sv" and right in text:
            changed.append(name)
        return text.replace(right, wrong) if name == "gs_skid_buffer.sv" else text

    stages = [case.stage for case in test_skid_buffer.CASES]
    failed, log = bench.simulate(stages, test_skid_buffer.__name__, tmp_path, mutate)

    assert changed == ["gs_skid_buffer.sv"]
    assert failed > 0, log[-3000:]
