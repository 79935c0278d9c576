"""All steps of ``gatesmith compress``, in order.

read      the recipe, everything about it checked                  recipe.py
make      the stages of every network; finished ones are kept      stages.py, store.py
build     the core of the result, where that is asked for
write     result.onnx, result.json, report.html
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

from gatesmith.build_folder import prepare
from gatesmith.compressing.problems import CODE
from gatesmith.compressing.recipe import read_recipe
from gatesmith.compressing.result import Compressed, Made
from gatesmith.compressing.roms import with_roms
from gatesmith.compressing.stages import Maker, wishes
from gatesmith.compressing.steps import BuildSettings, Point, Recipe
from gatesmith.compressing.store import Stage, Store, digest, write_bytes, write_json
from gatesmith.data import python_object
from gatesmith.errors import UserError, UserErrors
from gatesmith.pipeline import Progress, quiet
from gatesmith.quantizing.training import need_torch

STAGES, RESULT, REPORT, BUILD = "stages", "result", "report.html", "build"
CONTENT = "build.json"


def compress(
    file: Path, out: Path | None = None, axis: str | None = None, progress: Progress = quiet
) -> Compressed:
    """Make every network of a recipe and write the result.

    Stages that are finished are not made again; a training that was interrupted goes on.

    Args:
        file: The recipe.
        out: Folder, in the place of the recipe's own.
        axis: What networks are compared by, likewise.
        progress: Told what is being done.

    Errors: ``compress.recipe``, and those of the commands that it stands for.
    """
    started = perf_counter()
    recipe = read_recipe(file, out, axis)
    _able(recipe)
    store = Store(recipe.out / STAGES)
    maker = Maker(recipe, store, progress)
    _labelled(recipe, maker.start(recipe.points[0].steps))
    networks: list[Made] = []
    for number, point in enumerate(recipe.points):
        progress("networks", number, len(recipe.points))
        networks.append(_made(maker, point, needed=not networks))
    progress("networks", len(recipe.points), len(recipe.points))
    files: dict[str, str | None] = {"out": str(recipe.out), RESULT: f"{RESULT}.onnx"}
    files |= {"report": REPORT if recipe.report else None, BUILD: None}
    built = recipe.points[0].steps.build
    if built is not None:
        _build(recipe, built, networks[0].stages, progress)
        files[BUILD] = BUILD
    notes = _notes(recipe, networks)
    done = Compressed(recipe, networks, files, 0.0, notes)
    write_bytes(recipe.out / f"{RESULT}.onnx", networks[0].stages[-1].network.read_bytes())
    if recipe.report:
        from gatesmith.compressing.picture import write_pictures

        write_pictures(done, recipe.out / REPORT)
    write_json(recipe.out / f"{RESULT}.json", {**done.lasting(), "out": "."})
    return replace(done, seconds=perf_counter() - started)


def _able(recipe: Recipe) -> None:
    """Refuse what could not be done at the end. Errors: ``compress.recipe``, ``quantize.*``."""
    out = recipe.out
    place = next(p for p in (out, *out.parents) if p.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        raise UserError(
            CODE,
            "the output folder cannot be written",
            where=f"{recipe.file.name}, out = {out}",
            why=f"{place} is {'not writable' if place.is_dir() else 'a file'}",
            fix=("name a folder that you may write",),
        )
    if recipe.report:
        from gatesmith.report.write import check_report

        check_report(out / REPORT)
    for point in recipe.points:
        if point.steps.build is not None:
            prepare(out / BUILD)
        for step in point.steps.prune:
            if step.epochs:
                need_torch(step.device, "[[prune]], train")
        last = point.steps.quantize
        if last is not None and (last.epochs or last.learn_bits):
            need_torch(last.device, "[quantize], train")


def _made(maker: Maker, point: Point, *, needed: bool) -> Made:
    """A network; one that is only there to compare may fail."""
    try:
        return Made(point, maker.make(point.steps))
    except (UserError, UserErrors) as error:
        if needed:
            raise
        first = error.errors[0] if isinstance(error, UserErrors) else error
        return Made(point, (), f"{first.what} ({first.where}): {first.why}")


def _labelled(recipe: Recipe, start: Stage) -> None:
    """Networks cannot be compared without accuracies."""
    if len(recipe.points) > 1 and start.content["accuracy"] is None:
        raise UserError(
            CODE,
            "networks cannot be compared without an accuracy",
            where=f"{recipe.file.name}, [[pareto]]",
            why="the data has no labels, or the network's output is no vector of scores",
            fix=("name labels: labels, test_labels", "leave out [[pareto]]"),
        )


def _build(
    recipe: Recipe, settings: BuildSettings, stages: Sequence[Stage], progress: Progress
) -> None:
    """``gatesmith build`` of the result, in the folder ``build``, unless it is there already."""
    from gatesmith.api import build

    last = stages[-1]
    roms = {row["name"]: row["rom"] for row in last.content.get("layers", ())}
    fold = {name: str(wish) for name, wish in with_roms(wishes(settings), roms).items()}
    options: dict[str, Any] = {
        "cycles": settings.cycles,
        "fps": settings.fps,
        "clock_mhz": settings.clock_mhz,
        "fold": fold or None,
        "input_spec": recipe.sources.input_spec,
        "exit_at": settings.exit,
    }
    folder, mark = recipe.out / BUILD, recipe.out / STAGES / f"{BUILD}.json"
    made_from = json.loads(json.dumps({**options, "model": digest(last.network)}))
    if _built(folder, mark, made_from):
        return
    with tempfile.TemporaryDirectory(dir=recipe.out, prefix=".build-") as work:
        model = Path(work) / f"{RESULT}.onnx"
        model.write_bytes(last.network.read_bytes())
        build(model, folder, progress=progress, **options)
    write_json(mark, {"made_from": made_from, "sha256": digest(folder / CONTENT)})


def _built(folder: Path, mark: Path, made_from: Any) -> bool:
    try:
        found = json.loads(mark.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    content = folder / CONTENT
    same: bool = found["made_from"] == made_from
    return same and content.is_file() and digest(content) == found["sha256"]


def _notes(recipe: Recipe, networks: Sequence[Made]) -> tuple[str, ...]:
    """Of all stages of the result, each with the name of its stage."""
    notes = [f"{s.name}: {note}" for s in networks[0].stages for note in s.content["notes"]]
    for source in (recipe.sources.data, recipe.sources.test):
        if source is not None and python_object.is_name(source):
            notes.append(
                f"{source} is known by its name: remove {STAGES}/ when what it gives has changed"
            )
    lost = sum(made.why is not None for made in networks)
    if lost:
        notes.append(f"{lost} of {len(networks)} networks could not be made")
    return tuple(dict.fromkeys(notes))
