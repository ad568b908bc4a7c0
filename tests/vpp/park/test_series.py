"""CSV import: what is sound comes in as recorded, what is doubtful is refused in words."""

import gzip
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from vpp.errors import InvalidInput
from vpp.park import load_park, read_series
from vpp.park.model import CsvProfile
from vpp.park.series import span
from vpp.park.shipped import SHIPPED

LOCAL = ZoneInfo("Asia/Shanghai")
START = datetime(2026, 3, 17, tzinfo=LOCAL)
MEASURED = Path(__file__).parents[4] / "shared" / "data" / "pv"


def rows(values: list[object], *, step_min: int = 15, naive: bool = False) -> list[str]:
    stamps = [START + timedelta(minutes=step_min * i) for i in range(len(values))]
    return [
        f"{(t.replace(tzinfo=None) if naive else t).isoformat()},{v}"
        for t, v in zip(stamps, values, strict=True)
    ]


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(["time,power", *lines]) + "\n", "utf-8")
    return path


def take(path: Path, **changed: object) -> CsvProfile:
    usual: dict[str, object] = {
        "column": "power",
        "unit": "MW",
        "zone": None,
        "label": "start",
        "rated_mw": 10.0,
    }
    return read_series(path, resource="PV", **(usual | changed))  # type: ignore[arg-type]


def test_a_sound_series_comes_in_as_recorded(tmp_path: Path) -> None:
    profile = take(write(tmp_path / "s.csv", rows([0, 2.5, 10, 4])))
    assert profile.start_epoch_s == START.timestamp()
    assert profile.step_s == 900
    assert profile.p_mw.tolist() == [0, 2.5, 10, 4]
    assert profile.warnings == ()
    assert span(profile) == "2026-03-16 16:00 to 2026-03-16 17:00 UTC"


@pytest.mark.parametrize(("unit", "factor"), [("W", 1e6), ("kW", 1e3), ("MW", 1.0)])
def test_units_are_converted_to_mw(tmp_path: Path, unit: str, factor: float) -> None:
    path = write(tmp_path / "s.csv", rows([v * factor for v in (1, 2, 9)]))
    assert take(path, unit=unit).p_mw == pytest.approx([1, 2, 9])


def test_naive_stamps_take_the_declared_zone(tmp_path: Path) -> None:
    path = write(tmp_path / "s.csv", rows([1, 2, 9], naive=True))
    assert take(path, zone="Asia/Shanghai").start_epoch_s == START.timestamp()


def test_stamps_at_the_end_of_an_interval_name_the_interval_before(tmp_path: Path) -> None:
    path = write(tmp_path / "s.csv", rows([1, 2, 9]))
    assert take(path, label="end").start_epoch_s == START.timestamp() - 900


def test_a_packed_file_is_the_same_series(tmp_path: Path) -> None:
    path = write(tmp_path / "s.csv", rows([1, 2, 9]))
    (tmp_path / "s.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    np.testing.assert_array_equal(take(tmp_path / "s.csv.gz").p_mw, take(path).p_mw)


def test_scaling_to_another_rating_is_asked_for_and_exact(tmp_path: Path) -> None:
    path = write(tmp_path / "s.csv", rows([1, 5, 10]))
    assert take(path, scale_to_mw=60.0).p_mw == pytest.approx([6, 30, 60])
    with pytest.raises(InvalidInput, match="scale_to_mw without rated_mw"):
        take(path, scale_to_mw=60.0, rated_mw=None)


def test_own_use_at_night_becomes_zero_with_a_word(tmp_path: Path) -> None:
    profile = take(write(tmp_path / "s.csv", rows([-0.02, -0.01, 5, 0])))
    assert profile.p_mw.tolist() == [0, 0, 5, 0]
    assert "2 negative values down to -0.02 MW (own use) are set to 0" in profile.warnings[0]


def test_a_value_frozen_for_longer_than_a_night_is_kept_with_a_word(tmp_path: Path) -> None:
    profile = take(write(tmp_path / "s.csv", rows([5.0, *[0.0] * 30, 6.0], step_min=60)))
    assert "0 MW without change for 30 h from 2026-03-16 17:00 UTC" in profile.warnings[0]
    night = take(write(tmp_path / "s.csv", rows([5.0, *[0.0] * 16, 6.0], step_min=60)))
    assert night.warnings == ()


def test_declared_gaps_hold_the_value_before_them(tmp_path: Path) -> None:
    lines = rows([1, 2, 3, "", 5, 6])
    del lines[1]
    path = write(tmp_path / "s.csv", lines)
    profile = take(path, gaps="hold", max_gap_min=15)
    assert profile.p_mw.tolist() == [1, 1, 3, 3, 5, 6]
    assert "2 steps in gaps (longest 15 min) hold the value before them" in profile.warnings[0]


def without(index: int) -> list[str]:
    lines = rows([1, 2, 9, 4, 5])
    del lines[index]
    return lines


REFUSED: Mapping[str, tuple[list[str], dict[str, object], str]] = {
    "naive stamps without a zone": (
        rows([1, 2, 9], naive=True),
        {},
        r"s.csv:2 time: .*no offset and no zone",
    ),
    "a zone that does not exist": (rows([1, 2, 9]), {"zone": "Asia/Shangai"}, r'zone "Asia/Shangai"'),
    "stamps of another zone": (
        rows([1, 2, 9]),
        {"zone": "UTC"},
        r"s.csv:2 time: .*contradicts the declared zone",
    ),
    "an hour that comes twice": (
        ["2026-10-25T02:30:00,1", "2026-10-25T02:45:00,9"],
        {"zone": "Europe/Berlin"},
        r"s.csv:2 time: .*left out or comes twice in Europe/Berlin",
    ),
    "no time at all": (["17.03.2026 00:00,1", "17.03.2026 00:15,2"], {}, r's.csv:2 time: "17.03.2026 00:00"'),
    "a clock never set": (["1970-01-01T00:00Z,1", "1970-01-01T00:15Z,2"], {}, r"s.csv:2 time: the year 1970"),
    "a gap": (without(2), {}, r"s.csv:3 power: a gap of 15 min after this row"),
    "a gap longer than declared": (
        without(2)[:2] + rows([1] * 40)[38:],
        {"gaps": "hold", "max_gap_min": 30},
        r"s.csv:3 power: a gap of 540 min after this row; expected at most 30 min",
    ),
    "a stamp twice": ([*rows([1, 2, 9]), rows([1, 2, 9])[-1]], {}, r"s.csv:5 time: .*stands twice"),
    "stamps going back": ([*rows([1, 2, 9]), rows([1, 2])[1]], {}, r"s.csv:5 time: .*comes after"),
    "a wrong step": (
        ["2026-03-17T00:00Z,1", "2026-03-17T00:15Z,2", "2026-03-17T00:30Z,2", "2026-03-17T00:40Z,9"],
        {},
        r"s.csv:5 time: a step of 10 min; expected 15 min",
    ),
    "a step against the declared one": (
        rows([1, 2, 9]),
        {"step_min": 30},
        r"s.csv:3 time: a step of 15 min; exp",
    ),
    "stamps off the full step": (
        ["2026-03-17T00:07Z,1", "2026-03-17T00:22Z,9"],
        {},
        r"not on a full step of 15 min",
    ),
    "an empty cell": (rows([1, "", 9]), {}, r"s.csv:3 power: empty; expected a finite number"),
    "NaN": (rows([1, "nan", 9]), {}, r's.csv:3 power: "nan"; expected a finite number'),
    "infinity": (rows([1, "inf", 9]), {"gaps": "hold", "max_gap_min": 60}, r's.csv:3 power: "inf"'),
    "words": (rows([1, "Bad Input", 9]), {}, r's.csv:3 power: "Bad Input"'),
    "kW called MW": (rows([1000, 2000, 9000]), {}, r"power: values up to 9000 MW for a plant of 10 MW"),
    "MW called kW": (rows([1, 2, 9]), {"unit": "kW"}, r"power: no value above 0.009 MW for a plant of 10 MW"),
    "a consumer called a producer": (rows([-1, 2, 9]), {}, r"power: values down to -1 MW"),
    "no such column": (rows([1, 2, 9]), {"column": "p_mw"}, r"s.csv:1 p_mw: columns time, power"),
    "one row": (rows([1]), {}, r"s.csv: 1 rows; expected two or more"),
    "gaps without a bound": (rows([1, 2, 9]), {"gaps": "hold"}, r"without max_gap_min"),
    "cells missing": ([*rows([1, 2, 9]), "2026"], {}, r"s.csv:5: 1 cells; expected 2 cells"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_doubtful_is_refused_with_its_row(name: str, tmp_path: Path) -> None:
    lines, options, words = REFUSED[name]
    with pytest.raises(InvalidInput, match=words):
        take(write(tmp_path / "s.csv", lines), **options)


@pytest.mark.parametrize(
    ("file", "data", "words"),
    [
        ("s.csv", None, "missing"),
        ("s.csv", b"", "columns"),
        ("s.csv", b"time,power\n\xff", "s.csv:2: not UTF-8"),
        ("s.csv.gz", b"time,power\n", "unreadable"),
        ("s.parquet", b"PAR1", "Parquet; expected the column as .csv"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(
    tmp_path: Path, file: str, data: bytes | None, words: str
) -> None:
    if data is not None:
        (tmp_path / file).write_bytes(data)
    with pytest.raises(InvalidInput, match=words):
        take(tmp_path / file)


def test_many_bad_rows_are_told_a_few_times_and_counted(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        take(write(tmp_path / "s.csv", rows(["x"] * 100)))
    assert len(caught.value.faults) == 6
    assert "95 more rows" in str(caught.value)


def park_with(tmp_path: Path, lines: list[str], keys: str = "") -> Path:
    folder = tmp_path / "park"
    for file in SHIPPED.joinpath("small10").rglob("*.*"):
        target = folder / file.relative_to(SHIPPED / "small10")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    (folder / "profiles").mkdir()
    write(folder / "profiles" / "pv.csv", lines)
    with (folder / "park.toml").open("a", encoding="utf-8") as toml:
        toml.write('[[profile]]\nresource = "PV"\nfile = "profiles/pv.csv"\n')
        toml.write(f'column = "power"\nunit = "MW"\nlabel = "start"\n{keys}')
    return folder


def test_a_profile_of_the_park_replaces_the_generated_one(tmp_path: Path) -> None:
    day = [max(0.0, 50 * np.sin((i - 24) / 48 * np.pi)) for i in range(96)]
    park = load_park(park_with(tmp_path, rows(day)))
    assert park.csv_profiles["PV"].p_mw == pytest.approx(day)
    assert datetime.fromtimestamp(park.csv_profiles["PV"].start_epoch_s, timezone.utc) == START


def test_a_profile_shorter_than_the_planned_window_says_what_it_covers(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidInput, match=r"covers only 2026-03-16 16:00 to 2026-03-16 17:00 UTC; expected the pl"
    ):
        load_park(park_with(tmp_path, rows([1, 50, 3, 4])))


def test_a_profile_of_another_plant_needs_its_rating_and_a_scale(tmp_path: Path) -> None:
    day = [900.0] * 96
    with pytest.raises(InvalidInput, match="values up to 900 MW for a plant of 60 MW"):
        load_park(park_with(tmp_path / "a", rows(day)))
    with pytest.raises(InvalidInput, match="expected scale_to_mw"):
        load_park(park_with(tmp_path / "b", rows(day), "rated_mw = 1000\n"))
    park = load_park(park_with(tmp_path / "c", rows(day), "rated_mw = 1000\nscale_to_mw = 60\n"))
    assert park.csv_profiles["PV"].p_mw.max() == pytest.approx(54)


@pytest.mark.skipif(not MEASURED.is_dir(), reason="the measured series are not on this machine")
def test_two_measured_years_come_in_whole_and_their_oddities_are_told() -> None:
    usual = {"column": "p_mw", "zone": "Asia/Shanghai"}
    site1 = take(MEASURED / "site1_50mw.csv.gz", rated_mw=50.0, **usual)
    assert len(site1.p_mw) == 731 * 96
    assert len(site1.warnings) == 1
    assert "0 MW without change for 61.5 h from 2019-10-22" in site1.warnings[0]
    site3 = take(MEASURED / "site3_30mw.csv.gz", rated_mw=30.0, **usual)
    assert "25652 negative values down to -0.063 MW" in site3.warnings[0]
    assert sum("without change" in text for text in site3.warnings) == 4
