"""Which units go, and how many."""

from collections.abc import Mapping

import numpy as np
import pytest

from gatesmith.errors import UserError
from gatesmith.ir import Graph
from gatesmith.prune.count import macs, parameters
from gatesmith.prune.cut import cut, cut_analysed, macs_after
from gatesmith.prune.dependency import analyse, find_structure
from gatesmith.prune.select import Budget, Ratio, normalised, select
from gatesmith.prune.structure import Structure
from gatesmith.rtl_tests.prunable_networks import NETWORKS, imported

CHAIN = imported("chain")
FOUND = find_structure(CHAIN)
RISING = {group.name: np.arange(group.count) + 1.0 for group in FOUND.groups}


def random_scores(structure: Structure, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {group.name: rng.uniform(0, 1, group.count) for group in structure.groups}


def test_the_lowest_scores_of_all_groups_go_first() -> None:
    scores = {
        "conv_0": np.array([9, 1, 8, 7, 2, 6.0]),
        "conv_4": 3 + np.arange(8),
        "gemm_8": np.full(10, 99.0),
    }
    removed = select(CHAIN, FOUND, scores, Ratio("units", 4 / 24))
    assert removed == {"conv_0": (1, 4), "conv_4": (0, 1)}


@pytest.mark.parametrize("of", ["macs", "parameters", "units"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.8])
def test_the_target_is_met_and_not_by_more_than_one_lot(of: str, share: float) -> None:
    def left(removed: Mapping[str, tuple[int, ...]]) -> float:
        if of == "units":
            return 24 - sum(map(len, removed.values()))
        return (macs if of == "macs" else parameters)(cut(CHAIN, removed))

    removed = select(CHAIN, FOUND, RISING, Ratio(of, share))
    whole = left({})
    assert left(removed) <= whole * (1 - share) + 1e-6
    if share:
        last = max(RISING[name][unit] for name, units in removed.items() for unit in units)
        name = [name for name in removed if last - 1 in removed[name]][-1]  # ties: as the groups
        fewer = {**removed, name: removed[name][:-1]}
        assert left(fewer) > whole * (1 - share)
    else:
        assert removed == {}


@pytest.mark.parametrize("round_to", [1, 2, 3, 4, 7])
def test_what_is_left_can_be_divided(round_to: int) -> None:
    graph = imported("residual")
    structure = find_structure(graph)
    removed = select(
        graph, structure, random_scores(structure), Ratio("units", 0.1), round_to=round_to
    )
    assert removed
    for group in structure.groups:
        gone = len(removed.get(group.name, ()))
        assert gone == 0 or (group.count - gone) % round_to == 0
        assert group.count - gone > 0


def test_at_most_a_part_of_a_group_goes() -> None:
    scores = {**RISING, "conv_0": np.zeros(6)}
    for most, gone in ((0.5, 3), (0.34, 2), (0.9, 5)):
        removed = select(CHAIN, FOUND, scores, Ratio("units", 0.25), most=most)
        assert len(removed["conv_0"]) == gone


@pytest.mark.parametrize("name", NETWORKS)
def test_no_selection_empties_a_value(name: str) -> None:
    graph = imported(name)
    structure = find_structure(graph)
    for seed in range(3):
        scores = random_scores(structure, seed)
        everything = dict.fromkeys((group.name for group in structure.groups), 0.999)
        removed = select(graph, structure, scores, None, by_layer=everything, most=0.999)
        assert macs(cut(graph, removed)) < macs(graph)
        for guard in structure.guards:
            assert any(unit not in removed.get(group, ()) for group, unit in guard)


def test_each_layer_its_own_ratio() -> None:
    removed = select(CHAIN, FOUND, RISING, None, by_layer={"conv_0": 0.5, "gemm_8": 0.39})
    assert removed == {"conv_0": (0, 1, 2), "gemm_8": (0, 1, 2)}
    tied = imported("residual")
    structure = find_structure(tied)
    removed = select(
        tied, structure, random_scores(structure), None, by_layer={"conv_0": 0.7, "conv_6": 0.34}
    )
    assert {name: len(units) for name, units in removed.items()} == {"conv_0": 2}


def test_ratios_with_a_target_are_proportions() -> None:
    ratios = {"conv_0": 0.2, "conv_4": 0.4}
    removed = select(CHAIN, FOUND, RISING, Ratio("units", 7 / 24), by_layer=ratios)
    assert {name: len(units) for name, units in removed.items()} == {"conv_0": 2, "conv_4": 5}


def test_a_budget_is_met_with_few_calls() -> None:
    asked = []

    def cost(graph: Graph) -> dict[str, float]:
        asked.append(graph)
        return {"multipliers": macs(graph), "words": parameters(graph), "other": 1e9}

    limits = {"multipliers": 6000, "words": 500}
    removed = select(CHAIN, FOUND, RISING, Budget(cost, limits))
    small = cut(CHAIN, removed)
    assert macs(small) <= 6000
    assert parameters(small) <= 500
    assert len(asked) <= 6  # of 22 lots
    with pytest.raises(ValueError, match=r"^no cost called luts: multipliers, words, other$"):
        select(CHAIN, FOUND, RISING, Budget(cost, {"luts": 3}))


def test_what_cannot_be_reached_is_said() -> None:
    with pytest.raises(UserError) as found:
        select(CHAIN, FOUND, RISING, Ratio("macs", 0.99), most=0.5)
    assert str(found.value) == (
        "error[prune.unreachable]: so much cannot be pruned\n"
        "  at   network chain\n"
        "  why  99 % of the multiplications shall go, and at most 60.24 % can: 7012 of 17640 stay\n"
        "  fix  ask for less\n"
        "  fix  let more of each layer go, or round to fewer channels\n"
        "  fix  leave fewer layers as they are"
    )
    budget = Budget(lambda graph: {"words": parameters(graph)}, {"words": 3})
    with pytest.raises(UserError) as found:
        select(CHAIN, FOUND, RISING, budget)
    assert found.value.code == "prune.unreachable"
    assert found.value.why == "words shall be at most 3, and 51 is the least there is"


@pytest.mark.parametrize("name", NETWORKS)
def test_multiplications_are_counted_without_the_graph(name: str) -> None:
    graph = imported(name)
    analysis = analyse(graph)
    scores = random_scores(analysis.structure, 5)
    removed = select(graph, analysis.structure, scores, Ratio("macs", 0.3))
    assert macs_after(analysis, removed) == macs(cut_analysed(analysis, removed))


def test_groups_without_scores_stay() -> None:
    removed = select(CHAIN, FOUND, {"conv_4": RISING["conv_4"]}, Ratio("parameters", 0.3))
    assert set(removed) == {"conv_4"}


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^conv_0 needs 6 scores$"):
        select(CHAIN, FOUND, {"conv_0": np.arange(5)}, Ratio())
    with pytest.raises(ValueError, match=r"^conv_0 needs 6 scores$"):
        select(CHAIN, FOUND, {"conv_0": np.full(6, np.nan)}, Ratio())
    with pytest.raises(ValueError, match=r"^gemm_10 cannot be cut: they are the network's output$"):
        select(CHAIN, FOUND, RISING, None, by_layer={"gemm_10": 0.5})
    with pytest.raises(ValueError, match=r"^a ratio of macs, parameters, units from 0 to below 1"):
        Ratio("macs", 1.0)
    with pytest.raises(ValueError, match=r"^nothing to reach"):
        select(CHAIN, FOUND, RISING, None)


def test_scores_of_groups_are_made_comparable() -> None:
    scores = {"a": np.array([1.0, 3.0]), "b": np.array([100.0, 300.0]), "c": np.zeros(2)}
    found = normalised(scores)
    assert found["a"].tolist() == found["b"].tolist() == [0.5, 1.5]
    assert found["c"].tolist() == [0, 0]
    assert normalised(scores, "none")["b"].tolist() == [100, 300]
