"""Compiled graphs against the NumPy reference: every element, on each instruction set."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatesmith.cpu_gpu_baselines.native import CannotCompile, NotCovered, Program, write
from gatesmith.cpu_gpu_baselines.native import compiler as tools
from gatesmith.cpu_gpu_baselines.native.compiler import MACHINES
from gatesmith.frontend.importer import import_model
from gatesmith.ir import BIPOLAR, TERNARY, Array, Graph, IntType, Node, TensorType
from gatesmith.ir.check import samples
from gatesmith.ir.execute import execute
from gatesmith.ops.concat import Concat
from gatesmith.ops.const import Const
from gatesmith.ops.dense import Dense
from gatesmith.ops.gather import Gather
from gatesmith.ops.input import Input
from gatesmith.ops.join import Join
from gatesmith.ops.max_pool import MaxPool
from gatesmith.ops.product import Product
from gatesmith.ops.reduce import Reduce
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.select import Select
from gatesmith.ops.table import Table
from gatesmith.ops.take import Take
from gatesmith.ops.threshold import Threshold
from gatesmith.ops.top_k import TopK
from gatesmith.ops.transpose import Transpose
from gatesmith.ops.window import Window
from gatesmith.pipeline import to_integers

EXAMPLES = next(p / "examples" for p in Path(__file__).parents if (p / "examples").is_dir())

SHAPES = ((1, 1), (9, 65), (63, 7), (64, 8), (65, 33), (127, 64), (128, 31), (130, 100), (200, 40))
"""Inputs and outputs of layers: below, at and above words of 64, tiles of 32 and eights."""


def equal(program: Program, graph: Graph, x: dict[str, np.ndarray], threads: int = 1) -> bool:
    """Whether every element of every output is the reference's."""
    wanted = execute(graph, x)
    found = program.run(x, threads)
    return all(
        np.array_equal(y, wanted[node]) for y, node in zip(found, graph.outputs, strict=True)
    )


def vector(name: str, size: int, elem: IntType) -> Node:
    return Node(name, Input(TensorType((size,), elem)))


# ---- packed bits --------------------------------------------------------------------------------


def bit_layers(seed: int, zeros: float) -> Graph:
    """Layers of every shape, alone and before thresholds; the text is the same for every seed."""
    rng = np.random.default_rng(seed)
    outputs = []
    for number, (ins, outs) in enumerate(SHAPES):
        for kind in {0, number % 4}:
            x_elem = TERNARY if kind & 1 else BIPOLAR
            x = vector(f"x{number}_{kind}", ins, x_elem)
            weights = rng.choice([-1, 1], (outs, ins))
            if kind & 2:
                weights[rng.random((outs, ins)) < zeros] = 0
                weights[0, 0] = 0
            plain = Node(f"sum{number}_{kind}", Dense(Array(weights), TERNARY), (x,))
            read = Node(f"read{number}_{kind}", Dense(Array(weights), TERNARY), (x,))
            elem = read.type.int_elem
            at = rng.integers(elem.lo, elem.hi + elem.step + 1, (outs, 1))
            op = Threshold(Array(at), BIPOLAR, Array(rng.integers(0, 2, outs)))
            outputs += [plain, Node(f"bits{number}_{kind}", op, (read,))]
    return Graph(tuple(outputs), "bits")


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    zeros=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    frames=st.integers(1, 70),
    threads=st.integers(1, 3),
)
def test_xnor_layers_of_any_shape(seed: int, zeros: float, frames: int, threads: int) -> None:
    graph = bit_layers(seed, zeros)
    x = samples(graph, frames, seed)
    assert equal(Program(graph), graph, x, threads)


@pytest.mark.parametrize("machine", MACHINES)
def test_xnor_layers_on_other_machines(machine: str) -> None:
    graph = bit_layers(3, 0.4)
    program = Program(graph, machine=machine)
    kinds = set(program.written.kinds.values())
    assert kinds == {"xnor", "xnor_bits"}
    assert equal(program, graph, samples(graph, 67, 5))
    if machine == "plain":
        assert program.isa == "plain C++"


def test_bits_behind_the_last_are_masked() -> None:
    """Every input and weight is 1: a padded bit that counted would show in each sum."""
    x = vector("x", 70, BIPOLAR)
    node = Node("y", Dense(Array(np.ones((9, 70), np.int64)), BIPOLAR), (x,))
    graph = Graph((node,), "ones")
    (found,) = Program(graph).run({"x": np.ones((3, 70), np.int64)})
    assert (found == 70).all()
    (found,) = Program(graph).run({"x": -np.ones((3, 70), np.int64)})
    assert (found == -70).all()


def test_weights_of_a_bit_take_a_bit() -> None:
    x = vector("x", 256, BIPOLAR)
    graph = Graph((Node("y", Dense(Array(np.ones((64, 256), np.int64)), BIPOLAR), (x,)),), "wide")
    assert Program(graph).weight_bytes == 64 * 256 // 8


# ---- integers -----------------------------------------------------------------------------------


def int_layers(seed: int) -> Graph:
    """Products of every width, with and without groups, and what stands between them."""
    rng = np.random.default_rng(seed)
    outputs = []
    widths = ((0, 255, 127), (-128, 127, 127), (-128, 127, 300), (-9000, 9000, 90), (0, 200000, 99))
    for number, (lo, hi, most) in enumerate(widths):
        for ins, outs, groups in ((1, 1, 1), (30, 17, 1), (65, 130, 1), (5, 6, 3)):
            name = f"{number}_{ins}_{groups}"
            x = vector(f"x{name}", ins * groups, IntType(lo, hi))
            weights = rng.integers(-most, most + 1, (outs, ins))
            weights.flat[0] = most  # the widest is there for every seed
            op = Dense(Array(weights), IntType(-most, most), groups)
            outputs.append(Node(f"y{name}", op, (x,)))
    x = vector("signs", 40, BIPOLAR)
    op = Dense(Array(rng.integers(-7, 8, (12, 40))), IntType(-7, 7))
    outputs.append(Node("signed", op, (x,)))
    return Graph(tuple(outputs), "ints")


def ends(graph: Graph) -> dict[str, np.ndarray]:
    """A frame of all lowest and one of all highest values."""
    inputs = [node for node in graph if isinstance(node.op, Input)]
    limits = {node: (node.type.int_elem.lo, node.type.int_elem.hi) for node in inputs}
    return {n.name: np.stack([np.full(n.type.shape, end) for end in limits[n]]) for n in inputs}


@pytest.mark.parametrize("machine", MACHINES)
def test_products_of_every_width(machine: str) -> None:
    graph = int_layers(1)
    program = Program(graph, machine=machine)
    assert {"products", "dense"} <= set(program.written.kinds.values())
    assert equal(program, graph, samples(graph, 37, 2), threads=2)
    assert equal(program, graph, ends(graph))


def small_ops() -> Iterator[Node]:
    """Each kernel that computes no product, on a map of (5, 6, 4)."""
    rng = np.random.default_rng(4)
    shape = (5, 6, 4)
    a = Node("a", Input(TensorType(shape, IntType(-100, 120))))
    b = Node("b", Input(TensorType(shape, IntType(0, 200))))
    four = [Array(rng.integers(-5, 6, 4)) for _ in range(6)]
    at = Array(np.sort(rng.integers(-100, 122, (4, 5)), axis=1))
    yield Node("steps", Threshold(at, IntType(-5, 5, 2), Array([0, 1, 0, 1])), (a,))
    yield Node("one_row", Threshold(Array([[-3, 121]]), IntType(0, 2), Array([0])), (a,))
    yield Node("even", Requantize(four[0], four[1], 3, IntType(-20, 20), even=True), (a,))
    yield Node("far", Requantize(Array([2**40]), Array([5]), 38, IntType(-90, 90)), (a,))
    yield Node("affine", Requantize(four[2], four[3], 0, IntType(-900, 900)), (b,))
    yield Node("join", Join(four[4], four[5], four[0], 2, IntType(-70, 99), even=True), (a, b))
    by_channel, by_tensor = rng.integers(-9, 10, (4, 221)), rng.integers(0, 999, (1, 201))
    yield Node("t4", Table(Array(by_channel), IntType(-9, 9), IntType(-100, 120)), (a,))
    yield Node("t1", Table(Array(by_tensor), IntType(0, 999), IntType(0, 200)), (b,))
    yield Node("product", Product(), (a, b))
    yield Node("larger", Select("max"), (a, b))
    yield Node("smaller", Select("min"), (a, b))
    yield Node("pool", MaxPool((3, 2), (2, 1), (1, 0, 1, 1), (1, 2)), (a,))
    fill = Array([7, -8, 9, 150])
    yield Node("window", Window((2, 3), (1, 2), (1, 0, 0, 2), (2, 1), fill, 2), (a,))
    yield Node("rows", Transpose((2, 0, 1)), (a,))
    for kind in ("sum", "max", "min"):
        yield Node(f"all_{kind}", Reduce(kind), (a,))
    yield Node("best", TopK(2), (a,))
    yield Node("worst", TopK(3, largest=False, last=True), (b,))
    yield Node("take", Take(1, Array([5, 0, 0])), (b,))
    yield Node("gather", Gather((3, 2), Array([0, -1, 119, 5, -1, 7]), -300), (a,))
    yield Node("concat", Concat(1), (a, b))


def test_every_other_kernel() -> None:
    graph = Graph(tuple(small_ops()), "small")
    program = Program(graph)
    assert equal(program, graph, samples(graph, 9, 1), threads=2)


@pytest.mark.parametrize("machine", MACHINES)
def test_layers_without_their_zeros(machine: str) -> None:
    rng = np.random.default_rng(0)
    x = Node("x", Input(TensorType((3, 4, 20), IntType(-8, 7))))
    weights = rng.integers(-7, 8, (18, 20)) * (rng.random((18, 20)) < 0.2)
    weights[5] = 0
    first = Node("first", Dense(Array(weights), IntType(-7, 7)), (x,))
    grouped = rng.integers(-7, 8, (4, 9)) * (rng.random((4, 9)) < 0.3)
    second = Node("second", Dense(Array(grouped), IntType(-7, 7), 2), (first,))
    graph = Graph((second,), "sparse")
    program = Program(graph, sparse=True, machine=machine)
    assert list(program.written.kinds.values()) == ["groups", "sparse"]
    for frames in (1, 3, 6, 9):  # 12 rows a frame: below 16, below 64, and beyond
        assert equal(program, graph, samples(graph, frames, frames))


def test_a_frame_alone_takes_single_weights() -> None:
    rng = np.random.default_rng(0)
    x = vector("x", 50, IntType(0, 255))
    weights = rng.integers(-7, 8, (20, 50)) * (rng.random((20, 50)) < 0.1)
    graph = Graph((Node("y", Dense(Array(weights), IntType(-7, 7)), (x,)),), "alone")
    program = Program(graph, sparse=True)
    for frames in (1, 4, 5, 16, 17, 20, 63, 64, 65, 70):
        assert equal(program, graph, samples(graph, frames, frames))


# ---- networks -----------------------------------------------------------------------------------


@cache
def integers(path: Path, spec: None = None) -> Graph:
    return to_integers(import_model(path, spec), path)[1]


@pytest.mark.parametrize(
    "name",
    ["tfc/TFC_1W1A", "tfc/TFC_2W2A", "exported/binary", "exported/mobile", "exported/residual"],
)
def test_networks(name: str) -> None:
    graph = integers(EXAMPLES / f"{name}.onnx")
    assert equal(Program(graph), graph, samples(graph, 66, 1))


def test_a_graph_that_is_not_covered_names_its_nodes() -> None:
    x = vector("x", 4, IntType(0, 3))
    sum_ = Node("sum", Product(), (x, Node("fixed", Const(Array(np.array([1, 2, 3, 4]))))))
    with pytest.raises(NotCovered, match=r"^no kernel for fixed \(Const\)$"):
        write(Graph((sum_,), "strange"))


def test_other_weights_need_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, other = int_layers(1), int_layers(2)
    assert write(graph).text == write(other).text
    Program(graph)
    monkeypatch.setattr(tools, "_compile", None)
    assert equal(Program(other), other, samples(other, 2))


def test_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    tools.find_compiler.cache_clear()
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", "")
    graph = Graph((Node("y", Product(), (vector("a", 3, TERNARY), vector("b", 3, TERNARY))),), "p")
    try:
        with pytest.raises(CannotCompile) as caught:
            Program(graph)
    finally:
        tools.find_compiler.cache_clear()
    assert str(caught.value) == (
        "no C++ compiler: neither g++ nor clang++ is on PATH (apt-get install g++)"
    )


def test_a_compiler_that_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GATESMITH_CACHE", str(tmp_path))
    with pytest.raises(CannotCompile, match=r"fails: .*error: .*nonsense"):
        tools.build("nonsense;")
    assert not list((tmp_path / "native").glob("*.so"))
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GATESMITH_CACHE", str(tmp_path / "file"))
    with pytest.raises(CannotCompile, match=r"^cannot write the cache: .*set GATESMITH_CACHE"):
        tools.build("int x;")
