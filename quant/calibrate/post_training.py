"""Post-training quantization: a float network and a few hundred frames to a network on grids.

1. equalize: channels of neighbouring layers brought to like ranges     equalize.py
2. without_relu: a sign or a ternary value is taken of what a ReLU reads   binary.py
3. calibrate: a grid for every activation, from the float network         observers.py
4. weights: a grid for every weight, and the weights on it                weights.py
5. search: clipping ranges that harm the outputs least                    search.py
6. tune: layer by layer, rounding and bias that fit its quantized inputs  rounding.py, bias.py
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from gatesmith.errors import UserError, raise_all
from gatesmith.ir import Graph, Node, Reals
from gatesmith.ops.fake_quant import Grid
from gatesmith.quant.calibrate.binary import without_relu
from gatesmith.quant.calibrate.equalize import equalize
from gatesmith.quant.calibrate.layers import by_name, const, with_consts
from gatesmith.quant.calibrate.observers import METHODS, PERCENTILE, Observer, observer
from gatesmith.quant.calibrate.runner import Frames, Runner, batches, count, named
from gatesmith.quant.calibrate.search import FRAMES, outputs, search, squared_error
from gatesmith.quant.calibrate.tune import tune
from gatesmith.quant.calibrate.weights import METHODS as WEIGHT_METHODS
from gatesmith.quant.calibrate.weights import weight_grid
from gatesmith.quant.prepare.scheme import Scheme
from gatesmith.quant.prepare.sites import INPUT, WEIGHT, Site, find_sites, insert

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with what is being done, steps done, and steps in all."""

Note: TypeAlias = Callable[[str], None]
"""Called with what the user should know."""

ROUNDINGS = ("nearest", "learned")

_FINE = 8
"""From this many bits on rounding to the nearest loses too little to be worth more time."""


@dataclass(frozen=True, slots=True)
class PostOptions:
    """How to quantize after training. None stands for what suits the widths.

    Attributes:
        observer: A method of observers.py for activations.
        percentile: What ``percentile`` keeps, in percent.
        weights: A method of weights.py: ``mse`` or ``max``.
        equalize: Cross-layer equalization; None: where weights have one scale a tensor and the
            outputs come out nearer.
        rounding: ``nearest``, or ``learned`` from the data; None: learned below 8 bits.
        bias_correction: Whether biases make up for shifted means.
        search: Activation-range search; None: yes. It costs about as much as the rest at 8 bits,
            and is what keeps networks with a wide spread of values.
        keep_zeros: Whether weights that are 0 stay so: those of a pruned network.
        samples: Most frames used.
        batch: Frames run at a time.
    """

    observer: str = "mse"
    percentile: float = PERCENTILE
    weights: str = "mse"
    equalize: bool | None = None
    rounding: str | None = None
    bias_correction: bool = True
    search: bool | None = None
    keep_zeros: bool = False
    samples: int = 256
    batch: int = 64

    def __post_init__(self) -> None:
        if self.observer not in METHODS:
            raise ValueError(f"observer must be one of {', '.join(METHODS)}")
        if self.weights not in WEIGHT_METHODS:
            raise ValueError(f"weights must be one of {', '.join(WEIGHT_METHODS)}")
        if self.rounding not in (None, *ROUNDINGS):
            raise ValueError(f"rounding must be one of {', '.join(ROUNDINGS)}")
        if min(self.samples, self.batch) < 1:
            raise ValueError("samples and batch are 1 or more")

    def settled(self, sites: Mapping[str, Site], recipe: Mapping[str, Scheme]) -> PostOptions:
        """The same with what suits the widths."""
        weights = [s for name, s in recipe.items() if sites[name].role == WEIGHT]
        low = any(s.bits < _FINE or s.kind != "int" for s in weights)
        tensor = any(s.per == "tensor" and s.kind == "int" for s in weights)
        return replace(
            self,
            equalize=False if self.equalize is None and not tensor else self.equalize,
            rounding=self.rounding or ("learned" if low else "nearest"),
            search=self.search is not False,
        )


def quiet(_what: str, _done: int, _total: int) -> None:
    """No progress shown."""


def silent(_note: str) -> None:
    """No notes."""


def post_training(  # noqa: PLR0917 - what the stages hand on, in their order
    graph: Graph,
    recipe: Mapping[str, Scheme],
    fixed: Mapping[str, Grid],
    data: Frames,
    runner: Runner,
    options: PostOptions | None = None,
    progress: Progress = quiet,
    note: Note = silent,
) -> Graph:
    """The network with FakeQuant behind every site of ``recipe`` and ``fixed``.

    Weights lie on their grids. Names of sites, layers and outputs stay.

    Args:
        graph: Real, tidied, without quantizers.
        recipe: Scheme of each site by its name; a site in neither mapping stays real.
        fixed: Grids that are given.
        data: Calibration frames; the first ``options.samples`` are used.
        runner: Runs real graphs.
        options: How.
        progress: Told what is being done.
        note: Told what is odd.

    Raises:
        UserError: ``quantize.no-data``, ``quantize.non-finite``, ``quantize.several-inputs``.
        ValueError: A name in ``recipe`` or ``fixed`` that is no site.
    """
    sites = {site.name: site for site in find_sites(graph)}
    unknown = sorted({*recipe, *fixed} - set(sites))
    if unknown:
        raise ValueError(f"no site is called {', '.join(unknown)}")
    wanted = {name: scheme for name, scheme in recipe.items() if name not in fixed}
    options = (options or PostOptions()).settled(sites, wanted)
    frames = _checked(graph, data, options.samples)
    job = _Job(wanted, fixed, frames, runner, options, progress, note)

    if any(sites[name].role != INPUT for name in fixed) and options.equalize is not False:
        if options.equalize:
            note("no cross-layer equalization: it would change values whose grid is given")
        options = replace(options, equalize=False)
    tries = [graph] if options.equalize is not True else []
    tries += [equalize(graph)] if options.equalize is not False else []
    done = [job.on_grids(one) for one in tries]
    best = done[0] if len(done) == 1 else min(done, key=job.error)
    for text in best.notes:
        note(text)
    learned = {n: s for n, s in wanted.items() if sites[n].role == WEIGHT}
    learned = learned if options.rounding == "learned" else {}
    if not learned and not options.bias_correction:
        return best.quantized
    return tune(
        best.plain,
        best.quantized,
        learned,
        frames=frames,
        runner=runner,
        bias_correction=options.bias_correction,
        keep_zeros=options.keep_zeros,
        batch=options.batch,
        progress=progress,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _OnGrids:
    """A float network and the same on grids, weights to the nearest."""

    plain: Graph
    quantized: Graph
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """What was asked for."""

    wanted: Mapping[str, Scheme]
    fixed: Mapping[str, Grid]
    frames: Frames
    runner: Runner
    options: PostOptions
    progress: Progress
    note: Note

    def error(self, made: _OnGrids) -> float:
        """How far the outputs are off."""
        some = next(batches(self.frames, FRAMES))
        values = (outputs(graph, some, self.runner) for graph in (made.quantized, made.plain))
        return squared_error(*values)

    def on_grids(self, graph: Graph) -> _OnGrids:
        """Steps 2 to 5."""
        signs = [name for name, scheme in self.wanted.items() if scheme.kind != "int"]
        bare = without_relu(graph, signs)
        sites = {site.name: site for site in find_sites(bare)}
        weights = [name for name in self.wanted if sites[name].role == WEIGHT]
        groups = _groups(sites, [name for name in self.wanted if name not in weights])
        grids, notes = self._activations(graph, bare, groups)
        free = {first: names for first, names in groups.items() if first not in self.fixed}
        if self.options.search and free:
            grids = search(
                graph,
                bare,
                grids,
                free,
                frames=self.frames,
                runner=self.runner,
                progress=self.progress,
            )
        snapped: dict[str, Reals] = {}
        for done, name in enumerate(weights):
            self.progress("weights", done, len(weights))
            w = const(sites[name].node)
            grids[name], snapped[name] = weight_grid(w, self.wanted[name], self.options.weights)
            if self.options.keep_zeros:
                snapped[name] = with_zeros(snapped[name], w, grids[name], name)
        return _OnGrids(graph, insert(with_consts(bare, snapped), grids), notes)

    def _activations(
        self, graph: Graph, bare: Graph, groups: Mapping[str, tuple[str, ...]]
    ) -> tuple[dict[str, Grid], tuple[str, ...]]:
        """Grid of every activation, the fixed ones too; tied ones see each other's values."""
        grids = dict(self.fixed)
        watched: dict[str, Observer] = {}
        for first, members in groups.items():
            if first in self.fixed:
                grids |= dict.fromkeys(members, self.fixed[first])
                continue
            scheme = self.wanted.get(first, self.wanted[members[0]])
            seen = observer(
                self.options.observer, scheme, percentile=self.options.percentile, name=first
            )
            watched |= dict.fromkeys(members, seen)
        self._watch(graph, {_observed(graph, bare, name): o for name, o in watched.items()})
        made = {seen: seen.grid() for seen in dict.fromkeys(watched.values())}
        grids |= {name: made[seen] for name, seen in watched.items()}
        return grids, tuple(text for seen in made for text in seen.notes)

    def _watch(self, graph: Graph, watched: Mapping[Node, Observer]) -> None:
        """Run the float network and show each value to its observer."""
        if not watched:
            return
        total = count(self.frames)
        for done, batch in enumerate(batches(self.frames, self.options.batch)):
            self.progress("calibrate", min(done * self.options.batch, total), total)
            values = self.runner(graph, list(watched), batch)
            for node, seen in watched.items():
                seen.update(values[node.name])


def with_zeros(q: Reals, w: Reals, grid: Grid, name: str) -> Reals:
    """Weights on a grid, 0 where ``w`` is. Errors: ``quantize.no-zero``."""
    zero = w == 0
    if not zero.any() or not q[zero].any():
        return q
    kept = np.where(zero, 0.0, q)
    if grid.fake(kept)[zero].any():
        raise UserError(
            "quantize.no-zero",
            f"a grid of kind {grid.kind} cannot keep the zeros of {name}",
            where=f'weights "{name}", {int(zero.sum())} of {zero.size} are 0',
            why="0 is none of its values",
            fix=("quantize to int, ternary or pow2", "or give up the zeros: --no-keep-zeros"),
        )
    return kept


def _observed(graph: Graph, bare: Graph, name: str) -> Node:
    """What a quantizer will see: the value of that name, or what a ReLU that is left out reads."""
    node, now = by_name(graph)[name], by_name(bare)[name]
    return node if type(node.op) is type(now.op) else node.args[0]


def _checked(graph: Graph, data: Frames, samples: int) -> Frames:
    """The frames that are used, by input; UserError for none, or for numbers that are none."""
    frames = {name: values[:samples] for name, values in named(graph, data).items()}
    if not count(frames):
        raise UserError(
            "quantize.no-data",
            "there is no frame to calibrate with",
            where=f"network {graph.name}",
            why="the calibration data is empty",
            fix=("give a few hundred frames like those that the network will see",),
        )
    errors = []
    for name, values in frames.items():
        bad = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
        if bad.size:
            errors.append(
                UserError(
                    "quantize.non-finite",
                    "the calibration data has values that are no numbers",
                    where=f"input {name}, frame {bad[0]}",
                    why=f"{bad.size} of {len(values)} frames have infinite or NaN values",
                    fix=("leave those frames out",),
                )
            )
    raise_all(errors)
    return frames if len(frames) > 1 else next(iter(frames.values()))


def _groups(sites: Mapping[str, Site], names: list[str]) -> dict[str, tuple[str, ...]]:
    """Sites that share a grid, by the one that they are tied to."""
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        first = sites[name].tied or name
        found[first] = (*found.get(first, ()), name)
    return found
