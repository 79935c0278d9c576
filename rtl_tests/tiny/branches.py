"""A core with three inputs and three outputs, made of real blocks by hand.

    a [3, 2, 4] ──fork──┬── act ───────── first [3, 2, 4]
                        └── join ──────── second [2, 4, 3]
    c [2, 4, 3] ──────────────┘
    b [5] ──────────────────── scale ──── third [5]

a and first have channels first in the model and last on the stream; b is shorter than the others.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

from gatesmith.build_json import FORMAT, describe
from gatesmith.codegen import top
from gatesmith.codegen.design import CorePort, Design, Driver, Placed
from gatesmith.codegen.fork import ForkStage
from gatesmith.codegen.join import JoinStage
from gatesmith.codegen.requantize import RequantizeStage
from gatesmith.codegen.stream import Stream
from gatesmith.codegen.threshold import ThresholdStage
from gatesmith.ir import Affine, Array, Graph, IntType, Node, TensorType
from gatesmith.ir.store import save
from gatesmith.ops.input import Input
from gatesmith.ops.join import Join
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.threshold import Threshold
from gatesmith.quant.lower import InputPort, OutputPort
from gatesmith.rtl_tests.sample import write_sample
from gatesmith.rtl_tests.testbench import bench_files

U4, I3, U3 = IntType(0, 15), IntType(-4, 3), IntType(0, 7)
ACT = Threshold(Array([[2, 5, 9], [1, 8, 12], [4, 10, 14]]), IntType(0, 3), Array([0, 0, 0]))
JOIN = Join(Array([3, -1, 2]), Array([-2, 5, 1]), Array([1]), 1, IntType(-16, 15))
SCALE = Requantize(Array([3]), Array([-7]), 1, IntType(-4, 7))
CHANNELS_LAST = (1, 2, 0)


def graph() -> Graph:
    """What the core computes."""
    a = Node("a", Input(TensorType((2, 4, 3), U4)))
    b = Node("b", Input(TensorType((5,), U3)))
    c = Node("c", Input(TensorType((2, 4, 3), I3)))
    act = Node("act", ACT, (a,), ("/act",), "first", Affine((Fraction(1),)))
    join = Node("join", JOIN, (a, c), ("/add",), "second")
    scale = Node("scale", SCALE, (b,), ("/mul",), "third")
    return Graph((act, join, scale), "branches")


def real() -> Graph:
    """The inputs as the model has them."""
    shapes = {"a": ((3, 2, 4), U4), "b": ((5,), U3), "c": ((2, 4, 3), I3)}
    return Graph(
        tuple(
            Node(f"in_{name}", Input(TensorType(*kind)), tensor=f"image/{name}")
            for name, kind in shapes.items()
        )
    )


def design() -> Design:
    """Its hardware; three elements of a and c a beat, one of b."""
    a, c, b = Stream(U4, 3, 8, 3), Stream(I3, 3, 8, 3), Stream(U3, 5, 1, 1)
    fork = ForkStage("a_fork", "a", (), a, 2)
    act = ThresholdStage("act", "act", ("/act",), "branches_act", ACT, a)
    join = JoinStage("join", "join", ("/add",), "branches_join", JOIN, a, c)
    scale = RequantizeStage("scale", "scale", ("/mul",), "branches_scale", SCALE, b)
    placed = (
        Placed(fork, (Driver("a"),)),
        Placed(act, (Driver("a_fork", 0),)),
        Placed(join, (Driver("a_fork", 1), Driver("c"))),
        Placed(scale, (Driver("b"),)),
    )
    return Design(
        "branches",
        (CorePort("a", "a", a), CorePort("c", "c", c), CorePort("b", "b", b)),
        placed,
        tuple(
            CorePort(name, stage.node, stage.sink, Driver(stage.name))
            for name, stage in (("y0", act), ("y1", join), ("y2", scale))
        ),
    )


def write_build(folder: Path) -> Path:
    """The build folder; returns it."""
    for name in ("rtl", "ir", "tb"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    net, core = graph(), design()
    inputs = [InputPort(n, f"in_{n}", None, CHANNELS_LAST if n == "a" else None) for n in "acb"]
    outputs = [
        OutputPort((3, 2, 4), CHANNELS_LAST, ()),
        OutputPort((2, 4, 3), None, ()),
        OutputPort((5,), None, ()),
    ]
    told = {"format": FORMAT, "gatesmith": "test", "name": "branches", "top": core.name}
    told["registers"] = None
    build = {**told, **describe(core, net, real(), inputs, outputs), "files": {}}
    (folder / "build.json").write_text(json.dumps(build, indent=1))
    save(net, folder / "ir" / "integer")
    text = dict(top.files(core)) | {"branches.sv": top.render_top(core)}
    text["files.f"] = "".join(f"{name}\n" for name in sorted(text) if name.endswith(".sv"))
    for name, body in text.items():
        (folder / "rtl" / name).write_text(body)
    for name, body in bench_files(build).items():
        (folder / "tb" / name).write_text(body)
    write_sample(folder, net, build)
    return folder
