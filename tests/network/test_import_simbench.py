"""SimBench's grids and its year of profiles; needs the package `simbench` (extra of that name)."""

import os
from datetime import date, datetime, timedelta, timezone
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandapower as pp
import pytest

from forecasts import outlook
from network.export_park import delivered_net
from network.import_park import park_of
from network.import_source import Source, source_from_simbench
from network.powerflow import Oracle
from vpp.errors import InvalidInput
from vpp.park import load_park

simbench = (
    import_module("simbench")
    if os.environ.get("VPP_REQUIRE_PEERS") == "1"
    else pytest.importorskip("simbench", reason="the simbench package brings the grids")
)
MIXED = "1-HV-mixed--0-no_sw"
CODES = (MIXED, "1-MV-semiurb--0-no_sw")
OTHERS = ("1-HV-urban--0-no_sw", "1-MV-rural--0-no_sw")
"""These take as long again and show nothing new: `./run soak`."""


@pytest.fixture(scope="module")
def sources() -> dict[str, Source]:
    return {code: source_from_simbench(code) for code in CODES}


@pytest.fixture(scope="module")
def parks(sources: dict[str, Source], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("simbench")
    places = {MIXED: ("caes@HV1 Bus 1=100", "bess@HV1 Bus 11=50/100", "electrolyzer@HV1 Bus 21=50")}
    made = {code: park_of(source, root / code, places.get(code, ())) for code, source in sources.items()}
    assert all(one.deviation_pu < 1e-6 for one in made.values())
    return {code: one.folder for code, one in made.items()}


@pytest.mark.parametrize("code", CODES)
def test_the_oracle_equals_runpp(code: str, parks: dict[str, Path]) -> None:
    vm_pu, percent = deviation(parks[code])
    assert vm_pu < 1e-6
    assert percent < 0.01


@pytest.mark.soak
@pytest.mark.parametrize("code", OTHERS)
def test_the_oracle_equals_runpp_on_other_grids(code: str, tmp_path: Path) -> None:
    made = park_of(source_from_simbench(code), tmp_path / "park")
    assert made.deviation_pu < 1e-6
    vm_pu, percent = deviation(made.folder)
    assert vm_pu < 1e-6
    assert percent < 0.01


def deviation(folder: Path) -> tuple[float, float]:
    """Return how far oracle and `runpp` are apart at two operating points of an imported park, pu and %."""
    park = load_park(folder)
    oracle = Oracle(park)
    net = delivered_net(park)
    points = [park.operating_point.get(e) for e in oracle.elements]
    p, q = (np.array([getattr(o, k) if o else 0.0 for o in points]) for k in ("p_mw", "q_mvar"))
    apart = []
    for share in (1.0, 0.3):
        for table in ("load", "sgen"):
            net[table]["scaling"] = share
        pp.runpp(net, numba=False, calculate_voltage_angles=True)
        states = oracle.solve(share * p, share * q)
        loading = [*net.res_line.loading_percent, *net.res_trafo.loading_percent]
        pairs = ((states.vm_pu, net.res_bus.vm_pu), (states.loading_percent, loading))
        apart.append([np.abs(mine[0] - np.array(theirs)).max() for mine, theirs in pairs])
    vm_pu, percent = np.max(apart, axis=0)
    return float(vm_pu), float(percent)


def test_the_year_is_the_grids_own_with_its_dates(sources: dict[str, Source], parks: dict[str, Path]) -> None:
    source = sources[MIXED]
    park = load_park(parks[MIXED])
    assert park.site.zone == "Europe/Berlin"
    assert 50 < park.site.lat < 56
    fed = set(park.csv_profiles)
    assert fed == set(park.loads) | {r.id for r in park.resources.values() if r.kind in ("wind", "pv")}
    profile = park.csv_profiles["HV1_Load_1"]
    assert len(profile.p_mw) == 366 * 96
    assert datetime.fromtimestamp(profile.start_epoch_s, ZoneInfo("Europe/Berlin")).isoformat() == (
        "2016-01-01T00:00:00+01:00"
    )
    nominal = float(source.net.load.set_index("name").p_mw["HV1 Load 1"])
    assert np.allclose(profile.p_mw, nominal * source.series["mv_add1_pload"])


def test_a_year_of_local_time_becomes_equal_steps_over_both_clock_changes(sources: dict[str, Source]) -> None:
    times = [datetime.fromisoformat(text) for text in sources[MIXED].times]
    assert {b - a for a, b in pairwise(times)} == {timedelta(minutes=15)}
    offsets = {time.utcoffset() for time in times}
    assert offsets == {timedelta(hours=1), timedelta(hours=2)}


def test_a_day_of_the_year_is_forecast_from_what_was_measured(parks: dict[str, Path]) -> None:
    park = load_park(parks[MIXED])
    start = datetime(2016, 7, 5, 22, tzinfo=timezone.utc)
    forecast = outlook(park, start - timedelta(hours=9), start, 96)
    truth = park.csv_profiles["HV1_Load_58"]
    first = round((start.timestamp() - truth.start_epoch_s) / 900)
    measured = truth.p_mw[first : first + 96]
    peak = park.loads["HV1_Load_58"].p_peak_mw
    error = forecast.load_mw["HV1_Load_58"] - measured
    assert 0 < np.abs(error).max() < 0.2 * peak
    assert date(2016, 7, 6) == (start + timedelta(hours=2)).date()


def test_an_unknown_code_is_answered_with_codes() -> None:
    with pytest.raises(InvalidInput, match="1-HV-mixed"):
        source_from_simbench("1-HV-nowhere")
