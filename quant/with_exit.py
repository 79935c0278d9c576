"""Let frames leave at an early head: two outputs become one answer.

1. The scores of the early head become keys whose differences are those of the real scores
   (quant/margin_keys.py), and a Decide with the margin on the keys' scale.
2. The scores of the late head become keys in the order of the real ones, and an arg-max.
3. What only the late head needs reads nothing of the rest but through a Gate, which lets pass the
   frames that did not leave: one for each value that crosses over. A Window or a Reshape on the way
   is made again behind the gate, so that the gate moves the fewest values.
4. EarlyExit puts the answers together; its result is the only output.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from gatesmith.errors import UserError
from gatesmith.ir import Array, Graph, IntType, Node, Op
from gatesmith.ops.const import Const
from gatesmith.ops.decide import Decide
from gatesmith.ops.early_exit import EarlyExit
from gatesmith.ops.gate import Gate
from gatesmith.ops.input import Input
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.top_k import TopK
from gatesmith.ops.window import Window
from gatesmith.quant.lower import Lowered, OutputPort
from gatesmith.quant.margin_keys import margin_keys
from gatesmith.quant.order_keys import Pair, order_keys


@dataclass(frozen=True, slots=True)
class Exit:
    """Where frames may leave.

    Attributes:
        output: Name of the model's output with the scores of the early head.
        margin: A frame leaves where its best score is ahead of the second by more; real units.

    >>> Exit.parse("early:0.25"), str(Exit("early", Fraction(1, 3)))
    (Exit(output='early', margin=Fraction(1, 4)), 'early:1/3')
    """

    output: str
    margin: Fraction

    @staticmethod
    def parse(text: str) -> Exit:
        """``OUTPUT:MARGIN``. Errors: ``cli.exit``."""
        output, colon, number = text.rpartition(":")
        try:
            margin = Fraction(number)
        except (ValueError, ZeroDivisionError):
            margin = Fraction(-1)
        if not colon or not output or margin < 0:
            raise UserError(
                "cli.exit",
                "cannot read where frames may leave early",
                where=f"--exit {text}",
                why="expected OUTPUT:MARGIN, the margin a number of 0 or more, such as 0.5 or 1/3",
                fix=("name the early head's output and a margin: --exit early_scores:0.5",),
            )
        return Exit(output, margin)

    def __str__(self) -> str:
        return f"{self.output}:{self.margin}"


def with_exit(lowered: Lowered, graph: Graph, given: Exit) -> tuple[Lowered, Graph]:
    """A graph of one output, (class, exit), and how the outside meets it.

    Args:
        lowered: What ``graph`` came from.
        graph: Integer graph of two outputs, vectors of scores.
        given: Which of them is the early one, and its margin.

    Errors: ``quant.exit-outputs``, ``quant.exit-scores``, ``quant.exit-keys``.
    """
    early, late = _heads(lowered, graph, given)
    before, needed = _ancestors(early), _ancestors(late)
    if late in before or early in needed:
        raise _refuse(
            "quant.exit-outputs",
            "one head is computed from the scores of the other",
            given,
            f'"{_name(late)}" and "{_name(early)}" must part before the scores',
            "let both heads read features, not scores",
        )
    decision = _decision(early, given)
    behind = {n for n in needed - before if not isinstance(n.op, Input | Const)}
    gating = _Gating(decision, behind)
    best = _best(gating.gated(late), given)
    answer = Node("answer", EarlyExit(), (decision, best), early.origin + late.origin)
    result = Graph((answer,), graph.name).named_once()
    note = (
        f"frames leave at {given.output} where the two best scores differ by more than "
        f"{given.margin}; gates: {', '.join(gating.crossing)}; the output is (class, exit)"
    )
    port = OutputPort(answer.type.shape, None, ())
    told = replace(lowered, graph=result, outputs=(port,), notes=(*lowered.notes, note))
    return told, result


# ---- heads ---------------------------------------------------------------------------------------


def _name(node: Node) -> str:
    return node.tensor or node.name


def _heads(lowered: Lowered, graph: Graph, given: Exit) -> tuple[Node, Node]:
    """The early and the late output."""
    names = [_name(node) for node in graph.outputs]
    if len(names) != 2 or names.count(given.output) != 1:
        raise _refuse(
            "quant.exit-outputs",
            "there are no two heads to choose between",
            given,
            f"the model's outputs are {', '.join(names)}; wanted are two, one of them "
            f"{given.output}",
            "give the model two outputs: the scores of both heads",
            "name one of its outputs",
        )
    first = names.index(given.output)
    early, late = graph.outputs[first], graph.outputs[1 - first]
    for node, port in ((early, lowered.outputs[first]), (late, lowered.outputs[1 - first])):
        if port.host:
            raise _no_scores(node, given, f"{', '.join(port.host)} would be left to the host")
        if node.type.vectors != 1 or node.type.channels < 2:
            raise _no_scores(node, given, f"its values are {node.type}")
    if early.type.channels != late.type.channels:
        why = f"{early.type.channels} classes at the early head, {late.type.channels} at the late"
        raise _no_scores(late, given, why)
    return early, late


def _no_scores(node: Node, given: Exit, why: str) -> UserError:
    return _refuse(
        "quant.exit-scores",
        f'output "{_name(node)}" is no vector of scores for the classes',
        given,
        why,
        "end both heads with a score for each class, before any Softmax",
    )


def _refuse(code: str, what: str, given: Exit, why: str, *fix: str) -> UserError:
    return UserError(code, what, where=f"--exit {given}", why=why, fix=fix)


def _scales(node: Node) -> list[Pair]:
    """Scale and offset of each score."""
    if node.meaning is None:
        return [(Fraction(1), Fraction(0))] * node.type.channels
    return list(node.meaning.per_channel(node.type.channels))


def _no_keys(node: Node, given: Exit) -> UserError:
    return _refuse(
        "quant.exit-keys",
        f'the scores of "{_name(node)}" have no small common measure',
        given,
        "no integers of up to 56 bits are proven to compare as the real scores do",
        "give all classes one scale, or put a quantizer behind the scores",
    )


def _decision(early: Node, given: Exit) -> Node:
    keys = margin_keys(_scales(early), early.type.int_elem, given.margin)
    if keys is None:
        raise _no_keys(early, given)
    scores = _keyed(early, keys.mul, keys.add)
    return Node(f"{early.name}_decide", Decide(keys.margin), (scores,), early.origin)


def _best(late: Node, given: Exit) -> Node:
    """Arg-max of the real scores."""
    pairs = _scales(late)
    best: Op = TopK(1)
    if len(set(pairs)) == 1 and pairs[0][0] != 0:
        return Node(f"{late.name}_best", TopK(1, largest=pairs[0][0] > 0), (late,), late.origin)
    keys = order_keys(pairs, late.type.int_elem)
    if keys is None:
        raise _no_keys(late, given)
    return Node(f"{late.name}_best", best, (_keyed(late, *map(tuple, keys)),), late.origin)


def _keyed(node: Node, mul: tuple[int, ...], add: tuple[int, ...]) -> Node:
    """``mul * n + add`` by channel; the node itself where that is n."""
    if set(mul) == {1} and set(add) == {0}:
        return node
    x = node.type.int_elem
    ends = [m * n + a for m, a in zip(mul, add, strict=True) for n in (x.lo, x.hi)]
    op = Requantize(Array(mul), Array(add), 0, IntType(min(ends), max(ends)))
    return Node(f"{node.name}_key", op, (node,), node.origin)


# ---- gates ---------------------------------------------------------------------------------------


def _ancestors(node: Node) -> set[Node]:
    """A node and everything that it depends on."""
    return set(Graph((node,)))


class _Gating:
    """Nodes behind gates, made once each.

    Attributes:
        decision: Of Decide.
        behind: What only the late head needs.
        crossing: Names of what is gated.
    """

    def __init__(self, decision: Node, behind: set[Node]) -> None:
        self.decision, self.behind = decision, behind
        self.crossing: list[str] = []
        self._made: dict[Node, Node] = {}

    def gated(self, late: Node) -> Node:
        """The late head, reading through gates."""
        for node in Graph((late,)):
            if node in self.behind:
                args = tuple(self._read(arg) for arg in node.args)
                self._made[node] = node if args == node.args else replace(node, args=args)
        return self._read(late)

    def _read(self, node: Node) -> Node:
        """What stands for a node where the late head reads it."""
        if node not in self._made and not isinstance(node.op, Const):
            self._made[node] = self._cross(node)
        return self._made.get(node, node)

    def _cross(self, node: Node) -> Node:
        if isinstance(node.op, Reshape | Window):
            (arg,) = node.args
            return replace(node, name=f"{node.name}_late", args=(self._read(arg),))
        self.crossing.append(node.name)
        return Node(f"{node.name}_gate", Gate(), (node, self.decision), node.origin)
