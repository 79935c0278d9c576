"""Which layers are to be split, and to which ranks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gatesmith.errors import UserError, raise_all
from gatesmith.ir import Graph, Node
from gatesmith.ops.const import Const
from gatesmith.prune.low_rank.chain import work
from gatesmith.prune.low_rank.counts import is_layer, products
from gatesmith.prune.low_rank.cp import Cp
from gatesmith.prune.low_rank.fits import Fits, weights_of
from gatesmith.prune.low_rank.method import LayerOp, Method, Ranks
from gatesmith.prune.low_rank.rank import (
    energy_ranks,
    ladder,
    largest,
    rounded_up,
    searched_rank,
)
from gatesmith.prune.low_rank.separable import Depthwise, Separable
from gatesmith.prune.low_rank.svd import Svd
from gatesmith.prune.low_rank.tucker import Tucker
from gatesmith.prune.low_rank.vbmf import noise_rank

METHODS: dict[str, Method] = {m.name: m for m in (Svd(), Tucker(), Cp(), Separable(), Depthwise())}

Measure: TypeAlias = Literal["multiplications", "parameters"]
Rank: TypeAlias = int | Ranks
"""One number is meant for every bond."""

Wished: TypeAlias = Mapping[str, Rank] | Rank | Literal["vbmf"]
CODE = "prune.low-rank"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of :func:`decompose`; the arguments of that name. One of three says ranks."""

    layers: tuple[str, ...] | None = None
    energy: float | None = None
    ratio: float | None = None
    ranks: Wished | None = None
    round_to: int = 1
    measure: Measure = "multiplications"

    def __post_init__(self) -> None:
        if sum(given is not None for given in (self.energy, self.ratio, self.ranks)) != 1:
            raise ValueError("give one of energy, ratio and ranks")
        if isinstance(self.ranks, str) and self.ranks != "vbmf":
            raise ValueError(f"ranks {self.ranks!r} is no number and not 'vbmf'")
        errors = []
        if self.energy is not None and not 0 < self.energy <= 1:
            errors.append(_bad("energy", self.energy, "a share above 0, at most 1"))
        if self.ratio is not None and not 0 < self.ratio < 1:
            errors.append(_bad("ratio", self.ratio, "a share between 0 and 1"))
        if self.round_to < 1:
            errors.append(_bad("round_to", self.round_to, "1 or more"))
        raise_all(errors)

    @property
    def named(self) -> tuple[str, ...] | None:
        """Layers that are named one by one; None where all are meant."""
        if self.layers is None and isinstance(self.ranks, Mapping):
            return tuple(self.ranks)
        return self.layers

    def explicit(self, name: str, bonds: int) -> Ranks | None:
        """The ranks of a layer where numbers are given."""
        found = self.ranks.get(name) if isinstance(self.ranks, Mapping) else self.ranks
        if found is None or isinstance(found, str):
            return None
        return (found,) * bonds if isinstance(found, int) else tuple(found)


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A layer, and why it cannot be split; an empty text where it can be."""

    node: Node
    why: str = ""


def find_method(name: str) -> Method:
    """The method of this name. Errors: ``prune.low-rank``."""
    if name in METHODS:
        return METHODS[name]
    raise _bad("method", repr(name), f"one of {', '.join(METHODS)}")


def examined(graph: Graph, method: Method, wish: Wish) -> tuple[Entry, ...]:
    """Every layer that is meant, in the order of the graph.

    Errors: ``prune.low-rank``: one for each layer that is named and cannot be split.
    """
    layers = {node.name: node for node in graph if is_layer(node)}
    named = wish.named
    if named is None:
        return tuple(Entry(n, _refusal(n, method, wish) or "") for n in layers.values())
    errors = []
    for name in dict.fromkeys(named):
        if name not in layers:
            errors.append(_unknown(name, list(layers)))
        elif why := _refusal(layers[name], method, wish):
            errors.append(_refused(name, method, why))
    raise_all(errors)
    return tuple(Entry(node) for name, node in layers.items() if name in named)


def ranks_of(
    layer: Node, method: Method, wish: Wish, fits: Fits, users: Mapping[Node, int]
) -> Ranks | str:
    """Ranks of a layer that can be split, or why none will do."""
    shape = layer.args[1].type.shape
    limits = method.limits(shape)
    given = wish.explicit(layer.name, method.bonds)
    if given is not None:
        return given
    if wish.energy is not None:
        return rounded_up(_by_energy(layer, method, wish.energy, fits), limits, wish.round_to)
    if wish.ratio is not None:
        return _by_share(layer, method, wish, fits, users)
    spectra, matrices = fits.spectra(layer), method.matrices(shape)
    assert spectra is not None and matrices is not None
    found = tuple(max(1, noise_rank(s, m)) for s, m in zip(spectra, matrices, strict=True))
    return rounded_up(found, limits, wish.round_to)


def _by_energy(layer: Node, method: Method, energy: float, fits: Fits) -> Ranks:
    spectra = fits.spectra(layer)
    if spectra is not None:
        return energy_ranks(spectra, energy)

    def lost(rank: int) -> float:
        fit = fits.fit(layer, (rank,))
        return (fit.error if fit.result_error is None else fit.result_error) ** 2

    (limit,) = method.limits(layer.args[1].type.shape)
    return (searched_rank(limit, energy, lost),)


def _by_share(
    layer: Node, method: Method, wish: Wish, fits: Fits, users: Mapping[Node, int]
) -> Ranks | str:
    assert wish.ratio is not None
    op, weights = _op(layer), layer.args[1].type
    which = ("multiplications", "parameters").index(wish.measure)
    before = (products(layer.type, weights), weights.size)[which]

    def cost(ranks: Ranks) -> int:
        return work(layer, method.parts(op, weights.shape, ranks), users)[which]

    limits = method.limits(weights.shape)
    steps = ladder(fits.spectra(layer) if method.bonds > 1 else None, limits)
    found = largest(steps, wish.round_to, cost, (1 - wish.ratio) * before)
    return (
        found
        or f"even the least rank leaves more than {100 - 100 * wish.ratio:.3g} % of {wish.measure}"
    )


def _op(layer: Node) -> LayerOp:
    assert is_layer(layer), layer.name
    return layer.op  # type: ignore[return-value]


def _refusal(layer: Node, method: Method, wish: Wish) -> str | None:
    """Why a layer cannot be split as it is asked."""
    if not isinstance(layer.args[1].op, Const):
        return "its weights are quantized already: split before quantizing"
    shape = layer.args[1].type.shape
    why = method.refusal(_op(layer), shape)
    if why is not None:
        return why
    if not weights_of(layer).any():
        return "its weights are all zero"
    if wish.ranks == "vbmf":
        found = method.matrices(shape)
        return None if found else f"{method.name} splits no one matrix whose noise shows a rank"
    if wish.ranks is None:
        return None
    ranks, limits = wish.explicit(layer.name, method.bonds), method.limits(shape)
    if ranks is None:
        return "no rank is given for it"
    if len(ranks) != len(limits):
        return f"{len(limits)} ranks are needed, not {len(ranks)}"
    if all(1 <= rank <= limit for rank, limit in zip(ranks, limits, strict=True)):
        return None
    return f"ranks {_list(ranks)} are not within 1 and {_list(limits)}"


def _list(numbers: Ranks) -> str:
    return " x ".join(map(str, numbers))


def _unknown(name: str, known: list[str]) -> UserError:
    return UserError(
        CODE,
        f"no layer is called {name}",
        where=f"layer {name}",
        why=f"the network has {', '.join(known) or 'no layers'}",
        fix=("name one of these",),
    )


def _refused(name: str, method: Method, why: str) -> UserError:
    return UserError(
        CODE,
        f"{method.name} cannot split {name}",
        where=f"layer {name}",
        why=why,
        fix=("leave the layer out", f"another method or rank: {', '.join(METHODS)}"),
    )


def _bad(option: str, value: object, wanted: str) -> UserError:
    return UserError(
        CODE,
        f"{option} {value} is not possible",
        where=f"low rank, {option}",
        why=f"expected {wanted}",
        fix=(f"give {wanted}",),
    )
