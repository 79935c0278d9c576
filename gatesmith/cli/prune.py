"""``gatesmith prune``: a float network made smaller, with what that saves in hardware."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from gatesmith.cli.output import (
    AsJson,
    InputSpec,
    cells,
    console,
    only_json,
    print_json,
    progress,
    table,
)
from gatesmith.errors import UserError, raise_all


def prune(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="A float network.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="OUT.onnx", help="File to write.")],
    data: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|FOLDER|MODULE:OBJECT",
            help="As for quantize; needed by --train and by criteria that look at data.",
        ),
    ] = None,
    ratio: Annotated[
        float | None, typer.Option(min=0, max=1, metavar="F", help="Part that goes.")
    ] = None,
    of: Annotated[
        str, typer.Option(metavar="NAME", help="Part of what: macs, parameters or units.")
    ] = "macs",
    budget: Annotated[
        str | None,
        typer.Option(metavar="LIMITS", help='In place of --ratio: "lut=20000" or "macs=5M".'),
    ] = None,
    kind: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            help="structured, layers, unstructured, nm, block; svd, tucker, cp, separable, "
            "depthwise.",
        ),
    ] = "structured",
    criterion: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="l1, l2, lamp, gamma, taylor, fisher, hessian, apoz, geometric-median, random.",
        ),
    ] = None,
    pattern: Annotated[
        str | None, typer.Option(metavar="N:M|PExSIMD", help="Of nm (2:4) and block (4x4).")
    ] = None,
    energy: Annotated[
        float | None,
        typer.Option(min=0, max=1, metavar="F", help="What low-rank kinds keep, not --ratio."),
    ] = None,
    scope: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="layer: the same part of each; global: the least."),
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=RATIO", help="Ratio of one layer (may be repeated)."),
    ] = None,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Ratios by how much each layer matters.")
    ] = False,
    schedule: Annotated[
        str, typer.Option(metavar="NAME", help="one-shot, iterative:N or gradual.")
    ] = "one-shot",
    round_to: Annotated[
        int | None,
        typer.Option("--round", min=1, metavar="N", help="Channels stay multiples of N (4)."),
    ] = None,
    most: Annotated[
        float, typer.Option(min=0, max=1, metavar="F", help="Largest part of a layer that goes.")
    ] = 0.9,
    cycles: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Count the hardware's cost at N cycles a frame."),
    ] = None,
    samples: Annotated[
        int, typer.Option(min=1, metavar="N", help="Frames that criteria look at.")
    ] = 512,
    input_spec: InputSpec = None,
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Labels of --data: .npy or IDX, .gz too.")
    ] = None,
    test: Annotated[
        str | None, typer.Option(metavar="FILE", help="Data to measure accuracy on.")
    ] = None,
    test_labels: Annotated[
        Path | None, typer.Option("--test-labels", metavar="FILE", help="Labels of --test.")
    ] = None,
    train: Annotated[int, typer.Option(min=0, metavar="EPOCHS", help="Fine-tune.")] = 0,
    batch: Annotated[int, typer.Option(min=2, metavar="N", help="Frames of a step.")] = 128,
    rate: Annotated[float, typer.Option("--lr", metavar="F", help="Learning rate.")] = 1e-3,
    distill: Annotated[
        float,
        typer.Option(min=0, max=1, metavar="F", help="Weight of the unpruned network's answers."),
    ] = 0.5,
    augment: Annotated[
        str, typer.Option(metavar="NAME", help="Training images: none, crop:1 (pixels), crop-flip.")
    ] = "none",
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of everything random.")] = 0,
    bf16: Annotated[bool, typer.Option("--bf16", help="Train in bfloat16.")] = False,
    device: Annotated[
        str, typer.Option(metavar="NAME", help="Train on: auto, cpu or cuda.")
    ] = "auto",
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Save training here after each epoch, and resume."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write a report, and its plots.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prune a float network, with what it saves measured, and write it to OUT.onnx."""
    from gatesmith.api import prune as run

    options: dict[str, Any] = dict(
        kind=kind,
        ratio=ratio,
        of=of,
        budget=budget,
        criterion=criterion,
        energy=energy,
        scope=scope,
        pattern=pattern,
        layers=_ratios(layer or ()),
        sensitivity=sensitivity,
        schedule=schedule,
        round_to=round_to,
        most=most,
        cycles=cycles,
        samples=samples,
        labels=labels,
        test=test,
        test_labels=test_labels,
        input_spec=input_spec,
        epochs=train,
        batch=batch,
        rate=rate,
        distill=distill,
        augment=augment,
        seed=seed,
        bf16=bf16,
        device=device,
        checkpoint=checkpoint,
        report=report,
    )
    with only_json(as_json), progress(hidden=as_json) as show:
        done = run(model, data, out, progress=show, **options)
    result = done.as_json()
    if as_json:
        print_json(result)
    else:
        _show(result)


def _ratios(given: Sequence[str]) -> dict[str, float]:
    """``NAME=RATIO`` by name. Errors: ``cli.bad-value``, all of them at once."""
    found: dict[str, float] = {}
    errors = []
    for text in given:
        name, equals, value = text.rpartition("=")
        try:
            found[name] = float(value)
        except ValueError:
            equals = ""
        if not equals or not name or not 0 <= found[name] <= 1:
            errors.append(
                UserError(
                    "cli.bad-value",
                    "this is no ratio of a layer",
                    where=f"--layer {text}",
                    why="it is not NAME=RATIO with a ratio from 0 to 1",
                    fix=("write --layer conv1=0.25",),
                )
            )
    raise_all(errors)
    return found


def _show(result: Mapping[str, Any]) -> None:
    out = console()
    numbers = ("channels", "left", "parameters", "left", "multiplications", "left")
    rows = table("", ("layer", "op"), numbers)
    keys = ("channels", "parameters", "macs")
    for row in result["layers"]:
        pairs = [row[f"{key}_{when}"] for key in keys for when in ("before", "after")]
        rows.add_row(*cells(row["name"], row["op"], *pairs))
    rows.add_section()
    pairs = [result[f"{key}_{when}"] for key in keys[1:] for when in ("before", "after")]
    rows.add_row(*cells("in all", None, None, None, *pairs))
    out.print(rows)
    before, after = result["hardware_before"], result["hardware_after"]
    if before is not None and after is not None:
        _show_hardware(before, after)
    for step in result["steps"]:
        out.print(f"{step['name']:22}{_percent(step['accuracy'])}")
    for note in result["notes"]:
        out.print(f"note      {cells(note)[0]}", soft_wrap=True)
    where = cells(result["out"])[0]
    out.print(f"wrote     {where} in {result['seconds']} s; next: gatesmith quantize {where}")


def _show_hardware(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    shown = table("", ("8-bit hardware",), ("before", "after", "left"))
    names = {
        "lut": "LUT",
        "ff": "FF",
        "dsp": "DSP",
        "block_rams": "block RAMs (18 kbit)",
        "weight_bits": "bits of weights",
        "cycles": "cycles a frame",
        "energy_nj": "energy a frame, nJ (estimate)",
    }
    for key, name in names.items():
        left = f"{after[key] / before[key]:.0%}" if before[key] else ""
        shown.add_row(*cells(name, before[key], after[key], left))
    shown.add_row(*cells("cycles for the LUTs of before", before["cycles"], after["fastest"], ""))
    console().print(shown)


def _percent(value: float | None) -> str:
    return "not measured: no labels" if value is None else f"{100 * value:.2f} %"
