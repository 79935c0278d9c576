"""The good models that are damaged: of every form that the frontend reads, all small."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import onnx

from gatesmith.rtl_tests import (  # the networks register themselves
    branching_networks,
    exit_networks,
    integer_networks,
    qdq_by_hand,
    qdq_networks,
    qonnx_networks,
)
from gatesmith.rtl_tests.fuzz import below_protobuf, graphs, tensors, words
from gatesmith.rtl_tests.fuzz.case import DAMAGES, Case
from gatesmith.rtl_tests.qonnx_builder import NETWORKS

REGISTER = (branching_networks, integer_networks, qonnx_networks)
KINDS = (below_protobuf, tensors, graphs, words)  # register the damages

SLOW = ("resnet_own_scales", "resnet_shared_scale")
"""They take seconds to build, and hold nothing that the others do not."""

HEAVY = frozenset(
    [
        "cnv_bipolar",
        "cnv_bipolar_padded",
        "digits_1w1a",
        "early_exit",
        "exit",
        "gate-operators",
        "gated",
        "integer_operators",
        "lenet-operators",
        "mobile",
        "mobilenet",
        "one_dimension-operators",
        "radio",
        "residual",
        "TFC_1W1A",
        "TFC_2W2A",
        "tflite",
        "two_inputs-u8",
        "upsampling_autoencoder",
        "vgg_ternary",
        "vgg_two_bits",
        "resnet8_s0",
        "mnist_cnn_s0",
        "digits_2w2a",
        "fake_quant",
        "binary",
    ]
)
"""They take most of a second to build, or are long files: chosen one time in five."""

BY_RUNTIME = (
    *(("two_inputs", "u8"), ("gate", "operators"), ("two_inputs", "operators")),
    *(("one_dimension", "operators"), ("lenet", "operators")),
)
"""Networks of qdq_networks.py and the style in which onnxruntime quantizes them."""

ALONE = ("odd_files", "other_files", "deep_messages")
"""Damages behind which nothing is left of the model: once in a while is enough."""


@dataclass(frozen=True, slots=True)
class Model:
    """A good model.

    Attributes:
        name: Of the network.
        data: The file.
        options: Words that ``gatesmith build`` needs for it.
    """

    name: str
    data: bytes
    options: tuple[str, ...] = ()


def generated() -> list[Model]:
    """Networks that are made in code, without onnxruntime."""
    made = []
    for name in sorted(NETWORKS.keys() - set(SLOW)):
        network = NETWORKS[name](True)
        given = () if network.spec is None else ("--input", network.spec)
        made.append(Model(name, _data(network.model), given))
    made.append(Model("tflite", _data(qdq_by_hand.tflite())))
    made.append(Model("exit", _data(exit_networks.chain()), ("--input", "u8:1/256")))
    ends = ("--input", "u8:1/256", "--exit", "early:0.5")
    return [*made, Model("early_exit", _data(exit_networks.chain()), ends)]


def quantized_by_runtime() -> list[Model]:
    """QDQ and QOperator models; in a process of its own, for onnxruntime starts threads."""
    with get_context("spawn").Pool(1) as pool:
        return pool.map(_quantized, BY_RUNTIME, chunksize=len(BY_RUNTIME))


def _quantized(wanted: tuple[str, str]) -> Model:
    from gatesmith.rtl_tests.qdq_net import quantized

    name, style = wanted
    return Model(f"{name}-{style}", _data(quantized(getattr(qdq_networks, name), style)))


def committed(folder: Path) -> list[Model]:
    """Every model below a folder."""
    return [Model(p.stem, p.read_bytes()) for p in sorted(folder.glob("*/*.onnx"))]


def make_case(index: int, seed: int, models: Sequence[Model]) -> tuple[Case, str, str]:
    """Case ``index`` of a run, the name of its model, and the kind of damage.

    The kinds take turns, so that each has its share; the rest hangs on ``seed`` and ``index`` only.
    """
    rng = random.Random(f"{seed}/{index}")
    names = [name for name in DAMAGES if name not in ALONE or index // len(DAMAGES) % 4 == 0]
    kind = names[index % len(names)]
    chosen = rng.choice(models)
    while chosen.name in HEAVY and rng.random() < 0.8:
        chosen = rng.choice(models)
    donor = rng.choice([model for model in models if len(model.data) < 50_000])
    case = Case(
        onnx.ModelProto.FromString(chosen.data),
        rng,
        onnx.ModelProto.FromString(donor.data),
        options=chosen.options,
    )
    DAMAGES[kind](case)
    extra = rng.random()
    if extra < 0.15 and case.raw is None and not case.odd:  # a second one on top
        also = rng.choice([name for name in names if name not in ALONE])
        DAMAGES[also](case)
        kind = f"{kind}+{also}"
    return case, chosen.name, kind


def _data(model: onnx.ModelProto) -> bytes:
    data: bytes = model.SerializeToString(deterministic=True)
    return data
