"""``gatesmith hls4ml``: hand over, convert, simulate, compare.

1. read      import and lower the model; the data            frontend, quant, rtl_tests/dataset.py
2. hand over the network as QONNX for hls4ml                 codes_file.py, qonnx_file.py
3. convert   types from ranges, project, C simulation        process.py, worker.py, precision.py
4. compare   every layer with our integers                   compare.py
5. write     the project, the comparison beside it           here
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.build_json import elem_entry, input_entry, input_meaning
from gatesmith.errors import UserError
from gatesmith.frontend.importer import Imported, import_model
from gatesmith.frontend.input_spec import InputSpec
from gatesmith.hls4ml_bridge import codes_file, process, qonnx_file
from gatesmith.hls4ml_bridge.compare import Ours, compare
from gatesmith.hls4ml_bridge.precision import EXACT
from gatesmith.hls4ml_bridge.result import Bridged
from gatesmith.hls4ml_bridge.settings import Settings, check
from gatesmith.ir import Affine, Graph, Ints, IntType, Node, Values
from gatesmith.ir.execute import execute
from gatesmith.ops.input import Input
from gatesmith.ops.quantize import Quantize
from gatesmith.pipeline import Progress, to_integers
from gatesmith.quant.lower import Lowered
from gatesmith.rtl_tests.answers import best_class, has_classes
from gatesmith.rtl_tests.dataset import Dataset
from gatesmith.rtl_tests.dataset import load as load_frames
from gatesmith.rtl_tests.host_quantizer import quantizer
from gatesmith.whole_folder import replace_folder

MARK = "gatesmith-hls4ml.json"
"""The comparison, in the project's folder; a folder with it may be replaced."""
STEPS = 5


@dataclass(frozen=True, slots=True, eq=False)
class _Network:
    file: Path
    imported: Imported
    lowered: Lowered
    integer: Graph

    @property
    def given(self) -> Node:
        """Input of the real graph."""
        return next(n for n in self.imported.graph if isinstance(n.op, Input))

    @property
    def coded(self) -> Node:
        """Node of the real graph whose codes the integer graph takes."""
        (port,) = self.lowered.inputs
        name = port.host_quantizer or port.real_node
        return next(n for n in self.imported.graph if n.name == name)

    @property
    def stream(self) -> Node:
        """Input of the integer graph."""
        return next(n for n in self.integer if isinstance(n.op, Input))


def bridge(model: Path, out: Path, settings: Settings, progress: Progress) -> Bridged:
    """Write hls4ml's project of a network to ``out`` and compare its C simulation with ours.

    Args:
        model: The quantized .onnx file.
        out: Folder of the project; appears whole or not at all.
        settings: Options.
        progress: Told what is being done.

    Errors: of the frontend and of lowering, ``verify.data-*``, ``verify.labels``, ``hls.*``,
    ``cli.*``.
    """
    check(settings)
    _check_out(out)
    progress("read", 0, STEPS)
    network = _read(model, settings)
    simulates = not settings.project_only and settings.lacks is None
    data = _data(network, settings) if settings.data is not None else None
    progress("hand over", 1, STEPS)
    handed, quants = _handed(network, settings)
    lo, hi, step, saturates = _input_range(network, settings)
    job = {
        "backend": settings.vendor,
        "io": settings.io,
        "fraction": settings.fraction,
        "held": EXACT if settings.form == "codes" else settings.fraction,
        "reuse": settings.reuse,
        "strategy": settings.strategy,
        "part": settings.part,
        "quants": list(quants),
        "input": [lo, hi, step],
        "saturates": saturates,
        "out": str(out.absolute()),
    }
    shape = tuple(d.dim_value for d in handed.graph.input[0].type.tensor_type.shape.dim)[1:]
    frames = None
    codes = None if data is None else _codes(network, data)
    if simulates and data is not None and codes is not None:
        frames = _frames(network, data, codes, shape, settings)
    progress("convert", 2, STEPS)
    place = out.resolve()
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".hls4ml-") as work:
        folder = Path(work)
        ran = process.run(job, handed.SerializeToString(), frames, folder, settings)
        progress("compare", 3, STEPS)
        done = Bridged.start(model, out, settings, ran.layers, network.imported.notes)
        if ran.trace is not None and codes is not None and frames is not None:
            values = execute(network.integer, {network.stream.name: codes}, list(network.integer))
            ours = _ours(network, quants, ran, values, settings)
            verdicts = compare(ran.layers, frames, ran.trace, ours)
            done = done.compared(verdicts, ran.seconds, _outputs(network, ran, values, data))
        progress("write", 4, STEPS)
        project = folder / "project"
        (project / MARK).write_text(json.dumps(done.as_json(), indent=2) + "\n")
        replace_folder(project, place)
    progress("done", STEPS, STEPS)
    return done


def _read(model: Path, settings: Settings) -> _Network:
    spec = None if settings.input_spec is None else InputSpec.parse(settings.input_spec)
    imported = import_model(model, spec)
    lowered, integer = to_integers(imported, model)
    for side, nodes in (("input", lowered.inputs), ("output", integer.outputs)):
        if len(nodes) != 1:
            raise UserError(
                "hls.several-ends",
                f"the network has {len(nodes)} {side}s",
                where=model.name,
                why=f"the bridge compares networks of one {side}",
                fix=("build the core itself: gatesmith build",),
            )
    return _Network(model, imported, lowered, integer)


def _data(network: _Network, settings: Settings) -> Dataset:
    (port,) = network.lowered.inputs
    real = network.imported.graph
    entry = {
        **input_entry(port, {node.name: node for node in real}, real),
        "elem": elem_entry(network.stream.type.int_elem),
    }
    quantize = None if port.host_quantizer is None else quantizer(network.coded)
    return load_frames(
        Path(str(settings.data)),
        [entry],
        frames=settings.frames,
        labels=settings.labels,
        quantize=[quantize],
    )


def _codes(network: _Network, data: Dataset) -> Ints:
    """What the stream carries."""
    (port,) = network.lowered.inputs
    codes = data.x[0].astype(np.int64)
    if port.axes is not None:
        codes = codes.transpose(0, *(axis + 1 for axis in port.axes))
    return codes.reshape(len(codes), *network.stream.type.shape)


def _handed(network: _Network, settings: Settings) -> tuple[Any, dict[str, str]]:
    """The model for hls4ml, and by name of a node of it the node of ours that it computes."""
    if settings.form == "codes":
        return codes_file.ready(network.integer, network.file.name)
    model, names = qonnx_file.ready(network.imported, network.file)
    return model, {name: name for name in names}


def _meaning(network: _Network) -> Affine:
    """What the input's codes stand for. Errors: ``hls.input``."""
    found = input_meaning(network.imported.graph, network.coded)
    if found is None or len(found.scale) != 1:
        raise UserError(
            "hls.input",
            "the codes of the input stand for no one scale",
            where=f"{network.file.name}, input {network.given.name}",
            why="with --form real the input's type follows from what its codes stand for",
            fix=("hand over the integers: --form codes", "say it: --input TYPE:SCALE[:ZERO]"),
        )
    return found


def _input_range(network: _Network, settings: Settings) -> tuple[float, float, float, bool]:
    """Least and largest value, step, and whether a quantizer of the network saturates them."""
    elem: IntType = network.stream.type.int_elem
    if settings.form == "codes":
        return float(elem.lo), float(elem.hi), 1.0, False
    meaning = _meaning(network)
    scale, offset = meaning.scale[0], meaning.offset[0]
    ends = sorted(float(scale * end + offset) for end in (elem.lo, elem.hi))
    if network.lowered.inputs[0].host_quantizer is None:
        both = float(_step(scale, offset))
        return ends[0], ends[1], both, False
    return ends[0] - float(scale), ends[1] + float(scale), 0.0, True


def _step(scale: Fraction, offset: Fraction) -> Fraction:
    """A number that scale and offset are multiples of; not dyadic where they are not."""
    if offset == 0:
        return scale
    denominator = scale.denominator * offset.denominator
    return Fraction(1, denominator)


def _frames(
    network: _Network,
    data: Dataset,
    codes: Ints,
    shape: tuple[int, ...],
    settings: Settings,
) -> NDArray[np.float64]:
    """What hls4ml is fed, in the shape of the file handed over."""
    if settings.form == "codes":
        return codes.reshape(len(codes), *shape).astype(np.float64)
    raw = data.real[0]
    if raw is None or network.lowered.inputs[0].host_quantizer is None:
        raw = _meaning(network).real(data.x[0].astype(np.int64))
    value = np.asarray(raw, np.float64).reshape(len(codes), *network.given.type.shape)
    if value.shape[1:] != shape and value.ndim == len(shape) + 1 and len(shape) > 1:
        value = np.moveaxis(value, 1, -1)  # channels last
    return value.reshape(len(codes), *shape)


def _ours(
    network: _Network,
    quants: Mapping[str, str],
    ran: process.Ran,
    values: Mapping[Node, Values],
    settings: Settings,
) -> dict[str, Ours]:
    """Our integers, by the layer of hls4ml that has the same value.

    Where hls4ml made one layer of several of our nodes, it gives the value of the last.
    """
    nodes = {node.name: node for node in network.integer}
    real = {node.name: node for node in network.imported.graph}
    found: dict[str, Ours] = {}
    for handed, name in quants.items():
        layer, node = ran.places.get(handed), nodes.get(name)
        if layer is None or node is None:
            continue
        y = values[node].astype(np.int64)
        unit = 1.0 if settings.form == "codes" else _unit(real.get(name))
        if unit is not None:
            found[layer] = Ours(name, y if handed == name else node.type.int_elem.to_code(y), unit)
    end = network.integer.outputs[0]
    if settings.form == "real" and end.meaning is not None and ran.outputs[0] not in found:
        scale = {float(s) for s in end.meaning.scale}
        if len(scale) == 1 and _is_power(min(scale)) and not any(end.meaning.offset):
            found[ran.outputs[0]] = Ours(end.name, values[end].astype(np.int64), scale.pop())
    return found


def _unit(node: Node | None) -> float | None:
    """One code in hls4ml's numbers: it counts in codes unless the scale is one power of two."""
    if node is None or not isinstance(node.op, Quantize):
        return None
    scale = node.op.scale.data
    if node.op.zero_point.data.any() or len(np.unique(scale)) > 1:
        return 1.0
    value = float(scale.reshape(-1)[0])
    return value if _is_power(value) else 1.0


def _is_power(value: float) -> bool:
    return float(np.frexp(value)[0]) == 0.5


def _outputs(network: _Network, ran: process.Ran, values: Any, data: Dataset | None) -> Any:
    """Frames whose output is equal, and both top-1."""
    (end,) = network.integer.outputs
    y = values[end].astype(np.int64)
    frames = len(y)
    theirs = ran.results[0].reshape(frames, -1)
    layer = next(one for one in ran.layers if one.name == ran.outputs[0])
    flat = y.reshape(frames, -1)
    meaning = end.meaning or Affine((Fraction(1),))
    mine = meaning.real(y).reshape(frames, -1)
    return {
        "frames": frames,
        "ours": flat,
        "real": mine,
        "theirs": theirs,
        "layer": layer,
        "classes": best_class(end, y) if has_classes(end) else None,
        "meaning": meaning,
        "labels": None if data is None else data.labels,
    }


def _check_out(out: Path) -> None:
    """Refuse what could not be written at the end. Errors: ``hls.out``."""
    why = None
    if out.exists() and not out.is_dir():
        why = "it is a file, not a folder"
    elif out.is_dir() and any(out.iterdir()) and not (out / MARK).is_file():
        why = "it holds files that gatesmith hls4ml did not write"
    else:
        place = next(p for p in out.absolute().parents if p.exists())
        if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
            why = f"{place} is not a folder that is writable"
    if why is not None:
        raise UserError(
            "hls.out",
            "the project's folder cannot be written",
            where=f"-o {out}",
            why=why,
            fix=("name a new or empty folder",),
        )
