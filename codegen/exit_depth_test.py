from fractions import Fraction
from functools import partial

import numpy as np
import pytest

from gatesmith.codegen.design import Design
from gatesmith.codegen.early_exit import EarlyExitStage
from gatesmith.codegen.exit_depth import (
    behind_gates,
    early_interval,
    early_part,
    has_gates,
    size_with_exits,
)
from gatesmith.codegen.fifo_depth import alive, fifos, reached_interval, size_fifos, with_depths
from gatesmith.codegen.fold import Target, choose_folds
from gatesmith.codegen.gate import GateStage
from gatesmith.codegen.plan import plan
from gatesmith.codegen.wish import Wish
from gatesmith.ir import Array, Graph, IntType, Node, TensorType
from gatesmith.ops.dense import Dense
from gatesmith.ops.input import Input
from gatesmith.ops.join import Join
from gatesmith.ops.threshold import Threshold
from gatesmith.quant.lower import Lowered, OutputPort
from gatesmith.quant.with_exit import Exit, with_exit

RNG = np.random.default_rng(0)
U4, I4 = IntType(0, 15), IntType(-8, 7)


def dense(name: str, x: Node, outs: int) -> Node:
    weights = Array(RNG.integers(-8, 8, (outs, x.type.channels)))
    return Node(name, Dense(weights, I4), (x,), (), name)


def layer(name: str, x: Node, outs: int) -> Node:
    act = Threshold(Array(np.arange(-28, 32, 4)[None]), U4, Array([0]))
    return Node(f"{name}_act", act, (dense(name, x, outs),))


def network(*, residual: bool) -> Graph:
    a = layer("a", Node("x", Input(TensorType((8,), U4))), 8)
    b = layer("b", a, 8)
    early = dense("early", b, 4)
    c = layer("c", layer("d", b, 8), 8)
    if residual:
        ones = Array([1])
        c = Node("sum", Join(ones, ones, Array([0]), 0, IntType(0, 30)), (c, a))
    return Graph((early, dense("late", c, 4)))


def design(*, residual: bool) -> Design:
    """The early part takes 16 cycles a frame, the late one 64."""
    graph = network(residual=residual)
    ports = tuple(OutputPort(node.type.shape, None, ()) for node in graph.outputs)
    _, graph = with_exit(Lowered(graph, (), ports, ()), graph, Exit("early", Fraction(3)))
    wishes = {name: Wish.parse("2,2") for name in ("a", "b", "early", "late")}
    target = Target(None, wishes | {name: Wish.parse("1,1") for name in "cd"})
    return plan(graph, choose_folds(graph, target), "net", 64)


@pytest.mark.parametrize("residual", [False, True])
def test_both_ends_reach_their_interval(residual: bool) -> None:
    whole = design(residual=residual)
    sized = size_with_exits(whole, size_fifos)
    assert has_gates(sized)
    assert alive(sized)
    assert reached_interval(sized) == sized.interval == 64
    early = early_part(sized)
    assert not any(isinstance(stage, EarlyExitStage) for stage in early)
    assert alive(early)
    assert reached_interval(early) == early_interval(sized) == 16


@pytest.mark.parametrize("residual", [False, True])
def test_depths_are_the_most_that_is_asked_for(residual: bool) -> None:
    whole = design(residual=residual)
    found = {name: stage.depth for name, stage in fifos(size_with_exits(whole, size_fifos)).items()}
    for part in (size_fifos(whole), size_fifos(early_part(whole))):
        for name, stage in fifos(part).items():
            assert found[name] >= stage.depth
    gates = [stage for stage in whole if isinstance(stage, GateStage)]
    assert len(gates) == 1 + residual
    for gate in gates:
        (behind,) = (p.stage for p in whole.placed if p.drivers[0].name == gate.name)
        assert found[behind.name] >= gate.x.beats  # a whole frame


def test_early_frames_need_deeper_fifos_than_late_ones() -> None:
    """Were only step 1 done, the early head would stand still for lack of places."""
    whole = design(residual=False)
    slow = size_fifos(whole)
    found = fifos(slow)
    kept = {name: found[name].depth if name in found else 0 for name in fifos(whole)}
    part = early_part(whole)
    shallow = with_depths(part, {name: kept[name] for name in fifos(part)})
    assert reached_interval(shallow) > 16


def test_what_is_behind_the_gates() -> None:
    whole = design(residual=True)
    behind = behind_gates(whole)
    assert {"c", "d", "sum", "late", "late_best"} <= behind
    assert not behind & {"a", "b", "early", "early_decide", "answer"}


def test_spare_places_are_passed_on() -> None:
    whole = design(residual=True)
    spared = size_with_exits(whole, partial(size_fifos, spare=1))
    for name, stage in fifos(size_with_exits(whole, size_fifos)).items():
        assert fifos(spared)[name].depth >= stage.depth
