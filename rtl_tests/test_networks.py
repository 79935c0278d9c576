"""Whole networks through the RTL: every bit equal, and the interval the predicted one.

The committed examples run always, at folds that differ in kind: one product at a time, primes,
lanes in no integer ratio, everything at once. TFC needs MNIST in ../shared; its folds are ``slow``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import gatesmith
from gatesmith.rtl_tests.verify import Verdict

ROOT = Path(gatesmith.__file__).parents[1]
DIGITS = ROOT / "examples" / "digits"
TFC = ROOT / "examples" / "tfc"
SHARED = ROOT.parent / "shared"
MNIST = SHARED / "data" / "mnist"

BY_CYCLES = (8, 16, 32, 64, 100, 196, 256, 784, 1024)
"""Targets for TFC, of 784-64-64-64-10."""

BY_HAND = (
    {"a": (2, 28), "b": (4, 16), "c": (64, 1), "d": (10, 2)},
    {"a": (64, 16), "b": (1, 64), "c": (16, 8), "d": (1, 1)},
    {"a": (32, 7), "b": (2, 4), "c": (8, 32), "d": (5, 64)},
    {"a": (16, 56), "b": (64, 64), "c": (64, 64), "d": (2, 4)},
)
"""(PE, SIMD) of the four layers, with lanes in awkward ratios from one to the next."""


def check(verdict: Verdict, frames: int) -> None:
    assert verdict.mismatch is None
    assert verdict.all_equal
    assert verdict.equal == verdict.frames == frames
    assert verdict.interval == verdict.interval_min == verdict.interval_predicted
    assert verdict.unexplained == 0


@pytest.mark.parametrize("cycles", [4, 50, 4096])
def test_digits_with_two_bits(cycles: int, tmp_path: Path) -> None:
    gatesmith.build(
        DIGITS / "digits_2w2a.onnx", tmp_path / "b", cycles=cycles, input_spec="u5:1/16"
    )

    verdict = gatesmith.verify(tmp_path / "b", DIGITS / "digits_test.npz", stall=True)

    check(verdict, verdict.frames)
    assert verdict.stalls is not None
    assert verdict.stalls["resets_mid_frame"] > 0
    assert verdict.top1 is not None
    assert verdict.top1 >= 0.95


def test_digits_with_one_bit(tmp_path: Path) -> None:
    gatesmith.build(DIGITS / "digits_1w1a.onnx", tmp_path / "b", cycles=64, input_spec="u5:1/16")

    verdict = gatesmith.verify(tmp_path / "b", DIGITS / "digits_test.npz", stall=True)

    check(verdict, verdict.frames)


def tfc_layers(model: Path) -> list[str]:
    table = gatesmith.inspect(model, "u8:1/255")["layers"]
    return [layer["name"] for layer in table if layer["op"] == "Dense"]


@pytest.mark.slow
@pytest.mark.skipif(not MNIST.exists(), reason="needs MNIST in ../shared/data")
@pytest.mark.parametrize("fold", [*BY_CYCLES, *range(len(BY_HAND))], ids=str)
@pytest.mark.parametrize("name", ["TFC_1W1A", "TFC_2W2A"])
def test_tfc_interval_is_the_predicted_one(name: str, fold: int, tmp_path: Path) -> None:
    model = TFC / f"{name}.onnx"
    if fold in BY_CYCLES:
        gatesmith.build(model, tmp_path / "b", cycles=fold, input_spec="u8:1/255")
    else:
        hand = dict(zip(tfc_layers(model), BY_HAND[fold].values(), strict=True))
        gatesmith.build(model, tmp_path / "b", fold=hand, input_spec="u8:1/255")

    verdict = gatesmith.verify(
        tmp_path / "b", MNIST / "t10k-images-idx3-ubyte.gz", frames=50, stall=True
    )

    check(verdict, 50)
    if fold in BY_CYCLES:
        assert verdict.interval_predicted <= fold


@pytest.mark.skipif(not MNIST.exists(), reason="needs MNIST in ../shared/data")
@pytest.mark.parametrize(("name", "right"), [("TFC_1W1A", 9296), ("TFC_2W2A", 9660)])
def test_tfc_on_all_of_mnist(name: str, right: int, tmp_path: Path) -> None:
    gatesmith.build(TFC / f"{name}.onnx", tmp_path / "b", cycles=64, input_spec="u8:1/255")

    verdict = gatesmith.verify(
        tmp_path / "b",
        MNIST / "t10k-images-idx3-ubyte.gz",
        labels=MNIST / "t10k-labels-idx1-ubyte.gz",
    )

    check(verdict, 10_000)
    assert verdict.top1 == right / 10_000  # that of the QONNX executor
    assert verdict.interval is not None
    assert verdict.interval <= 64  # of folds of one price the search may take a faster one
