"""From a float network through pruning and quantization to the RTL: every bit equal.

The networks are small and their channels hang together in ways that a chain does not show:
concatenations, groups, skips around a U, shuffles. What is cut is drawn at random; what is left is
trained with its quantizers in it (but for the map of the U-Net, which has no classes).
"""

from pathlib import Path

import numpy as np
import onnx
import pytest

from gatesmith.api import build, verify
from gatesmith.frontend.importer import import_model
from gatesmith.frontend.to_onnx import to_onnx
from gatesmith.prune.count import macs
from gatesmith.prune.cut import cut
from gatesmith.prune.dependency import find_structure
from gatesmith.prune.select import Ratio, select
from gatesmith.quant.prepare.channels_last import channels_last
from gatesmith.quant.prepare.fold_affine import fold_affine
from gatesmith.quantizing.run import quantize
from gatesmith.quantizing.settings import Settings
from gatesmith.rtl_tests.prunable_networks import model

DIGITS = Path(__file__).resolve().parents[1] / "examples/digits"
FRAMES = 12
SHARE = 0.5


def digits(path: Path, *, labels: bool) -> Path:
    """The first four classes, as maps of three channels: the digit, and it moved twice."""
    with np.load(DIGITS / "digits_train.npz") as data:
        few = data["y"] < 4
        x, y = data["x"][few].reshape(-1, 8, 8), data["y"][few]
    frames = np.stack([x, np.roll(x, 1, 1), np.roll(x, 1, 2)], axis=1)
    arrays = {"x": frames, "y": y} if labels else {"x": frames}
    np.savez(path, **arrays)
    return path


def pruned(name: str, path: Path) -> float:
    """Write the network without half of its multiplications; gives the part that is left."""
    whole = path.with_stem("whole")
    onnx.save(model(name, whole=False), whole)
    graph = fold_affine(channels_last(import_model(whole).graph))
    structure = find_structure(graph)
    rng = np.random.default_rng(1)
    scores = {group.name: rng.uniform(size=group.count) for group in structure.groups}
    small = cut(graph, select(graph, structure, scores, Ratio("macs", SHARE)))
    onnx.save(to_onnx(small, form="float").model, path)
    return macs(small) / macs(graph)


SLOW = ("chain", "grouped", "residual", "shuffled_halves", "dense_net")


@pytest.mark.parametrize(
    "name", ["u_net", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
def test_a_pruned_network_reaches_the_hardware(name: str, tmp_path: Path) -> None:
    assert pruned(name, tmp_path / "small.onnx") <= SHARE
    classes = name != "u_net"
    data = digits(tmp_path / "data.npz", labels=classes)
    settings = Settings(
        weights="int4",
        activations="uint4",
        input_spec="u5:1/16",
        samples=64,
        epochs=int(classes),
    )
    out = tmp_path / "quantized.onnx"
    quantize(tmp_path / "small.onnx", str(data), out, settings)
    build(out, tmp_path / "build", cycles=4096)
    verdict = verify(tmp_path / "build", data, frames=FRAMES, stall=name == "chain")
    assert verdict.equal == FRAMES
    told = verdict.as_json()
    assert told["all_equal"]
    assert told["original"]["compared"] > 0
    assert told["original"]["unexplained"] == 0
