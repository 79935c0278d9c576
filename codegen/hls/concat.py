"""HLS of Concat."""

from __future__ import annotations

from gatesmith.codegen.concat import ConcatStage
from gatesmith.codegen.hls.kernel import Kernel, kernel
from gatesmith.codegen.render import render


@kernel(ConcatStage)
def concat(stage: ConcatStage) -> Kernel:
    """A function for each number of inputs."""
    count = len(stage.streams)
    elems = {f"X{k}": stream.elem for k, stream in enumerate(stage.streams)}
    constants = {"Y_W": stage.out.width, "LANES": stage.out.lanes, "ROUNDS": stage.rounds}
    for k, stream in enumerate(stage.streams):
        constants |= {f"X{k}_W": stream.width, f"COUNT{k}": stage.counts[k]}
    return Kernel(
        f"concat{count}.h",
        f"concat{count}",
        {**elems, "Y": stage.out.elem},
        constants,
        text=render("hls/concat.h.j2", count=count),
    )
