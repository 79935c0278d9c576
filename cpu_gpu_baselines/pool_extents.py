"""Pools with ceil_mode, for onnxruntime: its kernels and its shape inference disagree.

Where the last window would begin behind the values, the kernel leaves it out, as ONNX asks for
since opset 19 and as the frontend does; the inference of older opsets counts it, and a product
behind the pool is then refused ("Incompatible dimensions"). Behind such a pool its value is
reshaped to its own shape, of which inference knows the rank alone.
"""

from __future__ import annotations

from onnx import ModelProto, NodeProto, helper

ADDED = "gatesmith_extents"


def told_by_the_kernel(model: ModelProto) -> ModelProto:
    """The same model, in which nothing is inferred of the extents that pools in ceil_mode give."""
    if not any(_rounds_up(node) for node in model.graph.node):
        return model
    changed = ModelProto()
    changed.CopyFrom(model)
    del changed.graph.value_info[:]  # what inference said
    nodes: list[NodeProto] = []
    for node in changed.graph.node:
        nodes.append(node)
        if _rounds_up(node):
            name = node.output[0]
            pooled, extents = f"{name}/{ADDED}/pooled", f"{name}/{ADDED}"
            node.output[0] = pooled
            nodes.append(helper.make_node("Shape", [pooled], [extents], extents))
            nodes.append(helper.make_node("Reshape", [pooled, extents], [name], f"{extents}/as"))
    del changed.graph.node[:]
    changed.graph.node.extend(nodes)
    return changed


def _rounds_up(node: NodeProto) -> bool:
    return node.domain in ("", "ai.onnx") and any(
        a.name == "ceil_mode" and a.i for a in node.attribute
    )
