"""Two functions of one value whose bases differ: a quantizer lies in between.

    x * Quantize(sigmoid(x))

is one function of the integer that x is. Where an element-wise node of integers leads from one base
to the other, or to both from a third, both forms are written as look-ups of what comes first; the
nodes in between are left out of the graph if nobody else reads them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gatesmith.ir import Ints, Node
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.table import Table
from gatesmith.ops.threshold import Threshold
from gatesmith.quant.form import Form, Lookup, Rationals, collapsed, numbered
from gatesmith.quant.whole import SMALL, tabled


def of_one_value(a: Form, b: Form) -> tuple[Form, Form] | None:
    """Both forms on one base of few values; None where there is none."""
    first, second = _ancestors(a), _ancestors(b)
    common = next((node for node in first if node in second), None)
    if common is None:
        return None
    made = [_lifted(form, common) for form in (a, b)]
    return None if made[0] is None or made[1] is None else (made[0], made[1])


def _ancestors(form: Form) -> list[Node]:
    """The form's base, and what it is an element-wise function of; nearest first."""
    found: list[Node] = []
    node = form.base
    while node is not None and node.type.int_elem.count <= SMALL:
        found.append(node)
        node = node.args[0] if isinstance(node.op, Requantize | Table | Threshold) else None
    return found


def _lifted(form: Form, base: Node) -> Form | None:
    """The form as a look-up of the value of ``base``, which its own base is a function of."""
    small = tabled(form)
    if small is None or form.base is base:
        return small
    assert small.base is not None
    (lookup,) = small.steps
    assert isinstance(lookup, Lookup)
    path = _path(small.base, base)
    places, which = np.unique(_places(path, base), axis=1, return_inverse=True)
    order = np.arange(form.size) if form.order is None else form.order
    columns = which.reshape(-1)[order % base.type.channels].reshape(form.shape)
    rows, table = numbered(lookup.rows)
    pairs = collapsed(rows * places.shape[1] + columns)
    known = {
        int(pair): tuple(
            table[pair // places.shape[1]][at] for at in places[:, pair % places.shape[1]]
        )
        for pair in np.unique(pairs)
    }
    lifted: Rationals = np.empty(pairs.shape, object)
    for at in np.ndindex(*pairs.shape):
        lifted[at] = known[int(pairs[at])]
    between = tuple(name for node in path for name in node.origin)
    origin = tuple(dict.fromkeys(between + form.origin))
    return replace(small, base=base, steps=(Lookup(lifted),), origin=origin)


def _path(node: Node, base: Node) -> list[Node]:
    """What lies between, ``node`` included and last."""
    found: list[Node] = []
    while node is not base:
        found.insert(0, node)
        (node,) = node.args
    return found


def _places(path: list[Node], base: Node) -> Ints:
    """(count, channels): number of the path's value for each value of ``base`` and channel."""
    x, elem = base.type.int_elem, path[-1].type.int_elem
    values = np.arange(x.lo, x.hi + 1, x.step, dtype=np.int64)
    codes: Ints = np.broadcast_to(values[:, None], (x.count, base.type.channels))
    for node in path:
        codes = np.asarray(node.op.run(codes), np.int64)
    return (codes - elem.lo) // elem.step
