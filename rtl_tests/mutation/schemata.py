"""All mutants in one model: which of them lives is said when the simulation starts.

Mutant schemata (Untch, Offutt, Harrold, ISSTA 1993). Compiling a model takes a thousand times as
long as deciding about a mutant, so that one model has all of them:

- an expression becomes ``(gs_mutation::chosen == 17 ? mutated : original)``;
- a statement is skipped where its number is chosen;
- a module of which something is decided at elaboration stands beside its mutated copies, behind one
  choice of outputs; copies that are not chosen have no clock and inputs of 0, and what they
  instantiate has no mutants;
- an instance with another parameter likewise.

0 is the design as it was.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from gatesmith.rtl_tests.mutation.design import Rtl
from gatesmith.rtl_tests.mutation.mutant import COPY, INSTANCE, RUN, Mutant

PACKAGE = "gs_mutation"
CHOSEN = f"{PACKAGE}::chosen"
COPY_FILE = re.compile(r"gs_mutant_(\d+)\.sv")
"""Files of copies, so that what a compiler says about one names the mutant."""

PACKAGE_TEXT = f"""\
package {PACKAGE};

    function automatic int given();
        if (!$value$plusargs("mutant=%d", given)) given = 0;
    endfunction

    int chosen = given();

endpackage
"""

Numbered: TypeAlias = Sequence[tuple[int, Mutant]]
Other: TypeAlias = tuple[str, Mapping[str, str]]
"""A module, and parameters that are set otherwise."""


def schemata(rtl: Rtl, mutants: Mapping[int, Mutant]) -> dict[str, str]:
    """Files of a design with all these mutants, in the order in which they are read.

    Args:
        rtl: The design.
        mutants: By number, from 1.
    """
    by_file: dict[str, list[tuple[int, Mutant]]] = defaultdict(list)
    for number, mutant in mutants.items():
        by_file[mutant.file].append((number, mutant))
    files = {f"{PACKAGE}.sv": PACKAGE_TEXT}
    for file, original in rtl.texts.items():
        there = by_file[file]
        beside: dict[str, str] = {}
        copies = [(n, m) for n, m in there if m.how == COPY]
        modules = sorted({m.module for _, m in copies})
        text = _chosen(original, [(n, m) for n, m in there if m.how != COPY], rtl, beside)
        for module in modules:
            text = _renamed(text, module, f"{module}__0")
            own = [(n, m) for n, m in copies if m.module == module]
            for n, m in own:
                copy = _renamed(m.applied(original), module, f"{module}__{n}")
                beside[f"gs_mutant_{n}.sv"] = _quiet(_plain(copy, rtl), n)
            inner: dict[int, Other] = {n: (f"{module}__{n}", {}) for n, _ in own}
            beside[f"gs_choice_{module}.sv"] = _choice(rtl, module, module, f"{module}__0", inner)
        files[file] = text
        files |= beside
    return files | _plain_modules(rtl, "\n".join(files.values()))


PLAIN = "__plain"


def _plain(text: str, rtl: Rtl) -> str:
    """The text with instances of modules that have no mutants."""
    modules = "|".join(map(re.escape, rtl.headers))
    return re.sub(rf"(?m)^(\s+)({modules})(?=\s+(#\(|\w+ \())", rf"\1\2{PLAIN}", text)


def _plain_modules(rtl: Rtl, text: str) -> dict[str, str]:
    """Modules without mutants, as far as they are instantiated."""
    needed = set(re.findall(rf"\b(\w+){PLAIN}\b", text))
    texts = {m: text for text in rtl.texts.values() for m in re.findall(r"(?m)^module (\w+)", text)}
    found: dict[str, str] = {}
    while needed - found.keys():
        module = min(needed - found.keys())
        found[module] = _plain(_renamed(texts[module], module, module + PLAIN), rtl)
        needed |= set(re.findall(rf"\b(\w+){PLAIN}\b", found[module]))
    return {f"gs_plain_{module}.sv": text for module, text in sorted(found.items())}


def _renamed(text: str, module: str, name: str) -> str:
    found, count = re.subn(rf"\bmodule {module}\b", f"module {name}", text)
    assert count == 1, f"module {module} is there {count} times"
    return found


def _quiet(text: str, number: int) -> str:
    """A memory image that does not fit a copy ends the simulation: only where it is chosen."""
    return re.sub(r"\binitial (?=\$)", f"initial if ({PACKAGE}::given() == {number}) ", text)


def _chosen(text: str, mutants: Numbered, rtl: Rtl, beside: dict[str, str]) -> str:
    """The text with a choice at each place, innermost first."""
    places: dict[tuple[int, int], list[tuple[int, Mutant]]] = defaultdict(list)
    names: dict[tuple[int, int], str] = {}
    for number, mutant in mutants:
        if mutant.how == INSTANCE:
            place, name = _instantiated(text, mutant), f"gs_second_{number}"
            outer = names.get(place, text[slice(*place)])
            beside[f"gs_mutant_{number}.sv"] = _second_instance(rtl, number, mutant, name, outer)
            names[place] = name
        else:
            assert mutant.how == RUN, mutant
            places[mutant.start, mutant.end].append((number, mutant))
    order = sorted([*places, *names], key=lambda place: (place[0], -place[1]))

    def render(start: int, end: int, inside: list[tuple[int, int]]) -> str:
        parts, at, index = [], start, 0
        while index < len(inside):
            place = inside[index]
            last = index + 1
            while last < len(inside) and inside[last][1] <= place[1]:
                last += 1
            parts.append(text[at : place[0]])
            if place in names:
                parts.append(names[place])
            else:
                whole = render(*place, inside[index + 1 : last])
                parts.append(_choose(whole, places[place]))
            at, index = place[1], last
        return "".join([*parts, text[at:end]])

    return render(0, len(text), order)


def _choose(original: str, alternatives: Numbered) -> str:
    expressions = [(n, m.after) for n, m in alternatives if m.after != ";"]
    for number, after in reversed(expressions):
        original = f"({CHOSEN} == {number} ? ({after}) : ({original}))"
    for number, mutant in alternatives:
        if mutant.after == ";":
            original = f"begin if ({CHOSEN} != {number}) {original} end"
    return original


def _instantiated(text: str, mutant: Mutant) -> tuple[int, int]:
    """Where the instance with a mutated parameter names its module."""
    module = mutant.at[0] if mutant.at else ""
    *_, at = re.finditer(rf"\b{module}\b(?=\s*#\()", text[: mutant.start])
    return at.span()


def _second_instance(rtl: Rtl, number: int, mutant: Mutant, name: str, outer: str) -> str:
    """Two instances in a module of its own, in the place of one."""
    assert len(mutant.at) == 2
    module, parameter = mutant.at
    near = re.fullmatch(r"\(.*\) ([+-]) 1", mutant.after, re.DOTALL)  # of a name of another scope
    change = {parameter: f"{parameter} {near[1]} 1" if near else mutant.after}
    return _choice(rtl, module, name, outer, {number: (outer, change)})


def _choice(
    rtl: Rtl,
    module: str,
    name: str,
    original: str,
    others: Mapping[int, Other],
) -> str:
    """A module with the ports of another: an original, and what may be chosen instead.

    Args:
        rtl: The design.
        module: Whose ports and parameters.
        name: Of what is made.
        original: Module that is meant by 0.
        others: By number the module, and parameters that are set otherwise.
    """
    header = re.sub(rf"\bmodule {module}\b", f"module {name}", rtl.headers[module], count=1)
    ports, given = rtl.ports[module], {p: p for p in rtl.parameters[module]}
    outputs = [port for port, is_input in ports.items() if not is_input]
    lines = ["`default_nettype none", "", header, ""]
    every: dict[int, Other] = {0: (original, {}), **others}
    for number, (inner, change) in every.items():
        lines += [f"    logic [$bits({p})-1:0] {p}__{number};" for p in outputs]
        sets = ", ".join(f".{p}({v})" for p, v in {**given, **change}.items())
        pins = [f".{p}({_pin(p, is_in, number)})" for p, is_in in ports.items()]
        lines.append(f"    {inner} {f'#({sets}) ' if sets else ''}u_{number} ({', '.join(pins)});")
    for port in outputs:
        value = f"{port}__0"
        for number in others:
            value = f"{CHOSEN} == {number} ? {port}__{number} : {value}"
        lines.append(f"    assign {port} = {value};")
    return "\n".join([*lines, "", "endmodule", "", "`default_nettype wire", ""])


def _pin(port: str, is_input: bool, number: int) -> str:
    if not is_input:
        return f"{port}__{number}"
    if number == 0:
        return port
    if port in ("clk", "aclk"):
        return f"{port} && {CHOSEN} == {number}"
    return f"{CHOSEN} == {number} ? {port} : '0"
