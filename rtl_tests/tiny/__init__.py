"""A small hand-written core in the form of a build folder: what the verifier is tested on."""

from __future__ import annotations

import json
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from gatesmith.ir import Affine, Array, Graph, IntType, Node, TensorType
from gatesmith.ir.store import save
from gatesmith.ops.input import Input
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.threshold import Threshold
from gatesmith.rtl_tests.sample import write_sample
from gatesmith.rtl_tests.testbench import bench_files

CHANNELS, LANES = 32, 8
U8, I9, U2 = IntType(0, 255), IntType(-256, 255), IntType(0, 3)
SOURCES = ("tiny_scale.sv", "tiny_act.sv", "tiny.sv")


def graph() -> Graph:
    """x u8[4, 8] (pixels / 255), requantize per channel, threshold per channel."""
    rng = np.random.default_rng(0)
    pixel = Affine((Fraction(1, 255),))
    x = Node("x", Input(TensorType((CHANNELS,), U8)), meaning=pixel)
    mul = rng.integers(-15, 16, CHANNELS)
    mul[0] = 15
    add = rng.integers(-128, 128, CHANNELS)
    scale = Node("scale_n", Requantize(Array(mul), Array(add), 4, I9), (x,), origin=("/fc/Mul",))
    steps = np.sort(rng.integers(-200, 200, (CHANNELS, 3)), axis=1)
    falling = Array(np.zeros(CHANNELS, np.int64))
    act = Threshold(Array(steps), U2, falling)
    return Graph((Node("act_n", act, (scale,), origin=("/act/Quant",)),), "tiny")


def write_build(folder: Path) -> Path:
    """The build folder: build.json, rtl/, ir/, tb/; returns it."""
    for name in ("rtl", "ir", "tb"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    net = graph()
    save(net, folder / "ir" / "integer")
    here = resources.files("gatesmith.rtl_tests.tiny")
    for name in SOURCES:
        (folder / "rtl" / name).write_text(here.joinpath(name).read_text("utf-8"))
    (folder / "rtl" / "files.f").write_text("".join(f"{name}\n" for name in SOURCES))
    act = net.outputs[0]
    assert isinstance(act.op, Threshold)
    assert isinstance(act.args[0].op, Requantize)
    requantize = act.args[0].op
    _memory(folder / "rtl" / "scale_mul.mem", requantize.mul.data.reshape(4, -1), 6)
    _memory(folder / "rtl" / "scale_add.mem", requantize.add.data.reshape(4, -1), 10)
    _memory(folder / "rtl" / "act_thresholds.mem", act.op.thresholds.data.reshape(4, -1), 9)
    build = description()
    (folder / "build.json").write_text(json.dumps(build, indent=1))
    for name, text in bench_files(build).items():
        (folder / "tb" / name).write_text(text)
    write_sample(folder, net, build)
    return folder


def description() -> dict[str, Any]:
    """Content of build.json."""
    affine = {"scale": ["1/255"], "offset": ["0"]}
    codes = {"scale": ["1"], "offset": ["0"]}
    outside = {"shape": [CHANNELS], "code_shape": [CHANNELS], "axes": None}
    source, between, sink = _stream(U8), _stream(I9), _stream(U2)
    stages = [
        {
            "name": name,
            "module": f"tiny_{name}",
            "kind": kind,
            "node": f"{name}_n",
            "origin": origin,
            "interval": 4,
            "drivers": [driver],
            "sources": [taken],
            "sinks": [given | {"wire": name}],
            "compare": True,
        }
        for name, kind, origin, driver, taken, given in (
            ("scale", "requantize", ["/fc/Mul"], "x", source, between),
            ("act", "threshold", ["/act/Quant"], "scale", between, sink),
        )
    ]
    return {
        "format": 2,
        "gatesmith": "test",
        "name": "tiny",
        "top": "tiny",
        "registers": None,
        "inputs": [
            {
                **outside,
                **{"name": "x", "node": "x", "real_node": "x", "prefix": "s_axis"},
                **source,
                **{"tdata_bits": 64, "meaning": affine, "host_quantizer": None},
            }
        ],
        "outputs": [
            {
                **outside,
                **{"name": "y", "node": "act_n", "prefix": "m_axis", "host": []},
                **sink,
                **{"tdata_bits": 16, "meaning": codes},
            }
        ],
        "interval": 4,
        "latency": 5,
        "stages": stages,
        "files": {},
    }


def _elem(elem: IntType) -> dict[str, int]:
    return {"lo": elem.lo, "hi": elem.hi, "step": elem.step}


def _stream(elem: IntType) -> dict[str, Any]:
    beats = CHANNELS // LANES
    shape = {"lanes": LANES, "channels": CHANNELS, "vectors": 1, "beats": beats}
    return {"elem": _elem(elem), "bits": elem.bits, **shape}


def _memory(path: Path, rows: np.ndarray[Any, np.dtype[np.int64]], bits: int) -> None:
    """One word a row, first element lowest."""
    words = [sum((int(v) & ((1 << bits) - 1)) << (bits * i) for i, v in enumerate(r)) for r in rows]
    digits = -(-rows.shape[1] * bits // 4)
    path.write_text("".join(f"{word:0{digits}x}\n" for word in words))
