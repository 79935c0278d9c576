"""Networks with layers split into smaller ones, quantized, built, and simulated: all bits equal.

The parts bring what no layer of a plain network has: kernels of one row or one column, as many
groups as channels behind a pointwise layer, and sums that go into the next layer as they are, with
a sign.
"""

from pathlib import Path

import onnx
import pytest

from gatesmith.api import build, verify
from gatesmith.frontend.importer import import_model
from gatesmith.frontend.to_onnx import to_onnx
from gatesmith.ir import Graph
from gatesmith.ops.conv import Conv
from gatesmith.ops.mat_mul import MatMul
from gatesmith.prune.low_rank.choice import Wished
from gatesmith.prune.low_rank.decompose import decompose
from gatesmith.quant.prepare.channels_last import channels_last
from gatesmith.quant.prepare.fold_affine import fold_affine
from gatesmith.quantizing.run import quantize
from gatesmith.quantizing.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
DIGITS = ROOT / "examples/digits"
FRAMES = 32

NETWORKS: dict[str, tuple[tuple[str, Wished], ...]] = {
    "tucker-cp": (("tucker", {"n4_Conv": (6, 8)}), ("cp", {"n4_Conv_mid": 9})),
    "kernels": (
        ("separable", {"n0_Conv": 2}),
        ("depthwise", {"n4_Conv": 2}),
        ("svd", {"n9_Gemm": 5}),
    ),
}
LAYERS = {
    "tucker-cp": "n0_Conv n4_Conv_in n4_Conv_mid_in n4_Conv_mid_down n4_Conv_mid_along "
    "n4_Conv_mid_out n4_Conv_out n9_Gemm",
    "kernels": "n0_Conv_down n0_Conv_along n4_Conv_depth n4_Conv_point n9_Gemm_in n9_Gemm_out",
}


def split(network: str, folder: Path) -> Path:
    """The digits network with layers in parts, as a float file."""
    imported = import_model(ROOT / "examples/float/digits_cnn_s0.onnx", None)
    graph = fold_affine(channels_last(imported.graph))
    for method, ranks in NETWORKS[network]:
        graph = decompose(graph, method, ranks=ranks, cost=more_layers).graph
    names = [node.name for node in graph if isinstance(node.op, Conv | MatMul)]
    assert names == LAYERS[network].split()
    onnx.save(to_onnx(graph, form="float").model, folder / "split.onnx")
    return folder / "split.onnx"


def more_layers(graph: Graph) -> float:
    """A cost that no split is too dear for."""
    return -sum(isinstance(node.op, Conv | MatMul) for node in graph)


@pytest.mark.parametrize("network", NETWORKS)
def test_every_part_reaches_the_hardware(network: str, tmp_path: Path) -> None:
    wanted = Settings(input_spec="u5:1/16", samples=64, weights="int6", activations="int6")
    out = tmp_path / "quantized.onnx"
    quantize(split(network, tmp_path), str(DIGITS / "digits_train.npz"), out, wanted)
    build(out, tmp_path / "build", cycles=400)
    stall = network == "tucker-cp"
    verdict = verify(tmp_path / "build", DIGITS / "digits_test.npz", frames=FRAMES, stall=stall)
    assert verdict.equal == FRAMES
    assert verdict.as_json()["all_equal"]
    told = verdict.as_json()["original"]
    assert told["compared"] > 0 and told["unexplained"] == 0
