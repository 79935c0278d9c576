"""Train the example networks: scikit-learn's digits, 64-64-32-10, few-bit weights and activations.

    pip install -c constraints.txt -e ".[train]"
    python examples/digits/train.py             # three networks, about three minutes on two cores

Writes digits_2w2a.onnx, digits_1w1a.onnx, digits_2w2a_other.onnx (what is loaded into the core of
the first in the tests) and digits_test.npz beside itself. Every seed is fixed and
the work is done on one thread, so that the same versions of the packages give the same files.

A network sees ``x / 16``, x being a pixel of 0..16, and quantizes it to four bits first. Nothing
between two quantizers is restricted: batch norm has any scale, and the scales of weights and
activations are learned floats. Exact lowering has to cope with that, and does.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import brevitas.nn as qnn
import numpy as np
import onnx
import torch
from brevitas.core.restrict_val import RestrictValueType
from brevitas.core.scaling import ScalingImplType
from brevitas.export import export_qonnx
from brevitas.quant import (
    Int8WeightPerTensorFloat,
    SignedBinaryActPerTensorConst,
    SignedBinaryWeightPerTensorConst,
    Uint8ActPerTensorFloat,
)
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.util.cleanup import cleanup_model
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

HERE = Path(__file__).parent
SEED = 16
NETWORKS = (("digits_2w2a", 2, SEED), ("digits_1w1a", 1, SEED), ("digits_2w2a_other", 2, 17))
"""File, bits, seed."""

PIXEL = 16.0  # a pixel is 0..16
HIDDEN = (64, 32)
LEARNING_RATE = 0.005
IR_VERSION = 10  # what every onnxruntime of the last years reads


class PixelQuant(Uint8ActPerTensorFloat):
    """Four bits, unsigned, a step of 1/16: pixels 15 and 16 are one code."""

    scaling_impl_type = ScalingImplType.CONST
    restrict_scaling_type = RestrictValueType.FP
    scaling_init = 15 / PIXEL  # the real number that the code 15 stands for
    bit_width = 4


class Scale(nn.Module):
    """One factor for all scores, above 0: the largest integer score stays the largest."""

    def __init__(self) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.tensor(-2.0))

    def forward(self, x: Tensor) -> Tensor:
        """Scores in the units of the loss."""
        return x * self.log.exp()


def network(bits: int) -> nn.Sequential:
    """Dense, batch norm, quantizer, twice; then the classifier and one factor."""
    weight = SignedBinaryWeightPerTensorConst if bits == 1 else Int8WeightPerTensorFloat
    weight_bits = {} if bits == 1 else {"weight_bit_width": bits}
    layers: list[nn.Module] = [qnn.QuantIdentity(act_quant=PixelQuant)]
    features = 64
    for width in HIDDEN:
        dense = qnn.QuantLinear(features, width, bias=False, weight_quant=weight, **weight_bits)
        layers += [dense, nn.BatchNorm1d(width)]
        if bits == 1:
            layers.append(qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst))
        else:
            layers.append(qnn.QuantReLU(act_quant=Uint8ActPerTensorFloat, bit_width=bits))
        features = width
    layers.append(qnn.QuantLinear(features, 10, bias=False, weight_quant=weight, **weight_bits))
    layers.append(Scale())
    return nn.Sequential(*layers)


def train(model: nn.Sequential, x: Tensor, y: Tensor, epochs: int) -> None:
    """Adam with a cosine schedule and label smoothing; the last state is taken, none is picked."""
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.05)
    model.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            loss = loss_of(model(x[batch]), y[batch])
            loss.backward()
            optimizer.step()
        schedule.step()


def export(model: nn.Sequential, path: Path) -> None:
    """QONNX, cleaned up (names, shapes, constants folded), at an IR version that runtimes read."""
    model.eval()
    sample = torch.rand(1, 64)
    exported = export_qonnx(model, args=sample, export_path=None, dynamo=False)
    clean = cleanup_model(ModelWrapper(exported)).model
    clean.ir_version = IR_VERSION
    onnx.checker.check_model(clean)
    onnx.save(clean, path)


def accuracy(path: Path, codes: np.ndarray, labels: np.ndarray) -> float:
    """Top-1 of the file in the QONNX executor, fed with ``codes / 16``."""
    model = ModelWrapper(str(path))
    source, sink = model.graph.input[0].name, model.graph.output[0].name
    hits = 0
    for code, label in zip(codes, labels, strict=True):
        frame = {source: (code.astype(np.float32) / np.float32(PIXEL))[None]}
        hits += int(np.argmax(execute_onnx(model, frame)[sink]) == label)
    return hits / len(labels)


def main() -> None:
    """Split, train, export, measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--only", help="name of one of the networks")
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write [%(default)s]")
    options = parser.parse_args()

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    data = load_digits()
    codes = data.data.astype(np.uint8)
    train_x, test_x, train_y, test_y = train_test_split(
        codes, data.target, test_size=450, random_state=SEED, stratify=data.target
    )
    np.savez_compressed(options.out / "digits_test.npz", x=test_x, y=test_y.astype(np.uint8))
    x, y = torch.tensor(train_x / PIXEL, dtype=torch.float32), torch.tensor(train_y)
    for name, bits, seed in NETWORKS:
        if options.only not in (None, name):
            continue
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        model = network(bits)
        train(model, x, y, options.epochs)
        path = options.out / f"{name}.onnx"
        export(model, path)
        print(f"{path.name}: {accuracy(path, test_x, test_y):.4f} of {len(test_y)} test images")


if __name__ == "__main__":
    main()
