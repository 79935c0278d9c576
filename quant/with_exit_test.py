from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from gatesmith.errors import UserError
from gatesmith.ir import Affine, Array, Graph, IntType, Node, TensorType
from gatesmith.ir.check import check, samples
from gatesmith.ir.execute import execute
from gatesmith.ops.dense import Dense
from gatesmith.ops.gate import Gate
from gatesmith.ops.input import Input
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.threshold import Threshold
from gatesmith.ops.window import Window
from gatesmith.quant.lower import Lowered, OutputPort
from gatesmith.quant.with_exit import Exit, with_exit

RNG = np.random.default_rng(0)
U4, I4 = IntType(0, 15), IntType(-8, 7)
ONE = Affine((Fraction(1, 8),), (Fraction(-3),))
BY_CHANNEL = Affine(tuple(Fraction(k, 40) for k in (3, 4, 5)), (Fraction(0),))


def dense(name: str, x: Node, outs: int, meaning: Affine | None = None) -> Node:
    weights = Array(RNG.integers(-8, 8, (outs, x.type.channels)))
    return Node(name, Dense(weights, I4), (x,), (f"/{name}",), name, meaning)


def act(name: str, x: Node) -> Node:
    table = Array(np.sort(RNG.integers(-60, 60, (1, 15))))
    return Node(name, Threshold(table, U4, Array([0])), (x,))


def heads(early_means: Affine | None = ONE, late_means: Affine | None = BY_CHANNEL) -> Graph:
    """A trunk with a residual around the branch: two streams cross."""
    x = Node("x", Input(TensorType((8,), U4)))
    a = act("a", dense("fa", x, 6))
    b = act("b", dense("fb", a, 6))
    early = dense("early", b, 3, early_means)
    flat = Node("b_as", Reshape((1, 6)), (b,))
    back = Node("b_flat", Reshape((6,)), (flat,))
    c = act("c", dense("fc", back, 6))
    mixed = dense("late", c, 3, late_means)
    extra = dense("ea", a, 3)
    from gatesmith.ops.join import Join

    ones = Array([1])
    ends = (mixed.type.int_elem, extra.type.int_elem)
    total = IntType(sum(e.lo for e in ends), sum(e.hi for e in ends))
    late = Node(
        "sum", Join(ones, ones, Array([0]), 0, total), (mixed, extra), (), "late", late_means
    )
    return Graph((early, late))


def lowered(graph: Graph) -> Lowered:
    ports = tuple(OutputPort(node.type.shape, None, ()) for node in graph.outputs)
    return Lowered(graph, (), ports, ())


def real(node: Node, values: np.ndarray) -> list[list[Fraction]]:
    pairs = (node.meaning or Affine((Fraction(1),))).per_channel(node.type.channels)
    return [[s * int(v) + o for v, (s, o) in zip(row, pairs, strict=True)] for row in values]


@pytest.mark.parametrize("means", [(ONE, BY_CHANNEL), (BY_CHANNEL, ONE), (None, None)])
@pytest.mark.parametrize("less", ["0", "1/1000", "1"])
def test_answers_are_the_definition(means: tuple[Affine | None, Affine | None], less: str) -> None:
    graph = heads(*means)
    early, late = graph.outputs
    data = samples(graph, 64)
    both = execute(graph, data)
    first, second = real(early, both[early]), real(late, both[late])
    leads = sorted(sorted(e)[-1] - sorted(e)[-2] for e in first)
    margin = max(Fraction(0), leads[32] - Fraction(less))  # with 0 a frame is ahead by just that
    _, result = with_exit(lowered(graph), graph, Exit("early", margin))
    check(result, "exit", data)
    (answer,) = result.outputs
    found = execute(result, data)[answer]
    left = 0
    for (best, leaves), e, y in zip(found.tolist(), first, second, strict=True):
        ordered = sorted(e, reverse=True)
        out = ordered[0] - ordered[1] > margin
        scores = e if out else y
        assert (best, leaves) == (scores.index(max(scores)), int(out))
        left += out
    assert 0 < left < 64


def test_what_crosses_is_gated_once() -> None:
    graph = heads()
    told, result = with_exit(lowered(graph), graph, Exit("early", Fraction(1)))
    gates = {node.args[0].name: node for node in result if isinstance(node.op, Gate)}
    assert sorted(gates) == ["a", "b"]
    for node in result:  # behind a gate nothing is read that is not, but the decision
        if node.name in ("fc", "c", "late", "ea", "sum", "b_as_late", "b_flat_late"):
            before = {n.name for n in Graph(node.args)}
            assert before & {"a_gate", "b_gate"}, node.name
    assert told.outputs == (OutputPort((2,), None, ()),)
    assert "gates: b, a" in told.notes[-1] or "gates: a, b" in told.notes[-1]


def test_a_window_is_made_again_behind_the_gate() -> None:
    x = Node("x", Input(TensorType((4, 4, 2), U4)))
    window = Node("w", Window((3, 3), (1, 1), (1, 1, 1, 1), (1, 1), Array([0]), 1), (x,))
    early = dense("early", Node("flat", Reshape((288,)), (window,)), 3)
    late = dense("late", Node("flat2", Reshape((288,)), (window,)), 3)
    _, result = with_exit(lowered(graph := Graph((early, late))), graph, Exit("early", Fraction(5)))
    (gate,) = (node for node in result if isinstance(node.op, Gate))
    assert gate.args[0].op == x.op
    assert sum(isinstance(node.op, Window) for node in result) == 2
    check(result, "exit", samples(graph, 8))


def test_scores_with_one_scale_need_no_keys() -> None:
    graph = heads(ONE, ONE)
    _, result = with_exit(lowered(graph), graph, Exit("early", Fraction(1)))
    assert not any(isinstance(node.op, Requantize) for node in result)
    assert "Decide(early, margin=8)" in str(result)


def test_what_is_refused() -> None:
    graph = heads()
    early, late = graph.outputs

    def refused(g: Graph, code: str, name: str = "early", host: tuple[str, ...] = ()) -> None:
        ports = tuple(replace(port, host=host) for port in lowered(g).outputs)
        with pytest.raises(UserError) as caught:
            with_exit(replace(lowered(g), outputs=ports), g, Exit(name, Fraction(1)))
        assert caught.value.code == code

    refused(Graph((early,)), "quant.exit-outputs")
    refused(graph, "quant.exit-outputs", "scores")
    refused(Graph((early, dense("behind", early, 3))), "quant.exit-outputs")
    refused(Graph((early, dense("four", late.args[0], 4))), "quant.exit-scores")
    refused(graph, "quant.exit-scores", host=("Softmax over the last 1 axes",))
    one = dense("one", late.args[0], 1)
    refused(Graph((early, one)), "quant.exit-scores")
    flat = replace(early, meaning=Affine((Fraction(0),) * 3, (Fraction(0),)))
    refused(Graph((flat, late)), "quant.exit-keys")


@pytest.mark.parametrize("text", ["early", "early:", ":1", "early:-1", "early:x", "early:1/0"])
def test_texts_that_cannot_be_read(text: str) -> None:
    with pytest.raises(UserError) as caught:
        Exit.parse(text)
    assert caught.value.code == "cli.exit"


def test_names_may_have_colons() -> None:
    assert Exit.parse("early:0:1/2") == Exit("early:0", Fraction(1, 2))
