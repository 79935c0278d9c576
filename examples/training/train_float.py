"""Train one float network, write it as ONNX and its accuracy beside it as JSON.

    pip install -c constraints.txt -e ".[train]" onnxruntime
    python examples/training/train_float.py digits_cnn --seed 0 --out digits_cnn.onnx
    python examples/training/train_float.py resnet8 --bf16 --data ../shared/data --out resnet8.onnx

SGD with Nesterov momentum under a one-cycle schedule (Smith and Topin, arXiv 1708.07120), label
smoothing, random shifts. The seed fixes everything on the same machine, the same number of threads
and the same versions. The last state is taken: the test images are looked at once, at the end, with
onnxruntime on the file that was written.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from image_data import Dataset, crops, load
from networks import RECIPES, Recipe
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

OPSET = 17
MOMENTUM = 0.9
WARM_UP = 0.25  # part of all steps in which the rate rises


def frames(images: Tensor, recipe: Recipe, step: float) -> Tensor:
    """uint8 (N, H, W, C) to what the network takes: float32 NCHW in channels_last, or (N, 64)."""
    reals = images.permute(0, 3, 1, 2).to(torch.float32) * step
    return reals if len(recipe.shape) == 3 else reals.reshape(len(images), *recipe.shape)


def train(
    model: nn.Module, recipe: Recipe, data: Dataset, random: torch.Generator, bf16: bool
) -> list[float]:
    """Train in place; the seconds of each epoch."""
    epochs = recipe.epochs
    # No decay of biases and batch norms: they do not add to the scale of a layer's output.
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.decay}, {"params": others}]
    optimizer = torch.optim.SGD(groups, lr=recipe.rate, momentum=MOMENTUM, nesterov=True)
    steps = len(data.train_x) // recipe.batch  # the rest of an epoch's images is left out
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.rate, total_steps=epochs * steps, pct_start=WARM_UP, cycle_momentum=False
    )
    loss_of = nn.CrossEntropyLoss(label_smoothing=recipe.smoothing)
    columns = (
        TextColumn("epoch {task.fields[epoch]} of " + str(epochs)),
        BarColumn(),
        TextColumn("loss {task.fields[loss]:.4f}  accuracy {task.fields[hits]:.2%}"),
        TimeRemainingColumn(),
    )
    seconds = []
    model.train()
    with Progress(*columns) as progress:
        task = progress.add_task("", total=epochs * steps, epoch=1, loss=0.0, hits=0.0)
        for epoch in range(1, epochs + 1):
            start = time.perf_counter()
            losses, hits = 0.0, 0
            order = torch.randperm(len(data.train_x), generator=random)
            for number in range(steps):
                chosen = order[number * recipe.batch : (number + 1) * recipe.batch]
                images = crops(data.train_x[chosen], recipe.shift, recipe.flip, random)
                x, y = frames(images, recipe, data.step), data.train_y[chosen]
                with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                    scores = model(x)
                loss = loss_of(scores.float(), y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                losses += loss.item()
                hits += int((scores.argmax(1) == y).sum())
                done = (number + 1) * recipe.batch
                mean = losses / (number + 1)
                progress.update(task, advance=1, epoch=epoch, loss=mean, hits=hits / done)
            seconds.append(time.perf_counter() - start)
            line = f"epoch {epoch}: loss {mean:.4f}, training accuracy {hits / done:.2%}"
            progress.console.print(f"{line}, {seconds[-1]:.1f} s", highlight=False)
    return seconds


def export(model: nn.Module, recipe: Recipe, path: Path) -> None:
    """ONNX, float32, any batch size; batch norm behind convolutions folded unless kept."""
    mode = torch.onnx.TrainingMode
    with warnings.catch_warnings():
        # The older exporter, as most files in the world are; PRESERVE of a network in eval mode.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model.eval().to(memory_format=torch.contiguous_format),
            (torch.zeros(1, *recipe.shape),),
            str(path),
            opset_version=OPSET,
            dynamo=False,
            training=mode.PRESERVE if recipe.keep_batch_norm else mode.EVAL,
            input_names=["image"],
            output_names=["scores"],
            dynamic_axes={"image": {0: "N"}, "scores": {0: "N"}},
        )
    onnx.checker.check_model(str(path), full_check=True)


def accuracy(path: Path, recipe: Recipe, data: Dataset) -> float:
    """Top-1 of the file in onnxruntime on all test images."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    hits = 0
    for images, labels in zip(data.test_x.split(500), data.test_y.split(500), strict=True):
        image = frames(images, recipe, data.step).contiguous().numpy()
        scores = session.run(["scores"], {"image": image})[0]
        hits += int(np.sum(scores.argmax(1) == labels.numpy()))
    return hits / len(data.test_y)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", choices=RECIPES)
    parser.add_argument("--out", type=Path, required=True, help="ONNX file; JSON beside it")
    parser.add_argument("--seed", type=int, default=0, help="[%(default)s]")
    parser.add_argument("--epochs", type=int, help="[as in networks.py]")
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data"), help="folder [%(default)s]"
    )
    parser.add_argument("--width", type=float, default=1.0, help="factor, cnv only [%(default)s]")
    parser.add_argument("--bf16", action="store_true", help="compute in bfloat16 where it is safe")
    parser.add_argument("--threads", type=int, default=1, help="[%(default)s]")
    options = parser.parse_args()
    if options.width != 1.0 and options.network != "cnv":
        parser.error(f"--width {options.width}: only cnv has a width")
    if options.width * 64 < 1:
        parser.error(f"--width {options.width}: leaves no channel, take 1/64 or more")
    if options.epochs is not None and options.epochs < 1:
        parser.error(f"--epochs {options.epochs}: take 1 or more")
    if options.out.suffix != ".onnx":
        parser.error(f"--out {options.out}: the name must end in .onnx")
    return options


def main() -> None:
    """Read, train, export, measure."""
    options = arguments()
    recipe = RECIPES[options.network]
    recipe = replace(recipe, epochs=options.epochs or recipe.epochs)
    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(options.seed)
    data = load(recipe.data, options.data)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    model = recipe.make(options.width) if options.network == "cnv" else recipe.make()
    model = model.to(memory_format=torch.channels_last)
    load_before = os.getloadavg()[0]
    start = time.perf_counter()
    random = torch.Generator().manual_seed(options.seed)  # order of the images, their shifts
    epoch_seconds = train(model, recipe, data, random, options.bf16)
    seconds = time.perf_counter() - start
    export(model, recipe, options.out)
    report = {
        "network": options.network,
        "width": options.width,
        "parameters": sum(p.numel() for p in model.parameters()),
        "seed": options.seed,
        "epochs": recipe.epochs,
        "bf16": options.bf16,
        "accuracy": accuracy(options.out, recipe, data),
        "test_images": len(data.test_y),
        "train_images": len(data.train_y),
        "seconds": round(seconds, 1),
        "seconds_median_epoch": round(float(np.median(epoch_seconds)), 2),
        "threads": options.threads,
        "load_average": {"before": load_before, "after": os.getloadavg()[0]},
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "onnx": onnx.__version__,
            "onnxruntime": onnxruntime.__version__,
        },
    }
    options.out.with_suffix(".json").write_text(json.dumps(report, indent=2) + "\n")
    print(f"{options.out}: {report['accuracy']:.2%} of {report['test_images']} test images")


if __name__ == "__main__":
    main()
