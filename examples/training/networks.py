"""The float networks that gatesmith is measured on, as plain torch modules.

Every network takes real pixels: uint8 codes times one step (1/255; digits 1/16), float32,
(N, C, H, W) or (N, 64). There is no mean / std normalisation: the first batch norm does the same
work, and hardware then takes raw pixels with `--input u8:1/255`. The output is 10 scores (N, 10),
no softmax.

| name | from | multiplications an image | parameters |
| --- | --- | --- | --- |
| mnist_mlp | the size of FINN's SFC, 784-256-256-256-10 (arXiv 1612.07119) | 0.33 M | 336 k |
| mnist_signs | ours, signs of few inputs: for cores of wires | 1.8 M (0.27 M not zero) | 0.27 M |
| mnist_cnn | ours | 1.5 M | 30 k |
| resnet8 | MLPerf Tiny's image classification (arXiv 2106.07597) | 12.5 M | 78 k |
| cnv | the shape of FINN's CNV, VGG-like (arXiv 1612.07119) | 59 M at width 1 | 1.5 M |
| digits_cnn | ours, for fast tests | 0.08 M | 6.1 k |
| digits_mlp | ours, for fast tests | 6.5 k | 6.8 k |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


def dense(ins: int, outs: int, bias: bool = False) -> list[nn.Module]:
    """Linear, batch norm (it has a bias of its own), ReLU; MatMul in the file, Gemm with bias."""
    return [nn.Linear(ins, outs, bias=bias), nn.BatchNorm1d(outs), nn.ReLU()]


def conv(ins: int, outs: int, padding: int = 1, stride: int = 1) -> list[nn.Module]:
    """3x3 convolution (the batch norm has the bias), batch norm, ReLU."""
    window = nn.Conv2d(ins, outs, 3, stride=stride, padding=padding, bias=False)
    return [window, nn.BatchNorm2d(outs), nn.ReLU()]


def mnist_mlp() -> nn.Module:
    """784-256-256-256-10; (N, 1, 28, 28), flattened first."""
    return nn.Sequential(
        nn.Flatten(), *dense(784, 256), *dense(256, 256), *dense(256, 256), nn.Linear(256, 10)
    )


class Bits(nn.Module):
    """-1 for dark pixels, +1 for light ones: from code 128 on, the top bit of a byte."""

    def forward(self, x: Tensor) -> Tensor:
        """Real pixels, any shape; no pixel is exactly 0.5."""
        return torch.sign(x - 0.5)


class Sign(nn.Module):
    """The sign, with the slope of hard tanh (Hubara et al., 2016); in the file a Sign."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        if torch.onnx.is_in_onnx_export():
            return torch.sign(x)
        slope = x.clamp(-1, 1)
        return slope + (torch.sign(x) - slope).detach()


class Local(nn.Linear):
    """Each output reads ``reads`` pixels, drawn from a window of an image; the rest is zero.

    A sign of six one-bit inputs is one 6-input look-up table, whatever its weights are (LogicNets,
    Umuroglu et al., 2020). Windows lie anywhere in the middle of the image, where digits are.
    """

    def __init__(self, side: int, outs: int, reads: int, window: int, edge: int) -> None:
        super().__init__(side * side, outs, bias=False)
        corners = torch.randint(edge, side - edge - window + 1, (outs, 2))
        drawn = torch.rand(outs, window * window).topk(reads, 1).indices
        rows = corners[:, :1] + drawn // window
        columns = corners[:, 1:] + drawn % window
        mask = torch.zeros_like(self.weight).scatter_(1, rows * side + columns, 1.0)
        with torch.no_grad():
            self.weight.copy_(torch.randn_like(self.weight) * mask)
        self.weight.register_hook(lambda slope: slope * mask)


def mnist_signs() -> nn.Module:
    """784-2048-128-10 on pixels of one bit; six inputs an output in the first layer."""
    return nn.Sequential(
        nn.Flatten(),
        Bits(),
        Local(28, 2048, reads=6, window=7, edge=2),
        nn.BatchNorm1d(2048),
        Sign(),
        nn.Linear(2048, 128, bias=False),
        nn.BatchNorm1d(128),
        Sign(),
        nn.Linear(128, 10),
    )


def mnist_cnn() -> nn.Module:
    """Three convolutions of 16, 32, 32 channels, a pool after the first two, one dense layer."""
    return nn.Sequential(
        *conv(1, 16),
        nn.MaxPool2d(2),
        *conv(16, 32),
        nn.MaxPool2d(2),
        *conv(32, 32),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, 10),
    )


class Stack(nn.Module):
    """Two convolutions beside a shortcut: a 1x1 convolution where the shape changes.

    As in MLPerf Tiny the 1x1 convolution has a bias and no batch norm.
    """

    def __init__(self, ins: int, outs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *conv(ins, outs, stride=stride),
            nn.Conv2d(outs, outs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outs),
        )
        same = ins == outs and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(ins, outs, 1, stride=stride)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """(N, ins, H, W) to (N, outs, H / stride, W / stride)."""
        result: Tensor = self.relu(self.body(x) + self.shortcut(x))
        return result


def resnet8() -> nn.Module:
    """A convolution, stacks of 16, 32, 64 channels, 8x8 average pool, one dense layer."""
    return nn.Sequential(
        *conv(3, 16),
        Stack(16, 16, 1),
        Stack(16, 32, 2),
        Stack(32, 64, 2),
        nn.AvgPool2d(8),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


def cnv(width: float = 1.0) -> nn.Module:
    """64-64-pool-128-128-pool-256-256, then 512, 512, 10; valid 3x3 windows, 1x1 is left of 32x32.

    ``width`` multiplies every number of channels and features but the 10 classes.
    """
    a, b, c, hidden = (round(width * n) for n in (64, 128, 256, 512))
    return nn.Sequential(
        *conv(3, a, padding=0),
        *conv(a, a, padding=0),
        nn.MaxPool2d(2),
        *conv(a, b, padding=0),
        *conv(b, b, padding=0),
        nn.MaxPool2d(2),
        *conv(b, c, padding=0),
        *conv(c, c, padding=0),
        nn.Flatten(),
        *dense(c, hidden),
        *dense(hidden, hidden),
        nn.Linear(hidden, 10),
    )


def digits_cnn() -> nn.Module:
    """Two convolutions of 16 and 32 channels with pools, one dense layer; (N, 1, 8, 8)."""
    return nn.Sequential(
        *conv(1, 16),
        nn.MaxPool2d(2),
        *conv(16, 32),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 2 * 2, 10),
    )


def digits_mlp() -> nn.Module:
    """64-64-32-10; (N, 64), as the images lie in examples/digits; Gemm before the batch norms."""
    return nn.Sequential(*dense(64, 64, bias=True), *dense(64, 32, bias=True), nn.Linear(32, 10))


@dataclass(frozen=True)
class Recipe:
    """A network, its data, and how it is trained.

    ``shape`` is one frame of the input (NCHW without N); ``shift`` is the range of random
    translations in pixels; ``keep_batch_norm`` says whether the ONNX file has BatchNormalization
    behind convolutions or has it folded into them (behind Gemm it always stays a node, as torch's
    exporter leaves it).
    """

    make: Callable[..., nn.Module]
    data: str
    shape: tuple[int, ...]
    epochs: int
    rate: float
    decay: float = 5e-4
    batch: int = 128
    smoothing: float = 0.05
    shift: int = 0
    flip: bool = False
    keep_batch_norm: bool = True


CIFAR = {"data": "cifar10", "shape": (3, 32, 32), "shift": 4, "flip": True}

RECIPES = {
    "mnist_mlp": Recipe(mnist_mlp, "mnist", (1, 28, 28), 20, 0.1, 1e-4, shift=1),
    "mnist_signs": Recipe(mnist_signs, "mnist", (1, 28, 28), 2, 0.1, 0.0, batch=256),
    "mnist_cnn": Recipe(mnist_cnn, "mnist", (1, 28, 28), 8, 0.1, shift=1, keep_batch_norm=False),
    "resnet8": Recipe(resnet8, epochs=22, rate=0.3, decay=2e-4, **CIFAR),
    "cnv": Recipe(cnv, epochs=20, rate=0.1, **CIFAR),
    "digits_cnn": Recipe(
        digits_cnn, "digits", (1, 8, 8), 40, 0.1, batch=64, shift=1, keep_batch_norm=False
    ),
    "digits_mlp": Recipe(digits_mlp, "digits", (64,), 60, 0.1, batch=64),
}
