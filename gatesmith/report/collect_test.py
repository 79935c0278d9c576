"""On a small network that is quantized for real."""

from pathlib import Path

import numpy as np
import pytest

from gatesmith.frontend.importer import import_model
from gatesmith.ir import Graph
from gatesmith.ops.fake_quant import FakeQuant
from gatesmith.quant.calibrate.post_training import PostOptions, post_training
from gatesmith.quant.calibrate.runner import reference_runner
from gatesmith.quant.prepare.channels_last import channels_last
from gatesmith.quant.prepare.fold_affine import fold_affine
from gatesmith.quant.prepare.scheme import Scheme
from gatesmith.quant.prepare.sites import OUTPUT, WEIGHT, find_sites
from gatesmith.quantizing.result import layer_rows
from gatesmith.report.collect import activation_pictures, measured, weight_pictures
from gatesmith.report.content import QuantReport
from gatesmith.report.write import write_report

MODEL = Path(__file__).parents[2] / "examples" / "float" / "digits_cnn_s0.onnx"
FRAMES = np.random.default_rng(0).random((8, 1, 8, 8))

if not MODEL.exists():
    pytest.skip("examples/ is not beside the package: it is installed", allow_module_level=True)


def clean() -> Graph:
    return fold_affine(channels_last(import_model(MODEL).graph))


def quantized(graph: Graph, weights: str, activations: str) -> Graph:
    schemes = (Scheme.parse(weights, weight=True), Scheme.parse(activations, weight=False))
    recipe = {s.name: schemes[s.role != WEIGHT] for s in find_sites(graph) if s.role != OUTPUT}
    options = PostOptions(samples=8, equalize=False, bias_correction=False, rounding="nearest")
    return post_training(graph, recipe, {}, FRAMES, reference_runner, options)


@pytest.mark.parametrize(
    ("weights", "levels", "unit"),
    [("int4", 15, "weight / scale"), ("int8:tensor", 255, "weight"),
     ("bipolar:tensor", 2, "weight"), ("ternary", 3, "weight / scale"),
     ("pow2", 15, "weight / scale"), ("codebook-5", 5, "weight")],
)  # fmt: skip
def test_weights_against_their_grid(weights: str, levels: int, unit: str) -> None:
    before = clean()
    after = quantized(before, weights, "uint4")
    pictures = weight_pictures(before, after)
    rows = {row.name: row for row in measured(layer_rows(after), before, after)}

    assert list(pictures) == list(rows)
    for name, picture in pictures.items():
        count = rows[name].parameters
        assert (picture.counts.sum(), picture.codes.sum()) == (count, count)
        assert (len(picture.levels), len(picture.codes)) == (levels, levels)
        assert (np.diff(picture.levels) > 0).all()
        assert picture.unit == unit
        scales, sqnr = rows[name].scales, rows[name].sqnr
        assert scales is not None
        assert scales[0] > 0
        assert (scales[0] == scales[1]) == (unit == "weight")
        assert sqnr is not None
        assert (sqnr > 30) == (weights == "int8:tensor")


def test_activations_against_their_grid() -> None:
    after = quantized(clean(), "int8", "uint4")
    pictures = activation_pictures(after, reference_runner, FRAMES)
    sizes = {n.name: 8 * n.type.size for n in after if n.name in pictures}

    assert len(pictures) >= 3
    assert len(pictures) == sum(isinstance(n.op, FakeQuant) for n in after) - 3  # three layers
    for name, picture in pictures.items():
        assert picture.counts.sum() == sizes[name]
        assert (picture.levels[0], len(picture.levels)) == (0, 16)


def test_a_report_of_a_real_network(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    before = clean()
    after = quantized(before, "int4", "uint4")
    rows = measured(layer_rows(after), before, after)
    report = QuantReport(
        MODEL.name,
        layers=rows,
        weights=weight_pictures(before, after),
        activations=activation_pictures(after, reference_runner, FRAMES),
    )
    page, *figures = write_report(report, tmp_path)

    text = page.read_text("utf-8")
    for row in rows:
        assert text.count(row.name) >= 2  # in the table and above its histogram
    assert [path.name for path in figures] == ["weights.png", "activations.png"]
