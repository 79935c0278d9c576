"""Steps that only move elements."""

from __future__ import annotations

import numpy as np

from gatesmith.rtl_tests.regress.recipe import Args
from gatesmith.rtl_tests.regress.writer import Writer

MOVES = (
    *("transpose", "resize", "pad", "slice", "reverse", "reshape", "split", "gather", "tile"),
    *("depth_to_space", "space_to_depth", "shuffle", "flatten", "reflect", "expand"),
)


def move(writer: Writer, args: Args) -> None:
    """A movement that fits the shape; else the elements in reverse order."""
    by, rank = int(args["by"]), len(writer.shape)
    match args["op"]:
        case "transpose" if rank > 1:
            _transpose(writer)
        case "resize" if rank == 3 and writer.size <= 150:
            _resize(writer)
        case "pad" | "reflect" if rank > 1 and writer.shape[-1] > by:
            _pad(writer, by, "reflect" if args["op"] == "reflect" else "constant")
        case "slice" if writer.shape[-1] > 1:
            _slice(writer, by)
        case "reshape" if rank == 3:
            _reshape(writer, (writer.shape[0] * writer.shape[1], writer.shape[2], 1))
        case "split" if writer.channels > 1:
            _split(writer)
        case "gather":
            _gather(writer, by)
        case "tile" if writer.size <= 100:
            _tile(writer)
        case "depth_to_space" if rank == 3 and writer.channels % 4 == 0:
            writer.net.put("DepthToSpace", blocksize=2, mode=("DCR", "CRD")[by % 2])
            c, h, w = writer.shape
            writer.shape = (c // 4, 2 * h, 2 * w)
        case "space_to_depth" if rank == 3 and not (writer.shape[1] % 2 or writer.shape[2] % 2):
            writer.net.put("SpaceToDepth", blocksize=2)
            c, h, w = writer.shape
            writer.shape = (4 * c, h // 2, w // 2)
        case "shuffle" if rank == 3 and writer.channels % 2 == 0:
            _shuffle(writer)
        case "flatten" if rank > 1:
            writer.net.flat()
            writer.shape = (writer.size,)
        case "expand" if writer.shape[-1] == 1 and writer.size <= 100:
            shape = writer.net.const([1, *writer.shape[:-1], 3], np.int64)
            writer.net.raw("Expand", [writer.net.current, shape])
            writer.shape = (*writer.shape[:-1], 3)
        case _:
            _reverse(writer)


def _transpose(writer: Writer) -> None:
    rank = len(writer.shape)
    perm = [0, *range(1, rank - 1), rank, rank - 1]
    writer.net.put("Transpose", perm=perm)
    writer.shape = (*writer.shape[:-2], writer.shape[-1], writer.shape[-2])


def _resize(writer: Writer) -> None:
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric"}
    scales = writer.net.const([1.0, 1.0, 2.0, 1.0])
    writer.net.raw("Resize", [writer.net.current, "", scales], **how, nearest_mode="floor")
    c, h, w = writer.shape
    writer.shape = (c, 2 * h, w)


def _pad(writer: Writer, by: int, mode: str) -> None:
    before, after = [0] * (len(writer.shape) + 1), [0] * (len(writer.shape) + 1)
    before[-1], after[-1] = by, by - 1
    amounts = writer.net.const([*before, *after], np.int64)
    writer.net.raw("Pad", [writer.net.current, amounts], mode=mode)
    writer.shape = (*writer.shape[:-1], writer.shape[-1] + 2 * by - 1)


def _slice(writer: Writer, by: int) -> None:
    axis, extent = len(writer.shape), writer.shape[-1]
    bounds = [writer.net.const([v], np.int64) for v in (1, extent, axis, by)]
    writer.net.raw("Slice", [writer.net.current, *bounds])
    writer.shape = (*writer.shape[:-1], len(range(1, extent, by)))


def _reverse(writer: Writer) -> None:
    bounds = [writer.net.const([v], np.int64) for v in (-1, -1000, len(writer.shape), -1)]
    writer.net.raw("Slice", [writer.net.current, *bounds])


def _reshape(writer: Writer, shape: tuple[int, ...]) -> None:
    wanted = writer.net.const([-1, *shape], np.int64)
    writer.net.raw("Reshape", [writer.net.current, wanted])
    writer.shape = shape


def _split(writer: Writer) -> None:
    """The channels in two parts, swapped."""
    net, half = writer.net, writer.channels // 2
    parts = net.const([half, writer.channels - half], np.int64)
    before = net.current
    net.raw("Split", [before, parts], axis=1)
    first, second = net.current, f"{net.current}_rest"
    net.nodes[-1].output.append(second)
    net.raw("Concat", [second, first], axis=1)


def _gather(writer: Writer, by: int) -> None:
    order = [(by * k) % writer.channels for k in range(writer.channels)]
    index = writer.net.const(order, np.int64)
    writer.net.raw("Gather", [writer.net.current, index], axis=1)


def _tile(writer: Writer) -> None:
    repeats = writer.net.const([1] * len(writer.shape) + [2], np.int64)
    writer.net.raw("Tile", [writer.net.current, repeats])
    writer.shape = (*writer.shape[:-1], 2 * writer.shape[-1])


def _shuffle(writer: Writer) -> None:
    """Channels of two groups, interleaved."""
    c, h, w = writer.shape
    _reshape(writer, (2, c // 2, h, w))
    writer.net.put("Transpose", perm=[0, 2, 1, 3, 4])
    _reshape(writer, (c, h, w))
