"""Which units go: those of the lowest score, in lots that leave what the hardware folds well.

1. The units of a group stand in the order of their scores; the best of each set that must not go
   as a whole stays (Structure.guards).
2. They go in lots: what is left of a group is a multiple of ``round_to``, and at least its part
   1 - ``most``.
3. The lots of all groups stand in one order, by the mean score of their units; with ratios by layer
   by the part of its group that is gone after a lot, divided by its ratio.
4. As many lots go, from the first on, as the target needs: found by bisection, for a cost may take
   a whole plan of the hardware.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.errors import UserError
from gatesmith.ir import Graph
from gatesmith.prune.count import parameters
from gatesmith.prune.cut import cut_analysed, macs_after
from gatesmith.prune.dependency import analyse
from gatesmith.prune.structure import Group, Structure

Scores = Mapping[str, NDArray[Any]]
OF = {"macs": "multiplications", "parameters": "parameters", "units": "channels"}
"""What a ratio can be of, and how it is called."""

_LITTLE = 1e-9  # ratios are decimal fractions


@dataclass(frozen=True, slots=True)
class Ratio:
    """A part of the network that shall go.

    Attributes:
        of: A key of :data:`OF`.
        share: 0 to 1.
    """

    of: str = "macs"
    share: float = 0.5

    def __post_init__(self) -> None:
        if self.of not in OF or not 0 <= self.share < 1:
            raise ValueError(f"a ratio of {', '.join(OF)} from 0 to below 1, not {self}")


@dataclass(frozen=True, slots=True)
class Budget:
    """What the network may cost.

    Attributes:
        cost: Costs of a graph, by name.
        limits: Largest of each.
    """

    cost: Callable[[Graph], Mapping[str, float]]
    limits: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Lot:
    """Units that go together in the ranking; ``gone`` is the part of the group that then is."""

    group: str
    units: tuple[int, ...]
    rank: float
    gone: float


def normalised(scores: Scores, how: str = "mean") -> dict[str, NDArray[np.float64]]:
    """Scores of different groups made comparable.

    Args:
        scores: By group.
        how: ``mean`` divides those of a group by their mean (Molchanov et al., 2017, normalise by
            layer too); ``none`` leaves them.
    """
    if how not in ("mean", "none"):
        raise ValueError(f"expected mean or none, not {how!r}")
    found = {name: np.asarray(values, np.float64) for name, values in scores.items()}
    if how == "none":
        return found
    return {
        name: values / (mean if (mean := float(np.abs(values).mean())) else 1.0)
        for name, values in found.items()
    }


def select(
    graph: Graph,
    structure: Structure,
    scores: Scores,
    target: Ratio | Budget | None,
    *,
    round_to: int = 1,
    most: float = 0.9,
    by_layer: Mapping[str, float] | None = None,
) -> dict[str, tuple[int, ...]]:
    """Units to remove, by group; for :func:`gatesmith.prune.cut.cut`.

    Args:
        graph: The network.
        structure: Of it; a group that shall stay may be left out.
        scores: Of each unit, by group, larger for what shall stay; a group without scores stays.
        target: What is to be reached; None takes ``by_layer`` as it is.
        round_to: What is left of a group is a multiple of this; smaller groups stay.
        most: Largest part of a group that may go.
        by_layer: Part of each group that may go, by the name of the group or one of its layers (of
            several the least); with a target these are only the proportions. Others stay.

    Raises:
        UserError: ``prune.unreachable``, with the nearest that can be reached.
        ValueError: Scores or names that do not fit the structure.
    """
    if round_to < 1 or not 0 <= most < 1:
        raise ValueError(f"lots of {round_to}, at most {most} of a group")
    if target is None and by_layer is None:
        raise ValueError("nothing to reach: give a target or ratios by layer")
    ratios = None if by_layer is None else _by_group(structure, by_layer)
    _check(structure, scores)
    keep = _protected(structure, scores)
    lots = sorted(
        (
            lot
            for group in structure.groups
            if group.name in scores and (ratios is None or ratios.get(group.name, 0) > 0)
            for lot in _lots(group, scores[group.name], keep, round_to, most)
        ),
        key=lambda lot: lot.rank if ratios is None else lot.gone / ratios[lot.group],
    )
    if target is None:
        assert ratios is not None
        wanted = [lot for lot in lots if lot.gone <= ratios[lot.group] + _LITTLE]
        return _removed(structure, wanted)
    return _Reach(graph, structure, lots, target).least()


def _check(structure: Structure, scores: Scores) -> None:
    for group in structure.groups:
        values = np.asarray(scores.get(group.name, np.zeros(group.count)))
        if values.shape != (group.count,) or np.isnan(values).any():
            raise ValueError(f"{group.name} needs {group.count} scores")


def _by_group(structure: Structure, by_layer: Mapping[str, float]) -> dict[str, float]:
    """The least ratio of each group."""
    of_layer = {layer: group.name for group in structure.groups for layer in group.layers}
    ratios: dict[str, float] = {}
    for layer, ratio in by_layer.items():
        if layer not in of_layer:
            why = structure.fixed.get(layer, "there is no such layer")
            raise ValueError(f"{layer} cannot be cut: {why}")
        if not 0 <= ratio < 1:
            raise ValueError(f"a ratio from 0 to below 1 for {layer}, not {ratio}")
        name = of_layer[layer]
        ratios[name] = min(ratio, ratios.get(name, 1.0))
    return ratios


def _protected(structure: Structure, scores: Scores) -> set[tuple[str, int]]:
    """One unit of each guard: the one of the best score, unless one of it stays anyway."""
    keep: set[tuple[str, int]] = set()
    for guard in structure.guards:
        if any(name not in scores for name, _ in guard) or guard & keep:
            continue
        keep.add(max(sorted(guard), key=lambda unit: scores[unit[0]][unit[1]]))
    return keep


def _lots(
    group: Group, scores: NDArray[Any], keep: set[tuple[str, int]], round_to: int, most: float
) -> list[_Lot]:
    """The lots of a group, in the order in which they may go."""
    values = np.asarray(scores, np.float64)
    order = [int(i) for i in np.argsort(values, kind="stable") if (group.name, int(i)) not in keep]
    allowed = min(len(order), group.count - 1, floor(most * group.count + _LITTLE))
    lots: list[_Lot] = []
    rank, start = -np.inf, 0
    stop = group.count % round_to or round_to
    while stop <= allowed:
        units = tuple(order[start:stop])
        rank = max(rank, float(values[list(units)].mean()))  # not below the lot before it
        lots.append(_Lot(group.name, units, rank, stop / group.count))
        start, stop = stop, stop + round_to
    return lots


def _removed(structure: Structure, lots: Iterable[_Lot]) -> dict[str, tuple[int, ...]]:
    found: dict[str, list[int]] = {}
    for lot in lots:
        found.setdefault(lot.group, []).extend(lot.units)
    names = (group.name for group in structure.groups if group.name in found)
    return {name: tuple(sorted(found[name])) for name in names}


class _Reach:
    """How far a network comes by removing the first lots."""

    def __init__(
        self, graph: Graph, structure: Structure, lots: list[_Lot], target: Ratio | Budget
    ) -> None:
        self.graph, self.structure, self.lots, self.target = graph, structure, lots, target
        self.analysis = analyse(graph)

    def least(self) -> dict[str, tuple[int, ...]]:
        """The fewest lots that meet the target; UserError ``prune.unreachable``."""
        below, enough = -1, len(self.lots)
        best = self._costs(enough)
        if not self._met(best):
            raise self._unreachable(best)
        while enough - below > 1:
            middle = (below + enough) // 2
            if self._met(self._costs(middle)):
                enough = middle
            else:
                below = middle
        return _removed(self.structure, self.lots[:enough])

    def _costs(self, count: int) -> Mapping[str, float]:
        """Of the network without the first ``count`` lots."""
        removed = _removed(self.structure, self.lots[:count])
        if isinstance(self.target, Ratio) and self.target.of == "units":
            units = sum(group.count for group in self.structure.groups)
            return {"units": units - sum(map(len, removed.values()))}
        if isinstance(self.target, Ratio) and self.target.of == "macs":
            return {"macs": macs_after(self.analysis, removed)}
        graph = cut_analysed(self.analysis, removed)
        if isinstance(self.target, Budget):
            return self.target.cost(graph)
        return {"parameters": parameters(graph)}

    def _met(self, costs: Mapping[str, float]) -> bool:
        limits = self._limits
        if missing := sorted(set(limits) - set(costs)):
            raise ValueError(f"no cost called {', '.join(missing)}: {', '.join(costs)}")
        return all(costs[name] <= limits[name] + _LITTLE for name in limits)

    @cached_property
    def _limits(self) -> Mapping[str, float]:
        if isinstance(self.target, Budget):
            return self.target.limits
        (whole,) = self._costs(0).values()
        return {self.target.of: whole * (1 - self.target.share)}

    def _unreachable(self, best: Mapping[str, float]) -> UserError:
        """What is asked, and the nearest that there is."""
        limits = self._limits
        over = {name: best[name] for name in limits if best[name] > limits[name]}
        if isinstance(self.target, Ratio):
            (name,) = limits
            (whole,) = self._costs(0).values()
            near = 1 - best[name] / whole if whole else 0.0
            why = (
                f"{100 * self.target.share:g} % of the {OF[name]} shall go, and at most "
                f"{100 * floor(near * 1e4) / 1e4:g} % can: {best[name]:.0f} of {whole:.0f} stay"
            )
        else:
            why = "; ".join(
                f"{name} shall be at most {limits[name]:g}, and {value:g} is the least there is"
                for name, value in over.items()
            )
        return UserError(
            "prune.unreachable",
            "so much cannot be pruned",
            where=f"network {self.graph.name}",
            why=why,
            fix=(
                "ask for less",
                "let more of each layer go, or round to fewer channels",
                "leave fewer layers as they are",
            ),
        )
