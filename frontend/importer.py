"""ONNX file in, real tensor IR out.

1. load: the file and its data (load.py); 2. prepare: checked, normalised, batch 1 (prepare.py);
3. walk: every needed node through its converter (walk.py, one file an operator); 4. all problems
raised together, or the graph, notes for the user, and the model with every shape filled in.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from gatesmith.errors import raise_all
from gatesmith.frontend.input_spec import InputSpec
from gatesmith.frontend.load import load
from gatesmith.frontend.names import identifier
from gatesmith.frontend.prepare import prepare
from gatesmith.frontend.values import Unknown
from gatesmith.frontend.walk import Walk
from gatesmith.ir import Graph


@dataclass(frozen=True, slots=True, eq=False)
class Imported:
    """A model that was read.

    Attributes:
        graph: Real tensor IR, batch axis left out, named after the file.
        notes: What the user should know: parts left out, assumptions made.
        model: The model that was walked: batch 1, operators of QONNX in the domain
            ``qonnx.custom_op.general``, parts that no output needs left out, every shape
            filled in, tensor names unchanged.
    """

    graph: Graph
    notes: tuple[str, ...]
    model: onnx.ModelProto


def import_model(path: Path, spec: InputSpec | None = None) -> Imported:
    """Read an ONNX file.

    Args:
        path: The .onnx file.
        spec: Which integer codes arrive on real inputs and what they stand for.

    Raises:
        UserError: The one problem of the model.
        UserErrors: All of them, where there are several.
    """
    prepared = prepare(load(path), str(path))
    walk = Walk(prepared, str(path), spec)
    with np.errstate(all="ignore"):  # what is not finite is refused by name, where it is used
        outputs = walk.run()
    raise_all(walk.errors)
    graph = Graph(outputs, name=identifier(path.stem))
    _tidy(prepared.model, walk)
    return Imported(graph, (*prepared.notes, *walk.notes), prepared.model)


def _tidy(model: onnx.ModelProto, walk: Walk) -> None:
    """Leave out what was not walked, and state every shape, also behind operators of QONNX."""
    graph = model.graph
    nodes = [onnx.NodeProto.FromString(graph.node[i].SerializeToString()) for i in walk.kept]
    del graph.node[:]
    graph.node.extend(nodes)
    for values in (graph.input, graph.initializer):
        for index in range(len(values) - 1, -1, -1):
            if values[index].name not in walk.values:
                del values[index]
    shapes = walk.unread | {
        name: (value.full, value.kind)
        for name, value in walk.values.items()
        if not isinstance(value, Unknown)
    }
    stated = {value.name for value in (*graph.input, *graph.initializer)}
    outputs = {output.name: output for output in graph.output}
    del graph.value_info[:]
    for name, (full, kind) in shapes.items():
        info = onnx.helper.make_tensor_value_info(name, kind, full)
        if name in outputs:
            outputs[name].type.CopyFrom(info.type)
        elif name not in stated:
            graph.value_info.append(info)
