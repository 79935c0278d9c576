"""Layers for any weights of a type: what they are lowered to, and what cannot be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import gatesmith
from gatesmith.errors import UserError, UserErrors
from gatesmith.frontend.importer import import_model
from gatesmith.ir import BIPOLAR, Graph, IntType
from gatesmith.ir.execute import execute
from gatesmith.ops.dense import Dense
from gatesmith.ops.input import Input
from gatesmith.ops.threshold import Threshold
from gatesmith.pipeline import to_integers
from gatesmith.quant.reloadable import Reloads, Wish
from gatesmith.rtl_tests.qonnx_builder import Net


def network(seed: int = 0, bits: float = 3) -> onnx.ModelProto:
    net = Net((8,), seed)
    return net.quant(3, 0.5).dense(8, 6, bits).norm(6).quant(2, 1.0).dense(6, 3, bits).model()


def lowered(model: onnx.ModelProto, place: Path, reloads: Reloads) -> Graph:
    path = place / "net.onnx"
    onnx.save(model, path)
    return to_integers(import_model(path), path, reloads=reloads)[1]


def layers(place: Path) -> list[str]:
    """Names of the layers with weights."""
    graph = lowered(network(), place, Reloads())
    return [node.name for node in graph if isinstance(node.op, Dense)]


def found(graph: Graph, kind: type) -> list[object]:
    return [node.op for node in graph if isinstance(node.op, kind)]


def test_sums_have_room_for_any_weights(tmp_path: Path) -> None:
    graph = lowered(network(), tmp_path, Reloads((Wish("all"),)))
    dense = [node for node in graph if isinstance(node.op, Dense)]
    assert len(dense) == 2
    for node in dense:
        op = node.op
        assert isinstance(op, Dense)
        assert op.reloadable
        half = 1 << (op.weight_type.bits - 1)
        assert op.weight_type == IntType(-half, half - 1)
        x, ins = node.args[0].type.int_elem, op.weights.shape[1]
        ends = [a * b for a in (x.lo, x.hi) for b in (-half, half - 1)]
        assert node.type.int_elem == IntType(ins * min(ends), ins * max(ends))
    (act,) = [node for node in graph if isinstance(node.op, Threshold)]
    assert isinstance(act.op, Threshold)
    assert act.op.reloadable
    assert act.op.thresholds.shape[0] == act.op.falling.shape[0] == 6


def test_it_computes_the_same(tmp_path: Path) -> None:
    plain = lowered(network(), tmp_path, Reloads())
    free = lowered(network(), tmp_path, Reloads((Wish("all", 6),)))
    (given,) = (node for node in plain if isinstance(node.op, Input))
    x = np.random.default_rng(1).integers(-4, 4, (200, 8))
    want, y = (execute(g, {given.name: x})[g.outputs[0]] for g in (plain, free))
    np.testing.assert_array_equal(y, want)
    types = {op.weight_type for op in found(free, Dense) if isinstance(op, Dense)}
    assert types == {IntType(-32, 31)}


def test_one_layer_of_two(tmp_path: Path) -> None:
    graph = lowered(network(), tmp_path, Reloads((Wish(layers(tmp_path)[1]),)))
    flags = [op.reloadable for op in found(graph, Dense) if isinstance(op, Dense)]
    assert flags == [False, True]
    assert not any(op.reloadable for op in found(graph, Threshold) if isinstance(op, Threshold))


def test_bipolar_stays_bipolar(tmp_path: Path) -> None:
    graph = lowered(network(bits=1), tmp_path, Reloads((Wish("all"),)))
    assert {op.weight_type for op in found(graph, Dense) if isinstance(op, Dense)} == {BIPOLAR}


def test_another_network_takes_the_types_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(network(0, 4), path)
    first, graph = to_integers(import_model(path), path, reloads=Reloads((Wish("all"),)))
    onnx.save(network(1, 3), path)
    _, other = to_integers(import_model(path), path, reloads=Reloads(types=first.reloaded))
    assert [node.type for node in graph] == [node.type for node in other]


def test_what_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(UserError) as unknown:
        lowered(network(), tmp_path, Reloads((Wish("fc9"),)))
    assert unknown.value.code == "build.reloadable-unknown"
    assert ", ".join(layers(tmp_path)) in unknown.value.why
    with pytest.raises((UserError, UserErrors)) as narrow:
        lowered(network(), tmp_path, Reloads((Wish("all", 2),)))
    assert "build.reloadable-bits" in str(narrow.value)


def test_units_that_cannot_be_written(tmp_path: Path) -> None:
    last = layers(tmp_path)[1]
    path, out = tmp_path / "net.onnx", tmp_path / "b"
    with pytest.raises((UserError, UserErrors)) as unrolled:
        gatesmith.build(path, out, registers=True, reloadable=last, unroll="all")
    with pytest.raises((UserError, UserErrors)) as truth:
        gatesmith.build(path, out, registers=True, reloadable=last, fold={last: "truth"})
    for error in (unrolled, truth):
        text = str(error.value)
        assert "codegen.unit" in text
        assert last in text
        assert "it is --reloadable: only a folded unit" in text
    assert not out.exists()


def test_it_needs_registers(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="without --registers") as error:
        gatesmith.build(tmp_path / "none.onnx", tmp_path / "b", reloadable="all")
    assert error.value.code == "cli.missing-option"
    with pytest.raises(UserError) as bad:
        gatesmith.build(tmp_path / "n.onnx", tmp_path / "b", registers=True, reloadable="fc=99")
    assert bad.value.code == "cli.bad-reloadable"
