"""Weights on their grids: the same codes again, float32 numbers, and the least error."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gatesmith.quant.calibrate.levels import codebook_levels, pow2_levels, two_scales
from gatesmith.quant.calibrate.weights import METHODS, weight_grid
from gatesmith.quant.grid import integer_grid
from gatesmith.quant.prepare.scheme import Scheme

RNG = np.random.default_rng(0)
TEXTS = ["int8", "int4", "int2", "int16", "int8:tensor", "int4:wide", "int2:wide", "int4:group=2"]
TEXTS += ["int8:group=3", "int16:group=2", "int4:group=2:pow2scale", "int4:pow2scale", "bipolar"]
TEXTS += ["bipolar:tensor", "bipolar:pow2scale", "ternary", "ternary:tensor", "ternary:pow2scale"]
TEXTS += ["ttq", "ttq:pow2scale", "pow2", "pow2-2", "pow2-3", "pow2x2", "pow2:pow2scale"]
TEXTS += ["codebook-2", "codebook-5", "codebook-16", "codebook-256", "codebook-4:pow2scale"]


def snap(w: np.ndarray, text: str, method: str = "mse") -> tuple[float, np.ndarray]:
    _, snapped = weight_grid(w, Scheme.parse(text, weight=True), method)
    return float(np.square(snapped - w).sum()), snapped


@settings(max_examples=70, deadline=None)
@given(
    hnp.arrays(
        np.float32,
        st.sampled_from([(5, 3), (1, 1), (2, 2, 4, 3), (3, 3, 1, 4), (7, 1)]),
        elements=st.floats(-10, 10, width=32) | st.just(0.0),
    ),
    st.sampled_from(TEXTS),
    st.sampled_from(METHODS),
)
def test_snapped_weights_stay(w: np.ndarray, text: str, method: str) -> None:
    w = w.astype(np.float64)
    grid, snapped = weight_grid(w, Scheme.parse(text, weight=True), method)
    assert (snapped.astype(np.float32) == snapped).all()
    assert (grid.codes(snapped) == grid.codes(w)).all()
    assert (grid.fake(snapped) == snapped).all()
    columns = snapped.reshape(-1, w.shape[-1])
    assert integer_grid(columns) is not None, "lowering finds no integers"


@pytest.mark.parametrize("text", TEXTS)
def test_zero_channels(text: str) -> None:
    w = RNG.normal(size=(6, 4))
    w[:, 2] = 0
    _, snapped = snap(w, text)
    if not text.startswith(("bipolar", "codebook")):
        assert not snapped[:, 2].any()
    if text.startswith("codebook"):
        assert not snapped[:, 2].any(), "zeros must stay zeros"
    _, nothing = snap(np.zeros((3, 2)), text)
    assert np.isfinite(nothing).all()


@pytest.mark.parametrize("text", ["int2", "int3", "int4", "int8", "int4:wide", "int3:tensor"])
def test_mse_is_near_the_best_scale(text: str) -> None:
    w = RNG.standard_t(4, size=(60, 1))
    made, _ = snap(w, text)
    assert made <= snap(w, text, "max")[0]
    bits, lo = int(text[3]), "wide" in text
    half = 1 << (bits - 1)
    tried = [
        np.square(w - np.clip(np.rint(w / s), -half + (not lo), half - 1) * s).sum()
        for s in np.geomspace(np.abs(w).max() / 200, np.abs(w).max() * 1.2, 3000)
    ]
    assert made <= 1.02 * min(tried)


def test_max_cuts_nothing() -> None:
    w = RNG.normal(size=(50, 6))
    for text in ("int8", "int4", "int4:wide", "int8:group=10"):
        grid, snapped = weight_grid(w, Scheme.parse(text, weight=True), "max")
        assert (abs(snapped - w) <= grid.scale.data * 0.51).all(), text


def test_ternary_is_the_best_there_is() -> None:
    w = RNG.normal(size=(9, 3))
    error, _ = snap(w, "ternary")
    least = 0.0
    for column in w.T:
        size = np.sort(np.abs(column))[::-1]
        least += min((size**2).sum() - size[:k].sum() ** 2 / k for k in range(1, len(size) + 1))
    assert error == pytest.approx(least, rel=1e-6)


def test_two_scales_beat_one() -> None:
    w = np.abs(RNG.normal(size=(40, 2))) ** 2 - 0.3
    assert snap(w, "ttq")[0] < snap(w, "ternary:tensor")[0]
    scale, levels = two_scales(np.array([2.0, 2, -1, 0.1]), np.ones(4), pow2=False)
    assert levels.tolist() == [-64, 0, 127] and scale == pytest.approx(2 / 127, rel=1e-4)


def test_group_scales_beat_channel_scales() -> None:
    w = RNG.normal(size=(32, 4)) * np.repeat(2.0 ** RNG.integers(-3, 3, size=8), 4)[:, None]
    assert snap(w, "int4:group=4")[0] < 0.8 * snap(w, "int4")[0]
    grid, _ = weight_grid(w, Scheme.parse("int4:group=4", weight=True))
    ratio = grid.scale.data / grid.scale.data.min(axis=0)
    assert (np.frexp(ratio)[0] == 0.5).all() and ratio.max() <= 2**12


def test_codebook_is_the_best_choice_of_codes() -> None:
    """Against all choices, on few codes: 8-bit codes of weights that are codes."""
    w = np.array([-3.0, -2, -2, 0.4, 1, 1, 3, 7]) * 127 / 7
    _, levels = codebook_levels(w, np.ones(8), 3, pow2=False)
    codes = np.arange(-127, 128)
    points = [c for c in codes if c % 9 == 0 or c in levels]
    errors = {
        some: np.square(w[:, None] - np.array(some)).min(axis=1).sum()
        for some in combinations(points, 3)
    }
    mine = np.square(w[:, None] - levels).min(axis=1).sum()
    assert mine <= min(errors.values()) + 1e-9


def test_codebook_beats_uniform_on_clusters() -> None:
    w = RNG.choice([-0.91, -0.2, 0.13, 0.77], size=(50, 4)) + RNG.normal(size=(50, 4)) * 0.01
    assert snap(w, "codebook-4")[0] < 0.1 * snap(w, "int2:wide:tensor")[0]


def test_importance() -> None:
    w = np.array([[1.0], [0.3], [0.25], [0.2]])
    scheme = Scheme.parse("int2", weight=True)
    plain, _ = weight_grid(w, scheme)
    first, snapped = weight_grid(w, scheme, importance=np.array([[1000.0], [1], [1], [1]]))
    assert abs(snapped[0, 0] - 1) < 0.01
    cared, _ = weight_grid(w, scheme, importance=np.array([[0.001], [1], [1], [1]]))
    assert cared.scale.data < plain.scale.data <= first.scale.data


def test_pow2_levels() -> None:
    assert pow2_levels(4, 1).tolist() == sorted(
        [0, *(2**k for k in range(7)), *(-(2**k) for k in range(7))]
    )
    assert set(pow2_levels(3, 2)) == {-8, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 8}


def test_misuse() -> None:
    scheme = Scheme.parse("int8", weight=True)
    with pytest.raises(ValueError, match=r"^method must be one of mse, max, not best$"):
        weight_grid(np.ones((1, 1)), scheme, "best")
    with pytest.raises(ValueError, match=r"^weights must be finite$"):
        weight_grid(np.full((1, 1), np.nan), scheme)
