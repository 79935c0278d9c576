"""Grids of activations: what the methods keep, and values that are odd."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatesmith.errors import UserError
from gatesmith.ir import IntType
from gatesmith.ops.fake_quant import Grid
from gatesmith.quant.calibrate.observers import METHODS, observer
from gatesmith.quant.prepare.scheme import Scheme

RNG = np.random.default_rng(3)
NORMAL = RNG.normal(size=20000).astype(np.float32)
SCHEMES = ["int8", "int4", "int2", "uint4", "uint1", "int8:affine", "int4:affine", "int4:pow2scale"]
SCHEMES += ["bipolar", "ternary", "int16", "uint8:affine:pow2scale", "bipolar:pow2scale"]


def grid(data: np.ndarray, text: str, method: str = "mse") -> Grid:
    seen = observer(method, Scheme.parse(text, weight=False), name="x")
    seen.update(data)
    return seen.grid()


def error(data: np.ndarray, made: Grid) -> float:
    return float(np.square(made.fake(data.astype(np.float64)) - data).mean())


@pytest.mark.parametrize("text", ["int8", "int4", "int3", "uint4", "int8:affine", "int4:affine"])
@pytest.mark.parametrize("data", [NORMAL, np.maximum(NORMAL, 0), NORMAL * 0.01 + 3])
def test_mse_beats_the_others(text: str, data: np.ndarray) -> None:
    errors = {method: error(data, grid(data, text, method)) for method in METHODS}
    assert errors["mse"] <= 1.05 * min(errors.values()) + 1e-7, errors


@pytest.mark.parametrize("text", ["int4", "uint3", "ternary"])
def test_mse_is_near_the_best_scale_there_is(text: str) -> None:
    data = np.abs(NORMAL) if text.startswith("u") else NORMAL
    made = grid(data, text)
    best = min(
        error(data, Grid(made.kind, made.clip, type(made.scale)(np.float64(np.float32(s)))))
        for s in np.geomspace(0.02, 3, 300)
    )
    assert error(data, made) <= 1.01 * best


def test_minmax_cuts_nothing() -> None:
    made = grid(NORMAL, "int8", "minmax")
    assert abs(made.fake(NORMAL.astype(float)) - NORMAL).max() <= made.scale.data * 0.51
    skewed = NORMAL + np.float32(2)
    made = grid(skewed, "int8:affine", "minmax")
    assert made.zero_point.data % 2 == 0 and made.zero_point.data > 0
    assert abs(made.fake(skewed.astype(float)) - skewed).max() <= made.scale.data * 0.51


def test_percentile_leaves_out_the_outlier() -> None:
    data = np.append(NORMAL, np.float32(1000))
    assert grid(data, "int8", "minmax").scale.data > 7
    assert grid(data, "int8", "percentile").scale.data < 0.05
    assert grid(data, "int8", "entropy").scale.data < 0.5


def test_sign_follows_the_values() -> None:
    assert grid(np.abs(NORMAL), "int8").clip == IntType(0, 255)
    assert grid(NORMAL, "int8").clip == IntType(-128, 127)
    assert grid(NORMAL, "uint8").clip == IntType(0, 255)
    assert grid(NORMAL, "int8:affine").clip == IntType(0, 255)


def test_bipolar_is_the_mean_magnitude() -> None:
    assert abs(grid(NORMAL, "bipolar").scale.data / np.abs(NORMAL).mean() - 1) < 1e-6


@pytest.mark.parametrize("text", SCHEMES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [0.0, 5.0, -3.0, 1e-30, 1e30])
def test_dead_and_constant_values(text: str, method: str, value: float) -> None:
    seen = observer(method, Scheme.parse(text, weight=False), name="relu7")
    seen.update(np.full((4, 3), value, np.float32))
    made = seen.grid()
    assert any("relu7 is always" in note for note in seen.notes)
    if value == 0 and made.kind != "bipolar":
        assert made.fake(np.zeros(3)).tolist() == [0, 0, 0]
    if value > 0 and text in ("int8", "int4", "int16"):
        assert abs(made.fake(np.array([value]))[0] / np.float32(value) - 1) < 0.07


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=30),
    st.sampled_from(SCHEMES),
    st.sampled_from(METHODS),
)
def test_any_values(values: list[float], text: str, method: str) -> None:
    """A grid comes out, zero lies on it, and its values are float32 numbers."""
    made = grid(np.array(values, np.float32), text, method)
    codes = np.arange(made.clip.lo, made.clip.hi + 1, made.clip.step)
    reals = made.values(codes)
    assert (reals.astype(np.float32) == reals).all()
    if made.kind != "bipolar":
        assert 0 in reals


def test_power_of_two() -> None:
    for method in METHODS:
        mantissa, _ = np.frexp(grid(NORMAL, "int4:pow2scale", method).scale.data)
        assert mantissa == 0.5


def test_no_numbers() -> None:
    seen = observer("mse", Scheme.parse("int8", weight=False), name="conv3")
    with pytest.raises(UserError) as found:
        seen.update(np.array([1.0, np.nan, np.inf]))
    assert found.value.code == "quantize.non-finite"
    assert "conv3" in found.value.where
    assert found.value.why == "2 of 3 values are infinite or NaN"


def test_misuse() -> None:
    scheme = Scheme.parse("int8", weight=False)
    with pytest.raises(ValueError, match=r"^method must be one of minmax, percentile"):
        observer("best", scheme)
    with pytest.raises(ValueError, match=r"^no activation is codebook$"):
        observer("mse", Scheme.parse("codebook", weight=True))
    with pytest.raises(ValueError, match=r"^no value of value was seen$"):
        observer("mse", scheme).grid()
