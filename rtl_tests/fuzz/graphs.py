"""Damage to nodes, wires, attributes, versions and nesting."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import onnx
from onnx import AttributeProto, TensorProto, defs, helper

from gatesmith.rtl_tests.fuzz.case import Case, damage
from gatesmith.rtl_tests.fuzz.values import EXTENTS, FLOATS, INTS

DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft", "qonnx.custom_op.general", "evil", "{{x}}")
QUANTIZERS = ("Quant", "BipolarQuant", "Trunc", "MultiThreshold", "FloatQuant", "IntQuant")


LIKE = (
    *("Abs", "Neg", "Exp", "Log", "Sqrt", "Tanh", "Sigmoid", "Relu", "Elu", "Selu", "Softplus"),
    *("Erf", "Sin", "Sign", "Floor", "Ceil", "Round", "Reciprocal", "Softmax", "LogSoftmax"),
    *("Identity", "Dropout", "Cast", "Not", "GlobalAveragePool", "GlobalMaxPool", "Flatten"),
    *("ReduceMean", "ReduceMax", "ReduceSum", "ArgMax", "Squeeze", "Shape", "Transpose", "Gelu"),
    *("Mish", "Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Mean", "Sum", "MatMul", "Where"),
    *("Equal", "Less", "Concat", "Gather", "PRelu", "Clip"),
)
"""Operators that take what most others take."""


@damage
def attributes(case: Case) -> None:
    """Values out of any range, of another type, too many, twice, unknown, missing."""
    rng = case.rng
    for _ in range(rng.choice((1, 1, 2, 4))):
        node = rng.choice(case.graph.node) if case.graph.node else None
        if node is None:
            return
        if not node.attribute or rng.random() < 0.25:
            _add_attribute(case, node)
            continue
        place = rng.randrange(len(node.attribute))
        found = node.attribute[place]
        match rng.randrange(8):
            case 0:
                del node.attribute[place]
            case 1:
                node.attribute.add().CopyFrom(found)
            case 2:
                found.type = rng.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 11))
            case 3:
                found.ref_attr_name = "x"
            case 4:
                _replace(found, rng.choice(list(_values(case))))
            case _:
                _worsen(case, found)


def _worsen(case: Case, found: AttributeProto) -> None:
    """Another value of the same type."""
    rng = case.rng
    match found.type:
        case AttributeProto.INT:
            found.i = rng.choice(INTS)
        case AttributeProto.FLOAT:
            found.f = rng.choice(FLOATS)
        case AttributeProto.STRING:
            found.s = rng.choice((b"", b"\xff\xfe", b"NOTSET", b"SAME_UPPER", b"VALID", b"{{x}}"))
        case AttributeProto.INTS:
            if found.ints and rng.random() < 0.7:
                found.ints[rng.randrange(len(found.ints))] = rng.choice(INTS)
            else:
                del found.ints[rng.choice((0, 1)) :]
                found.ints.extend([rng.choice(INTS)] * rng.choice((0, 1, 3, 1000)))
        case AttributeProto.FLOATS:
            found.floats.extend([rng.choice(FLOATS)] * rng.choice((1, 1000)))
        case _:
            found.ClearField("type")


def _values(case: Case) -> list[object]:
    rng = case.rng
    tensor = helper.make_tensor("t", TensorProto.INT64, [1], [rng.choice(INTS)])
    graph = helper.make_graph([], "g", [], [])
    numbers = [rng.choice(INTS) for _ in range(rng.choice((1, 2, 4, 9)))]
    return [rng.choice(INTS), rng.choice(FLOATS), b"text", numbers, [1.0, 2.5], tensor, graph]


def _replace(found: AttributeProto, value: object) -> None:
    name = found.name
    found.CopyFrom(helper.make_attribute(name, value))


def _add_attribute(case: Case, node: onnx.NodeProto) -> None:
    """One that the operator has, or one that it has not."""
    names = ["evil", "axis", "", "alpha"]
    if defs.has(node.op_type):
        names += list(defs.get_schema(node.op_type).attributes) * 3
    name = case.rng.choice(names)
    node.attribute.append(helper.make_attribute(name, case.rng.choice(_values(case))))


@damage
def wires(case: Case) -> None:
    """Cycles, tensors from nowhere, tensors made twice, operands missing, swapped and added."""
    rng, graph = case.rng, case.graph
    made = [name for node in graph.node for name in node.output]
    known = [
        *made,
        *(i.name for i in graph.initializer),
        *(i.name for i in graph.input),
        "",
        "gone",
    ]
    for _ in range(rng.choice((1, 1, 2, 6))):
        node = rng.choice(graph.node) if graph.node else None
        if node is None:
            return
        match rng.randrange(8):
            case 0 if node.input:
                node.input[rng.randrange(len(node.input))] = rng.choice(known)
            case 1:
                node.input.extend([rng.choice(known)] * rng.choice((1, 1, 20)))
            case 2 if node.input:
                del node.input[rng.randrange(len(node.input))]
            case 3 if node.output:
                node.output[rng.randrange(len(node.output))] = rng.choice(known)
            case 4:
                node.output.extend([rng.choice(("extra", "", *made[:3]))] * rng.choice((1, 20)))
            case 5 if node.output:
                del node.output[:]
            case 6 if len(node.input) > 1:
                turned = list(node.input)
                rng.shuffle(turned)
                node.input[:] = turned
            case _ if graph.output:
                rng.choice(graph.output).name = rng.choice(known)


@damage
def nodes(case: Case) -> None:
    """Nodes removed, doubled, turned round, taken from another model."""
    rng, graph = case.rng, case.graph
    for _ in range(rng.choice((1, 1, 2, 3))):
        if not graph.node:
            return
        place = rng.randrange(len(graph.node))
        match rng.randrange(6):
            case 0:
                del graph.node[place]
            case 1:
                graph.node.add().CopyFrom(graph.node[place])
            case 2:
                graph.node.extend(case.donor.graph.node[:3])
            case 3:
                kept = [onnx.NodeProto.FromString(n.SerializeToString()) for n in graph.node]
                del graph.node[:]
                graph.node.extend(kept[::-1])
            case 4:
                graph.ClearField(rng.choice(("node", "input", "output", "initializer", "name")))
            case _:
                repeated = rng.choice((graph.input, graph.output, graph.initializer))
                if repeated:
                    repeated.add().CopyFrom(rng.choice(repeated))


@damage
def operators(case: Case) -> None:
    """Another operator in a node's place: any that ONNX or QONNX knows, or none."""
    rng = case.rng
    known = sorted({schema.name for schema in defs.get_all_schemas()})
    for _ in range(rng.choice((1, 1, 2))):
        if case.graph.node:
            node = rng.choice(case.graph.node)
            node.op_type = rng.choice((*known, *QUANTIZERS, *QUANTIZERS, "", "Evil", "../Relu"))
            if rng.random() < 0.2:
                node.domain = rng.choice(DOMAINS)


@damage
def like_operators(case: Case) -> None:
    """An operator for one that reads and writes tensors of the same shape, or reduces them."""
    rng = case.rng
    for _ in range(rng.choice((1, 1, 2, 4))):
        if case.graph.node:
            node = rng.choice(case.graph.node)
            node.op_type = rng.choice(LIKE)
            if rng.random() < 0.7:
                del node.attribute[:]


@damage
def folded_away(case: Case) -> None:
    """Constant nodes whose result is far larger than the file, or never comes."""
    rng, graph = case.rng, case.graph
    big = rng.choice((10, 1000, 100_000, 2**20, 2**31, 2**40, 2**62, -5))
    sizes = helper.make_tensor("sizes", TensorProto.INT64, [2], [big, rng.choice((1, 1000, big))])
    one = helper.make_tensor("one", TensorProto.INT64, [1], [rng.choice((1, 0, -1))])
    zero = helper.make_tensor("zero", TensorProto.INT64, [], [0])
    limit = helper.make_tensor("limit", TensorProto.INT64, [], [big])
    step = helper.make_tensor("step", TensorProto.INT64, [], [rng.choice((1, 0, -1, 2**40))])
    graph.initializer.extend([sizes, one, zero, limit, step])
    equation = rng.choice(("i,j->ij", "a,b->abc", "...", ""))
    choices: dict[str, tuple[list[str], dict[str, Any]]] = {
        "ConstantOfShape": (["sizes"], {}),
        "Expand": (["one", "sizes"], {}),
        "Tile": (["sizes", "one"], {}),
        "Range": (["zero", "limit", "step"], {}),
        "OneHot": (["sizes", "limit", "sizes"], {}),
        "EyeLike": (["sizes"], {}),
        "Pad": (["sizes", "sizes"], {}),
        "Resize": (["sizes", "", "", "sizes"], {}),
        "Pow": (["sizes", "sizes"], {}),
        "BitShift": (["sizes", "sizes"], {"direction": "LEFT"}),
        "Reshape": (["sizes", "sizes"], {}),
        "Gather": (["sizes", "sizes"], {}),
        "Einsum": (
            ["sizes", "sizes"],
            {"equation": equation},
        ),
        "MatMul": (["sizes", "sizes"], {}),
        "Mod": (["sizes", "zero"], {}),
        "Div": (["sizes", "zero"], {}),
        "Split": (["sizes"], {"num_outputs": 1000}),
        "RandomNormal": ([], {"shape": [big, 1000]}),
        "HannWindow": (["limit"], {}),
        "StringNormalizer": (["sizes"], {}),
        "CumSum": (["sizes", "zero"], {}),
        "Compress": (["sizes", "sizes"], {}),
        "TopK": (["sizes", "one"], {}),
        "Unique": (["sizes"], {}),
        "DepthToSpace": (["sizes"], {"blocksize": 0}),
        "Multinomial": (["sizes"], {}),
    }
    op = rng.choice(sorted(choices))
    inputs, given = choices[op]
    target = rng.choice(graph.node) if graph.node else None
    result = "folded_away"
    graph.node.insert(0, helper.make_node(op, inputs, [result], **given))
    last = result
    for number in range(rng.choice((0, 0, 0, 1, 40))):  # doubled again and again
        graph.node.insert(
            number + 1, helper.make_node("Concat", [last, last], [f"d{number}"], axis=0)
        )
        last = f"d{number}"
    if target is not None and target.input and rng.random() < 0.8:
        target.input[rng.randrange(len(target.input))] = last
    elif graph.output:
        graph.output[0].name = last


@damage
def versions(case: Case) -> None:
    """Opset, IR version and domain of another time, of none, of two."""
    rng, model = case.rng, case.model
    for _ in range(rng.choice((1, 1, 2))):
        match rng.randrange(7):
            case 0:
                model.ir_version = rng.choice((0, 1, 3, 4, 8, 10, 11, 12, 13, 99, 2**62, -1))
            case 1 | 2:
                for opset in model.opset_import:
                    if opset.domain == "":
                        opset.version = rng.choice((*range(27), 99, 2**62, -1))
            case 3:
                del model.opset_import[:]
            case 4:
                new = model.opset_import.add()
                new.domain = rng.choice(DOMAINS)
                new.version = rng.choice((0, 1, 2, 13, 99, -1, 2**62))
            case 5 if case.graph.node:
                rng.choice(case.graph.node).domain = rng.choice(DOMAINS)
            case _:
                model.ClearField(rng.choice(("ir_version", "graph", "opset_import")))


@damage
def subgraphs(case: Case) -> None:
    """If, Loop and Scan, with whole models inside, inside one another."""
    rng, graph = case.rng, case.graph
    inner = onnx.GraphProto()
    inner.CopyFrom(rng.choice((graph, case.donor.graph, onnx.GraphProto())))
    for _ in range(rng.choice((1, 2, 10, 29, 31))):
        op = rng.choice(("If", "Loop", "Scan", "SequenceMap"))
        names = {"If": ("then_branch", "else_branch")}.get(op, ("body",))
        node = helper.make_node(op, list(graph.node[0].input[:1]) if graph.node else [], ["sub"])
        for name in names[: rng.choice((1, 2))]:
            attribute = node.attribute.add()
            attribute.name, attribute.type = name, AttributeProto.GRAPH
            attribute.g.CopyFrom(inner)
        outer = onnx.GraphProto(name="g")
        outer.node.append(node)
        outer.output.extend(graph.output[:1])
        inner = outer
        if inner.ByteSize() > 2_000_000:
            break
    where = rng.randrange(len(graph.node) + 1)
    graph.node.insert(where, inner.node[0])
    if rng.random() < 0.7 and graph.output:
        graph.output[0].name = "sub"


@damage
def functions(case: Case) -> None:
    """Functions of the model: good, that call themselves, that hide operators, without a body."""
    rng, model = case.rng, case.model
    if not case.graph.node:
        return
    node = rng.choice(case.graph.node)
    domain, name = rng.choice((("local", "Block"), ("", node.op_type), ("local", "")))
    body = [helper.make_node("Relu", ["a"], ["b"])]
    match rng.randrange(4):
        case 0:
            body = [helper.make_node(name or "Block", ["a"], ["b"], domain=domain)]
        case 1:
            body = []
        case 2:
            body = [helper.make_node("Identity", ["missing"], ["b"])]
        case _:
            pass
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("local", 1)]
    made = helper.make_function(domain, name, ["a"], ["b"], body, opsets)
    model.functions.extend([made] * rng.choice((1, 1, 2)))
    if rng.random() < 0.7:
        model.opset_import.append(helper.make_opsetid("local", 1))
    if rng.random() < 0.8:
        node.op_type, node.domain = name, domain
        del node.attribute[:]
        del node.input[1:]


@damage
def many(case: Case) -> None:
    """Thousands of nodes, tensors, inputs, uses of one tensor, or attributes."""
    rng, graph = case.rng, case.graph
    count = rng.choice((100, 1000, 5000))
    start = graph.input[0].name if graph.input else "x"
    match rng.randrange(7):
        case 0:  # a chain
            names = [start, *(f"many{k}" for k in range(count))]
            chain = [helper.make_node("Relu", [a], [b]) for a, b in pairwise(names)]
            graph.node.extend(chain if rng.random() < 0.5 else chain[::-1])
            if graph.output and rng.random() < 0.5:
                graph.output[0].name = names[-1]
        case 1:  # all read one tensor, and are added up
            graph.node.extend(helper.make_node("Neg", [start], [f"m{k}"]) for k in range(count))
            graph.node.append(helper.make_node("Sum", [f"m{k}" for k in range(count)], ["total"]))
            if graph.output:
                graph.output[0].name = "total"
        case 2:
            for k in range(count):
                graph.initializer.add(name=f"c{k}", data_type=1, dims=[1], float_data=[1.0])
        case 3:
            for k in range(count):
                graph.input.append(
                    helper.make_tensor_value_info(f"i{k}", 1, [1, rng.choice((1, 9))])
                )
        case 4 if graph.node:
            node = rng.choice(graph.node)
            node.attribute.extend(helper.make_attribute(f"a{k}", k) for k in range(count))
        case 5 if graph.node:
            node = rng.choice(graph.node)
            node.input.extend([start] * count)
        case _:  # two operands each, doubled: 2**count ways from end to start
            names = [start, *(f"twice{k}" for k in range(count))]
            graph.node.extend(helper.make_node("Add", [a, a], [b]) for a, b in pairwise(names))
            if graph.output:
                graph.output[0].name = names[-1]


@damage
def swapped_parts(case: Case) -> None:
    """Initializers, inputs and outputs of another model."""
    rng, graph, other = case.rng, case.graph, case.donor.graph
    match rng.randrange(5):
        case 0:
            for tensor in graph.initializer:
                tensor.CopyFrom(rng.choice(other.initializer or graph.initializer))
        case 1:
            graph.output.extend(other.output)
        case 2:
            graph.input.extend(other.input)
        case 3 if other.output:
            graph.node.extend(other.node)
            graph.initializer.extend(other.initializer)
            graph.output.extend(other.output)
        case _:
            for value in graph.input:
                dims = value.type.tensor_type.shape.dim
                for dim in dims[1:]:
                    dim.dim_value = rng.choice((1, 2, 3, 5, 8, rng.choice(EXTENTS)))
