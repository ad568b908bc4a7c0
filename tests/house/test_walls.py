"""The house itself: names, walls and what the control process may load."""

import ast
import subprocess
import sys
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
