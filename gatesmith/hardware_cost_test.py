"""Costs of a small real network: a residual block, pools, a classifier."""

from __future__ import annotations

import numpy as np
import pytest

from gatesmith.codegen.fold import Target
from gatesmith.errors import UserErrors
from gatesmith.hardware_cost import cost_by_unit, cost_table, hardware_cost, planned
from gatesmith.ir import Array, Graph, Node, Real, TensorType
from gatesmith.ops.add import Add
from gatesmith.ops.const import Const
from gatesmith.ops.conv import Conv
from gatesmith.ops.input import Input
from gatesmith.ops.mat_mul import MatMul
from gatesmith.ops.max_pool import MaxPool
from gatesmith.ops.relu import Relu
from gatesmith.ops.reshape import Reshape
from gatesmith.quant.calibrate.runner import reference_runner
from gatesmith.quant.mixed.cost import Cost, predicted, total
from gatesmith.quant.mixed.trial import Trials, trials
from gatesmith.quant.mixed.units import units_of, widths_of
from gatesmith.quant.prepare.scheme import Scheme
from gatesmith.quant.prepare.sites import Site, find_sites

TARGET = Target(cycles=600)


def network() -> Graph:
    rng = np.random.default_rng(0)

    def const(name: str, *shape: int) -> Node:
        values = rng.standard_normal(shape).astype(np.float32).astype(np.float64)
        return Node(name, Const(Array(values)))

    def conv(name: str, x: Node, channels: int) -> Node:
        weight = const(f"{name}_w", 3, 3, x.type.shape[-1], channels)
        sums = Node(name, Conv((1, 1), (1, 1, 1, 1), (1, 1), 1), (x, weight), (f"/{name}/Conv",))
        return Node(f"{name}_bias", Add(), (sums, const(f"{name}_b", channels)))

    x = Node("x", Input(TensorType((6, 6, 2), Real())))
    stem = Node("stem_relu", Relu(), (conv("stem", x, 4),))
    inner = Node("inner_relu", Relu(), (conv("inner", stem, 4),))
    joined = Node("joined", Add(), (conv("outer", inner, 4), stem))
    relu = Node("joined_relu", Relu(), (joined,))
    pool = Node("pool", MaxPool((2, 2), (2, 2), (0, 0, 0, 0), (1, 1)), (relu,))
    flat = Node("flat", Reshape((36,)), (pool,))
    return Graph((Node("last", MatMul(), (flat, const("last_w", 36, 3))),))


@pytest.fixture(scope="module")
def quick() -> Trials:
    graph = network()
    sites = find_sites(graph)
    frames = np.random.default_rng(1).standard_normal((8, 6, 6, 2))
    weight, read = Scheme.parse("int4", weight=True), Scheme.parse("int4", weight=False)
    schemes = {s.name: weight if s.role == "weight" else read for s in sites}
    return trials(graph, sites, schemes, reference_runner, frames)


def sites_of(quick: Trials) -> tuple[Site, ...]:
    return tuple(quick.sites.values())


def test_units_add_up_to_the_design(quick: Trials) -> None:
    bits = dict.fromkeys(quick.sites, 4)
    plan = planned(quick.quantized(bits), TARGET)
    units = units_of(quick.graph, sites_of(quick))
    costs = cost_by_unit(plan, units, sites_of(quick))
    assert list(costs) == ["stem", "inner", "outer", "last", "outer_bias", ""]
    assert total(costs.values()) == plan.cost == hardware_cost(quick.quantized(bits), TARGET)
    assert costs[""] == Cost()
    assert costs["outer_bias"].lut > 0  # its codes, and the join that reads them
    weights = {"stem": 72, "inner": 144, "outer": 144, "last": 108}
    assert {n: c.weight_bits for n, c in costs.items() if c.weight_bits} == {
        name: 4 * size for name, size in weights.items()
    }
    assert plan.cost.cycles <= 600
    assert plan.cost.lut <= plan.design.cost.lut  # FIFOs as deep as a frame are left out


def test_fifos_on_demand(quick: Trials) -> None:
    graph = quick.quantized(dict.fromkeys(quick.sites, 4))
    sized = hardware_cost(graph, TARGET, fifos=True)
    plain = hardware_cost(graph, TARGET)
    assert sized.lut > plain.lut  # the shortcut of the residual block has to wait
    assert sized.weight_bits == plain.weight_bits


def test_table_of_uniform_widths(quick: Trials) -> None:
    sites = sites_of(quick)
    units, widths = units_of(quick.graph, sites), widths_of(sites, quick.schemes, (2, 4))
    seen = []
    table = cost_table(
        units,
        sites,
        widths,
        quick.quantized,
        target=TARGET,
        progress=lambda done, all_: seen.append((done, all_)),
    )
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4)]
    assert set(table["stem"]) == {(2, 4), (4, 4)}  # the input keeps its width
    assert set(table["inner"]) == {(2, 2), (2, 4), (4, 2), (4, 4)}
    assert set(table["outer_bias"]) == {(0, 2), (0, 4)}
    for bits in (2, 4):
        choice = {name: bits if len(own) > 1 else own[0] for name, own in widths.items()}
        measured = hardware_cost(quick.quantized(choice), TARGET)
        said = predicted(units, table, choice)
        assert said.weight_bits == measured.weight_bits
        assert said.lut == pytest.approx(measured.lut, rel=0.02)


def test_mixed_widths_are_foreseen(quick: Trials) -> None:
    sites = sites_of(quick)
    units, widths = units_of(quick.graph, sites), widths_of(sites, quick.schemes, (2, 4))
    table = cost_table(units, sites, widths, quick.quantized, target=TARGET)
    choice = {
        name: own[index % 2] if len(own) > 1 else own[0]
        for index, (name, own) in enumerate(widths.items())
    }
    measured = hardware_cost(quick.quantized(choice), TARGET)
    assert predicted(units, table, choice).lut == pytest.approx(measured.lut, rel=0.1)
    assert predicted(units, table, choice).weight_bits == measured.weight_bits


def test_cycles_out_of_reach(quick: Trials) -> None:
    with pytest.raises(UserErrors) as caught:
        hardware_cost(quick.quantized(dict.fromkeys(quick.sites, 4)), Target(cycles=3))
    assert {error.code for error in caught.value.errors} == {"codegen.target"}
