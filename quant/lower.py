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

import gatesmith.quant
from gatesmith.errors import UserError, raise_all
from gatesmith.ir import Affine, Graph, IntType, Node
from gatesmith.ops.const import Const
from gatesmith.ops.conv import Conv
from gatesmith.ops.input import Input
from gatesmith.ops.mat_mul import MatMul
from gatesmith.ops.registry import stems
from gatesmith.quant.form import Form
from gatesmith.quant.layout import reshape, settled, stream_axes
from gatesmith.quant.mat_mul import quantized
from gatesmith.quant.product import float_weights
from gatesmith.quant.quantizer import stream_input
from gatesmith.quant.reloadable import Reloads
from gatesmith.quant.rules import RULES, Argument, Context
from gatesmith.quant.whole import whole


@dataclass(frozen=True, slots=True)
class InputPort:
    """How the outside meets an input of the integer graph.

    Attributes:
        node: Name of the integer Input node.
        real_node: Name of the Input node in the real graph.
        host_quantizer: Name of the real graph's node whose codes the input carries; None when the
            input's integers were declared.
        axes: Order in which the axes of the model's input (or of the host quantizer's codes) stand
            on the stream; None for their own.
    """

    node: str
    real_node: str
    host_quantizer: str | None
    axes: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class OutputPort:
    """How the outside meets an output.

    Attributes:
        shape: In the model.
        axes: Order in which its axes stand on the stream; None for their own.
        host: Operators left to the host.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...] | None
    host: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Lowered:
    """A pure integer graph and how the outside meets it.

    Attributes:
        graph: Integer graph; output nodes carry their meaning.
        inputs: In the order of its Input nodes.
        outputs: In the order of its outputs.
        notes: Things the user should know.
        reloaded: Of each layer with weights, in the order in which they were lowered: the type of
            its weights where they can be reloaded.
    """

    graph: Graph
    inputs: tuple[InputPort, ...]
    outputs: tuple[OutputPort, ...]
    notes: tuple[str, ...]
    reloaded: tuple[IntType | None, ...] = ()


def lower(real: Graph, model: str, reloads: Reloads | None = None) -> Lowered:
    """Integer graph that computes what ``real`` means; ``reloads``: layers for any weights.

    Errors: ``quant.*``, ``build.reloadable-*``.
    """
    _load_rules()
    ctx = Context(model, real=real, reloads=reloads or Reloads())
    values = _lower_all(ctx, real)
    outputs: list[Node] = []
    ports: list[OutputPort] = []
    for node in real.outputs:
        form = values[node]
        try:
            if form is not None:
                result, axes = _output(ctx, node, form)
                outputs.append(result)
                host = form.host if isinstance(form, Form) else ()
                ctx.notes.extend(f"left to the host: {op}" for op in host)
                ports.append(OutputPort(node.type.shape, axes, host))
        except UserError as error:
            ctx.errors.append(error)
    raise_all(_merged(ctx.errors) + ctx.reloads.unknown())
    graph = _told(Graph(tuple(outputs), real.name)).named_once()
    entries = (node for node in graph if isinstance(node.op, Input))
    inputs = tuple(_input_port(ctx, node.name) for node in entries)
    return Lowered(graph, inputs, tuple(ports), tuple(ctx.notes), tuple(ctx.reloads.found))


def _lower_all(ctx: Context, real: Graph) -> dict[Node, Argument | None]:
    """Value of every node; None where a problem was reported, or where it depends on one."""
    values: dict[Node, Argument | None] = {}
    for node in real:
        try:
            values[node] = _lower_node(ctx, node, values)
        except UserError as error:
            ctx.errors.append(error)
            values[node] = None
        if values[node] is None and isinstance(node.op, MatMul | Conv) and not quantized(node):
            ctx.errors.append(float_weights(ctx, node))
    return values


def _input_port(ctx: Context, name: str) -> InputPort:
    real, axes = ctx.inputs[name], ctx.axes[name]
    quantizer = ctx.host_quantizers.get(real)
    own = axes == tuple(range(len(axes)))
    return InputPort(name, real, quantizer.name if quantizer else None, None if own else axes)


def _merged(errors: list[UserError]) -> list[UserError]:
    """One error for the same problem at several places."""
    places: dict[tuple[str, str, str, tuple[str, ...]], dict[str, None]] = {}
    for e in errors:
        places.setdefault((e.code, e.what, e.why, e.fix), {})[e.where] = None
    return [
        UserError(code, what, where="\n       ".join(where), why=why, fix=fix)
        for (code, what, why, fix), where in places.items()
    ]


def _told(graph: Graph) -> Graph:
    """Outputs that are read inside the graph as well become one node, with its meaning."""
    told: dict[str, Node] = {}
    for output in graph.outputs:  # of several with one name, each with its own meaning, the first
        told.setdefault(output.name, output)
    done: dict[str, Node] = {}

    def tell(node: Node, _users: object) -> Node | None:
        end = told.get(node.name)
        if end is None or end.op != node.op:
            return None
        if node.tensor is not None and node.tensor != end.tensor:
            return None
        first = done.setdefault(
            node.name,
            replace(node, meaning=end.meaning, origin=end.origin, tensor=end.tensor),
        )
        return first if first.args == node.args else None

    return graph.rewrite(tell)


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
    forms = {id(arg): arg for arg in known if isinstance(arg, Form)}  # x + x: once
    before = tuple(name for form in forms.values() for name in _since_base(form))
    ctx.origin = tuple(dict.fromkeys(before + node.origin))
    form = RULES[type(node.op)](ctx, node, known)
    fresh = all(not isinstance(arg, Form) or arg.base is not form.base for arg in known)
    keeps_steps = bool(form.steps)
    return replace(form, origin=() if fresh and not keeps_steps else ctx.origin)


def _since_base(form: Form) -> tuple[str, ...]:
    """ONNX nodes behind the form's base that the base does not stand for already."""
    if form.base is None or not form.base.origin:
        return form.origin
    done = frozenset(form.base.origin)
    return tuple(name for name in form.origin if name not in done)


def _input(ctx: Context, node: Node) -> Form:
    """An integer input is a base; a real one waits for its first quantizer."""
    if not isinstance(node.type.elem, IntType):
        return Form(None, node.type.shape, source=node)
    ctx.origin = node.origin
    return stream_input(ctx, node, node, node.type.shape, node.type.elem, meaning=node.meaning)


def _output(ctx: Context, node: Node, form: Argument) -> tuple[Node, tuple[int, ...] | None]:
    """Integer node of an output, with its meaning, and the order of its axes."""
    if not isinstance(form, Form):
        raise ctx.error(
            "quant.constant-output",
            "an output of the model is a constant",
            node,
            "it does not depend on the input, so there is nothing to build",
            "remove this output from the model",
        )
    ctx.origin = form.origin
    axes = stream_axes(form)
    if form.base is not None:
        form = _real_output(ctx, node, form)
    if form.base is None or (isinstance(form.base.op, Input) and form.order is None):
        raise ctx.error(
            "quant.nothing-to-build",
            "an output of the model is its input",
            node,
            "no layer with hardware lies between them",
            "check that the right model was exported",
        )
    if axes is None:
        form, axes = settled(ctx, form), tuple(range(len(form.shape)))
    base = form.base
    assert base is not None
    long = tuple(form.shape[axis] for axis in axes)
    if base.type.shape != long and axes != tuple(range(len(axes))):
        base = reshape(ctx, base, long)
        form = Form(base, long, form.transposed(axes).steps)
    entries = form.channel_chains()
    if entries is None or len(entries) not in (1, base.type.channels):
        raise ctx.error(
            "quant.output-scale",
            "the scale of the output changes from position to position",
            node,
            "an output can have one scale, or one a channel",
            "put a quantizer before the output",
        )
    pairs = [c[0][1:] if c else (Fraction(1), Fraction(0)) for c, _ in entries]
    meaning = Affine(_short([p[0] for p in pairs]), _short([p[1] for p in pairs]))
    origin = base.origin + _since_base(replace(form, base=base, origin=ctx.origin))
    result = replace(base, meaning=meaning, origin=origin, tensor=node.tensor)
    return result, None if axes == tuple(range(len(axes))) else axes


def _real_output(ctx: Context, node: Node, form: Form) -> Form:
    """The form as an affine map of integers, a final activation included where it has some."""
    try:
        return whole(ctx, node, form)
    except UserError as error:
        raise ctx.error(
            "quant.real-output",
            "the model ends in an activation that no integer stands for",
            node,
            "its limits lie between the integers of the last accumulator",
            "put a quantizer behind the last activation",
            "end the model before the activation and let the host apply it",
        ) from error


def _short(values: list[Fraction]) -> tuple[Fraction, ...]:
    return tuple(values[:1]) if len(set(values)) == 1 else tuple(values)
