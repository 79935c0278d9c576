"""A model as it came, made fit to walk, or every reason why it cannot be.

On a copy:
1. opset within 7 and what the installed onnx knows; 2. the operators of QONNX moved to one domain,
which is imported; 3. nodes in topological order, no cycle, no tensor from nowhere or made twice;
4. no sparse initializer; at least one output; 5. the batch axis of every input of rank 2 and more
set to 1, every other extent fixed; 6. onnx.checker, and onnx's shape inference over the result.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from heapq import heappop, heappush

import onnx
from onnx import checker, defs, shape_inference

from gatesmith.errors import UserError, raise_all
from gatesmith.frontend.registry import QONNX, QONNX_ALIASES, STANDARD

OLDEST_OPSET = 7
_QONNX_OPS = {"Quant", "IntQuant", "BipolarQuant", "MultiThreshold", "Trunc", "FloatQuant"}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A checked model.

    Attributes:
        model: The copy.
        opset: Of the standard domain.
        broken: Nodes that onnx.checker refuses, by index, with its reason.
        notes: What was changed that the user may not expect.
    """

    model: onnx.ModelProto
    opset: int
    broken: dict[int, str]
    notes: tuple[str, ...]


def label(node: onnx.NodeProto) -> str:
    """How messages call a node: its name, or its operator and first output."""
    output = next((name for name in node.output if name), "nothing")
    return str(node.name) or f"{node.op_type} {output}"


def prepare(original: onnx.ModelProto, file: str) -> Prepared:
    """Check and normalise; all problems of a step are reported together."""
    model = onnx.ModelProto()
    model.CopyFrom(original)
    opset = _opset(model, file)
    _move_qonnx(model)
    errors = [*_structure(model.graph, file)]
    order, problems = _sorted_nodes(model.graph, file)
    errors += problems
    notes, problems = _fix_batch(model.graph, file)
    raise_all(errors + problems)
    nodes = [onnx.NodeProto.FromString(model.graph.node[i].SerializeToString()) for i in order]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    broken = _check(model, opset, file)
    return Prepared(_infer(model), opset, broken, tuple(notes))


def _opset(model: onnx.ModelProto, file: str) -> int:
    """Version of the standard domain, within what gatesmith and onnx know."""
    newest = defs.onnx_opset_version()
    versions = list({o.version for o in model.opset_import if o.domain in ("", "ai.onnx")})
    if len(versions) != 1 or not OLDEST_OPSET <= versions[0] <= newest:
        stated = ", ".join(map(str, versions)) or "none"
        raise UserError(
            "frontend.opset",
            f"the opset of the model is {stated}",
            where=file,
            why=f"gatesmith reads opset {OLDEST_OPSET} to {newest} (onnx {onnx.__version__})",
            fix=(
                f"export with opset_version=13 or another from {OLDEST_OPSET} to {newest}",
                "or convert: onnx.version_converter.convert_version(model, 13)",
                "for a newer opset: pip install --upgrade onnx",
            ),
        )
    if odd := [o for o in model.opset_import if not 0 < o.version < 2**31]:
        raise UserError(
            "frontend.opset",
            f"the opset of domain {odd[0].domain!r} is {odd[0].version}",
            where=file,
            why="versions are counted from 1",
            fix=("export the model again",),
        )
    if not 0 < model.ir_version <= onnx.IR_VERSION:
        raise UserError(
            "frontend.ir-version",
            f"the model has IR version {model.ir_version}",
            where=file,
            why=f"onnx {onnx.__version__}, which is installed, reads up to {onnx.IR_VERSION}",
            fix=(
                f"save it with model.ir_version = {onnx.IR_VERSION}",
                "or: pip install --upgrade onnx",
            ),
        )
    return int(versions[0])


def _move_qonnx(model: onnx.ModelProto) -> None:
    """One domain for QONNX's operators, whatever the exporter called it; imported once."""
    for node in model.graph.node:
        if node.domain == "ai.onnx":
            node.domain = STANDARD
        if node.op_type in _QONNX_OPS and node.domain in QONNX_ALIASES:
            node.domain = QONNX
    for imported in model.opset_import:
        if imported.domain == "ai.onnx":
            imported.domain = STANDARD
    imports = {o.domain for o in model.opset_import}
    if QONNX not in imports and any(node.domain == QONNX for node in model.graph.node):
        model.opset_import.append(onnx.helper.make_opsetid(QONNX, 1))


def _structure(graph: onnx.GraphProto, file: str) -> list[UserError]:
    """Things that no operator is to blame for."""
    errors = []
    if not graph.output:
        errors.append(
            UserError(
                "frontend.no-output",
                "the model has no output",
                where=file,
                why="the hardware is what the outputs depend on, so there would be none",
                fix=("name the result tensors as graph outputs and export again",),
            )
        )
    for sparse in graph.sparse_initializer:
        errors.append(
            UserError(
                "frontend.sparse-tensor",
                f"tensor {sparse.values.name!r} is stored as a sparse tensor",
                where=file,
                why="gatesmith reads dense tensors; zeros cost nothing in what it builds",
                fix=("store it densely: export without sparse initializers",),
            )
        )
    return errors


def _sorted_nodes(graph: onnx.GraphProto, file: str) -> tuple[list[int], list[UserError]]:
    """Indices of the nodes, makers before users, and what is wrong with the wiring."""
    known = {i.name for i in graph.initializer} | {i.values.name for i in graph.sparse_initializer}
    known |= {i.name for i in graph.input}
    made = Counter(name for node in graph.node for name in node.output if name)
    twice = sorted({name for name in made if made[name] > 1 or name in known})
    errors = [_wiring(file, f"tensor {name!r} is made more than once") for name in twice]
    for node in graph.node:
        for name in node.input:
            if name and name not in known and name not in made:
                what = f"node {label(node)} reads {name!r}, which nothing makes"
                errors.append(_wiring(file, what))
    for output in graph.output:
        if output.name not in known and output.name not in made:
            errors.append(_wiring(file, f"nothing makes the output {output.name!r}"))
    if errors:
        return [], errors
    order = _topological(graph)
    if len(order) < len(graph.node):
        waiting = sorted(set(range(len(graph.node))) - set(order))
        return [], [_cycle(graph, waiting, file)]
    return order, []


def _topological(graph: onnx.GraphProto) -> list[int]:
    """Kahn's algorithm; keeps the file's order where that is one. Short when there is a cycle."""
    maker = {name: i for i, node in enumerate(graph.node) for name in node.output if name}
    needs = [{maker[n] for n in node.input if n in maker} for node in graph.node]
    users: dict[int, list[int]] = defaultdict(list)
    for index, makers in enumerate(needs):
        for before in makers:
            users[before].append(index)
    waits = [len(makers) for makers in needs]
    ready = [index for index, count in enumerate(waits) if count == 0]
    order = []
    while ready:
        index = heappop(ready)
        order.append(index)
        for user in users[index]:
            waits[user] -= 1
            if waits[user] == 0:
                heappush(ready, user)
    return order


def _wiring(file: str, what: str) -> UserError:
    return UserError(
        "frontend.invalid-model",
        what,
        where=file,
        why="every tensor of an ONNX graph is made exactly once, before it is read",
        fix=("export the model again; if a script edited it, look for a renamed tensor there",),
    )


def _cycle(graph: onnx.GraphProto, waiting: list[int], file: str) -> UserError:
    """Name the nodes on one cycle, not everything behind it."""
    maker = {name: i for i in waiting for name in graph.node[i].output if name}
    path = [waiting[0]]
    while True:
        inputs = graph.node[path[-1]].input
        before = next(maker[name] for name in inputs if name in maker)
        if before in path:
            cycle = path[path.index(before) :][::-1]
            break
        path.append(before)
    first = cycle.index(min(cycle))
    names = [label(graph.node[index]) for index in cycle[first:] + cycle[:first]]
    return UserError(
        "frontend.cyclic-graph",
        "the graph has a cycle",
        where=f"{file}, nodes {', '.join(names)}",
        why="each of these nodes waits for the one before it, and the first for the last",
        fix=("unroll the recurrence before export: a streaming core has no feedback",),
    )


def _fix_batch(graph: onnx.GraphProto, file: str) -> tuple[list[str], list[UserError]]:
    """One frame at a time: batch 1; every other extent must be a number."""
    notes, errors = [], []
    constants = {i.name for i in graph.initializer}
    for value in graph.input:
        if value.name in constants:
            continue
        tensor = value.type.tensor_type
        if not value.type.HasField("tensor_type") or not tensor.HasField("shape"):
            kind = "no shape" if value.type.HasField("tensor_type") else "not a tensor"
            errors.append(_dynamic(file, value.name, f"it is declared with {kind}"))
            continue
        dims = tensor.shape.dim
        if len(dims) >= 2:
            if dims[0].dim_value not in (0, 1):
                notes.append(
                    f"input {value.name!r}: the first axis, {dims[0].dim_value}, is taken as the "
                    "batch and set to 1"
                )
            dims[0].Clear()
            dims[0].dim_value = 1
        for axis, dim in enumerate(dims):
            if dim.dim_value < 1:
                named = f"named {dim.dim_param!r}" if dim.dim_param else "not a positive number"
                errors.append(_dynamic(file, value.name, f"the extent of axis {axis} is {named}"))
    return notes, errors


def _dynamic(file: str, name: str, why: str) -> UserError:
    return UserError(
        "frontend.dynamic-shape",
        f"input {name!r} has no fixed shape",
        where=f"{file}, input {name}",
        why=f"{why}; only the batch axis, the first of two or more, may be open",
        fix=(
            "export with a fixed input shape",
            "or fix it: python -m onnxruntime.tools.make_dynamic_shape_fixed "
            f"--input_name {name} --input_shape 1,... model.onnx fixed.onnx",
        ),
    )


def _check(model: onnx.ModelProto, opset: int, file: str) -> dict[int, str]:
    """Nodes that onnx.checker refuses, or UserError when it refuses the model as a whole."""
    context = checker.DEFAULT_CONTEXT.__class__()
    context.ir_version = model.ir_version
    context.opset_imports = {o.domain: o.version for o in model.opset_import}
    broken = {}
    for index, node in enumerate(model.graph.node):
        if node.domain != STANDARD or not defs.has(node.op_type, STANDARD):
            continue  # what is no standard operator is the registry's to judge
        try:
            checker.check_node(node, context)
        except checker.ValidationError as error:
            broken[index] = _first_line(error)
    unknown = any(
        node.domain == STANDARD and not defs.has(node.op_type, STANDARD)
        for node in model.graph.node
    )
    if broken or unknown:
        return broken
    for output in model.graph.output:  # the checker wants a shape; the walk finds the right one
        if output.type.HasField("tensor_type"):
            output.type.tensor_type.shape.SetInParent()
    try:
        checker.check_model(model)
    except (checker.ValidationError, ValueError) as error:
        missing = [n for n in model.graph.node if n.domain not in context.opset_imports]
        if missing:
            return {}  # an operator of an unknown domain, reported by name in the walk
        raise UserError(
            "frontend.invalid-model",
            "onnx.checker refuses the model",
            where=file,
            why=_first_line(error),
            fix=("export the model again, or mend what the checker names",),
        ) from error
    return broken


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), repr(error))


def _infer(model: onnx.ModelProto) -> onnx.ModelProto:
    """Shapes for batch 1. Declared ones may hold another batch, so they are inferred anew."""
    del model.graph.value_info[:]
    for output in model.graph.output:
        if output.type.HasField("tensor_type"):
            output.type.tensor_type.ClearField("shape")
    try:
        return shape_inference.infer_shapes(model)
    except (shape_inference.InferenceError, checker.ValidationError, ValueError, RuntimeError):
        return model  # the walk infers for itself, and says where shapes disagree
