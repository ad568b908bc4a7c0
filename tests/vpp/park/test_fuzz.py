"""Whatever stands in a folder, `load_park` gives a park or words, never another error."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from vpp.errors import Fault, InvalidInput
from vpp.park import load_park, read_series
from vpp.park.shipped import SHIPPED

SOURCE = SHIPPED / "small10"
FILES = sorted(str(p.relative_to(SOURCE)) for p in SOURCE.rglob("*") if p.suffix in (".csv", ".toml"))
CELLS = [
    "",
    "nan",
    "inf",
    "-1",
    "0",
    "1e400",
    "9" * 5000,
    "0x",
    "0xFFFF",
    "true",
    "WF",
    "../x",
    "\x00",
    '"',
    "é",
    "*",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(SOURCE, tmp_path_factory.mktemp("fuzz") / "park"))


def answered(folder: Path, file: str, data: bytes) -> bool:
    """Load the folder with `file` replaced; return whether a park came or messages that are whole."""
    (folder / file).write_bytes(data)
    faults: tuple[Fault, ...] = ()
    try:
        load_park(folder)
    except InvalidInput as error:
        faults = error.faults or (Fault(file="", wrong="", expected=""),)
    finally:
        (folder / file).write_bytes((SOURCE / file).read_bytes())
    whole = all(fault.file and fault.wrong and fault.expected for fault in faults)
    return whole and "\n" not in "".join(map(str, faults))


@settings(max_examples=150, deadline=None)
@given(data=st.data(), file=st.sampled_from(FILES))
def test_any_bytes_in_a_file(folder: Path, data: DataObject, file: str) -> None:
    old = (SOURCE / file).read_bytes()
    start = data.draw(st.integers(0, len(old)))
    end = data.draw(st.integers(start, min(len(old), start + 40)))
    assert answered(folder, file, old[:start] + data.draw(st.binary(max_size=12)) + old[end:])


@settings(max_examples=150, deadline=None)
@given(data=st.data(), file=st.sampled_from([f for f in FILES if f.endswith(".csv")]))
def test_any_text_in_a_cell(folder: Path, data: DataObject, file: str) -> None:
    lines = (SOURCE / file).read_text().splitlines()
    for _ in range(data.draw(st.integers(1, 4))):
        row = data.draw(st.integers(0, len(lines) - 1))
        cells = lines[row].split(",")
        column = data.draw(st.integers(0, len(cells) - 1))
        cells[column] = data.draw(st.sampled_from(CELLS) | st.text(max_size=6))
        lines[row] = ",".join(cells)
    assert answered(folder, file, "\n".join(lines).encode("utf-8", "surrogatepass"))


@settings(max_examples=150, deadline=None)
@given(data=st.data(), file=st.sampled_from([f for f in FILES if f.endswith(".toml")]))
def test_any_value_in_a_parameter_file(folder: Path, data: DataObject, file: str) -> None:
    lines = (SOURCE / file).read_text().splitlines()
    at = [i for i, line in enumerate(lines) if "=" in line and not line.lstrip().startswith("#")]
    i = data.draw(st.sampled_from(at))
    key = lines[i].split("=")[0]
    values = ["nan", "-1", "0", "1e308", '""', '"x"', "[]", "[[]]", "{}", "true", "1979-05-27", "[[1, nan]]"]
    lines[i] = f"{key}= {data.draw(st.sampled_from(values))}"
    assert answered(folder, file, "\n".join(lines).encode())


STAMP = st.datetimes().map(lambda t: t.isoformat()) | st.sampled_from(
    [
        "2026-03-17T00:00Z",
        "2026-03-17T00:15Z",
        "2026-03-17T00:30Z",
        "0001-01-01T00:00+14:00",
        "9999-12-31T23:59-14:00",
    ]
)
VALUE = st.sampled_from(["1", "-1", "0", "", "nan", "1e308", "-1e308", "x"]) | st.text(max_size=4)


OPTIONS = st.fixed_dictionaries(
    {
        "zone": st.sampled_from([None, "Asia/Shanghai", "Europe/Berlin", "..", ""]),
        "step_min": st.sampled_from([None, 15, 1e-9, 1e300]),
        "gaps": st.sampled_from(["refuse", "hold"]),
        "max_gap_min": st.sampled_from([None, 1, 1e9]),
        "rated_mw": st.sampled_from([None, 1.0]),
        "scale_to_mw": st.sampled_from([None, 1.0, 1e308]),
    }
)


@settings(max_examples=200, deadline=None)
@given(rows=st.lists(st.tuples(STAMP, VALUE), max_size=8), options=OPTIONS, in_order=st.booleans())
def test_any_series(
    folder: Path, rows: list[tuple[str, str]], options: dict[str, object], in_order: bool
) -> None:
    path = folder / "s.csv"
    lines = [f"{t},{v}\n" for t, v in (sorted(rows) if in_order else rows)]
    path.write_text("time,p\n" + "".join(lines), "utf-8", errors="replace")
    sound = True
    try:
        profile = read_series(path, resource="PV", column="p", unit="MW", label="end", **options)  # type: ignore[arg-type]
        sound = bool(np.isfinite(profile.p_mw).all() and (profile.p_mw >= 0).all())
    except InvalidInput:
        pass
    assert sound
