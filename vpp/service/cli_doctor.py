"""`vpp doctor`: what of this machine could stand in the way."""

from dataclasses import dataclass

import typer

from vpp.service.cli_options import JsonOption, StateOption
from vpp.service.exits import ExitCode
from vpp.service.terminal import say, to_json

LIBRARIES = (
    "cvxpy",
    "fastapi",
    "highspy",
    "msgspec",
    "numpy",
    "osqp",
    "pandapower",
    "power-grid-model",
    "pymodbus",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at."""

    what: str
    good: bool
    text: str


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("doctor")(doctor)


def doctor(state: StateOption = None, as_json: JsonOption = False) -> None:
    """Look for what is missing here.

    Interpreter, libraries, zone data, cores, disk and socket path; exit 5 on a fault.
    """
    from vpp.service.runs import ROOT

    findings = [_python(), *map(_library, LIBRARIES), _zone(), _cores(), _disk(str(state or "."))]
    findings.append(_socket(str(((state or ROOT / "small10") / "control.sock").absolute())))
    if as_json:
        say(to_json(findings))
    else:
        for finding in findings:
            say(f"{'good' if finding.good else 'FAULT':5} {finding.what}: {finding.text}")
    raise typer.Exit(ExitCode.OK if all(f.good for f in findings) else ExitCode.DEGRADED)


def _python() -> Finding:
    import platform
    import sys

    return Finding(what="python", good=sys.version_info >= (3, 11), text=platform.python_version())


def _library(name: str) -> Finding:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return Finding(what=name, good=True, text=version(name))
    except PackageNotFoundError:
        return Finding(what=name, good=False, text="not installed: run ./run again")


def _zone() -> Finding:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return Finding(what="zone data", good=True, text=str(ZoneInfo("Asia/Shanghai")))
    except ZoneInfoNotFoundError:
        return Finding(what="zone data", good=False, text="Asia/Shanghai unknown: install tzdata")


def _cores() -> Finding:
    import os

    count = len(os.sched_getaffinity(0))
    return Finding(what="cores", good=count >= 2, text=f"{count}; two are needed for planner and control")


def _disk(path: str) -> Finding:
    import shutil

    free_mb = shutil.disk_usage(path).free / 1e6
    return Finding(
        what="disk", good=free_mb > 500, text=f"{free_mb:,.0f} MB free; a day of journal needs about 100"
    )


def _socket(path: str) -> Finding:
    from vpp.service.runs import SOCKET_PATH_MAX

    length = len(path.encode())
    return Finding(
        what="socket path", good=length <= SOCKET_PATH_MAX, text=f"{length} of {SOCKET_PATH_MAX} bytes"
    )
