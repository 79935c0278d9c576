"""Networks that random runs found broken, as they were made smaller: they stay mended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest

from gatesmith.api import build
from gatesmith.errors import UserError
from gatesmith.original import OriginalModel
from gatesmith.rtl_tests.regress import grammar
from gatesmith.rtl_tests.regress.case import write_model
from gatesmith.rtl_tests.regress.outcome import EQUAL
from gatesmith.rtl_tests.regress.recipe import GRAMMAR, Recipe, Step
from gatesmith.rtl_tests.regress.worker import Tools, run_recipes
from gatesmith.templates.tb import toolchain

QUANT = {"how": "quant", "bits": 4, "signed": 1, "narrow": 0, "mode": "ROUND", "zero": 0}
NORM = Step("norm", 3, {"op": "LayerNormalization", "affine": 0}, {**QUANT, "coarse": 0})
ONE = {"outs": 1, "op": "Gemm", "bits": 2, "zeros": "none", "bias": 0, "per_channel": 0}
FOUND = (
    # Seed 106: a stage slower than any fold, under a target for the latency.
    Recipe(
        *(GRAMMAR, 1439053172, (1, 1, 2), {**QUANT, "coarse": 0}),
        {"dyadic": True, "dialect": "qonnx"},
        (NORM,),
        {"latency_us": 1.0, "clock_mhz": 100.0},
    ),
    # Seed 115: beats wider than ap_int.h takes by default.
    Recipe(
        *(GRAMMAR, 1074262106, (5, 8, 7), {**QUANT, "coarse": 0}),
        {"dyadic": True, "dialect": "qonnx"},
        (Step("dense", 0, {**ONE, "between": "none"}, None),),
        {"unroll": "all"},
    ),
)

LATE = Recipe(  # Seed 127: a FIFO as deep as the interval asks for holds up the first frame.
    *(GRAMMAR, 1387947162, (2, 1, 5), {**QUANT, "how": "multi", "coarse": 0}),
    {"dyadic": False, "dialect": "qonnx"},
    (
        Step(
            "join",
            0,
            {
                **{"op": "Add", "branch": "layer", "between": "scale"},
                "quant": {**QUANT, "how": "multi", "bits": 2, "mode": "FLOOR", "coarse": -1},
                **{"bits": 1, "zeros": "none", "bias": 0, "per_channel": 1},
            },
            {**QUANT, "bits": 8, "signed": 0, "mode": "CEIL", "coarse": 0},
        ),
        Step("dense", 1, {**ONE, "outs": 5, "op": "MatMul", "bits": 1, "between": "leaky"}, None),
    ),
    {"cycles": 3000, "input_lanes": 1},
    frames=5,
)


def test_a_latency_below_any_design_is_refused(tmp_path: Path) -> None:
    """Seed 156: a frame of 32 elements, one a cycle, in 30 cycles."""
    pool = {"op": "AveragePool", "kernel": [1, 1], "strides": [1, 1], "dilations": [1, 1]}
    recipe = Recipe(
        *(GRAMMAR, 1296754846, (4, 8, 1), {**QUANT, "coarse": 0}),
        {"dyadic": True, "dialect": "qonnx"},
        (Step("pool", 0, {**pool, "pads": [0, 0, 0, 0], "ceil": 0, "counted": 0}, None),),
        {"input_lanes": 1},
    )
    onnx.save(write_model(recipe).model, tmp_path / "n.onnx")
    with pytest.raises(UserError) as raised:
        build(tmp_path / "n.onnx", tmp_path / "b", latency_us=0.3, clock_mhz=100, input_lanes=1)
    assert raised.value.code == "codegen.latency"
    assert "the quickest of the designs tried takes" in raised.value.why


@pytest.mark.parametrize("drawn", [(113, 12), (102, 1)])
def test_the_latency_that_a_refusal_offers_can_be_had(
    drawn: tuple[int, int], tmp_path: Path
) -> None:
    """With branches a design is later than its stages; 0.58 us at 100 MHz are 58 cycles."""
    written = write_model(grammar.draw(*drawn))
    onnx.save(written.model, tmp_path / "n.onnx")
    asked: dict[str, Any] = {"clock_mhz": 100, "input_spec": written.spec}
    with pytest.raises(UserError) as raised:
        build(tmp_path / "n.onnx", tmp_path / "b", latency_us=0.02, **asked)
    assert raised.value.code == "codegen.latency"
    offered = int(raised.value.fix[0].split()[1])
    made = build(tmp_path / "n.onnx", tmp_path / "b", latency_us=offered / 100, **asked)
    assert made.content["latency"] <= offered


@pytest.fixture
def simulator() -> None:
    pytest.importorskip("hls4ml")  # which has ap_int.h
    try:
        toolchain.find_verilator()
    except toolchain.ToolError as missing:
        pytest.skip(f"no simulator: {missing}")


@pytest.mark.usefixtures("simulator")
def test_latency_of_branches_that_hold_each_other_up() -> None:
    (outcome,) = run_recipes([LATE], Tools(build, OriginalModel), "fast")
    assert (outcome.state, outcome.failure, outcome.timing) == (EQUAL, None, None)


@pytest.mark.usefixtures("simulator")
def test_what_was_found_stays_mended() -> None:
    found = run_recipes(FOUND, Tools(build, OriginalModel), "ap_int")
    assert [(outcome.state, outcome.failure) for outcome in found] == [(EQUAL, None)] * len(FOUND)
