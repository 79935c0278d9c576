"""Designs by which the cost model is calibrated, and others by which it is judged.

The twelve of HELD_OUT were chosen, with their folds, before any formula was changed, and no
coefficient was fitted to them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import onnx

from gatesmith.codegen.design import Design
from gatesmith.codegen.fold import Target
from gatesmith.codegen.wish import Wish
from gatesmith.frontend.input_spec import InputSpec
from gatesmith.pipeline import compile_model
from gatesmith.rtl_tests import integer_networks, qdq_networks, qonnx_networks
from gatesmith.rtl_tests.qdq_net import quantized
from gatesmith.rtl_tests.qonnx_builder import Net
from gatesmith.rtl_tests.random_conv_network import random_conv_network
from gatesmith.rtl_tests.random_network import random_model

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
SHARED = ROOT.parent / "shared" / "models"


@dataclass(frozen=True, slots=True)
class Made:
    """A network and its fold.

    Attributes:
        model: A file, or what makes the network.
        cycles: Most cycles a frame.
        spec: What arrives, where the model does not say.
        fold: Text behind ``--fold LAYER=``, by layer.
        told: What it is, in a few words.
    """

    model: Path | Callable[[], onnx.ModelProto]
    cycles: int | None = None
    spec: str | None = None
    fold: dict[str, str] = field(default_factory=dict)
    told: str = ""

    @property
    def here(self) -> bool:
        """Whether the network is in this repository."""
        return not (isinstance(self.model, Path) and self.model.is_relative_to(SHARED))

    def design(self, name: str, folds: dict[str, str] | None = None) -> Planned:
        """The stages, as a build has them. Errors: those of a build.

        Args:
            name: Of the design.
            folds: Text behind ``--fold LAYER=`` of every layer, as an earlier call found them: a
                change of the cost model must not change what is compared.
        """
        hand = {layer: Wish.parse(text) for layer, text in (folds or self.fold).items()}
        target = Target(self.cycles, hand, name)
        spec = None if self.spec is None else InputSpec.parse(self.spec)
        found: dict[str, str] = {}

        def dump(after: str, text: str) -> None:
            found.update(_folds(text) if after == "fold" else {})

        if isinstance(self.model, Path):
            return Planned(compile_model(self.model, target, spec, dump).plan, found)
        with tempfile.TemporaryDirectory() as away:
            path = Path(away) / f"{name}.onnx"
            onnx.save(self.model(), path)
            return Planned(compile_model(path, target, spec, dump).plan, found)


@dataclass(frozen=True, slots=True)
class Planned:
    """A design, and the fold of each of its layers."""

    design: Design
    folds: dict[str, str]


def _folds(text: str) -> dict[str, str]:
    """Of the text that ``--dump-ir after=fold`` prints: ``LAYER: pe=1 simd=2 WORDS``."""
    found = {}
    for line in text.splitlines():
        layer, _, told = line.rpartition(": ")
        words = told.replace("pe=", "").replace("simd=", "").split()
        found[layer] = ",".join(words)
    return found


def jets() -> onnx.ModelProto:
    """16-64-32-32-5 as in ../shared/bench/w1.npz: 6-bit weights and activations, seeded."""
    net = Net((16,), 7, dyadic=False)
    net.quant(8, 2.0**-5)
    widths = (16, 64, 32, 32)
    for ins, outs in pairwise(widths):
        net.dense(ins, outs, 6, bias=True).put("Relu").quant(6, 2.0, signed=0)
    return net.dense(widths[-1], 5, 6, bias=True).model()


def cnn() -> onnx.ModelProto:
    """The CNN of ../shared/bench/w3_4.npz: 4-bit weights, 7-bit activations, seeded."""
    net = Net((1, 28, 28), 8, dyadic=False)
    net.quant(8, 1.0, signed=0)
    for ins, outs in ((1, 16), (16, 32)):
        net.conv(ins, outs, bits=4).put("Relu").quant(7, 32.0, signed=0).pool()
    return net.flat().dense(32 * 5 * 5, 10, 4).model()


def _qonnx(name: str) -> Callable[[], onnx.ModelProto]:
    module = qonnx_networks if hasattr(qonnx_networks, name) else integer_networks
    return lambda: getattr(module, name)(False).model


def _qdq(name: str, style: str) -> Callable[[], onnx.ModelProto]:
    return lambda: quantized(getattr(qdq_networks, name), style)


def _random(seed: int) -> Callable[[], onnx.ModelProto]:
    return lambda: random_model(seed)


def _random_conv(seed: int) -> Callable[[], onnx.ModelProto]:
    return lambda: random_conv_network(seed, False).model


HELD_OUT: dict[str, Made] = {
    "tfc_1w1a": Made(EXAMPLES / "tfc/TFC_1W1A.onnx", 784, told="MNIST MLP, bipolar"),
    "tfc_2w2a": Made(EXAMPLES / "tfc/TFC_2W2A.onnx", 784, told="MNIST MLP, 2 bits"),
    "digits_1w1a": Made(
        EXAMPLES / "digits/digits_1w1a.onnx", 128, "u5:1/16", told="digits MLP, bipolar"
    ),
    "digits_1w1a_unrolled": Made(
        EXAMPLES / "digits/digits_1w1a.onnx",
        128,
        "u5:1/16",
        {"MatMul_2": "unrolled"},
        told="the same, weights of the last layer as wires",
    ),
    "kws_mlp_w3a3": Made(
        SHARED / "kws_mlp_w3a3_QONNX.onnx", 20_000, told="keyword spotting MLP, 3 bits"
    ),
    "residual": Made(EXAMPLES / "exported/residual.onnx", 20_000, told="residual CNN"),
    "mobile": Made(EXAMPLES / "exported/mobile.onnx", 5000, told="depthwise separable CNN"),
    "radio": Made(EXAMPLES / "exported/radio.onnx", told="1-D CNN"),
    "ad01_int8": Made(SHARED / "ad01_int8.onnx", 65_536, told="autoencoder, 8 bits"),
    "resnet_s8": Made(_qdq("resnet", "s8"), 20_000, told="small ResNet, 8 bits"),
    "jets_6bit": Made(jets, 1024, told="jet-tagging MLP, 6 bits"),
    "cnn_28x28": Made(cnn, 60_000, told="MNIST-sized CNN, 4 bits"),
}
"""In docs/costs.md, in this order."""


CALIBRATION: dict[str, Made] = {
    "digits_2w2a": Made(EXAMPLES / "digits/digits_2w2a.onnx", 64, "u5:1/16"),
    "binary": Made(EXAMPLES / "exported/binary.onnx"),
    "fake_quant": Made(EXAMPLES / "exported/fake_quant.onnx"),
    "cnv_bipolar": Made(_qonnx("cnv_bipolar_padded"), 400),
    "vgg_ternary": Made(_qonnx("vgg_ternary"), 1000),
    "vgg_two_bits": Made(_qonnx("vgg_two_bits"), 500),
    "qonnx_mobilenet": Made(_qonnx("mobilenet"), 500),
    "audio": Made(_qonnx("audio"), 100),
    "awkward_pools": Made(_qonnx("awkward_pools")),
    "qdq_lenet": Made(_qdq("lenet", "u8"), 2000),
    "qdq_mobilenet_v2": Made(_qdq("mobilenet_v2", "s8"), 1000),
    "qdq_unet": Made(_qdq("unet", "u8"), 2000),
    "qdq_joins": Made(_qdq("joins", "u8"), 20_000),
    "qdq_pools": Made(_qdq("pools", "u8"), 20_000),
    "qdq_activations": Made(_qdq("activations", "u8"), 20_000),
    "qdq_reductions": Made(_qdq("reductions", "s8")),
    "qdq_one_dimension": Made(_qdq("one_dimension", "s8")),
    "qdq_resizes": Made(_qdq("resizes", "s8")),
    **{f"random_{seed}": Made(_random(seed), 10 + 7 * seed) for seed in range(5)},
    **{f"random_conv_{seed}": Made(_random_conv(seed), 200) for seed in (0, 2, 3, 4)},
}
"""Whose stages the formulas are fitted to, beside those of cost_blocks.py."""
