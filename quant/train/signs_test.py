"""Networks of signs in training: pools of signs, and batch norms that begin balanced."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gatesmith.ir import BIPOLAR, Array, Graph, Node, Real, TensorType  # noqa: E402
from gatesmith.ir.execute import execute  # noqa: E402
from gatesmith.ops.add import Add  # noqa: E402
from gatesmith.ops.const import Const  # noqa: E402
from gatesmith.ops.conv import Conv  # noqa: E402
from gatesmith.ops.fake_quant import FakeQuant, Grid  # noqa: E402
from gatesmith.ops.input import Input  # noqa: E402
from gatesmith.ops.mat_mul import MatMul  # noqa: E402
from gatesmith.ops.max_pool import MaxPool  # noqa: E402
from gatesmith.ops.relu import Relu  # noqa: E402
from gatesmith.ops.reshape import Reshape  # noqa: E402
from gatesmith.quant.train.module import GraphModule, ModuleOptions  # noqa: E402
from gatesmith.quant.train.plan import chains, signs_of  # noqa: E402

SCALE = 0.5
RNG = np.random.default_rng(3)


def const(name: str, values: np.ndarray) -> Node:
    return Node(name, Const(Array(values.astype(np.float32).astype(np.float64))))


def signs(name: str, x: Node) -> Node:
    return Node(name, FakeQuant(Grid("bipolar", BIPOLAR, Array(SCALE))), (x,))


def network(pooled: bool = True, term: float = -4.0) -> Graph:
    """Convolution, term that makes nearly every value negative, sign, pool, dense layer."""
    x = Node("x", Input(TensorType((6, 6, 2), Real())))
    w = const("w", RNG.standard_normal((3, 3, 2, 8)))
    sums = Node("conv", Conv((1, 1), (1, 1, 1, 1), (1, 1), 1), (x, w))
    sums = Node("sums", Add(), (sums, const("b", np.full(8, term))))
    at = signs("signs", sums)
    if pooled:
        at = Node("pool", MaxPool((2, 2), (2, 2)), (at,))
    flat = Node("flat", Reshape((at.type.size,)), (at,))
    dense = const("dense_w", RNG.standard_normal((flat.type.size, 3)))
    return Graph((Node("scores", MatMul(), (flat, dense)),))


def test_signs_of_the_pooled_are_the_pooled_signs() -> None:
    graph = network(term=0.0)
    x = RNG.standard_normal((32, 6, 6, 2)).astype(np.float32)
    module = GraphModule(graph).eval()
    assert "signs" not in {step.node.name for step in module._steps}
    kept = GraphModule(graph, ModuleOptions(kept=("signs", "pool"))).eval()
    assert "signs" in {step.node.name for step in kept._steps}
    values = kept.run(torch.tensor(x))
    assert torch.equal(values["scores"], module(torch.tensor(x)))
    pool = next(node for node in graph if node.name == "pool")
    meant = execute(graph, {"x": x.astype(np.float64)}, [pool])[pool]
    np.testing.assert_array_equal(values["pool"].detach().numpy(), meant)


def test_a_pool_teaches_the_largest_sum_not_the_first_sign() -> None:
    module = GraphModule(network(term=0.0))
    step = next(step for step in module._steps if step.node.name == "pool")
    sums = torch.full((1, 6, 6, 8), -0.4)
    sums[0, 1, 1] = -0.1  # all signs are -1; the last of the window is nearest to +1
    sums.requires_grad_()
    torch.autograd.backward(step.function(sums).sum())
    assert sums.grad is not None
    assert (sums.grad[0, 1, 1] == 1).all()
    assert (sums.grad[0, 0, 0] == 0).all()


def test_signs_are_found_behind_moves_and_pools() -> None:
    for pooled in (True, False):
        graph = network(pooled)
        first, last = chains(graph)
        found = signs_of(graph, first)
        assert found is not None
        assert found.name == "signs"
        assert signs_of(graph, last) is None
    two = network()
    (scores,) = two.outputs
    sums = next(node for node in two if node.name == "sums")
    both = Graph((scores, Node("relu", Relu(), (sums,))))
    assert signs_of(both, chains(both)[0]) is None


def test_batch_norms_of_signs_begin_with_as_many_plus_as_minus() -> None:
    graph = network(pooled=False)
    x = torch.tensor(RNG.standard_normal((200, 6, 6, 2)).astype(np.float32))
    module = GraphModule(graph, ModuleOptions(normalize=True, kept=("sums",))).eval()
    module.calibrate(x)
    sums = module.run(x)["sums"]
    torch.testing.assert_close(sums.mean((0, 1, 2)), torch.zeros(8), atol=1e-4, rtol=0)
    torch.testing.assert_close(sums.std((0, 1, 2)), torch.full((8,), SCALE), atol=1e-2, rtol=0)
