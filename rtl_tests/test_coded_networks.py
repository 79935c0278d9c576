"""Whole networks with coded ROMs of weights: every bit equal, at the pace of plain ROMs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest

from gatesmith.api import build, verify
from gatesmith.build_folder import Built
from gatesmith.errors import UserErrors
from gatesmith.frontend.importer import import_model
from gatesmith.frontend.to_onnx import to_onnx
from gatesmith.ir import Graph
from gatesmith.prune.coding.share import share
from gatesmith.quant.calibrate.layers import const, layers, with_consts
from gatesmith.quant.prepare.channels_last import channels_last
from gatesmith.quant.prepare.fold_affine import fold_affine
from gatesmith.quantizing.run import quantize
from gatesmith.quantizing.settings import Settings
from gatesmith.rtl_tests.mutate import flip_bit

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
DIGITS = EXAMPLES / "digits"
FRAMES = 32
INPUT = "u5:1/16"


def network() -> Graph:
    """64-64-32-10, batch norms folded into its weights."""
    return fold_affine(channels_last(import_model(EXAMPLES / "float/digits_mlp_s0.onnx").graph))


def pruned(graph: Graph, ratio: float) -> Graph:
    """The smallest weights of each layer are 0."""
    values = {layer.weight.name: const(layer.weight) for layer in layers(graph)}
    cuts = {name: np.quantile(np.abs(value), ratio) for name, value in values.items()}
    return with_consts(graph, {n: np.where(np.abs(v) > cuts[n], v, 0) for n, v in values.items()})


def quantized(graph: Graph, folder: Path, weights: str) -> Path:
    """Written, and quantized with few samples; nothing that would move weights apart."""
    onnx.save(to_onnx(graph, form="float").model, folder / "float.onnx")
    settings = Settings(
        weights=weights,
        activations="int4",
        input_spec=INPUT,
        samples=64,
        equalize=False,
        rounding="nearest",
    )
    data = str(DIGITS / "digits_train.npz")
    quantize(folder / "float.onnx", data, folder / "model.onnx", settings)
    return folder / "model.onnx"


def folded(model: Path, folder: Path, fold: Mapping[str, str]) -> Built:
    return build(model, folder, input_spec=INPUT, fold=fold)


def quick(model: Path, folder: Path) -> Built:
    return build(model, folder, cycles=512, input_spec=INPUT, fold={"*": "folded"})


def check(folder: Path, *, stall: bool = False) -> None:
    verdict = verify(folder, DIGITS / "digits_test.npz", frames=FRAMES, stall=stall)
    assert verdict.mismatch is None
    assert verdict.equal == FRAMES and verdict.as_json()["all_equal"]
    assert verdict.interval == verdict.interval_min == verdict.interval_predicted
    assert verdict.latency == verdict.latency_predicted


def dense_stages(built: Built) -> Mapping[str, dict[str, object]]:
    return {s["name"]: s for s in built.content["stages"] if s["kind"] == "Dense"}


def same_pace(plain: Built, coded: Built) -> None:
    assert plain.content["interval"] == coded.content["interval"]
    # Weights from block RAM are registered once more, weights that are computed are not.
    assert 0 <= plain.content["latency"] - coded.content["latency"] <= 3


def test_huffman_roms(tmp_path: Path) -> None:
    model = quantized(pruned(network(), 0.7), tmp_path, "int4")
    chosen = dense_stages(quick(model, tmp_path / "quick"))
    names = list(chosen)
    stay = {n: f"{s['pe']},{s['simd']}" for n, s in chosen.items()} | {names[0]: "1,8"}
    plain = folded(model, tmp_path / "plain", stay)
    folds = {n: f"{s['pe']},{s['simd']},huffman" for n, s in dense_stages(plain).items()}
    coded = folded(model, tmp_path / "coded", stay | {n: folds[n] for n in names[:2]})
    same_pace(plain, coded)
    for name in names[:2]:
        assert (tmp_path / f"coded/rtl/model_{name}_decoder.sv").is_file()
    check(tmp_path / "coded", stall=True)

    assert folds[names[0]] == "1,8,huffman"  # lane 0 is a column of the images that is always dark
    flip_bit(tmp_path / f"coded/rtl/model_{names[0]}_weights4.mem", 20, 2)
    verdict = verify(tmp_path / "coded", DIGITS / "digits_test.npz", frames=FRAMES)
    assert verdict.equal < FRAMES


def test_codebook_roms(tmp_path: Path) -> None:
    model = quantized(network(), tmp_path, "codebook-6")
    plain = quick(model, tmp_path / "plain")
    folds = {n: f"{s['pe']},{s['simd']}" for n, s in dense_stages(plain).items()}
    coded = folded(model, tmp_path / "coded", {**folds, "*": "codebook"})
    same_pace(plain, coded)
    counts = (64 * 64, 64 * 32, 32 * 10)
    for count, name in zip(counts, dense_stages(plain), strict=True):
        before, after = (dense_stages(b)[name]["weight_bits"] for b in (plain, coded))
        assert isinstance(before, int) and before % count == 0
        assert after == count * 3 + 6 * (before // count)
    check(tmp_path / "coded")


def test_hashed_roms(tmp_path: Path) -> None:
    graph = network()
    name = layers(graph)[0].name
    model = quantized(share(graph, {name: 4}), tmp_path, "int6:tensor")
    folds = {"*": "folded", name: "4,8,hashed"}
    coded = build(model, tmp_path / "coded", input_spec=INPUT, fold=folds)
    (stage,) = [s for n, s in dense_stages(coded).items() if n.startswith(name)]
    assert stage["weight_bits"] == 16 * 6
    assert not list((tmp_path / "coded/rtl").glob(f"*{name}_weights*.mem"))
    check(tmp_path / "coded")


def test_every_layer_that_cannot_is_named(tmp_path: Path) -> None:
    model = quantized(network(), tmp_path, "int4")
    with pytest.raises(UserErrors) as raised:
        build(model, tmp_path / "b", input_spec=INPUT, fold={"*": "hashed"})
    first = raised.value.errors[0]
    assert len(raised.value.errors) == 3
    assert first.code == "codegen.unit"
    assert first.why.endswith("counted in the order of the stream")
