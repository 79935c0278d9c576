"""The tables of the search against the plan: the same stages, to the last LUT."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from gatesmith.codegen import layers
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.fifo import FifoStage
from gatesmith.codegen.fold import PRICES, fewest_cycles
from gatesmith.codegen.fold_model import Choice, Memory
from gatesmith.codegen.plan import plan
from gatesmith.errors import UserError
from gatesmith.frontend.importer import import_model
from gatesmith.frontend.input_spec import InputSpec
from gatesmith.ir import Graph, Node
from gatesmith.ops.input import Input
from gatesmith.pipeline import to_integers
from gatesmith.rtl_tests.branching_networks import (
    fire,
    gated,
    join_by_channel,
    resnet_own_scales,
    resnet_shared_scale,
    shuffle,
    two_ends,
    upsampling_autoencoder,
)
from gatesmith.rtl_tests.qonnx_builder import Network
from gatesmith.rtl_tests.qonnx_networks import cnv_bipolar_padded, mobilenet, vgg_two_bits
from gatesmith.rtl_tests.random_conv_network import random_conv_network
from gatesmith.rtl_tests.random_network import random_model

NETWORKS = (
    *(fire, gated, join_by_channel, resnet_own_scales, resnet_shared_scale, shuffle, two_ends),
    *(upsampling_autoencoder, cnv_bipolar_padded, mobilenet, vgg_two_bits),
)


def integer(model: onnx.ModelProto, folder: Path, spec: str | None = None) -> Graph:
    path = folder / "net.onnx"
    onnx.save(model, path)
    imported = import_model(path, None if spec is None else InputSpec.parse(spec))
    return to_integers(imported, path)[1]


def check(graph: Graph, seed: int, *, unrolled: bool) -> list[Choice]:
    """At some cycles a frame, with other weights each time, so that many lanes come up."""
    rng = np.random.default_rng(seed)
    memory = Memory(graph, {}, unrolled=unrolled)
    least = max(map(fewest_cycles, graph))
    found = []
    for cycles in (least, *(least * rng.integers(2, 400, 4)).tolist()):
        choice = memory.model(cycles).choose(PRICES * rng.uniform(0.1, 2, PRICES.size))
        if choice is None:
            continue
        found.append(choice)
        folds = {node: taken.fold for node, taken in choice.taken.items()}
        try:
            design = plan(graph, folds, "net", cycles)
        except UserError as error:
            assert error.code == "codegen.too-wide"
            continue
        total = sum((s.cost() for s in design if not isinstance(s, FifoStage)), Cost())
        assert (choice.of("lut"), choice.of("ff")) == (total.lut, total.ff)
        assert (choice.of("dsp"), choice.of("ram_bits")) == (total.dsp, total.ram_bits)
        assert choice.exact
        real = max(s.interval for s in design if not isinstance(s, FifoStage))
        assert choice.interval == max(real, *(p.stream.beats for p in design.inputs))
        assert all(taken.cycles <= cycles for taken in choice.taken.values())
    return found


@pytest.mark.parametrize("make", NETWORKS, ids=lambda make: make.__name__)
def test_tables_are_what_the_plan_builds(make: object, tmp_path: Path) -> None:
    network: Network = make(dyadic=True)  # type: ignore[operator]
    graph = integer(network.model, tmp_path, network.spec)
    assert check(graph, 3, unrolled=False)


@pytest.mark.parametrize("seed", range(12))
def test_random_perceptrons_unrolled_layers_among_them(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layers, "STRAIGHT", 1)  # else the plan saves buffers that the sum counts
    try:
        graph = integer(random_model(seed), tmp_path)
    except UserError:
        pytest.skip("no integer form")
    assert check(graph, seed, unrolled=True)


@pytest.mark.parametrize("lanes", [1, 2, 4])
def test_lanes_of_the_input_as_asked(lanes: int, tmp_path: Path) -> None:
    make: Any = vgg_two_bits
    network: Network = make(dyadic=True)
    graph = integer(network.model, tmp_path, network.spec)
    lanes *= graph_input(graph).type.channels
    cycles = graph_input(graph).type.size * 64
    choice = Memory(graph, {}, lanes=lanes).model(cycles).choose(PRICES)
    assert choice is not None

    folds = {node: taken.fold for node, taken in choice.taken.items()}
    design = plan(graph, folds, "net", cycles, lanes)
    assert design.inputs[0].stream.lanes == lanes
    total = sum((s.cost() for s in design if not isinstance(s, FifoStage)), Cost())
    assert (choice.of("lut"), choice.of("ff")) == (total.lut, total.ff)


def graph_input(graph: Graph) -> Node:
    return next(node for node in graph if isinstance(node.op, Input))


@pytest.mark.parametrize("seed", range(10))
def test_random_convolutional_networks(seed: int, tmp_path: Path) -> None:
    network = random_conv_network(seed)
    graph = integer(network.model, tmp_path, network.spec)
    check(graph, seed, unrolled=True)
