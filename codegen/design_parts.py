"""A design cut where a single stream passes, so that each part can be looked at alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gatesmith.codegen.design import CorePort, Design, Driver, Placed
from gatesmith.codegen.stream import Stream


def cut(design: Design) -> tuple[Design, ...]:
    """The parts between the streams through which everything passes, in order.

    The stages keep their names; a part reads, and gives, streams of the parts beside it.
    """
    found: list[Design] = []
    live = {Driver(port.name): port.stream for port in design.inputs}
    ports, inside = dict(live), list[Placed]()
    for item in design.placed:
        inside.append(item)
        for driver in item.drivers:
            del live[driver]
        for index, stream in enumerate(item.stage.sinks):
            live[Driver(item.stage.name, index)] = stream
        if len(live) == 1:
            found.append(_part(ports, inside, live))
            ports, inside = dict(live), []
    return (*found, _part(ports, inside, live)) if inside else tuple(found)


def _part(
    ports: Mapping[Driver, Stream], placed: Sequence[Placed], live: Mapping[Driver, Stream]
) -> Design:
    """Stages between some streams and others."""
    renamed = {driver: Driver(f"{driver.name}.{driver.port}") for driver in ports}
    ins = tuple(CorePort(renamed[d].name, d.name, stream) for d, stream in ports.items())
    inside = tuple(
        Placed(item.stage, tuple(renamed.get(driver, driver) for driver in item.drivers))
        for item in placed
    )
    outs = tuple(
        CorePort(f"y{k}", d.name, stream, renamed.get(d, d))
        for k, (d, stream) in enumerate(live.items())
    )
    return Design("part", ins, inside, outs)
