"""ONNX's own node tests, as the installed onnx generates them.

A case is a model of one operator (or of its function body), inputs and expected outputs. Its first
axis is the batch here, so the frames are run one by one. Parameters that gatesmith needs to know
(weights, scales, shapes) are inputs there: tried are the first input computed and the others
constant, all computed, and each other one alone.

`python -m gatesmith.frontend.backend_node_test` writes what came of each case to
docs/onnx-node-tests.md.
"""

from __future__ import annotations

import pkgutil
import textwrap
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

import gatesmith
from gatesmith.errors import UserError, UserErrors
from gatesmith.frontend.constants import folds
from gatesmith.frontend.importer import Imported, import_model
from gatesmith.frontend.model_test import T
from gatesmith.frontend.names import identifier
from gatesmith.frontend.registry import STANDARD, converters
from gatesmith.frontend.values import FLOATS
from gatesmith.ir import IntType
from gatesmith.ir.execute import execute
from gatesmith.ops.input import Input

PAGE = Path(gatesmith.__file__).parents[1] / "docs" / "onnx-node-tests.md"
BODIES = "function bodies"
PRECISION: dict[int, float] = {T.FLOAT16: 2e-3, T.BFLOAT16: 2e-2}
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a case.

    Attributes:
        name: Of the case.
        op: Operator that it is about.
        verdict: ``equal``, ``refused`` or ``differs``.
        why: Reason of a refusal, or what else there is to know.
    """

    name: str
    op: str
    verdict: str
    why: str = ""


@cache
def outcomes() -> tuple[Outcome, ...]:
    """Of every case of an operator that is taken."""
    with TemporaryDirectory() as folder:
        return tuple(outcome(case, Path(folder)) for case in _cases())


def _cases() -> list[Any]:
    """Cases of the operators that are taken; onnx makes them while their modules are imported.

    Expected values of pools over three spatial axes take onnx half a minute, and those are refused:
    they are left at 0.
    """
    from onnx.backend.test.case import base, node
    from onnx.reference.ops import op_pool_common

    def pool(padded: NDArray[Any], x_shape: Any, *rest: Any, **more: Any) -> Any:
        flat = len(x_shape) < 5
        return genuine(padded, x_shape, *rest, **more) if flat else np.zeros(1, np.float32)

    genuine = op_pool_common.pool
    taken = {op.lower() for domain, op in converters() if domain == STANDARD}
    with (
        warnings.catch_warnings(),
        patch.object(op_pool_common, "pool", pool),
        patch.object(base, "process_snippet", lambda *_: ("", "")),  # texts for onnx's own pages
    ):
        warnings.simplefilter("ignore")  # the generators overflow and divide by zero on purpose
        node._TargetOpType = None
        for module in pkgutil.iter_modules(node.__path__):
            if module.name.replace("_", "") in taken:
                import_module(f"{node.__name__}.{module.name}")
    return list(node._NodeTestCases)


def outcome(case: Any, folder: Path) -> Outcome:
    """Import a case, run it, compare."""
    graph = case.model.graph
    op = _operator(case)
    missing = sorted({n.op_type for n in graph.node if not _taken(n)})
    if missing and op == BODIES:
        return Outcome(case.name, op, "refused", f"unsupported-op: {', '.join(missing)}")
    note = ""
    for inputs, outputs in case.data_sets:
        if any(isinstance(v, list | dict) or v is None for v in (*inputs, *outputs)):
            return Outcome(case.name, op, "refused", "a sequence or an optional, not a tensor")
        names = [value.name for value in graph.input]
        given = dict(zip(names, map(_array, inputs), strict=True))
        refusals: list[str] = []
        for computed, count in _choices(names, len(outputs)):
            model = _model(case.model, given, computed, count)
            try:
                imported = _import(model, folder)
            except (UserError, UserErrors) as error:
                refusals.append(_first(error))
                continue
            wanted = list(map(_array, outputs[:count]))
            wrong = _difference(imported, given, computed, wanted, max(case.rtol, 1e-5))
            if wrong and not _difference_for_batch_1(imported, given, computed):
                note = "its result is another for batch 1, for which onnx.reference agrees"
            elif wrong:
                return Outcome(case.name, op, "differs", wrong)
            if count < len(outputs):
                note = f"without the later outputs: {refusals[0]}"
            break
        else:
            return Outcome(case.name, op, "refused", _why(refusals, len(outputs) > 1))
    return Outcome(case.name, op, "equal", note)


def _why(refusals: list[str], several: bool) -> str:
    """The refusal with one input computed, and the one with all where it is another."""
    first, then = refusals[0], refusals[1 + several] if len(refusals) > 1 + several else ""
    return first if then in ("", first) else f"{first}; with all inputs computed: {then}"


def _array(value: Any) -> NDArray[Any]:
    """Data of a case, which keeps types that NumPy lacks as protos."""
    return numpy_helper.to_array(value) if isinstance(value, T) else np.asarray(value)


def _operator(case: Any) -> str:
    """The operator of a case, also where its function body stands in its place."""
    nodes = [n.op_type for n in case.model.graph.node]
    return BODIES if "_expanded" in case.name else str(nodes[0])


def _taken(node: onnx.NodeProto) -> bool:
    return (node.domain, node.op_type) in converters() or (folds(node) and not node.input)


def _choices(names: list[str], outputs: int) -> Iterator[tuple[set[str], int]]:
    """Inputs that are computed (the first one, all, each other one alone), and outputs kept."""
    computed = [set(names[:1]), set(names), *({name} for name in names[1:])]
    for index, each in enumerate(computed):
        if each not in computed[:index]:
            yield from ((each, count) for count in sorted({outputs, 1}, reverse=True))


def _model(model: onnx.ModelProto, given: Arrays, computed: set[str], outputs: int) -> Any:
    """The model with all other inputs as initializers, and the first outputs only."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    kept = [i for i in copy.graph.input if i.name in computed]
    others = [i for i in copy.graph.input if i.name not in computed]
    for value in others:
        tensor = numpy_helper.from_array(given[value.name], value.name)
        tensor.data_type = value.type.tensor_type.elem_type
        copy.graph.initializer.append(tensor)
    del copy.graph.input[:]
    copy.graph.input.extend(kept)
    del copy.graph.output[outputs:]
    return copy


def _import(model: onnx.ModelProto, folder: Path) -> Imported:
    path = folder / "case.onnx"
    path.write_bytes(model.SerializeToString())
    return import_model(path)


def _difference_for_batch_1(imported: Imported, given: Arrays, computed: set[str]) -> str:
    """What is wrong with the results when every frame is a batch of its own."""
    evaluate = ReferenceEvaluator(imported.model)
    read = {value.name for value in imported.model.graph.input}
    frames = max((len(given[name]) for name in computed if given[name].ndim > 1), default=1)
    for k in range(frames):
        alone = {n: v[k : k + 1] if n in computed and v.ndim > 1 else v for n, v in given.items()}
        wanted = evaluate.run(None, {name: alone[name] for name in computed & read})
        if wrong := _difference(imported, alone, computed, wanted, 1e-5):
            return wrong
    return ""


def _first(error: UserError | UserErrors) -> str:
    """Code and text of the first problem."""
    head = str(error).splitlines()[0]
    return head.removeprefix("error[frontend.").replace("]", "", 1)


def _difference(
    imported: Imported, given: Arrays, computed: set[str], outputs: Any, rtol: float
) -> str:
    """What is wrong with the results; empty when nothing is."""
    read = {n.name for n in imported.graph if isinstance(n.op, Input)}
    batches = {len(given[name]) for name in computed if given[name].ndim > 1}
    count = max(batches, default=1)
    if batches - {count}:
        return f"inputs of {sorted(batches)} frames"
    feeds = {
        identifier(name): given[name] if given[name].ndim > 1 else np.stack([given[name]] * count)
        for name in computed
        if identifier(name) in read
    }
    with np.errstate(all="ignore"):
        results = execute(imported.graph, {k: _plain(v) for k, v in feeds.items()})
    infos = imported.model.graph.output
    for node, info, expected in zip(imported.graph.outputs, infos, outputs, strict=True):
        kind = info.type.tensor_type
        full = tuple(d.dim_value for d in kind.shape.dim)
        if count > 1 and full[:1] == (1,):
            full = (count, *full[1:])
        if full != expected.shape:
            return f"the shape is {list(full)}, not {list(expected.shape)}"
        ours, theirs = results[node], _plain(expected)
        if theirs.size not in (ours.size, ours[:1].size):
            return f"{ours.size} values, not {theirs.size}"
        if ours.size != theirs.size:  # the same for every frame
            ours = ours[:1]
        ours = ours.reshape(theirs.shape)
        exact = isinstance(node.type.elem, IntType) or kind.elem_type not in FLOATS
        near = max(rtol, PRECISION.get(kind.elem_type, 0))
        if exact and not np.array_equal(ours, theirs):
            return f"{int((ours != theirs).sum())} of {theirs.size} integers differ"
        if not exact and not np.allclose(ours, theirs, rtol=near, atol=near, equal_nan=True):
            return f"differs by up to {np.abs(ours - theirs).max():.3g}"
    return ""


def _plain(data: NDArray[Any]) -> NDArray[Any]:
    """int64 or float64."""
    return data.astype(np.int64 if data.dtype.kind in "iub" else np.float64)


def page() -> str:
    """The text of docs/onnx-node-tests.md."""
    found = outcomes()
    count = Counter(o.verdict for o in found)
    operators: dict[str, list[Outcome]] = defaultdict(list)
    for o in found:
        operators[o.op].append(o)
    ordered = [o for op in sorted(operators) for o in operators[op]]
    rows = [(op, Counter(o.verdict for o in operators[op])) for op in sorted(operators)]
    standard = {op for domain, op in converters() if domain == STANDARD}
    known = {s.name for s in onnx.defs.get_all_schemas() if s.domain == STANDARD}
    return "\n".join(
        [
            "# ONNX's node tests",
            "",
            f"The {len(found)} cases that onnx {onnx.__version__} has of the operators that are",
            "taken. `python -m gatesmith.frontend.backend_node_test` writes this page.",
            "",
            f"- {count['equal']} are imported, and the real IR gives the expected values.",
            f"- {count['refused']} are refused; each is below with its reason.",
            f"- {count['differs']} differ.",
            "",
            "What a case has as an input and gatesmith needs to know, like weights, is made",
            "constant. The first axis is the batch, so the frames are run one by one.",
            "",
            "| operator | equal | refused |",
            "| --- | --- | --- |",
            *(f"| {op} | {each['equal']} | {each['refused']} |" for op, each in rows),
            "",
            "## Equal, with a remark",
            "",
            *(f"- `{o.name}`: {o.why}" for o in ordered if o.verdict == "equal" and o.why),
            "",
            "## Refused",
            "",
            *(f"- `{o.name}`: {o.why}" for o in ordered if o.verdict == "refused"),
            "",
            "## Standard operators that are not taken",
            "",
            *textwrap.wrap(", ".join(sorted(known - standard)) + ".", 100),
            "",
        ]
    )


def test_no_case_differs() -> None:
    wrong = [f"{o.name}: {o.why}" for o in outcomes() if o.verdict == "differs"]
    assert not wrong, "\n".join(wrong)


def test_page_is_up_to_date() -> None:
    if not PAGE.exists():
        pytest.skip("docs/ is not beside the package: it is installed")
    if f"that onnx {onnx.__version__} has" not in PAGE.read_text():
        pytest.skip("the page is about another onnx")
    assert PAGE.read_text() == page(), "python -m gatesmith.frontend.backend_node_test"


if __name__ == "__main__":
    PAGE.write_text(page())
