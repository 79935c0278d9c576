"""Images of other networks: what fits, what does not and why, what the file says."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import onnx
import pytest

import gatesmith
from gatesmith.build_folder import Built
from gatesmith.errors import UserError
from gatesmith.ir.store import load
from gatesmith.ops.dense import Dense
from gatesmith.reloading.image import MAGIC
from gatesmith.rtl_tests.qonnx_builder import Net


def network(
    seed: int, *, hidden: int = 6, scale: float = 0.5, steps: int = 2, fixed: bool = True
) -> onnx.ModelProto:
    """Two layers; with ``fixed`` the weights of the first are the same for every seed."""
    net = Net((8,), 99 if fixed else seed)
    net.quant(3, scale).dense(8, hidden, 3)
    if fixed:
        net.rng = Net((8,), seed).rng
    return net.norm(hidden).quant(steps, 1.0).dense(hidden, 3, 3).model()


def saved(model: onnx.ModelProto, path: Path) -> Path:
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Built:
    place = tmp_path_factory.mktemp("core")
    path = saved(network(1), place / "net.onnx")
    return gatesmith.build(path, place / "build", cycles=16, registers=True, reloadable="all=4")


def test_the_image_of_the_network_itself_changes_nothing(core: Built, tmp_path: Path) -> None:
    made = gatesmith.reload(core.folder, core.folder / "model.onnx", tmp_path / "same.gsr")
    assert made.memories
    assert not any(entry["changed"] for entry in made.memories)


def test_what_the_file_says(core: Built, tmp_path: Path) -> None:
    out = tmp_path / "other.gsr"
    made = gatesmith.reload(core.folder, saved(network(2), tmp_path / "o.onnx"), out)
    data = out.read_bytes()
    assert made.size == len(data)
    magic, version, low, high, count = struct.unpack_from("<5I", data)
    told = core.content["registers"]
    assert (magic, version, count) == (MAGIC, 1, len(told["memories"]))
    assert f"{high:08x}{low:08x}" == told["content"]
    at = 20
    for number, entry in enumerate(made.memories):
        index, depth, chunks, crc = struct.unpack_from("<4I", data, at)
        assert (index, depth, chunks) == (number, entry["depth"], entry["chunks"])
        body = data[at + 16 : at + 16 + 4 * depth * chunks]
        assert zlib.crc32(body) == crc == entry["crc"]
        at += 16 + len(body)
    (length,) = struct.unpack_from("<I", data, at)
    text = json.loads(data[at + 4 : at + 4 + length])
    assert text["model"]["file"] == "o.onnx"
    assert [set(entry) for entry in text["outputs"]] == [{"meaning"}]
    assert struct.unpack_from("<I", data, at + 4 + length)[0] == zlib.crc32(data[:-4])
    assert at + 8 + length == len(data)
    again = tmp_path / "again.gsr"
    gatesmith.reload(core.folder, tmp_path / "o.onnx", again)
    assert again.read_bytes() == data


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"hidden": 5}, " gives i"),
        ({"scale": 0.25}, "input x: "),
        ({"steps": 3}, "out is"),
    ],
)
def test_what_does_not_fit_is_told(
    core: Built, tmp_path: Path, options: dict[str, float], told: str
) -> None:
    path = saved(network(1, **options), tmp_path / "o.onnx")  # type: ignore[arg-type]
    with pytest.raises(UserError) as error:
        gatesmith.reload(core.folder, path, tmp_path / "no.gsr")
    assert error.value.code == "reload.differs"
    assert told in error.value.why
    assert not (tmp_path / "no.gsr").exists()


def test_a_layer_that_stays_has_to_be_the_same(core: Built, tmp_path: Path) -> None:
    path = saved(network(1), tmp_path / "net.onnx")
    graph = load(core.folder / "ir" / "integer")
    first, last = (node.name for node in graph if isinstance(node.op, Dense))
    built = gatesmith.build(
        path, tmp_path / "build", cycles=16, registers=True, reloadable=f"{last}=4"
    )
    other = saved(network(5, fixed=False), tmp_path / "o.onnx")
    with pytest.raises(UserError) as error:
        gatesmith.reload(built.folder, other, tmp_path / "no.gsr")
    assert f"{first}: other weights, and the layer is not reloadable" in error.value.why


def test_a_core_without_memories(tmp_path: Path) -> None:
    path = saved(network(1), tmp_path / "net.onnx")
    built = gatesmith.build(path, tmp_path / "build", cycles=16, registers=True)
    with pytest.raises(UserError) as error:
        gatesmith.reload(built.folder, path, tmp_path / "no.gsr")
    assert error.value.code == "reload.no-memories"


def test_places_that_cannot_be_written(core: Built, tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "none" / "x.gsr"):
        with pytest.raises(UserError) as error:
            gatesmith.reload(core.folder, core.folder / "model.onnx", place)
        assert error.value.code == "reload.cannot-write"
