"""Damage through names and words: of nodes, tensors, files, and on the command line."""

from __future__ import annotations

import onnx

from gatesmith.rtl_tests.fuzz.case import Case, damage
from gatesmith.rtl_tests.fuzz.values import FLOATS, INTS, NAMES, SPECS


@damage
def names(case: Case) -> None:
    """Every name a text that means something to a shell, a template, a compiler or a page."""
    rng, graph = case.rng, case.graph
    part = rng.choice((0.1, 0.5, 1.0))
    renamed: dict[str, str] = {}
    used: set[str] = set()
    for number, node in enumerate(graph.node):
        if rng.random() < part:
            node.name = rng.choice(NAMES)
        for name in node.output:
            if name and rng.random() < part:
                renamed[name] = _fresh(rng.choice(NAMES), number, used)
    for value in (*graph.input, *graph.initializer):
        if rng.random() < part:
            renamed[value.name] = _fresh(rng.choice(NAMES), len(used), used)
    if rng.random() < part:
        graph.name = rng.choice(NAMES)
    rename(graph, renamed)
    case.model.producer_name = rng.choice(NAMES)
    case.model.doc_string = rng.choice(NAMES)


def _fresh(text: str, number: int, used: set[str]) -> str:
    """A name that no other tensor has."""
    name = text if text and text not in used else f"{text} {number}"
    while name in used:
        name += "'"
    used.add(name)
    return name


def rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    """Give tensors other names, everywhere."""
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        value.name = names.get(value.name, value.name)
    for note in graph.quantization_annotation:
        note.tensor_name = names.get(note.tensor_name, note.tensor_name)


@damage
def names_twice(case: Case) -> None:
    """One name for several nodes or tensors."""
    rng, graph = case.rng, case.graph
    if rng.random() < 0.5:
        for node in graph.node:
            node.name = "same"
        return
    for repeated in (graph.input, graph.output, graph.initializer):
        if len(repeated) > 1 and rng.random() < 0.6:
            repeated[0].name = repeated[-1].name


@damage
def file_names(case: Case) -> None:
    """The file itself has a name like that."""
    texts = [name for name in NAMES if name.strip("./") and not set("/\x00") & set(name)]
    name = case.rng.choice([text for text in texts if len(text.encode()) < 240])
    case.name = f"{name}.onnx"


@damage
def input_words(case: Case) -> None:
    """What stands behind ``--input``."""
    case.options = ("--input", case.rng.choice(SPECS))


@damage
def option_words(case: Case) -> None:
    """What stands behind the other options of ``gatesmith build``."""
    rng = case.rng
    numbers = [*map(str, INTS), *map(str, FLOATS), "", "x", "1e400", "0x10"]
    folds = (
        "nothing=1,1",
        "*=1,1",
        "*=0,0",
        "=",
        "*=unrolled",
        "*=999999,999999",
        "a=b=c",
        "[[=1,1",
    )
    given = {
        "--cycles": numbers,
        "--fps": numbers,
        "--clock-mhz": numbers,
        "--latency-us": numbers,
        "--input-lanes": numbers,
        "--device": ["ice40up5k", "nothing", "", "../../x", "{{7*7}}"],
        "--budget": ["1", "lut=1000", "lut=-1", "lut=nan", "dsp=1,dsp=2", "", "x=1", "9" * 400],
        "--fold": folds,
        "--unroll": ["all", "nothing", "*", "[", ""],
        "--exit": ["y:1", "nothing:1", "early:nan", "early:-1", ":", "", "early:1e400"],
        "--dump-ir": ["after=lower", "after=plan", "after=nothing", ""],
    }
    words: list[str] = []
    for option in rng.sample(sorted(given), rng.choice((1, 1, 2, 3))):
        words += [option, rng.choice(given[option])]
    case.options = tuple(words)


@damage
def odd_files(case: Case) -> None:
    """Folders, pipes, devices, loops and nothing where the model should be."""
    case.odd = case.rng.choice(("folder", "fifo", "loop", "nothing", "device"))


@damage
def quantization_notes(case: Case) -> None:
    """Notes beside the graph that gatesmith reads, or that nothing should read."""
    rng, graph = case.rng, case.graph
    texts = ("UINT8", "INT4", "BIPOLAR", "UINT99999", "INT0", "", "FLOAT32", "{{x}}", "UINT٣")
    for value in (*graph.input, *graph.output):
        note = graph.quantization_annotation.add(tensor_name=value.name)
        note.quant_parameter_tensor_names.add(key="finn_datatype", value=rng.choice(texts))
    for _ in range(rng.choice((1, 100))):
        case.model.metadata_props.add(key=rng.choice(NAMES), value=rng.choice(NAMES))
    if rng.random() < 0.5:
        training = case.model.training_info.add()
        training.algorithm.CopyFrom(graph)
