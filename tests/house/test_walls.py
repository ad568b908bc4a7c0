"""The house itself: names, walls and what the control process may load."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("vpp", "network", "forecasts", "controllers", "hil")
SOURCES = sorted(p for name in PACKAGES for p in (ROOT / name).rglob("*.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_no_other_distribution_owns_our_top_level_names(package: str) -> None:
    assert packages_distributions().get(package, ["yuanwang"]) == ["yuanwang"]


def test_nobody_asks_the_event_loop_for_the_time() -> None:
    asking = [
        str(p) for p in SOURCES if "loop.time" in p.read_text() or "get_running_loop().time" in p.read_text()
    ]
    assert asking == []


def test_no_file_outgrows_a_reader() -> None:
    long = {str(p.relative_to(ROOT)): n for p in SOURCES if (n := len(p.read_text().splitlines())) > 330}
    long.pop("vpp/types/park.py", None)  # one flat table of row types
    assert long == {}


def test_no_name_that_says_nothing() -> None:
    bad = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "handler", "handlers", "base"}
    assert [str(p) for p in SOURCES if p.stem in bad] == []


def test_every_public_function_of_a_module_is_documented() -> None:
    bare = [
        f"{p.relative_to(ROOT)}:{node.lineno} {node.name}"
        for p in SOURCES
        for node in ast.parse(p.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and ast.get_docstring(node) is None
    ]
    assert bare == []


def test_importing_vpp_loads_nothing_heavy() -> None:
    heavy = {"numpy", "pandas", "cvxpy", "pandapower", "pydantic"}
    code = f"import vpp, sys; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def imported_names() -> set[str]:
    """Top-level names of everything that the five packages import, wherever it stands."""
    names: set[str] = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names


def test_every_import_is_declared_and_every_dependency_is_imported() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[<>=~; ]", line)[0].lower() for line in project["dependencies"]}
    owners = packages_distributions()
    # _typeshed exists for type checkers only
    foreign = imported_names() - set(sys.stdlib_module_names) - set(PACKAGES) - {"_typeshed"}
    imported = {owners[name][0].lower() for name in foreign}
    # tzdata is data that zoneinfo reads where the system has none
    assert imported == declared - {"tzdata"}
