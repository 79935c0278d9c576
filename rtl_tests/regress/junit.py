"""A run as JUnit XML: each network a test case, with its seed and options as properties."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as Xml

from gatesmith.rtl_tests.regress.outcome import CRASH, MISMATCH, REFUSED, Outcome
from gatesmith.rtl_tests.regress.run import Regressed


def write_junit(result: Regressed, path: Path) -> None:
    """Write the file; what is no character of XML is left out."""
    outcomes = result.outcomes
    root = Xml.Element("testsuites", name="gatesmith regress")
    suite = Xml.SubElement(
        root,
        "testsuite",
        name=f"gatesmith.regress.seed{result.settings.seed}",
        tests=str(len(outcomes)),
        failures=str(sum(o.state == MISMATCH for o in outcomes)),
        errors=str(sum(o.state == CRASH for o in outcomes)),
        skipped=str(sum(o.state == REFUSED for o in outcomes)),
        time=f"{result.seconds:.3f}",
    )
    for outcome in outcomes:
        _case(suite, outcome, result)
    Xml.indent(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    Xml.ElementTree(root).write(path, "utf-8", xml_declaration=True)


def _case(suite: Xml.Element, outcome: Outcome, result: Regressed) -> None:
    case = Xml.SubElement(
        suite,
        "testcase",
        classname=f"gatesmith.regress.{outcome.family}",
        name=f"network {outcome.number}",
        time=f"{outcome.seconds:.3f}",
    )
    given = {
        "seed": result.settings.seed,
        "number": outcome.number,
        "options": json.dumps(outcome.options, sort_keys=True, default=str),
        "refused_before": ", ".join(outcome.refusals),
        "frames": outcome.frames,
        "cycles": outcome.cycles,
    }
    properties = Xml.SubElement(case, "properties")
    for name, value in given.items():
        Xml.SubElement(properties, "property", name=name, value=_clean(str(value)))
    if outcome.state == REFUSED:
        Xml.SubElement(case, "skipped", message=", ".join(outcome.refusals))
    elif outcome.failure is not None:
        tag = "failure" if outcome.state == MISMATCH else "error"
        kind = f"{outcome.failure['engine']}: {outcome.failure['kind']}"
        found = Xml.SubElement(case, tag, type=kind, message=_clean(kind))
        told = {**outcome.failure, **result.bundles.get(outcome.number, {})}
        found.text = _clean(json.dumps(told, indent=1, default=str))


def _clean(text: str) -> str:
    return "".join(c for c in text if c in "\t\n\r" or ord(c) >= 32)
