"""From a float network to the RTL: every kind of quantizer, the same codes in every engine.

``gatesmith quantize`` has compared the file's integer graph with what it quantized. Here the file
is built and simulated: RTL against the integers, and the integers against a float runtime.
"""

from pathlib import Path

import pytest

from gatesmith.api import build, verify
from gatesmith.ir.store import load
from gatesmith.quantizing.output_file import same_integers
from gatesmith.quantizing.run import quantize
from gatesmith.quantizing.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
DIGITS = ROOT / "examples/digits"
FRAMES = 32


def quantized(tmp_path: Path, network: str, **settings: object) -> Path:
    """A digits network, quantized with few samples."""
    tmp_path.mkdir(exist_ok=True)
    out = tmp_path / f"{network}.onnx"
    wanted = Settings(input_spec="u5:1/16", samples=64, **settings)  # type: ignore[arg-type]
    result = quantize(
        ROOT / f"examples/float/{network}_s0.onnx", str(DIGITS / "digits_train.npz"), out, wanted
    )
    assert result.accuracy_quantized is not None
    return out


KINDS = {
    "int8": {"weights": "int8", "activations": "int8"},
    "int4-groups": {"weights": "int4:group=8", "activations": "uint4"},
    "affine-pow2scale": {"weights": "int5:pow2scale", "activations": "int6:affine"},
    "pow2": {"weights": "pow2", "activations": "int8:pow2scale"},
    "codebook": {"weights": "codebook-6", "activations": "int3"},
    "ternary": {"weights": "ternary", "activations": "int2"},
    "ttq": {"weights": "ttq", "activations": "int4"},
    "bipolar": {"weights": "bipolar", "activations": "bipolar"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reaches_the_hardware(kind: str, tmp_path: Path) -> None:
    network = "digits_cnn" if kind in ("int8", "ternary", "bipolar") else "digits_mlp"
    out = quantized(tmp_path, network, **KINDS[kind])
    build(out, tmp_path / "build", cycles=256)
    verdict = verify(
        tmp_path / "build", DIGITS / "digits_test.npz", frames=FRAMES, stall=kind == "int8"
    )
    assert verdict.equal == FRAMES
    assert verdict.as_json()["all_equal"]
    told = verdict.as_json()["original"]
    assert told["compared"] > 0 and told["unexplained"] == 0


@pytest.mark.parametrize("kind", ["int8", "affine-pow2scale", "codebook"])
def test_qdq_means_the_same_as_qonnx(kind: str, tmp_path: Path) -> None:
    a = quantized(tmp_path / "a", "digits_mlp", **KINDS[kind])
    b = quantized(tmp_path / "b", "digits_mlp", format="qdq", **KINDS[kind])
    graphs = []
    for model in (a, b):
        folder = tmp_path / f"build_{model.parent.name}"
        build(model, folder)
        graphs.append(load(folder / "ir/integer"))
    same_integers(*graphs)
