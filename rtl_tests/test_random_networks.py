"""Random networks through everything: equal in every bit, the interval predicted, or refused.

A refusal must be one of those that the documents name for networks of this kind.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import gatesmith
from gatesmith.errors import UserError
from gatesmith.rtl_tests.random_network import random_model

FEW, MANY = range(6), range(6, 60)
REFUSED = {"quant.real-output", "quant.no-exact-form", "quant.top-k-input"}


def check(seed: int, folder: Path) -> None:
    model = folder / f"random_{seed}.onnx"
    onnx.save(random_model(seed), model)
    rng = np.random.default_rng(seed)
    cycles = int(rng.choice([1, 3, 8, 40, 1000]))
    try:
        built = gatesmith.build(model, folder / "b", cycles=cycles)
    except UserError as error:
        assert error.code in REFUSED, error
        pytest.skip(f"refused: {error.code}")
    shape = built.content["inputs"][0]["shape"]
    x = np.concatenate([rng.normal(size=(120, *shape), scale=6), np.full((2, *shape), 1e3)])
    np.save(folder / "x.npy", x.astype(np.float32))

    verdict = gatesmith.verify(folder / "b", folder / "x.npy", stall=True)

    assert verdict.mismatch is None
    assert verdict.all_equal
    assert verdict.interval == verdict.interval_min == verdict.interval_predicted
    assert verdict.interval_predicted <= cycles
    assert verdict.unexplained == 0


@pytest.mark.parametrize("seed", FEW)
def test_random_network(seed: int, tmp_path: Path) -> None:
    check(seed, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", MANY)
def test_more_random_networks(seed: int, tmp_path: Path) -> None:
    check(seed, tmp_path)
