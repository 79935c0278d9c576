"""Lower a real graph to a pure integer graph, exactly.

1. Every node is offered to the rule of its operator (quant/<operator>.py), arguments first. Real
   values are carried as forms (quant/form.py): exact functions of an integer node.
2. Matrix products become Dense, quantizers become Threshold or Requantize; everything between is
   folded into them. Sources: numerics.md's rules in docs/semantics.md; FINN-R, Blott et al., 2018,
   section 4.3 (streamlining), done here in rationals.
3. An output is an integer node that carries what it stands for; an output that is no integer's
   affine image is refused.
4. Problems of independent nodes are collected and raised together.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor

import gatesmith.quant
from gatesmith.errors import UserError, raise_all
from gatesmith.ir import Affine, Array, Graph, IntType, Node
from gatesmith.ops.const import Const
from gatesmith.ops.input import Input
from gatesmith.ops.mat_mul import MatMul
from gatesmith.ops.registry import stems
from gatesmith.ops.requantize import Requantize
from gatesmith.quant.form import Clamp, Form, Scale
from gatesmith.quant.mat_mul import float_weights, quantized
from gatesmith.quant.rules import RULES, Argument, Context


@dataclass(frozen=True, slots=True, eq=False)
class Lowered:
    """A pure integer graph and how the outside meets it.

    Attributes:
        graph: Integer graph; output nodes carry their meaning.
        shapes: Shape of each output in the model.
        host: Operators left to the host, by output.
        host_quantizer: Name of the real graph's node whose codes the input carries; None when the
            input's integers were declared.
        notes: Things the user should know.
    """

    graph: Graph
    shapes: tuple[tuple[int, ...], ...]
    host: tuple[tuple[str, ...], ...]
    host_quantizer: str | None
    notes: tuple[str, ...]


def lower(real: Graph, model: str) -> Lowered:
    """Integer graph that computes what ``real`` means. Errors: ``quant.*``."""
    _load_rules()
    ctx = Context(model)
    values: dict[Node, Argument | None] = {}  # None: a problem was reported, or depends on one
    errors: list[UserError] = []
    for node in real:
        try:
            values[node] = _lower_node(ctx, node, values)
        except UserError as error:
            errors.append(error)
            values[node] = None
        if values[node] is None and isinstance(node.op, MatMul) and not quantized(node):
            errors.append(float_weights(ctx, node))
    outputs: list[Node] = []
    forms = [form for node in real.outputs if isinstance(form := values[node], Form)]
    for node in real.outputs:
        form = values[node]
        try:
            if form is not None:
                outputs.append(_output(ctx, node, form))
        except UserError as error:
            errors.append(error)
    raise_all(_merged(errors))
    for form in forms:
        ctx.notes.extend(f"left to the host: {op}" for op in form.host)
    told = {node.name: node for node in outputs}
    bare = Graph(tuple(outputs), real.name)
    graph = bare.rewrite(lambda node, _: _tell(node, told.get(node.name)))
    return Lowered(
        graph,
        tuple(node.type.shape for node in real.outputs),
        tuple(form.host for form in forms),
        ctx.host_quantizer.name if ctx.host_quantizer else None,
        tuple(ctx.notes),
    )


def _merged(errors: list[UserError]) -> list[UserError]:
    """One error for the same problem at several places."""
    places: dict[tuple[str, str, str, tuple[str, ...]], dict[str, None]] = {}
    for e in errors:
        places.setdefault((e.code, e.what, e.why, e.fix), {})[e.where] = None
    return [
        UserError(code, what, where="\n       ".join(where), why=why, fix=fix)
        for (code, what, why, fix), where in places.items()
    ]


def _tell(node: Node, told: Node | None) -> Node | None:
    """Give a node that is an output its meaning also where it is read inside the graph."""
    if told is None or node.meaning is not None:
        return None
    return replace(node, meaning=told.meaning, origin=told.origin, tensor=told.tensor)


def _load_rules() -> None:
    """Import the rule of every operator that has one; importing registers it."""
    present = {module.name for module in pkgutil.iter_modules(gatesmith.quant.__path__)}
    for stem in stems():
        if stem in present:
            importlib.import_module(f"gatesmith.quant.{stem}")


def _lower_node(ctx: Context, node: Node, values: dict[Node, Argument | None]) -> Argument | None:
    if isinstance(node.op, Const):
        return node
    if isinstance(node.op, Input):
        return _input(ctx, node)
    args = tuple(values[arg] for arg in node.args)
    known = tuple(arg for arg in args if arg is not None)
    if len(known) < len(args):
        return None
    if type(node.op) not in RULES:
        raise ctx.error(
            "quant.no-rule",
            f"{type(node.op).__name__} cannot be lowered to integers yet",
            node,
            "no rule for it in quant/",
            "end the model before this node",
        )
    before = tuple(o for arg in known if isinstance(arg, Form) for o in _since_base(arg))
    ctx.origin = tuple(dict.fromkeys(before + node.origin))
    form = RULES[type(node.op)](ctx, node, known)
    fresh = all(not isinstance(arg, Form) or arg.base is not form.base for arg in known)
    keeps_steps = bool(form.steps)
    return replace(form, origin=() if fresh and not keeps_steps else ctx.origin)


def _since_base(form: Form) -> tuple[str, ...]:
    """ONNX nodes behind the form's base that the base does not stand for already."""
    done = form.base.origin if form.base is not None else ()
    return tuple(name for name in form.origin if name not in done)


def _input(ctx: Context, node: Node) -> Form:
    """An integer input is a base; a real one waits for its first quantizer."""
    if not isinstance(node.type.elem, IntType):
        return Form(None, node.type.shape)
    ctx.origin = node.origin
    return Form(ctx.node("x", node.op, (), node.meaning), node.type.shape)


def _output(ctx: Context, node: Node, form: Argument) -> Node:
    """Integer node of an output, with its meaning."""
    if not isinstance(form, Form):
        raise ctx.error(
            "quant.constant-output",
            "an output of the model is a constant",
            node,
            "it does not depend on the input, so there is nothing to build",
            "remove this output from the model",
        )
    base = form.base
    if base is None or isinstance(base.op, Input):
        raise ctx.error(
            "quant.nothing-to-build",
            "an output of the model is its input",
            node,
            "no layer with hardware lies between them",
            "check that the right model was exported",
        )
    if form.order is not None:
        raise ctx.error(
            "quant.output-order",
            "the output is transposed",
            node,
            "the stream carries the elements in the order in which they are computed",
            "remove the final Transpose and let the host reorder the output",
        )
    ctx.origin = form.origin
    base, form = _clamped(ctx, node, base, form)
    scale = form.affine()
    assert scale is not None
    entries = form.channel_chains()
    if len(entries) not in (1, base.type.channels):
        raise ctx.error(
            "quant.output-scale",
            "the scale of the output changes from position to position",
            node,
            "an output can have one scale, or one a channel",
            "put a quantizer before the output",
        )
    pairs = [c[0][1:] if c else (Fraction(1), Fraction(0)) for c, _ in entries]
    meaning = Affine(_short([p[0] for p in pairs]), _short([p[1] for p in pairs]))
    origin = base.origin + _since_base(replace(form, base=base))
    return replace(base, meaning=meaning, origin=origin, tensor=node.tensor)


def _short(values: list[Fraction]) -> tuple[Fraction, ...]:
    return tuple(values[:1]) if len(set(values)) == 1 else tuple(values)


def _clamped(ctx: Context, node: Node, base: Node, form: Form) -> tuple[Node, Form]:
    """A Relu or Clip before the output, where its limits are integers of the base."""
    if form.affine() is not None:
        return base, form
    entries = form.channel_chains()
    match form.steps:
        case (Scale(), Clamp()) if len(entries) == 1:
            ((_, mul, add), (_, lo, hi)) = entries[0][0]
            ends = [None if end is None or not mul else (end - add) / mul for end in (lo, hi)]
        case (Clamp(lo=lo, hi=hi),):
            mul, ends = Fraction(1), [lo, hi]
        case _:
            mul, ends = Fraction(0), []
    if not mul or any(end is not None and end.denominator != 1 for end in ends):
        raise ctx.error(
            "quant.real-output",
            "the model ends in an activation that no integer stands for",
            node,
            "its limits lie between the integers of the last accumulator",
            "put a quantizer behind the last activation",
            "end the model before the activation and let the host apply it",
        )
    x = base.type.int_elem
    least, most = ends if mul > 0 else reversed(ends)
    lo_code = x.lo if least is None else min(max(x.lo, ceil(least)), x.hi)
    hi_code = x.hi if most is None else max(min(x.hi, floor(most)), x.lo)
    op = Requantize(Array([1]), Array([0]), 0, IntType(lo_code, hi_code))
    clamp = ctx.node(node.name, op, (base,))
    return clamp, replace(form, base=clamp, steps=form.steps[:1] if len(form.steps) > 1 else ())
