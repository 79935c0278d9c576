"""Which weights become zero: the least important ones, in a pattern that hardware can use.

    unstructured       any weights
    nm:N:M             N kept of every M neighbours along the inputs of each output, in the order in
                       which the Dense reads them (kh, kw, C); where M does not divide the inputs,
                       the last neighbours are fewer, and N of them stay all the same
    block:PExSIMD      whole blocks of PE outputs and SIMD inputs in that order, by the mean score;
                       blocks at the ends are smaller, those of a grouped layer within a group

A mask is True where a weight is kept. Of weights with equal scores the first in memory goes first.
The number of weights that go is ratio * weights rounded to nearest (half to even), exactly; of
blocks as many as stay within it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from gatesmith.errors import UserError, raise_all
from gatesmith.ir import Array, Graph, Ints, Node, Reals
from gatesmith.ops.const import Const
from gatesmith.ops.fake_quant import FakeQuant
from gatesmith.prune.dense_order import input_order
from gatesmith.prune.layer_table import LayerTable
from gatesmith.quant.calibrate.layers import Layer, const, layers

Masks: TypeAlias = dict[str, NDArray[np.bool_]]
"""By name of the Const of a layer's weights; True is kept."""

PRUNED = 0.1
"""Part of a layer's weights that is exactly 0 in a pruned network, and in no other."""

_TEXT = re.compile(r"(unstructured)|nm:(\d{1,3}):(\d{1,3})|block:(\d{1,4})x(\d{1,4})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern of zeros.

    Attributes:
        kind: ``unstructured``, ``nm`` or ``block``.
        kept: N of nm, or outputs of a block (PE); 1 of unstructured.
        of: M of nm, or inputs of a block (SIMD); 1 of unstructured.

    >>> Pattern.parse("nm:2:4"), str(Pattern.parse("block:8x4"))
    (Pattern(kind='nm', kept=2, of=4), 'block:8x4')
    """

    kind: str
    kept: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Read the text form; UserError cli.bad-pattern."""
        found = _TEXT.fullmatch(text.strip())
        if found is None:
            raise _bad_pattern(text, "it is none of unstructured, nm:N:M, block:PExSIMD")
        if found[1]:
            return cls("unstructured")
        if found[2]:
            n, m = int(found[2]), int(found[3])
            if not 1 <= n < m:
                raise _bad_pattern(text, f"of every {m} weights {n} cannot stay: 1 to {m - 1} can")
            return cls("nm", n, m)
        pe, simd = int(found[4]), int(found[5])
        if min(pe, simd) < 1:
            raise _bad_pattern(text, "a block has one output and one input at least")
        return cls("block", pe, simd)

    @property
    def ratio(self) -> Fraction | None:
        """Share of zeros that the pattern sets; None where it is free."""
        return Fraction(self.of - self.kept, self.of) if self.kind == "nm" else None

    def __str__(self) -> str:
        match self.kind:
            case "nm":
                return f"nm:{self.kept}:{self.of}"
            case "block":
                return f"block:{self.kept}x{self.of}"
        return self.kind


def masks(
    graph: Graph,
    scores: Mapping[str, Reals],
    pattern: Pattern,
    ratio: float | None = None,
    *,
    scope: str = "global",
    by_layer: Mapping[str, float] | None = None,
    keep: Collection[str] = (),
) -> Masks:
    """A mask for each layer's weights.

    Args:
        graph: Real; weights may have a FakeQuant.
        scores: Of each weight, by name of the Const; a layer without any is left alone.
        pattern: Where zeros may be.
        ratio: Share of the weights that go; None: what nm sets, or with ``by_layer`` none of the
            others.
        scope: ``global``: the least of all layers; ``layer``: the same share of each.
        by_layer: Ratio of some layers in place of that, by name of the layer or of its weights.
        keep: Layers that stay as they are, by name of the layer or of its weights.

    Raises:
        UserError: prune.empties-layer, prune.pattern-ratio, prune.no-such-layer, cli.bad-value.
    """
    if scope not in ("global", "layer"):
        raise ValueError(f"scope must be global or layer, not {scope}")
    own = dict(by_layer or {})
    tables = _tables(graph, scores, (*own, *keep))
    result: Masks = {table.name: np.ones(table.shape, np.bool_) for table in tables}
    free = [table for table in tables if not table.names & set(keep)]
    single: dict[LayerTable, float | None]
    single = {table: share for table in free if (share := _own_ratio(table, own)) is not None}
    if ratio is None and by_layer is not None and pattern.ratio is None:
        ratio = 0.0  # of all others
    rest = [table for table in free if table not in single]
    if scope == "layer":
        single |= dict.fromkeys(rest, ratio)
        rest = []
    jobs: list[tuple[list[LayerTable], float | None]] = [([t], r) for t, r in single.items()]
    for members, share in (*jobs, (rest, ratio)):
        if members:
            result |= _removed(members, _exact(share, pattern), pattern)
    return result


def apply(graph: Graph, kept: Mapping[str, NDArray[np.bool_]]) -> Graph:
    """The graph with zeros where the masks say so.

    Raises:
        UserError: prune.no-zero, for weights on a grid without a zero.
    """
    check_zero(graph, kept)
    known = {layer.weight.name: layer.weight for layer in layers(graph)}
    if missing := sorted(kept.keys() - known.keys()):
        raise ValueError(f"no weights are called {', '.join(missing)}")
    values = {name: np.where(mask, const(known[name]), 0.0) for name, mask in kept.items()}

    def rule(node: Node, _users: Mapping[Node, int]) -> Node | None:
        if node.name not in values or not isinstance(node.op, Const):
            return None
        return replace(node, op=Const(Array(values[node.name])))

    return graph.rewrite(rule)


def sparsity(graph: Graph) -> dict[str, tuple[int, int]]:
    """Weights that are not zero and all weights of each layer, by name of the Const."""
    return {name: (int(m.sum()), int(m.size)) for name, m in masks_of_zeros(graph).items()}


def masks_of_zeros(graph: Graph) -> Masks:
    """Masks that hold the zeros there are: what a pruned network is trained on with."""
    return {layer.weight.name: const(layer.weight) != 0 for layer in layers(graph)}


def pruned_before(graph: Graph) -> Masks:
    """The same of layers of which PRUNED or more is zero: zeros that are no accident, and stay."""
    return {name: mask for name, mask in masks_of_zeros(graph).items() if 1 - mask.mean() >= PRUNED}


def check_zero(graph: Graph, kept: Mapping[str, NDArray[np.bool_]]) -> None:
    """UserError prune.no-zero for masked weights on a grid that cannot hold a zero."""
    problems = []
    for node in graph:
        if not isinstance(node.op, FakeQuant) or node.args[0].name not in kept:
            continue
        mask, grid = kept[node.args[0].name], node.op.grid
        if not mask.all() and grid.fake(np.zeros(mask.shape))[~mask].any():
            problems.append(_no_zero(node.args[0].name, grid.kind))
    raise_all(problems)


def _tables(graph: Graph, scores: Mapping[str, Reals], named: Collection[str]) -> list[LayerTable]:
    names: dict[str, set[str]] = {}
    first: dict[str, Layer] = {}
    for layer in layers(graph):
        names.setdefault(layer.weight.name, {layer.weight.name}).add(layer.name)
        first.setdefault(layer.weight.name, layer)
    known = {name for own in names.values() for name in own}
    if missing := [name for name in named if name not in known]:
        raise _no_such_layer(missing, [layer.name for layer in first.values()])
    found = []
    for name, layer in first.items():
        if name not in scores:
            continue
        if scores[name].shape != layer.weight.type.shape or not np.isfinite(scores[name]).all():
            raise ValueError(f"{name}: scores must be finite and have the shape of the weights")
        found.append(LayerTable(layer, frozenset(names[name]), scores[name], input_order(layer)))
    return found


def _own_ratio(table: LayerTable, by_layer: Mapping[str, float]) -> float | None:
    given = [by_layer[name] for name in sorted(table.names) if name in by_layer]
    return given[0] if given else None


def _exact(ratio: float | None, pattern: Pattern) -> Fraction:
    """The ratio as it was written; checked."""
    if ratio is None:
        if pattern.ratio is None:
            raise ValueError(f"{pattern} needs a ratio")
        return pattern.ratio
    if not 0 <= ratio <= 1:
        raise UserError(
            "cli.bad-value",
            f"{ratio:g} is no share of the weights",
            where=f"ratio {ratio:g}",
            why="a ratio says which part of the weights goes: 0 is none of them, 1 all",
            fix=("a number between 0 and 1: 0.8",),
        )
    exact = Fraction(repr(float(ratio)))
    if pattern.ratio is not None and exact and abs(exact - pattern.ratio) > Fraction(1, 1000):
        raise _pattern_ratio(ratio, pattern)
    return exact


def _removed(members: list[LayerTable], ratio: Fraction, pattern: Pattern) -> Masks:
    """Masks of layers that are ranked together."""
    match pattern.kind:
        case _ if not ratio:
            return {}
        case "nm":
            return {table.name: table.to_mask(_n_of_m(table.table, pattern)) for table in members}
        case "block":
            return _least(members, [t.blocks(pattern.kept, pattern.of) for t in members], ratio)
        case "unstructured":
            each = [np.arange(t.scores.size).reshape(t.shape) for t in members]
            return _least(members, each, ratio)
        case _:
            raise AssertionError(f"{pattern.kind}: add it to prune/patterns.py")


def _n_of_m(table: Reals, pattern: Pattern) -> NDArray[np.bool_]:
    """The N best of every M in a row stay."""
    outs, ins = table.shape
    groups = -(-ins // pattern.of)
    padded = np.full((outs, groups * pattern.of), -np.inf)  # ranks before all that is there
    padded[:, :ins] = table
    in_groups = padded.reshape(outs, groups, pattern.of)
    order = np.argsort(in_groups, axis=-1, kind="stable")
    mask = np.zeros(in_groups.shape, np.bool_)
    np.put_along_axis(mask, order[..., pattern.of - pattern.kept :], True, axis=-1)
    return mask.reshape(outs, -1)[:, :ins]


def _least(members: list[LayerTable], numbers: list[Ints], ratio: Fraction) -> Masks:
    """Remove the blocks of least mean score from these layers together.

    Args:
        members: Layers.
        numbers: Of the block of each weight, for each layer.
        ratio: Of their weights.
    """
    flat = [number.reshape(-1) for number in numbers]
    counts = [np.bincount(number) for number in flat]
    means = [
        np.bincount(number, table.scores.reshape(-1)) / count
        for number, table, count in zip(flat, members, counts, strict=True)
    ]
    sizes = np.concatenate(counts)
    order = np.argsort(np.concatenate(means), kind="stable")
    gone = np.cumsum(sizes[order])
    total = int(sizes.sum())
    blocks = int(np.searchsorted(gone, round(ratio * total), side="right"))
    rank = np.empty(len(sizes), np.int64)
    rank[order] = np.arange(len(sizes))
    ranks = np.split(rank, np.cumsum([len(count) for count in counts])[:-1])
    last = [int(own.max()) for own in ranks]
    if empty := [t.layer.name for t, at in zip(members, last, strict=True) if at < blocks]:
        most = min(last)
        raise _empties(empty, ratio, Fraction(int(gone[most - 1]) if most else 0, total))
    return {
        table.name: (own >= blocks)[number]
        for table, own, number in zip(members, ranks, numbers, strict=True)
    }


def _bad_pattern(text: str, why: str) -> UserError:
    return UserError(
        "cli.bad-pattern",
        f"{text!r} is no pattern of zeros",
        where=f"pattern {text}",
        why=why,
        fix=("unstructured", "nm:2:4 for two of every four", "block:8x4 for PE 8 and SIMD 4"),
    )


def _pattern_ratio(ratio: float, pattern: Pattern) -> UserError:
    assert pattern.ratio is not None
    return UserError(
        "prune.pattern-ratio",
        f"{pattern} cannot have a ratio of {ratio:g}",
        where=f"pattern {pattern}, ratio {ratio:g}",
        why=f"it keeps {pattern.kept} of every {pattern.of} weights",
        fix=(f"leave the ratio out, or give {float(pattern.ratio):g}", "another N:M"),
    )


def _empties(names: list[str], ratio: Fraction, most: Fraction) -> UserError:
    largest = int(most * 10000) / 10000
    return UserError(
        "prune.empties-layer",
        f"a ratio of {float(ratio):g} leaves no weight in {', '.join(names)}",
        where=f"layer {names[0]}",
        why="a layer without weights makes the same output for every frame",
        fix=(
            f"a ratio of at most {largest:g}",
            f"leave the layer as it is: --layer {names[0]}=0",
            "another criterion, or a ratio by layer",
        ),
    )


def _no_such_layer(missing: list[str], known: list[str]) -> UserError:
    more = f" and {len(known) - 8} more" if len(known) > 8 else ""
    return UserError(
        "prune.no-such-layer",
        f"no layer with weights is called {', '.join(missing)}",
        where=f"layer {missing[0]}",
        why=f"there are {', '.join(known[:8])}{more}",
        fix=("a name that gatesmith inspect prints",),
    )


def _no_zero(name: str, kind: str) -> UserError:
    return UserError(
        "prune.no-zero",
        f"the weights {name} have no zero",
        where=f"weights {name}, quantizer {kind}",
        why="a weight that is gone must be 0, and the values it may take leave 0 out",
        fix=("ternary or int weights for this layer", "keep the layer out of the pruning"),
    )
