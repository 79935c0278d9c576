"""The table of lowering rules: one file an operator registers its rule here.

A rule takes the operator's node and the forms of its arguments (quant/form.py), and gives the form
of its result. Constants come as nodes of Const: their values are exact float64. Problems are
UserErrors; quant/lower.py collects them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from gatesmith.errors import UserError
from gatesmith.ir import Affine, Graph, IntType, Node, Op, Reals
from gatesmith.ops.const import Const
from gatesmith.quant.form import Form
from gatesmith.quant.reloadable import Reloads

Argument: TypeAlias = Form | Node
"""What a rule gets for an argument: a form, or the Const node itself."""


RESERVED = ("in", "aclk", "aresetn", "rst", "s_axis", "m_axis", "frame_error")
"""Names that the top module has for itself: a layer of that name gets another."""


WIDEST = 62
"""Most bits of a value, for the reference computes in int64, and adds."""


@dataclass(slots=True)
class Context:
    """What rules share while one graph is lowered.

    Attributes:
        model: Name of the model's file, for messages.
        notes: Things the user should know.
        errors: Problems so far.
        names: Names given to integer nodes so far.
        origin: ONNX nodes that the node being lowered stands for, those folded into it included.
        made: Integer nodes that a second reader can share, by what they are.
        real: The graph that is lowered.
        inputs: Name of each integer Input node by that of the real one.
        host_quantizers: For a real input whose codes the model's own first quantizer decides: that
            quantizer; what is before it is the host's.
        axes: For each integer Input node by name: the order in which the axes of the model's input
            (or of the host quantizer's codes) stand on the stream.
        reloads: Layers whose weights are written while the core is in use.
    """

    model: str
    notes: list[str] = field(default_factory=list)
    errors: list[UserError] = field(default_factory=list)
    names: set[str] = field(default_factory=lambda: set(RESERVED))
    origin: tuple[str, ...] = ()
    made: dict[tuple[Any, ...], Node] = field(default_factory=dict)
    real: Graph = field(default_factory=lambda: Graph(()))
    inputs: dict[str, str] = field(default_factory=dict)
    host_quantizers: dict[str, Node] = field(default_factory=dict)
    axes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    reloads: Reloads = field(default_factory=Reloads)

    def node(
        self, name: str, op: Op, args: tuple[Node, ...], meaning: Affine | None = None
    ) -> Node:
        """New integer node under a unique name, with the origin of all that it stands for.

        Errors: ``quant.too-wide``.
        """
        unique, count = name, 1
        while unique in self.names:
            count += 1
            unique = f"{name}_{count}"
        self.names.add(unique)
        node = Node(unique, op, args, self.origin, meaning=meaning)
        elem = node.type.elem
        if isinstance(elem, IntType) and elem.bits > WIDEST:
            raise UserError(
                "quant.too-wide",
                f"{unique} needs integers of {elem.bits} bits",
                where=f'{self.model}, node "{", ".join(self.origin) or name}"',
                why=f"the reference computes in 64 bits, of which {WIDEST} may be used",
                fix=(
                    "check the weights: a damaged file has such numbers",
                    "put a quantizer of fewer bits before this layer, or take smaller weights",
                ),
            )
        return node

    def shared(self, name: str, op: Op, arg: Node) -> Node:
        """New integer node, or the one that already does the same to ``arg``."""
        key = ("shared", op, arg)
        if key not in self.made:
            self.made[key] = self.node(name, op, (arg,))
        return self.made[key]

    def where(self, real: Node) -> str:
        """Place of a node in the user's terms."""
        origin = ", ".join(real.origin) or real.name
        return f'{self.model}, node "{origin}", output {real.type}'

    def error(self, code: str, what: str, real: Node, why: str, *fix: str) -> UserError:
        """A UserError at a node."""
        return UserError(code, what, where=self.where(real), why=why, fix=fix)


Rule: TypeAlias = Callable[[Context, Node, tuple[Argument, ...]], Form]
RULES: dict[type[Op], Rule] = {}


def rule(op: type[Op]) -> Callable[[Rule], Rule]:
    """Register the lowering rule of an operator."""

    def register(function: Rule) -> Rule:
        assert op not in RULES, op
        RULES[op] = function
        return function

    return register


def constant(node: Node) -> Reals:
    """Value of a Const node as exact float64."""
    return cast(Const, node.op).value.data.astype("float64")


def one_form(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """The only argument, which must not be constant."""
    (form,) = args
    assert isinstance(form, Form), f"{node.name}: constants are folded by the frontend"
    no_host(ctx, node, form)
    return form


def no_host(ctx: Context, node: Node, form: Form) -> None:
    """Refuse an operator behind one that was left to the host."""
    if form.host:
        raise ctx.error(
            "quant.behind-host",
            f"{type(node.op).__name__} follows {form.host[-1]}, which is left to the host",
            node,
            "the logarithm of a Softmax has no integer form, and a Softmax that nothing else reads "
            "is left to the host, or left out before ArgMax or TopK",
            "end the model before the Softmax",
            "move the Softmax behind this node",
        )
