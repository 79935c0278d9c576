"""Limits, latency and the fastest design, against every design there is."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from gatesmith.codegen.design import Design
from gatesmith.codegen.fold import Target, price
from gatesmith.codegen.fold_test import network
from gatesmith.codegen.latency import latency as measured
from gatesmith.codegen.matrix_unit import Fold, divisors
from gatesmith.codegen.plan import plan
from gatesmith.codegen.wish import Wish
from gatesmith.errors import UserError
from gatesmith.explain import explained, in_words
from gatesmith.folding import Folded, fold_design, used
from gatesmith.ir import Array, Graph, IntType, Node, TensorType
from gatesmith.ops.dense import Dense
from gatesmith.ops.input import Input
from gatesmith.pipeline import sized


def fold(graph: Graph, **wanted: object) -> Folded:
    return fold_design(graph, Target(said="as asked", **wanted), "net", sized)  # type: ignore[arg-type]


def multipliers() -> Graph:
    """Two layers of 8-bit weights: DSP blocks."""
    rng = np.random.default_rng(2)
    node = Node("x", Input(TensorType((1, 6), IntType(-128, 127))))
    for name, ins, outs in (("a", 6, 4), ("b", 4, 3)):
        weights = Array(rng.integers(-99, 99, (outs, ins)))
        node = Node(name, Dense(weights, IntType(-99, 99)), (node,))
    return Graph((node,))


def designs(graph: Graph) -> Iterator[Design]:
    """Every design of folded units."""
    layers = [node for node in graph if isinstance(node.op, Dense)]
    ways = [
        [
            Fold(pe, simd)
            for pe in divisors(node.type.channels)
            for simd in divisors(node.args[0].type.channels)
        ]
        for node in layers
    ]
    for choice in itertools.product(*ways):
        yield plan(graph, dict(zip(layers, choice, strict=True)), "net")


def keeps(design: Design, limits: dict[str, int]) -> bool:
    takes = used(design)
    return all(takes[name] <= most for name, most in limits.items())


@pytest.mark.parametrize("lut", [130, 160, 220, 400, 900])
def test_the_fastest_within_a_number_of_luts_is_the_fastest_there_is(lut: int) -> None:
    graph, limits = network(12, 6, 10), {"lut": lut}
    fitting = [design.interval for design in designs(graph) if keeps(design, limits)]

    found = fold(graph, limits=limits)

    assert found.design.interval == min(fitting)
    assert found.proven
    assert keeps(found.design, limits)


@pytest.mark.parametrize(
    "limits",
    [
        {"dsp": 3},
        {"dsp": 9, "ff": 700},
        {"dsp": 4, "lut": 250},
        {"lut": 240, "ff": 330, "dsp": 5, "bram": 0},
    ],
)
def test_several_limits_at_once(limits: dict[str, int]) -> None:
    graph = multipliers()
    fitting = [design for design in designs(graph) if keeps(design, limits)]
    least = min(design.interval for design in fitting)

    found = fold(graph, limits=limits)

    assert keeps(found.design, limits)
    assert found.design.interval == least
    cheapest = min(price(design.cost) for design in fitting if design.interval == least)
    own = price(found.design.cost)
    assert own * (1 - found.gap) <= cheapest * (1 + 1e-9)  # what the bound says is so
    if found.proven:
        assert own == cheapest


def test_what_no_design_keeps_is_refused_with_the_nearest() -> None:
    graph = network(12, 6, 10)
    least = min(used(design)["lut"] for design in designs(graph))

    with pytest.raises(UserError) as raised:
        fold(graph, limits={"lut": least - 1})

    error = raised.value
    assert (error.code, error.where) == ("codegen.does-not-fit", "as asked")
    assert f"the nearest needs {least:,} LUTs of {least - 1:,}" in error.why
    assert error.fix[0] == f"allow more: --budget lut={least}"
    assert fold(graph, limits={"lut": least}).design.cost.lut == least


def test_limits_beside_cycles_say_what_has_to_fit_at_these() -> None:
    graph = multipliers()
    assert fold(graph, cycles=4, limits={"dsp": 12}).design.interval <= 4
    with pytest.raises(UserError) as raised:
        fold(graph, cycles=4, limits={"dsp": 5})

    assert raised.value.code == "codegen.does-not-fit"
    assert "at 4 cycles a frame" in raised.value.why
    assert raised.value.fix[0] == "allow more cycles a frame"


@pytest.mark.parametrize("latency", [20, 40, 90])
def test_latency_is_kept_and_costs_no_more_than_the_fastest(latency: int) -> None:
    graph = network(24, 12, 12, 6)

    found = fold(graph, latency=latency)

    assert measured(found.design) <= latency
    assert found.proven is None
    same_interval = fold(graph, cycles=found.design.interval)
    assert price(found.design.cost) >= price(same_interval.design.cost)
    assert price(found.design.cost) <= price(fold(graph, cycles=1).design.cost)


def test_a_latency_below_all_is_refused_with_the_least() -> None:
    with pytest.raises(UserError) as raised:
        fold(network(24, 12, 6), latency=3)

    assert raised.value.code == "codegen.latency"
    assert raised.value.what == "a latency of 3 cycles is out of reach"
    quickest = int(raised.value.fix[0].split()[1])
    assert measured(fold(network(24, 12, 6), latency=quickest).design) <= quickest


def test_layers_are_unrolled_unasked_where_that_is_cheaper() -> None:
    rng = np.random.default_rng(0)
    x = Node("x", Input(TensorType((1, 16), IntType(-8, 7))))
    weights = rng.choice([0, 0, 0, 0, 1, -1, 2], (16, 16))
    graph = Graph((Node("d", Dense(Array(weights), IntType(-2, 2)), (x,)),))

    def unit(cycles: int) -> str:
        (taken,) = fold(graph, cycles=cycles, unrolled=True).choice.taken.values()
        return taken.fold.unit

    assert unit(1) == "unrolled"
    assert unit(256) == "folded"


def test_the_explanation() -> None:
    graph = network(12, 6, 10)
    found = explained(fold(graph, limits={"lut": 120}), with_curve=True)

    assert found["limiting"]
    assert found["used"]["lut"] <= 120 < found["used"]["lut"] + found["faster"]["more"]["lut"]
    assert found["faster"]["interval"] < found["interval"]
    assert [row["name"] for row in found["layers"]] == ["d0", "d1"]
    points = found["curve"]
    assert [p["interval"] for p in points] == sorted({p["interval"] for p in points})
    prices = [p["lut"] + 0.25 * p["ff"] + 0.011 * p["ram_bits"] for p in points]
    assert prices == sorted(prices, reverse=True)
    assert (found["interval"], found["used"]["lut"]) in {(p["interval"], p["lut"]) for p in points}
    said = dict(in_words(found))
    assert said["slowest"].endswith(f"{found['interval']:,} cycles")
    assert "of 120 LUTs (as asked)" in said["within"]


def test_a_fold_by_hand_stays_and_has_no_next_step() -> None:
    found = fold(network(12, 6), by_hand={"d0": Wish(2, 3)})
    told = explained(found, with_curve=False)

    assert told["faster"] is None
    assert (told["layers"][0]["pe"], told["layers"][0]["simd"]) == (2, 3)


def test_a_wider_input_makes_the_latency_shorter() -> None:
    graph, hand = network(64, 64), {"d0": Wish(8, 8)}
    narrow, wide = fold(graph, by_hand=hand), fold(graph, by_hand=hand, input_lanes=8)

    assert narrow.design.inputs[0].stream.lanes == 1
    assert wide.design.inputs[0].stream.lanes == 8
    assert wide.design.interval == narrow.design.interval == 64
    assert wide.design.least_latency < narrow.design.least_latency - 40


def test_lanes_that_do_not_divide_a_frame_are_refused() -> None:
    with pytest.raises(UserError, match="5 elements a beat do not divide a frame") as refused:
        fold(network(12, 6), input_lanes=5)
    assert refused.value.code == "codegen.input-lanes"
    assert "1, 2, 3, 4, 6, 12" in str(refused.value)
