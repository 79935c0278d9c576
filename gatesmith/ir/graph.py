"""Nodes and graphs. Both are immutable; a pass returns a new graph."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TypeAlias

from gatesmith.ir.types import Affine, TensorType, Values


@dataclass(frozen=True, slots=True)
class Op(ABC):
    """What an operator means. Subclasses are frozen dataclasses; fields are the attributes."""

    @abstractmethod
    def infer(self, *args: TensorType) -> TensorType:
        """Type of the result for arguments of these types; ValueError when they do not fit."""

    @abstractmethod
    def run(self, *args: Values) -> Values:
        """Reference result over a batch: arrays have the shape (frames, *type.shape).

        A constant argument comes without the batch axis. Exact on integers: the RTL must match
        it bit for bit. On reals it is float64.
        """


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One application of an operator. Compared by identity, like the wire it is.

    Attributes:
        name: Unique in its graph; a Verilog identifier; becomes the instance name in the RTL.
        op: The operator and its attributes.
        args: Nodes whose results this node reads.
        origin: ONNX node names this one was made from, for messages and RTL comments.
        tensor: ONNX tensor that holds the same value, where there is one: the float runtime is
            compared there.
        meaning: What an integer result stands for, where that is known.
        type: Type of the result; inferred once, here.
    """

    name: str
    op: Op
    args: tuple[Node, ...] = ()
    origin: tuple[str, ...] = ()
    tensor: str | None = None
    meaning: Affine | None = None
    type: TensorType = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "type", self.op.infer(*(arg.type for arg in self.args)))

    def __str__(self) -> str:
        attributes = [f"{f.name}={getattr(self.op, f.name)}" for f in fields(self.op) if f.repr]
        operands = ", ".join([arg.name for arg in self.args] + attributes)
        line = f"{self.name}: {self.type} = {type(self.op).__name__}({operands})"
        return line if self.meaning is None else f"{line}  # real = {self.meaning}"


Rule: TypeAlias = Callable[[Node, Mapping[Node, int]], Node | None]


@dataclass(frozen=True, slots=True)
class Graph:
    """The nodes that the outputs depend on.

    Attributes:
        outputs: Result nodes, in the order of the model's outputs.
        name: Name of the model; names the top module.
    """

    outputs: tuple[Node, ...]
    name: str = "net"

    def __iter__(self) -> Iterator[Node]:
        """Nodes in an order in which arguments come before their users, without recursion."""
        seen: set[Node] = set()
        for output in self.outputs:
            stack = [(output, False)]
            while stack:
                node, expanded = stack.pop()
                if expanded:
                    yield node
                elif node not in seen:
                    seen.add(node)
                    stack.append((node, True))
                    stack.extend((arg, False) for arg in reversed(node.args) if arg not in seen)

    def users(self) -> Counter[Node]:
        """How often each node is read, by nodes and as an output."""
        return Counter(arg for node in self for arg in node.args) + Counter(self.outputs)

    def rewrite(self, rule: Rule) -> Graph:
        """Offer every node to ``rule``, arguments first; ``None`` keeps the node.

        The rule also gets the number of users of each node, so that it can leave alone
        a node whose result is read elsewhere.
        """
        users = self.users()
        new: dict[Node, Node] = {}
        for node in self:
            args = tuple(new[arg] for arg in node.args)
            kept = node if args == node.args else replace(node, args=args)
            new[node] = rule(kept, users) or kept
            users[new[node]] = users[node]
        return replace(self, outputs=tuple(new[output] for output in self.outputs))

    def named_once(self) -> Graph:
        """Another name for every node that shares one: NAME_2, NAME_3, ..."""
        taken: set[str] = set()

        def rename(node: Node, _users: Mapping[Node, int]) -> Node | None:
            name, count = node.name, 1
            while name in taken:
                count += 1
                name = f"{node.name}_{count}"
            taken.add(name)
            return None if name == node.name else replace(node, name=name)

        return self.rewrite(rename)

    def __str__(self) -> str:
        return "\n".join(map(str, self))
