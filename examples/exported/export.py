"""Small untrained networks: of Brevitas as QONNX, and of plain torch with fake quantization.

    python examples/exported/export.py        # needs the extra "train": brevitas, torch

Weights are random; a few forward passes set the scales and the statistics of the batch norms.
"""

from __future__ import annotations

from pathlib import Path

import brevitas.nn as qnn
import torch
from brevitas.core.scaling import ScalingImplType
from brevitas.export import export_qonnx
from brevitas.quant import (
    Int8ActPerTensorFloat,
    Int8WeightPerTensorFixedPoint,
    SignedBinaryActPerTensorConst,
    SignedBinaryWeightPerTensorConst,
    SignedTernaryWeightPerTensorConst,
)
from torch import Tensor, nn

HERE = Path(__file__).parent


class Binary(nn.Sequential):
    """FINN's CNV: bipolar convolutions, here with padding."""

    def __init__(self) -> None:
        weights = {"weight_quant": SignedBinaryWeightPerTensorConst, "bias": False}
        act = {"act_quant": SignedBinaryActPerTensorConst}
        super().__init__(
            qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat, return_quant_tensor=True),
            qnn.QuantConv2d(3, 4, 3, **weights),
            nn.BatchNorm2d(4),
            qnn.QuantIdentity(**act, return_quant_tensor=True),
            qnn.QuantConv2d(4, 6, 3, padding=1, **weights),
            nn.BatchNorm2d(6),
            qnn.QuantIdentity(**act),
            nn.MaxPool2d(2),
            qnn.QuantConv2d(6, 5, 3, **weights),
            nn.BatchNorm2d(5),
            qnn.QuantIdentity(**act, return_quant_tensor=True),
            nn.Flatten(),
            qnn.QuantLinear(5 * 1 * 1, 4, **weights),
            nn.BatchNorm1d(4, affine=False),
        )


class Block(nn.Module):
    """A residual block, one quantizer for both branches."""

    def __init__(self, ins: int, outs: int, stride: int) -> None:
        super().__init__()
        bits = {"weight_bit_width": 4, "bias": False, "weight_scaling_per_output_channel": True}
        self.first = qnn.QuantConv2d(ins, outs, 3, stride, 1, **bits)
        self.norm = nn.BatchNorm2d(outs)
        self.relu = qnn.QuantReLU(bit_width=4, return_quant_tensor=True)
        self.second = qnn.QuantConv2d(outs, outs, 3, 1, 1, **bits)
        self.norm2 = nn.BatchNorm2d(outs)
        self.shortcut = (
            nn.Sequential(qnn.QuantConv2d(ins, outs, 1, stride, **bits), nn.BatchNorm2d(outs))
            if stride > 1
            else nn.Identity()
        )
        self.join = qnn.QuantIdentity(bit_width=4, return_quant_tensor=True)
        self.out = qnn.QuantReLU(bit_width=4, return_quant_tensor=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W)."""
        y = self.norm2(self.second(self.relu(self.norm(self.first(x)))))
        result: Tensor = self.out(self.join(y) + self.join(self.shortcut(x)))
        return result


class Residual(nn.Module):
    """A 4-bit ResNet with QuantAvgPool."""

    def __init__(self) -> None:
        super().__init__()
        self.quant = qnn.QuantIdentity(bit_width=8, return_quant_tensor=True)
        self.stem = qnn.QuantConv2d(3, 4, 3, padding=1, weight_bit_width=4, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.relu = qnn.QuantReLU(bit_width=4, return_quant_tensor=True)
        self.blocks = nn.Sequential(Block(4, 4, 1), Block(4, 6, 2))
        self.pool = qnn.TruncAvgPool2d(4, bit_width=4, float_to_int_impl_type="floor")
        self.linear = qnn.QuantLinear(6, 5, bias=True, weight_bit_width=4)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 8, 8) to (N, 5)."""
        y = self.blocks(self.relu(self.norm(self.stem(self.quant(x)))))
        result: Tensor = self.linear(torch.flatten(self.pool(y), 1))
        return result


class Mobile(nn.Sequential):
    """Depthwise and pointwise, quantized ReLU6 and Hardtanh, power-of-two scales."""

    def __init__(self) -> None:
        bits = {
            "weight_bit_width": 4,
            "bias": False,
            "weight_quant": Int8WeightPerTensorFixedPoint,
        }
        act = {"bit_width": 4, "max_val": 6.0, "scaling_impl_type": ScalingImplType.CONST}
        super().__init__(
            qnn.QuantIdentity(bit_width=8, return_quant_tensor=True),
            qnn.QuantConv2d(1, 6, (3, 5), 2, (1, 2), **bits),
            nn.BatchNorm2d(6),
            qnn.QuantReLU(**act, return_quant_tensor=True),
            qnn.QuantConv2d(6, 6, 3, 1, 1, groups=6, **bits),
            nn.BatchNorm2d(6),
            qnn.QuantReLU(**act, return_quant_tensor=True),
            qnn.QuantConv2d(6, 8, 1, **bits),
            nn.BatchNorm2d(8),
            qnn.QuantHardTanh(bit_width=3, min_val=-1.0, max_val=1.0, return_quant_tensor=True),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            qnn.QuantIdentity(bit_width=5, return_quant_tensor=True),
            qnn.QuantLinear(8, 4, bias=True, weight_bit_width=4),
        )


class Radio(nn.Sequential):
    """VGG10 for radio modulation, shortened; ternary convolutions."""

    def __init__(self) -> None:
        layers: list[nn.Module] = [qnn.QuantHardTanh(bit_width=8, min_val=-2.0, max_val=2.0)]
        channels = 2
        for outs in (4, 6):
            layers += [
                qnn.QuantConv1d(
                    channels,
                    outs,
                    3,
                    padding=1,
                    bias=False,
                    weight_quant=SignedTernaryWeightPerTensorConst,
                ),
                nn.BatchNorm1d(outs),
                qnn.QuantReLU(bit_width=3),
                nn.MaxPool1d(2),
            ]
            channels = outs
        layers += [
            nn.Flatten(),
            qnn.QuantLinear(36, 8, bias=False, weight_bit_width=3),
            nn.BatchNorm1d(8),
            qnn.QuantReLU(bit_width=3, return_quant_tensor=True),
            qnn.QuantLinear(8, 5, bias=True, weight_bit_width=3),
        ]
        super().__init__(*layers)


class FakeQuant(nn.Module):
    """Plain torch: activations and weights under fake quantization, as QAT leaves them."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(1, 4, 3, 2, 1), nn.Conv2d(4, 6, 3, groups=2)])
        self.linear = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, 9, 7) to (N, 3)."""
        x = torch.fake_quantize_per_tensor_affine(x, 0.03, 3, -128, 127)
        for conv, scale in zip(self.convs, (0.02, 0.05), strict=True):
            steps = conv.weight.detach().abs().amax((1, 2, 3)) / 127
            zeros = torch.zeros(len(steps), dtype=torch.int32)
            weight = torch.fake_quantize_per_channel_affine(conv.weight, steps, zeros, 0, -128, 127)
            x = nn.functional.conv2d(
                x, weight, conv.bias, conv.stride, conv.padding, groups=conv.groups
            )
            x = torch.fake_quantize_per_tensor_affine(nn.functional.relu(x), scale, 0, 0, 255)
        weight = torch.fake_quantize_per_tensor_affine(self.linear.weight, 0.01, 0, -128, 127)
        return nn.functional.linear(x.mean((2, 3)), weight, self.linear.bias)


NETWORKS = {
    "binary": (Binary, (3, 8, 8)),
    "residual": (Residual, (3, 8, 8)),
    "mobile": (Mobile, (1, 9, 7)),
    "radio": (Radio, (2, 24)),
}


def settle(model: nn.Module, shape: tuple[int, ...]) -> None:
    """Scales and statistics from random data, some gammas negative."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and module.affine:
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias, std=0.5)
    model.train()
    for _ in range(10):
        model(torch.randn(16, *shape))
    model.eval()


def main() -> None:
    """Write one file a network."""
    for name, (make, shape) in NETWORKS.items():
        torch.manual_seed(1)
        model = make()
        settle(model, shape)
        example = torch.randn(1, *shape)
        export_qonnx(model, example, export_path=str(HERE / f"{name}.onnx"), dynamo=False)
    torch.manual_seed(1)
    torch.onnx.export(
        FakeQuant().eval(),
        (torch.randn(1, 1, 9, 7),),
        str(HERE / "fake_quant.onnx"),
        opset_version=13,
        dynamo=False,
        do_constant_folding=False,
        dynamic_axes={"x": [0]},
        input_names=["x"],
    )


if __name__ == "__main__":
    main()
