"""``gatesmith quantize``: a float network and data to a network that the compiler takes."""

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
from gatesmith.errors import UserError

Weights = Annotated[
    str,
    typer.Option(
        metavar="SCHEME",
        help="int2..int16, bipolar, ternary, ttq, pow2, pow2x2, codebook-16; "
        "with :tensor, :group=32, :pow2scale, :wide.",
    ),
]
Activations = Annotated[
    str,
    typer.Option(
        metavar="SCHEME", help="int2..int16, uint1..uint16, bipolar, ternary; :affine, :pow2scale."
    ),
]


def quantize(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="A float network.")],
    data: Annotated[
        str,
        typer.Option(
            metavar="FILE|FOLDER|MODULE:OBJECT",
            help=".npz (x, labels y), .npy, IDX (.gz too), a folder of images with a sub-folder "
            "for each class, or a Python data set.",
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="OUT.onnx", help="File to write.")],
    weights: Weights = "int8",
    activations: Activations = "int8",
    ends: Annotated[
        str | None,
        typer.Option(metavar="SCHEME", help="Weights of the first and the last layer."),
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=W/A", help="Schemes of one layer (may be repeated)."),
    ] = None,
    input_spec: InputSpec = None,
    outputs: Annotated[
        str | None, typer.Option(metavar="SCHEME", help="Quantize the outputs as well.")
    ] = None,
    file_format: Annotated[
        str, typer.Option("--format", metavar="qonnx|qdq", help="Form of OUT.onnx.")
    ] = "qonnx",
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Labels of --data: .npy or IDX, .gz too.")
    ] = None,
    test: Annotated[
        str | None, typer.Option(metavar="FILE", help="Data to measure accuracy on.")
    ] = None,
    test_labels: Annotated[
        Path | None, typer.Option("--test-labels", metavar="FILE", help="Labels of --test.")
    ] = None,
    samples: Annotated[
        int, typer.Option(min=1, metavar="N", help="Frames that calibration looks at.")
    ] = 512,
    observer: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Activation ranges: minmax, percentile, mse, entropy."),
    ] = None,
    rounding: Annotated[
        str | None, typer.Option(metavar="NAME", help="Weights: nearest or learned.")
    ] = None,
    equalize: Annotated[
        bool | None, typer.Option("--equalize/--no-equalize", help="Cross-layer equalization.")
    ] = None,
    bias_correction: Annotated[
        bool | None,
        typer.Option("--bias-correction/--no-bias-correction", help="Keep each channel's mean."),
    ] = None,
    keep_zeros: Annotated[
        bool | None,
        typer.Option("--keep-zeros/--no-keep-zeros", help="Weights that are 0 stay 0."),
    ] = None,
    train: Annotated[
        int, typer.Option(min=0, metavar="EPOCHS", help="Train the quantized network.")
    ] = 0,
    batch: Annotated[int, typer.Option(min=2, metavar="N", help="Frames of a step.")] = 128,
    rate: Annotated[float | None, typer.Option("--lr", metavar="F", help="Learning rate.")] = None,
    distill: Annotated[
        float | None,
        typer.Option(min=0, max=1, metavar="F", help="Weight of the float network's answers."),
    ] = None,
    hints: Annotated[
        bool, typer.Option("--hints", help="Follow the float network's features as well.")
    ] = False,
    progressive: Annotated[
        bool, typer.Option("--progressive", help="Lower the bits step by step.")
    ] = False,
    augment: Annotated[
        str, typer.Option(metavar="NAME", help="Training images: none, crop:1 (pixels), crop-flip.")
    ] = "none",
    bf16: Annotated[bool, typer.Option("--bf16", help="Train in bfloat16.")] = False,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of everything random.")] = 0,
    device: Annotated[
        str, typer.Option(metavar="NAME", help="Train on: auto, cpu or cuda.")
    ] = "auto",
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Save training here after each epoch, and resume."),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(metavar="LIMITS", help='Mixed precision: "lut=20000,accuracy>=97".'),
    ] = None,
    choices: Annotated[
        str, typer.Option(metavar="BITS", help="Widths that --budget may choose from.")
    ] = "2,3,4,6,8",
    cycles: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Count the hardware's cost at N cycles a frame."),
    ] = None,
    learn_bits: Annotated[
        bool, typer.Option("--learn-bits", help="Train the widths that --budget asks for.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write a report, and its plots.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Quantize a float network, with the accuracy measured, and write it to OUT.onnx."""
    from gatesmith.api import quantize as run

    options: dict[str, Any] = dict(
        weights=weights,
        activations=activations,
        ends=ends,
        layers=_layers(layer or ()),
        input_spec=input_spec,
        outputs=outputs,
        format=file_format,
        labels=labels,
        test=test,
        test_labels=test_labels,
        samples=samples,
        observer=observer,
        rounding=rounding,
        equalize=equalize,
        bias_correction=bias_correction,
        keep_zeros=keep_zeros,
        epochs=train,
        batch=batch,
        rate=rate,
        distill=distill,
        hints=hints,
        progressive=progressive,
        augment=augment,
        bf16=bf16,
        budget=budget,
        choices=_bits(choices),
        cycles=cycles,
        learn_bits=learn_bits,
        seed=seed,
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


def _layers(given: Sequence[str]) -> dict[str, str]:
    """``NAME=W/A`` by name. Errors: ``cli.scheme``."""
    found = {}
    for text in given:
        name, equals, schemes = text.rpartition("=")
        if not equals or not name or not schemes:
            raise UserError(
                "cli.scheme",
                "this does not say how to quantize a layer",
                where=f"--layer {text}",
                why="it is not NAME=WEIGHTS/ACTIVATIONS",
                fix=("write --layer conv1=int4/int8, or conv1=int4 for the weights alone",),
            )
        found[name] = schemes
    return found


def _bits(text: str) -> tuple[int, ...]:
    """Widths, rising. Errors: ``cli.bad-value``."""
    words = [word.strip() for word in text.split(",")]
    if all(word.isascii() and word.isdigit() and 2 <= int(word) <= 16 for word in words):
        return tuple(sorted({int(word) for word in words}))
    raise UserError(
        "cli.bad-value",
        f"--choices {text!r} is no list of widths",
        where="gatesmith quantize",
        why="widths are integers from 2 to 16 with commas between",
        fix=("write --choices 2,3,4,6,8",),
    )


def _show(result: Mapping[str, Any]) -> None:
    out = console()
    left = ("layer", "op", "weights", "scales", "input")
    right = ("weights", "bits", "input bits", "memory bits")
    rows = table("", left, right)
    for row in result["layers"]:
        rows.add_row(
            *cells(
                row["name"],
                row["op"],
                row["weights"],
                row["per"],
                row["activations"],
                row["parameters"],
                row["weight_bits"],
                row["activation_bits"],
                row["memory_bits"],
            )
        )
    out.print(rows)
    for step in result["steps"]:
        out.print(f"{step['name']:22}{_percent(step['accuracy'])}")
    for note in result["notes"]:
        out.print(f"note      {cells(note)[0]}", soft_wrap=True)
    where = cells(result["out"])[0]
    out.print(
        f"wrote     {where} in {result['seconds']} s; build it: gatesmith build {where} -o DIR"
    )


def _percent(value: float | None) -> str:
    return "not measured: no labels" if value is None else f"{100 * value:.2f} %"
