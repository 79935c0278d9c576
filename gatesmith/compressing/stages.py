"""The stages of a recipe: each makes a network from the one before, and measures it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from gatesmith.codegen.matrix_unit import PLAIN
from gatesmith.codegen.wish import Wish
from gatesmith.compressing.measure import (
    counted,
    float_amounts,
    grid_totals,
    hardware,
    integers,
)
from gatesmith.compressing.options import HELD
from gatesmith.compressing.points import held_out
from gatesmith.compressing.roms import stored_as, with_roms
from gatesmith.compressing.steps import BuildSettings, Recipe, Steps
from gatesmith.compressing.store import Content, Stage, Store, digest
from gatesmith.errors import UserError, UserErrors
from gatesmith.float_graph import GraphRunner
from gatesmith.frontend.input_spec import InputSpec
from gatesmith.frontend.load import one_file
from gatesmith.pipeline import Progress, quiet
from gatesmith.pruning.hardware import Coster
from gatesmith.pruning.run import prune
from gatesmith.pruning.settings import Settings as PruneSettings
from gatesmith.quantizing.run import quantize
from gatesmith.quantizing.settings import Settings as QuantizeSettings
from gatesmith.task import Task, read_data, read_network

ELSEWHERE = ("device", *HELD)
"""Options that do not change what comes out, or that the sources stand for."""

TIMELESS = ("seconds", "out", "settings")
"""What a command says of itself that is not of the network."""


@dataclass(slots=True, eq=False)
class Maker:
    """Makes the stages of one recipe.

    Attributes:
        recipe: What is asked.
        store: Where stages are.
        progress: Told what is being done.
        hashes: Of files, by path.
    """

    recipe: Recipe
    store: Store
    progress: Progress = quiet
    hashes: dict[str, str] = field(default_factory=dict)

    def make(self, steps: Steps) -> list[Stage]:
        """Every stage but the build, the network as it came first.

        Errors: those of the commands, with the table that they are about.
        """
        stages = [self.start(steps)]
        cycles = cycles_of(steps.build) or stages[0].content["cycles"]
        for number, settings in enumerate(steps.prune):
            with_cycles = replace(settings, cycles=settings.cycles or cycles)
            stages.append(self._prune(number, with_cycles, stages[-1]))
        number = len(stages)
        if steps.quantize is not None:
            stages.append(self._quantize(number, steps.quantize, cycles, steps.build, stages[-1]))
        if steps.code is not None:
            rom = steps.code.rom
            stages.append(self._code(number + 1, rom, cycles, steps.build, stages[-1]))
        return stages

    def start(self, steps: Steps) -> Stage:
        """The network as it came: accuracy, and hardware that sets the cycles of all others."""
        trains, seed = held_out(steps)
        wanted = cycles_of(steps.build)
        made_from = {"trains": trains, "seed": seed, "cycles": wanted, **self._sources()}
        made_from["model"] = self._hash(self.recipe.model)

        def work(_network: Path, _checkpoint: Path) -> Content:
            task = self._task(trains, seed)
            coster = Coster(task, wanted, seed)
            accuracy = task.measure(task.clean)
            found = coster.of(task.clean)
            return {
                "accuracy": accuracy,
                "frames": len(task.test),
                **float_amounts(task.clean),
                "hardware": None if found is None else found.as_json(),
                "cycles": coster.cycles,
                "notes": list(dict.fromkeys(task.notes)),
            }

        return self.store.stage(0, "float", "float", made_from, before=self.recipe.model, work=work)

    def _task(self, trains: bool, seed: int) -> Task:
        model, sources = self.recipe.model, self.recipe.sources
        imported, clean, given = read_network(model, self.progress)
        notes = list(imported.notes)
        frames, test = read_data(
            imported.graph, given, sources, seed=seed, trains=trains, notes=notes
        )
        self.progress("read", 2, 2)
        text = sources.input_spec
        spec = None if text is None else InputSpec.parse(text)
        about = (imported, clean, given, spec, frames, test, notes)
        return Task(model, self.progress, GraphRunner(), *about)

    def _prune(self, number: int, settings: PruneSettings, before: Stage) -> Stage:
        name = f"prune {number}: {settings.kind}"
        sources = self.recipe.sources

        def work(network: Path, checkpoint: Path) -> Content:
            saved = checkpoint if settings.epochs else None
            own = replace(settings, checkpoint=saved)
            done = prune(before.network, sources.data, network, own, self.progress)
            last = done.hardware[1]
            return {
                "accuracy": done.accuracy_after,
                "frames": done.frames,
                **float_amounts(done.graph),
                "hardware": None if last is None else last.as_json(),
                "notes": list(done.notes),
                "told": _timeless(done.as_json()),
            }

        made_from = {**self._options(settings), **self._sources(), "model": self._network(before)}
        with _at(f"[[prune]] {number}"):
            return self.store.stage(
                number + 1, "prune", name, made_from, before=before.network, work=work
            )

    def _quantize(
        self,
        number: int,
        settings: QuantizeSettings,
        cycles: int | None,
        build: BuildSettings | None,
        before: Stage,
    ) -> Stage:
        fold = wishes(build)

        def work(network: Path, checkpoint: Path) -> Content:
            saved = checkpoint if settings.epochs or settings.learn_bits else None
            own = replace(settings, checkpoint=saved)
            assert self.recipe.sources.data is not None  # recipe.py
            done = quantize(before.network, self.recipe.sources.data, network, own, self.progress)
            notes = list(done.notes)
            graph = integers(network)
            rows = stored_as(graph, PLAIN, cycles, fold, notes)
            self.progress("hardware", 0, 1)
            cost = counted(lambda: hardware(graph, cycles, fold), notes)
            self.progress("hardware", 1, 1)
            return {
                "accuracy": done.accuracy_quantized,
                "frames": done.frames,
                **grid_totals(done.graph),
                "weights": sum(row["weights"] for row in rows),
                "weight_bits": sum(row["bits"] for row in rows),
                "hardware": cost,
                "notes": notes,
                "told": _timeless(done.as_json()),
            }

        made_from = {
            **self._options(settings),
            **self._sources(),
            "model": self._network(before),
            "hardware": [cycles, _said(fold)],
        }
        with _at("[quantize]"):
            return self.store.stage(
                number, "quantize", "quantize", made_from, before=before.network, work=work
            )

    def _code(
        self, number: int, rom: str, cycles: int | None, build: BuildSettings | None, before: Stage
    ) -> Stage:
        fold = wishes(build)

        def work(_network: Path, _checkpoint: Path) -> Content:
            notes: list[str] = []
            graph = integers(before.network)
            self.progress("code", 0, 2)
            rows = stored_as(graph, rom, cycles, fold, notes)
            self.progress("code", 1, 2)
            own = with_roms(fold, {row["name"]: row["rom"] for row in rows})
            cost = counted(lambda: hardware(graph, cycles, own), notes)
            self.progress("code", 2, 2)
            kept = ("accuracy", "frames", "parameters", "macs", "weights")
            return {
                **{key: before.content[key] for key in kept},
                "weight_bits": sum(row["bits"] for row in rows),
                "hardware": cost,
                "notes": notes,
                "layers": rows,
            }

        made_from = {"rom": rom, "hardware": [cycles, _said(fold)], "model": self._network(before)}
        made_from["key"] = before.content["key"]  # its accuracy is that of the stage before
        with _at("[code]"):
            return self.store.stage(
                number, "code", "code", made_from, before=before.network, work=work
            )

    # ---- hashes ---------------------------------------------------------------------------------

    def _network(self, stage: Stage) -> str:
        own = stage.content["sha256"] if stage.kind not in ("float", "code") else None
        return str(own) if own is not None else self._hash(stage.network)

    def _hash(self, path: Path) -> str:
        key = str(path)
        if key not in self.hashes:
            if path == self.recipe.model:  # with the tensors that it keeps in other files
                self.hashes[key] = hashlib.sha256(one_file(path)).hexdigest()
            else:
                self.hashes[key] = digest(path)
        return self.hashes[key]

    def _sources(self) -> dict[str, Any]:
        """The data, by its bytes; a Python object by its name."""
        found: dict[str, Any] = {"input": self.recipe.sources.input_spec}
        for key in ("data", "labels", "test", "test_labels"):
            given = getattr(self.recipe.sources, key)
            path = None if given is None else Path(given)
            found[key] = None if path is None else self._hash(path) if path.exists() else str(given)
        return found

    def _options(self, settings: PruneSettings | QuantizeSettings) -> dict[str, Any]:
        found = {key: value for key, value in asdict(settings).items() if key not in ELSEWHERE}
        return {"options": found}


def cycles_of(build: BuildSettings | None) -> int | None:
    """Cycles a frame that a build asks for; None where it leaves them open."""
    if build is None:
        return None
    if build.fps is not None and build.clock_mhz is not None:
        return max(1, int(build.clock_mhz * 1e6 // build.fps))
    return build.cycles


def wishes(build: BuildSettings | None) -> dict[str, Wish]:
    """Wishes of a build by layer."""
    fold = {} if build is None else build.fold
    return {name: Wish.parse(text) for name, text in fold.items()}


def _said(fold: Mapping[str, Wish]) -> dict[str, str]:
    return {name: str(wish) for name, wish in fold.items()}


def _timeless(found: Any) -> Any:
    """JSON without what is not the same in every run."""
    if isinstance(found, Mapping):
        return {key: _timeless(value) for key, value in found.items() if key not in TIMELESS}
    if isinstance(found, list | tuple):
        return [_timeless(value) for value in found]
    return found


@contextmanager
def _at(table: str) -> Iterator[None]:
    """Errors inside say the table that they are about."""
    try:
        yield
    except UserError as error:
        raise _moved(error, table) from error
    except UserErrors as error:
        raise UserErrors([_moved(one, table) for one in error.errors]) from error


def _moved(error: UserError, table: str) -> UserError:
    where = f"{table}: {error.where}"
    return UserError(error.code, error.what, where=where, why=error.why, fix=error.fix)


def histories(stages: Iterable[Stage]) -> dict[str, list[dict[str, Any]]]:
    """Records of the epochs of each stage that trained, by its name."""
    told = {stage.name: stage.content.get("told", {}).get("epochs", []) for stage in stages}
    return {name: list(epochs) for name, epochs in told.items() if epochs}
