"""Ratios by layer: the optimum, against every choice there is."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatesmith.errors import UserError
from gatesmith.prune.layer_ratios import by_layer_ratios
from gatesmith.prune.schedule import count_at
from gatesmith.prune.sensitivity import Curves

RATIOS = (0.0, 0.25, 0.5, 0.9)


def curves(losses: dict[str, tuple[float, ...]]) -> Curves:
    return Curves(RATIOS, losses, {})


def best(found: Curves, target: float, sizes: dict[str, int]) -> float:
    need = count_at(target, sum(sizes.values()))
    options = [
        [(count_at(ratio, size), rise) for ratio, rise in zip(RATIOS, found.rise(n), strict=True)]
        for n, size in sizes.items()
    ]
    choices = product(*options)
    enough = (c for c in choices if sum(removed for removed, _ in c) >= need)
    return min((sum(rise for _, rise in c) for c in enough), default=np.inf)


LAYERS = st.lists(
    st.tuples(st.integers(1, 40), st.lists(st.floats(-1, 4), min_size=4, max_size=4)),
    min_size=1,
    max_size=4,
)


@given(LAYERS, st.decimals(0, 1, places=2).map(float))
@settings(max_examples=60, deadline=None)
def test_no_choice_is_better(layers: list[tuple[int, list[float]]], target: float) -> None:
    sizes = {f"l{at}": size for at, (size, _) in enumerate(layers)}
    found = curves({f"l{at}": tuple(loss) for at, (_, loss) in enumerate(layers)})
    wanted = best(found, target, sizes)
    if not np.isfinite(wanted):
        with pytest.raises(UserError, match="no ratios of the layers"):
            by_layer_ratios(found, target, sizes)
        return
    chosen = by_layer_ratios(found, target, sizes)
    removed = sum(count_at(chosen[name], size) for name, size in sizes.items())
    assert removed >= count_at(target, sum(sizes.values()))
    total = sum(found.rise(name)[RATIOS.index(chosen[name])] for name in sizes)
    assert total == pytest.approx(wanted, rel=1e-9, abs=1e-9)
    assert chosen == by_layer_ratios(found, target, sizes)


def test_the_layer_that_minds_least_gives_most() -> None:
    found = curves({"a": (1.0, 1.1, 1.3, 5.0), "b": (1.0, 1.0, 1.01, 1.02)})
    assert by_layer_ratios(found, 0.45, {"a": 100, "b": 100}) == {"a": 0.0, "b": 0.9}
    assert by_layer_ratios(found, 0.5, {"a": 100, "b": 100}) == {"a": 0.25, "b": 0.9}


def test_a_ratio_that_empties_a_layer_is_none() -> None:
    found = curves({"a": (1.0, 1.1, np.inf, np.inf)})
    assert by_layer_ratios(found, 0.25, {"a": 8}) == {"a": 0.25}
    with pytest.raises(UserError) as error:
        by_layer_ratios(found, 0.5, {"a": 8})
    assert str(error.value) == (
        "error[prune.unreachable-ratio]: no ratios of the layers remove 50.0% together\n"
        "  at   ratio 0.5\n"
        "  why  at the largest ratios that were tried, up to 0.9, 25.0% go\n"
        "  fix  a ratio of at most 0.25\n"
        "  fix  try larger ratios for each layer"
    )


def test_many_layers() -> None:
    """As many as a large network has, of a million weights each: the states stay few."""
    rng = np.random.default_rng(0)
    ratios = tuple(float(r) for r in np.arange(10) / 10)
    losses = {f"l{at}": tuple(np.sort(rng.exponential(size=10)).tolist()) for at in range(60)}
    sizes = {name: int(rng.integers(1, 10**6)) for name in losses}
    chosen = by_layer_ratios(Curves(ratios, losses, {}), 0.6, sizes)
    removed = sum(count_at(chosen[name], size) for name, size in sizes.items())
    assert removed >= count_at(0.6, sum(sizes.values()))


def test_nothing_to_choose() -> None:
    assert by_layer_ratios(curves({}), 0.0, {}) == {}
