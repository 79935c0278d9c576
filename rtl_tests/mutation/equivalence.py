"""What a survivor is: proven to be no change at all, shown to be one, or undecided.

Yosys turns a miter (miter.py) of the module into an AIG, ABC decides it: registers that are equal
in both are found by induction (scorr: Mony et al., ASP-DAC 2005), what remains by property directed
reachability. A mutant is equivalent if it is with the parameters of every instance. Where the
module alone can be told apart, the whole core is tried: it may never get there. Of a word of an
image, any use of it is tried first (free_word.py).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from importlib import util
from pathlib import Path
from typing import Any, TypeAlias

from gatesmith.errors import UserError
from gatesmith.rtl_tests.mutation.design import Rtl, elaborate
from gatesmith.rtl_tests.mutation.free_word import free_word, sided
from gatesmith.rtl_tests.mutation.miter import NAME, Codes, Instance, miter
from gatesmith.rtl_tests.mutation.mutant import IMAGE, Mutant
from gatesmith.synthesis import process, store
from gatesmith.synthesis.yosys import YOSYS, find_yosys

Progress: TypeAlias = Callable[[str, int, int], None]
EQUIVALENT, DIFFERENT, UNDECIDED = "equivalent", "different", "undecided"
BEYOND = "beyond"
FORMAT = "1"
UNDEFINED = ("zero", "one")
"""What bits are that nothing defines, in both: who shows one is not the same under both."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a survivor is.

    Attributes:
        verdict: ``equivalent``: no environment can tell it from the original; ``different``: some
            can; ``undecided``: the solver did not finish; ``beyond``: it reads or writes behind the
            end of a vector, which Yosys warns of and slang did not.
        level: ``module`` or ``core``: what was compared.
        how: Engine that decided, or why none did.
    """

    verdict: str
    level: str
    how: str

    def as_json(self) -> dict[str, Any]:
        """Plain values, by attribute."""
        return asdict(self)


def judge(
    rtl: Rtl,
    build: Mapping[str, Any],
    survivors: Mapping[int, Mutant],
    progress: Progress,
    *,
    timeout: float,
    jobs: int | None,
) -> dict[int, Judged]:
    """Verdict on each survivor.

    Args:
        rtl: The design.
        build: Its build.json.
        survivors: By number.
        progress: Told what is being done.
        timeout: Seconds of one solver; 0: none is asked.
        jobs: Solvers at a time.

    Errors: ``synth.no-yosys``, ``synth.failed``, ``synth.no-cache``.
    """
    if not timeout:
        return {n: Judged(UNDECIDED, "module", "not asked") for n in survivors}
    if not survivors:
        return {}
    court = _Court(rtl, _instances(rtl), _codes(build), str(find_yosys()), timeout)
    found: dict[int, Judged] = {}
    progress("proofs", 0, len(survivors))
    with ThreadPoolExecutor(jobs or os.cpu_count()) as pool:
        try:
            verdicts = pool.map(court.judged, survivors.values())
            for number, verdict in zip(survivors, verdicts, strict=True):
                found[number] = verdict
                progress("proofs", len(found), len(survivors))
        except BaseException:
            process.stop()
            raise
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Court:
    """What is the same for all survivors of a design.

    Attributes:
        rtl: The design.
        instances: Of each module.
        codes: Of the source streams of each module, by prefix.
        version: Of Yosys.
        timeout: Seconds of one solver.
    """

    rtl: Rtl
    instances: Mapping[str, Sequence[Instance]]
    codes: Mapping[str, Mapping[str, Codes]]
    version: str
    timeout: float

    def judged(self, mutant: Mutant) -> Judged:
        """In its module, with the parameters of every instance; then in the core."""
        module, top = _reader(self.rtl, mutant), self.rtl.top
        names = [module]
        if self._same_word(mutant, module):
            return Judged(EQUIVALENT, "module", "scorr, pdr: the word, wherever it is read")
        decided = [self._decided(mutant, names, module, one) for one in self.instances[module]]
        verdict, how = next((v for v in decided if v[0] != EQUIVALENT), decided[0])
        alone = Judged(verdict, "core" if module == top else "module", how)
        if verdict in (EQUIVALENT, BEYOND) or module == top:
            return alone
        (whole,) = self.instances[top]
        verdict, how = self._decided(mutant, list(self.rtl.headers), top, whole)
        return alone if verdict == UNDECIDED else Judged(verdict, "core", how)

    def _same_word(self, mutant: Mutant, module: str) -> bool:
        """Whether the changed word of an image is as good as the original one."""
        word = free_word(self.rtl.texts, mutant, module)
        if word is None:
            return False
        for one in self.instances[module]:
            files = dict(word.files)
            files |= {name: text for name, text in self.rtl.texts.items() if name not in files}
            for image in self.rtl.folder.glob("*.mem"):
                files[image.name] = image.read_text("ascii")
            wider = replace(one, inputs=(*one.inputs, *word.inputs))
            files["gs_miter.v"] = miter(module, wider, self.codes.get(module, {}))
            if self._solved(files)[0] != EQUIVALENT:
                return False
        return True

    def _decided(
        self, mutant: Mutant, names: Sequence[str], module: str, instance: Instance
    ) -> tuple[str, str]:
        """Verdict and engine, for one instance of a module; ``names``: modules there twice."""
        files = _both(self.rtl, mutant, names)
        files["gs_miter.v"] = miter(module, instance, self.codes.get(module, {}))
        return self._solved(files)

    def _solved(self, files: Mapping[str, str]) -> tuple[str, str]:
        """Verdict and engine, for a design with a miter."""
        for undefined in UNDEFINED:
            try:
                kept = _solved(files, undefined, self.version, self.timeout)
            except UserError as error:
                if error.code not in ("synth.timeout", "synth.failed"):
                    raise
                return UNDECIDED, f"Yosys: {error.what}"
            if _beyond(kept / "elaborated.txt"):
                return BEYOND, "bits beyond the end of a vector"
            log = (kept / "log.txt").read_text("utf-8")
            if re.search(r"asserted in frame|\bSATISFIABLE", log):
                return DIFFERENT, "pdr"
            if not re.search(r"Property proved|\bUNSATISFIABLE", log):
                return UNDECIDED, f"no end within {self.timeout:g} s"
        return EQUIVALENT, "scorr, pdr"


def _reader(rtl: Rtl, mutant: Mutant) -> str:
    """The module that a mutant is in, or that reads a memory image."""
    if mutant.how != IMAGE:
        return mutant.module
    (text,) = [text for text in rtl.texts.values() if f'"{mutant.file}"' in text]
    module: str = re.findall(r"(?m)^module (\w+)", text)[0]
    return module


def _beyond(path: Path) -> bool:
    """Whether Yosys warns more often of the mutant than of the original."""
    lines = [line for line in path.read_text("utf-8").splitlines() if "out of bounds" in line]
    gold, gate = (sum(f"{side}_" in line for line in lines) for side in ("gold", "gate"))
    return gate > gold


def _solved(files: Mapping[str, str], undefined: str, version: str, timeout: float) -> Path:
    """Folder with what Yosys and ABC say, kept by the content of what went in."""
    sources = " ".join(name for name in files if not name.endswith(".mem"))
    passes = [
        f"read_verilog -sv -defer {sources}",
        f"tee -q -o elaborated.txt hierarchy -check -top {NAME}",
        *("proc", "flatten", "opt_clean", "memory_dff", "memory_collect", "memory_map"),
        *("setundef -zero -init", f"setundef -{undefined} -undriven", f"setundef -{undefined}"),
        *("opt -fast", "techmap", "opt -fast", "dffunmap", "opt_clean"),
        *(f"setundef -{undefined}", "aigmap", "opt_clean", "write_aiger -zinit miter.aig"),
    ]
    solve = f"&read miter.aig; &scorr; &put; print_stats; pdr -T {timeout:g}; sat"

    def make(work: Path) -> None:
        for name, text in files.items():
            (work / name).write_text(text, "latin-1")
        process.run("Yosys", [sys.executable, "-c", YOSYS, *passes], work, 20 * timeout)
        (work / "log.txt").write_text(_abc(solve, work, timeout), "utf-8")

    key = store.digest(FORMAT, version, *passes, solve, *(p for f in files.items() for p in f))
    return store.kept(key, make, kind="mutate")


def _abc(script: str, work: Path, timeout: float) -> str:
    """What ABC says."""
    program = Path(_pyosys()).parent / "yosys-abc"
    process.run(
        "ABC", ["sh", "-c", f"{program} -c '{script}' > abc.txt 2>&1"], work, 4 * timeout + 60
    )
    return (work / "abc.txt").read_text("utf-8", errors="replace")


def _pyosys() -> str:
    spec = util.find_spec("pyosys")
    if spec is None or spec.origin is None:
        raise UserError(
            "synth.no-yosys",
            "ABC is not there",
            where="gatesmith mutate",
            why="it comes with the package pyosys, which is not installed",
            fix=("pip install 'gatesmith[synth]'", "--no-prove: survivors are listed unproven"),
        )
    return spec.origin


def _both(rtl: Rtl, mutant: Mutant, names: Sequence[str]) -> dict[str, str]:
    """Files of the design, and those of the named modules in both versions."""
    files = dict(rtl.texts)
    for image in rtl.folder.glob("*.mem"):
        files[image.name] = image.read_text("ascii")
    changed = dict(files)
    changed[mutant.file] = mutant.applied(files[mutant.file])
    for side, texts in (("gold", dict(files)), ("gate", changed)):
        for file, text in texts.items():
            if file.endswith(".mem"):
                files[f"{side}_{file}"] = text
                continue
            own = [m for m in re.findall(r"(?m)^module (\w+)", rtl.texts[file]) if m in names]
            if own:
                files[f"{side}_{file}"] = sided(text, side, names)
    return files


def _codes(build: Mapping[str, Any]) -> dict[str, dict[str, Codes]]:
    """Of source streams by prefix, by module."""
    found = {build["top"]: {p["prefix"]: Codes.of(p) for p in build["inputs"]}}
    for stage in build["stages"]:
        sources = stage["sources"]
        names = ["s_axis"] if len(sources) == 1 else [f"s{k}_axis" for k in range(len(sources))]
        own = {name: Codes.of(entry) for name, entry in zip(names, sources, strict=True)}
        if not stage["module"].startswith("gs_"):
            found[stage["module"]] = own
    return found


def _instances(rtl: Rtl) -> dict[str, list[Instance]]:
    """Different instances of each module."""
    compilation, _ = elaborate(rtl.texts, rtl.top)
    found: dict[str, dict[Instance, None]] = {}

    def visit(symbol: Any) -> None:
        if type(symbol).__name__ != "InstanceSymbol" or symbol.body is None:
            return
        module = symbol.definition.name
        settable = rtl.parameters[module]
        sets = tuple((name, str(symbol.body.lookupName(name).value)) for name in settable)
        sides: dict[bool, list[tuple[str, int]]] = {True: [], False: []}
        for port in symbol.body.portList:
            sides[rtl.ports[module][port.name]].append((port.name, port.type.bitWidth))
        made = Instance(sets, tuple(sides[True]), tuple(sides[False]))
        found.setdefault(module, {})[made] = None

    compilation.getRoot().visit(visit)
    return {module: list(instances) for module, instances in found.items()}
