from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatesmith.ir import BIPOLAR, Array, Graph, IntType, Node, Real, TensorType
from gatesmith.ir.execute import execute
from gatesmith.ops.const import Const
from gatesmith.ops.fake_quant import FakeQuant, Grid
from gatesmith.ops.input import Input
from gatesmith.quant.fake_quant import expand

SCALES = st.floats(2.0**-20, 2.0**20, width=32)
REALS = st.floats(-1e7, 1e7)


@given(SCALES, st.integers(1, 8), st.integers(-8, 8), st.lists(REALS, min_size=1, max_size=9))
def test_uniform_codes_are_those_of_rational_arithmetic(
    scale: float, bits: int, half: int, reals: list[float]
) -> None:
    clip = IntType(-(2 ** (bits - 1)), 2 ** (bits - 1))
    grid = Grid("int", clip, Array(scale), Array(2 * half))
    exact = [
        min(max(round(Fraction(x) / Fraction(scale) + 2 * half), clip.lo), clip.hi) for x in reals
    ]
    assert grid.codes(np.array(reals)).tolist() == exact


@given(SCALES, st.lists(st.integers(-300, 300), min_size=2, max_size=9, unique=True), st.data())
def test_levels_are_kept_and_others_go_to_the_nearest(
    scale: float, levels: list[int], data: st.DataObject
) -> None:
    levels = sorted(levels)
    kind = IntType(levels[0], levels[-1])
    grid = Grid("codebook", kind, Array(scale), levels=Array(levels))
    held = grid.values(np.array(levels))
    single = held.astype(np.float32).astype(np.float64)  # as a file holds them
    assert grid.codes(single).tolist() == levels
    x = data.draw(st.floats(-400, 400)) * scale
    (code,) = grid.codes(np.array([x]))
    distances = [abs(Fraction(x) - level * Fraction(scale)) for level in levels]
    nearest = abs(Fraction(x) - int(code) * Fraction(scale))
    assert nearest <= min(distances) * (1 + Fraction(1, 2**40)) + Fraction(scale) / 2**40


def test_zero_is_plus_one() -> None:
    grid = Grid("bipolar", BIPOLAR, Array([0.5, 2.0]))
    assert grid.fake(np.array([[0.0, -0.0], [-1e-9, 3.0]])).tolist() == [[0.5, 2.0], [-0.5, 2.0]]
    assert grid.bits == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scale": Array(0.1)}, "float32"),
        ({"scale": Array(0.0)}, "above 0"),
        ({"scale": Array(np.inf)}, "finite"),
        ({"zero_point": Array(3)}, "even"),
        ({"kind": "float"}, "kind"),
        ({"kind": "bipolar"}, "bipolar"),
        ({"rounding": "UPWARDS"}, "rounding"),
        ({"levels": Array([3, 1])}, "rising"),
        ({"levels": Array([0, 99])}, "rising codes"),
        ({"levels": Array([0, 1]), "zero_point": Array(2)}, "no zero point"),
    ],
)
def test_what_no_file_could_hold_is_refused(change: dict[str, object], words: str) -> None:
    fields: dict[str, object] = {"kind": "int", "clip": IntType(-8, 7), "scale": Array(0.5)}
    with pytest.raises(ValueError, match=words):
        Grid(**(fields | change))  # type: ignore[arg-type]


def test_expanded_graph_means_the_same() -> None:
    x = Node("x", Input(TensorType((3,), Real())))
    act = Grid("int", IntType(0, 15), Array(np.float64(np.float32(0.3))), Array(2))
    sign = Grid("bipolar", BIPOLAR, Array(0.25))
    levels = Grid("pow2", IntType(-4, 4), Array(0.5), levels=Array([-4, -2, -1, 0, 1, 2, 4]))
    w = Node("w", Const(Array([0.7, -1.9, 0.2])))
    nodes = (
        Node("a", FakeQuant(act), (x,)),
        Node("b", FakeQuant(sign), (x,)),
        Node("c", FakeQuant(levels), (w,)),
    )
    graph = Graph(nodes)
    plain = expand(graph)
    assert not any(isinstance(node.op, FakeQuant) for node in plain)
    values = np.random.default_rng(1).normal(0, 2, (50, 3))
    before, after = execute(graph, {"x": values}), execute(plain, {"x": values})
    for one, other in zip(graph.outputs, plain.outputs, strict=True):
        assert (before[one] == after[other]).all()
    with pytest.raises(ValueError, match="only constants"):
        expand(Graph((Node("d", FakeQuant(levels), (x,)),)))
