"""What `vpp hil test` prints and writes: lines for people, rows for programs, JUnit XML for servers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from vpp.service.trials import Trial


def lines(trial: Trial) -> list[str]:
    """Return one scenario in words: a line per expectation, then how long things took."""
    way = "Modbus/TCP" if trial.modbus else "memory"
    head = f"{'PASS' if trial.ok else 'FAIL'}  {trial.park} {trial.name}"
    rest = f"{trial.duration_s / 60:g} plant min, {trial.cycles} cycles, {way}, seed {trial.seed}"
    text = [f"{head} ({rest}, {trial.digest[:12]})"]
    text += [f"  {'ok  ' if v.ok else 'FAIL'}  {v.what}: {v.found}" for v in trial.verdicts]
    for name, spread in trial.latencies.items():
        text.append(f"        {name}: p50 {spread.p50:.4g}, p99 {spread.p99:.4g}, of {spread.count}")
    return text


def last_line(trials: Sequence[Trial]) -> str:
    """Return the sum of it."""
    held = sum(verdict.ok for trial in trials for verdict in trial.verdicts)
    count = sum(len(trial.verdicts) for trial in trials)
    passed = sum(trial.ok for trial in trials)
    return f"{passed} of {len(trials)} scenarios pass, {held} of {count} expectations hold"


def as_rows(trial: Trial) -> dict[str, Any]:
    """Return a scenario for a program."""
    return {field: getattr(trial, field) for field in (*trial.__dataclass_fields__, "ok")}


def write_junit(path: Path, trials: Sequence[Trial]) -> None:
    """Write JUnit XML: a suite per scenario, a case per expectation; times are plant seconds."""
    root = Element("testsuites")
    for trial in trials:
        failures = sum(not verdict.ok for verdict in trial.verdicts)
        suite = SubElement(
            root,
            "testsuite",
            name=f"{trial.park}.{trial.name}",
            tests=str(len(trial.verdicts)),
            failures=str(failures),
            time=f"{trial.duration_s:g}",
        )
        for verdict in trial.verdicts:
            case = SubElement(
                suite,
                "testcase",
                classname=f"{trial.park}.{trial.name}",
                name=verdict.what,
                time=f"{verdict.took_s or 0.0:g}",
            )
            if not verdict.ok:
                SubElement(case, "failure", message=verdict.found)
    indent(root)
    ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
