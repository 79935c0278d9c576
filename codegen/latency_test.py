"""Latency with and without branches; rtl_tests/test_regress_found.py has one in the simulator."""

from __future__ import annotations

import numpy as np
import pytest

from gatesmith.codegen import fifo_depth, latency
from gatesmith.codegen.design import CorePort, Design
from gatesmith.codegen.fifo_depth_test import Net, X, stream, unequal
from gatesmith.codegen.fold import Target, choose_folds
from gatesmith.codegen.fold_test import network
from gatesmith.codegen.plan import plan
from gatesmith.codegen.stream import Timing


@pytest.mark.parametrize("cycles", [3, 7, 24, 100])
def test_conditions_of_a_chain_lead_to_its_schedule(cycles: int) -> None:
    graph = network(24, 12, 6, vectors=3)
    design = plan(graph, choose_folds(graph, Target(cycles)), "net")

    assert latency._of_one_frame(design) == latency.latency(design) == design.least_latency


@pytest.mark.parametrize(("long", "short"), [(10, 1), (7, 4)])
def test_a_fifo_that_is_deep_enough_costs_nothing(long: int, short: int) -> None:
    design = fifo_depth.size_fifos(unequal(64, long, short))

    # Fork, the longer branch, and the join, behind the edge of the last of 64 beats.
    assert latency.latency(design) == 63 + 1 + long + 1


def test_a_slow_end_holds_the_other_one_back() -> None:
    """Of two outputs of a fork one takes a beat every third cycle, so the other gets no more."""
    net = Net(16)
    a, b = net.fork("split", 16, X)
    seen = np.arange(48) // 3 + 1
    timing = Timing((seen,), (0,), (np.arange(1, 49) // 3,), (1,), np.arange(48) % 3 == 2, 1, 1)
    ends = (net.pipe("long", 16, 40, a), net.put("slow", timing, [16], [16], b))
    ports = [CorePort(name, name, stream(16), end) for name, end in zip("yz", ends, strict=True)]
    design = Design("net", (net.port,), tuple(net.placed), tuple(ports))

    assert 15 + 1 + 40 < 3 * 14 + 40 < latency.latency(design) < 3 * 16 + 1 + 40


@pytest.mark.parametrize("depth", [2, 3, 5, 12])
def test_a_fifo_that_is_not_holds_the_fork_back(depth: int) -> None:
    net = Net(16)
    a, b = net.fork("split", 16, X)
    design = net.done(net.join("sum", 16, net.pipe("long", 16, 12, a), b), 16)
    short = fifo_depth.with_depths(design, {"sum_a": 0, "sum_b": depth})

    found = latency.latency(short)

    deeper = fifo_depth.with_depths(design, {"sum_a": 0, "sum_b": depth + 1})
    assert found > latency.latency(deeper) >= 15 + 1 + 12 + 1
