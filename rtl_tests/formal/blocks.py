"""The blocks that gatesmith ships, in instances small enough for a solver.

A block that only moves bits behaves alike for every width: one bit shows how it moves, four bits
that the bits of a beat stay together. Depths and ratios are small because what can go wrong does so
around empty and full; the same text is what larger instances are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from gatesmith.codegen import parts
from gatesmith.codegen.concat import ConcatStage
from gatesmith.codegen.dense import DenseStage
from gatesmith.codegen.dense_unrolled import unrolled_stage
from gatesmith.codegen.fifo import FifoStage
from gatesmith.codegen.fork import ForkStage
from gatesmith.codegen.gate import GateStage
from gatesmith.codegen.gather import GatherStage
from gatesmith.codegen.join import JoinStage
from gatesmith.codegen.matrix_unit import Naming
from gatesmith.codegen.product import ProductStage
from gatesmith.codegen.render import plain, render
from gatesmith.codegen.requantize import RequantizeStage
from gatesmith.codegen.select import SelectStage
from gatesmith.codegen.skid_buffer import SkidBufferStage
from gatesmith.codegen.stream import Stage, Stream
from gatesmith.codegen.table import TableStage
from gatesmith.codegen.threshold import ThresholdStage
from gatesmith.codegen.width_converter import WidthConverterStage
from gatesmith.codegen.window import WindowStage
from gatesmith.ir import BIPOLAR, Array, IntType, TensorType
from gatesmith.ops.concat import Concat
from gatesmith.ops.dense import Dense
from gatesmith.ops.gather import Gather
from gatesmith.ops.join import Join
from gatesmith.ops.product import Product
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.select import Select
from gatesmith.ops.table import Table
from gatesmith.ops.threshold import Threshold
from gatesmith.ops.window import Window
from gatesmith.rtl_tests.formal.harness import proof
from gatesmith.rtl_tests.formal.proof import Proof

U1, U2, I2, I3 = IntType(0, 1), IntType(0, 3), IntType(-2, 1), IntType(-4, 3)
THREE = IntType(0, 2)
WINDOW_CYCLES = 10
"""Bound for windows: each cycle more doubles the solver's work."""
TREE_CYCLES = 8
"""Bound for adder trees with registers between registers."""


@dataclass(frozen=True, slots=True)
class Block:
    """One instance of a shipped block.

    Attributes:
        name: Block and instance: what ``--only`` looks at.
        make: The proof.
    """

    name: str
    make: Callable[[], Proof]


def shipped() -> list[Block]:
    """Every block, in the order of docs/formal.md."""
    found = [*_plain(), *_rings(), *_trees()]
    stages = [*_movers(), *_joins(), *_gathers(), *_units()]
    found += [Block(f"{_kind(s)} {text}", partial(proof, s, text)) for text, s in stages]
    found += [
        Block(f"{_kind(s)} {text}", partial(proof, s, text, depth=WINDOW_CYCLES))
        for text, s in _windows()
    ]
    return found


def _kind(stage: Stage) -> str:
    return type(stage).__name__.removesuffix("Stage")


def _stream(elem: IntType, beats: int, lanes: int = 1) -> Stream:
    """A frame of one vector."""
    return Stream(elem, beats * lanes, 1, lanes)


def _bits(width: int) -> Stream:
    return _stream(IntType(0, (1 << width) - 1), 1)


# ---- FIFO, skid buffer, width converter, fork ---------------------------------------------------

FIFOS = ((1, 1, 0), (1, 2, 0), (1, 3, 0), (1, 4, 0), (1, 5, 0), (4, 2, 0),
         (1, 1, 1), (1, 2, 1), (1, 3, 1), (1, 5, 1), (4, 2, 1))  # fmt: skip
"""W, DEPTH, BLOCK_RAM."""
RATIOS = ((1, 1, 2), (1, 2, 1), (1, 1, 3), (1, 4, 1), (1, 2, 3), (1, 3, 2), (1, 4, 3), (1, 3, 5),
          (4, 1, 2), (2, 3, 2))  # fmt: skip
"""W, IN, OUT."""


@dataclass(frozen=True, slots=True)
class _Fifo(FifoStage):
    """A FIFO whose memory is chosen by hand."""

    block: int = 0

    @property
    def block_ram(self) -> bool:
        """As chosen."""
        return bool(self.block)


def fifo(width: int, depth: int, block_ram: int) -> FifoStage:
    """A FIFO."""
    return _Fifo("fifo", "fifo", (), _bits(width), depth, block_ram)


def converter(width: int, ins: int, outs: int) -> WidthConverterStage:
    """A width converter."""
    elem = IntType(0, (1 << width) - 1)
    x = Stream(elem, ins * outs, 1, ins)
    return WidthConverterStage("wide", "wide", (), x, ins * outs, outs)


def _plain() -> Iterator[Block]:
    for given in FIFOS:
        text = "W={} DEPTH={} BLOCK_RAM={}".format(*given)
        yield Block(f"Fifo {text}", partial(_proof_of_fifo, given, text))
    for width in (1, 4):
        stage = SkidBufferStage("skid", "skid", (), _bits(width))
        yield Block(f"SkidBuffer W={width}", partial(proof, stage, f"W={width}"))
    for ratio in RATIOS:
        text = "W={} IN={} OUT={}".format(*ratio)
        yield Block(f"WidthConverter {text}", partial(proof, converter(*ratio), text))
    for width, count, reader in ((1, 2, 0), (1, 2, 1), (4, 2, 0), (1, 3, 0), (1, 3, 2)):
        fork = ForkStage("fork", "fork", (), _bits(width), count)
        text = f"W={width} readers={count} reader={reader}"
        yield Block(f"Fork {text}", partial(proof, fork, text, sink=reader))


def _proof_of_fifo(given: tuple[int, int, int], text: str) -> Proof:
    return replace(proof(fifo(*given), text), block="Fifo")


# ---- ring, adder tree ---------------------------------------------------------------------------

RINGS = ((2, 1, 2, 4), (3, 2, 2, 5), (5, 1, 3, 5), (4, 4, 3, 5))
"""KEEP, FIRST, STEP_W, N_W."""
TREES = ((1, 2, 4, 1), (3, 2, 4, 1), (8, 1, 4, 0), (8, 2, 5, 0), (9, 1, 4, 0))
"""TERMS, TERM_W, SUM_W, SIGNED."""


def _rings() -> Iterator[Block]:
    for given in RINGS:
        text = "KEEP={} FIRST={} STEP_W={} N_W={}".format(*given)
        yield Block(f"Ring {text}", partial(ring, given, text))


def ring(given: tuple[int, int, int, int], text: str) -> Proof:
    """The proof of one gs_ring."""
    numbers = dict(zip(("KEEP", "FIRST", "STEP_W", "N_W"), given, strict=True))
    body = render("formal/ring.sv.j2", instance=text, **numbers)
    files = {"gs_ring.sv": plain("sv/gs_ring.sv")}
    return Proof("Ring", text, "gs_ring", files, body, None, numbers)


def _trees() -> Iterator[Block]:
    for given in TREES:
        text = "TERMS={} TERM_W={} SUM_W={} SIGNED={}".format(*given)
        yield Block(f"AdderTree {text}", partial(tree, given, text))


def tree(given: tuple[int, int, int, int], text: str) -> Proof:
    """The proof of one gs_adder_tree."""
    numbers = dict(zip(("TERMS", "TERM_W", "SUM_W", "SIGNED"), given, strict=True))
    levels = parts.tree_levels(given[0], given[1], signed=bool(given[3]))
    body = render("formal/adder_tree.sv.j2", instance=text, levels=levels, **numbers)
    files = {"gs_adder_tree.sv": plain("sv/gs_adder_tree.sv")}
    depth = TREE_CYCLES if levels > 1 else None
    return Proof("AdderTree", text, "gs_adder_tree", files, body, depth, numbers)


# ---- streams that meet, part and change order ---------------------------------------------------


def _named(name: str) -> tuple[str, str, tuple[str, ...], str]:
    return name, name, (), name


def _movers() -> Iterator[tuple[str, Stage]]:
    parts = (_stream(U1, 2), _stream(U1, 1))
    yield "2 + 1 beats", ConcatStage(*_named("concat"), Concat(0), parts, (2, 1), _stream(U1, 3))
    mixed = (_stream(I2, 1), _stream(U2, 1))
    out = _stream(IntType(-2, 3), 2)
    yield "of two types", ConcatStage(*_named("concat"), Concat(0), mixed, (1, 1), out)
    for beats in (1, 3):
        decision = Stream(U1, 2, 1, 2)
        yield f"{beats} beat(s)", GateStage(*_named("gate"), _stream(U1, beats), decision)


def _joins() -> Iterator[tuple[str, Stage]]:
    two = _stream(U1, 2)
    add = Join(Array([1]), Array([1]), Array([0]), 0, THREE)
    yield "sum", JoinStage(*_named("join"), add, two, two)
    weighed = Join(Array([1, 2]), Array([3]), Array([1]), 1, IntType(0, 1))
    yield "weighted, by channel, clamped", JoinStage(*_named("join"), weighed, two, two)
    a, b = _stream(I2, 1), _stream(U2, 1)
    yield "max of two types", SelectStage(*_named("select"), Select("max"), a, b)
    yield "min", SelectStage(*_named("select"), Select("min"), a, a)
    yield "product", ProductStage(*_named("product"), Product(), a, b)


MAPS: Mapping[str, tuple[tuple[int, ...], list[list[int]]]] = {
    "crop": ((4, 1), [[0], [1], [3]]),
    "repeat": ((2, 1), [[0], [0], [1], [1]]),
    "pad": ((2, 1), [[-1], [0], [1], [-1]]),
    "swap": ((2, 1), [[1], [0]]),
    "reverse 3": ((3, 1), [[2], [1], [0]]),
    "transpose 2 x 2": ((2, 2), [[0, 2], [1, 3]]),
}
"""Shape of x, and the element for each element of the result."""


def gather(name: str, lanes: int = 1) -> GatherStage:
    """A movement of :data:`MAPS`."""
    shape, places = MAPS[name]
    index = np.array(places)
    op = Gather(index.shape, Array(index.ravel()), 0)
    elem = op.infer(TensorType(shape, U1)).int_elem
    x, out = Stream(U1, shape[-1], shape[0], lanes), Stream(elem, index.shape[1], len(index), lanes)
    return GatherStage(*_named("gather"), op, x, out)


def _gathers() -> Iterator[tuple[str, Stage]]:
    for name in MAPS:
        stage = gather(name)
        yield f"{name}, {'in order' if stage.slots else 'ring'}", stage


# ---- windows ------------------------------------------------------------------------------------

NO_PADS = (0, 0, 0, 0)
WINDOWS = (
    ((1, 3, 1), (1, 2), NO_PADS, (1, 1)),
    ((1, 2, 1), (1, 2), (0, 1, 0, 0), (1, 1)),
    ((2, 2, 1), (2, 1), NO_PADS, (1, 1)),
)
"""Shape, kernel, pads, strides."""


def window(
    shape: tuple[int, int, int],
    kernel: tuple[int, int],
    pads: tuple[int, int, int, int],
    strides: tuple[int, int],
    parallel: bool,
) -> WindowStage:
    """A window over bits, a tap a beat or all at once."""
    op = Window(kernel, strides, pads, (1, 1), Array([0]), shape[2] if parallel else 1)
    x = Stream(U1, shape[2], shape[0] * shape[1], 1)
    lanes = op.taps if parallel else 1
    return WindowStage(*_named("window"), op, shape, x, op.groups, lanes)


def _windows() -> Iterator[tuple[str, Stage]]:
    for given in WINDOWS:
        shape, kernel, pads, strides = given
        told = f"{shape[0]} x {shape[1]}, kernel {kernel[0]} x {kernel[1]}"
        told += f", pads {pads}" if any(pads) else ""
        told += f", strides {strides[0]} x {strides[1]}" if strides != (1, 1) else ""
        for parallel in (False, True):
            how = "all taps at once" if parallel else "a tap a beat"
            yield f"{told}, {how}", window(*given, parallel)


# ---- units against their formula ----------------------------------------------------------------


def _units() -> Iterator[tuple[str, Stage]]:
    two = _stream(I3, 2)
    affine = Requantize(Array([3, 1]), Array([2]), 2, IntType(-1, 2))
    yield "x * mul + add >> 2, clamped", RequantizeStage(*_named("requantize"), affine, two)
    even = Requantize(Array([1]), Array([0]), 1, I2, even=True)
    yield "half to even", RequantizeStage(*_named("requantize"), even, _stream(I3, 1))
    steps = Threshold(Array([[-1, 0, 2], [0, 1, 3]]), U2, Array([0, 1]))
    yield "rising and falling", ThresholdStage(*_named("threshold"), steps, two)
    looked = Table(Array([[3, 0, 2, 1, 1, 0, 2, 3]]), U2, I3)
    yield "8 values", TableStage(*_named("table"), looked, _stream(I3, 1))
    signed = Dense(Array([[1, -1], [1, 1]]), IntType(-1, 1))
    yield "2 x 2 ternary, PE 1, SIMD 1", DenseStage(*_named("dense"), signed, _stream(U1, 2), 1)
    xnor = Dense(Array([[1, -1], [-1, -1]]), BIPOLAR)
    yield "2 x 2 bipolar, PE 2, SIMD 1", DenseStage(*_named("dense"), xnor, _stream(BIPOLAR, 2), 2)
    rows = Dense(Array([[3, -1, 0], [1, 1, 2]]), IntType(-1, 3))
    yield "3 x 2, unrolled rows", unrolled_stage(Naming(*_named("rows")), rows, Stream(U2, 3, 1, 3))
