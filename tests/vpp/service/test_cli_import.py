"""`vpp park import` and `export` as a shell sees them."""

import json
from pathlib import Path

import pandapower as pp
import pandapower.networks as cases
import pytest

from vpp.service import cli


@pytest.fixture
def net_json(tmp_path: Path) -> Path:
    pp.to_json(cases.create_cigre_network_mv(with_der="pv_wind"), str(tmp_path / "net.json"))
    return tmp_path / "net.json"


def test_a_net_becomes_a_good_park_and_goes_back(
    net_json: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    park, back = str(tmp_path / "park"), str(tmp_path / "back.json")
    given = ["park", "import", "--pandapower", str(net_json), "--out", park, "--place", "bess@Bus 5=1/2"]
    assert cli.run(given) == 0
    said = capsys.readouterr().out
    assert "placed BESS" in said
    assert "note: prices" in said
    assert "differ by at most" in said
    assert cli.run(["park", "check", park]) == 0
    assert "good" in capsys.readouterr().out
    assert cli.run(["park", "export", park, "--pandapower", back]) == 0
    assert "the state it was delivered in" in capsys.readouterr().out
    assert pp.from_json(back).converged


def test_an_import_answers_programs(
    net_json: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "park")
    assert cli.run(["park", "import", "--pandapower", str(net_json), "--out", out, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["deviation_pu"] < 1e-6
    assert answer["notes"]


def test_faults_of_all_options_are_exit_3_and_leave_nothing(
    net_json: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "park"
    given = ["park", "import", "--pandapower", str(net_json), "--out", str(out)]
    assert cli.run([*given, "--place", "bess@Nowhere=1", "--place", "x@Bus 5=0"]) == 3
    said = capsys.readouterr().err
    assert "3 faults found" in said
    assert not out.exists()


def test_either_source_and_not_both(
    net_json: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "park")]
    assert cli.run(["park", "import", *out]) == 2
    assert (
        cli.run(["park", "import", "--pandapower", str(net_json), "--simbench", "1-HV-mixed--0-no_sw", *out])
        == 2
    )
    assert "either --pandapower FILE or --simbench CODE" in capsys.readouterr().err


def test_a_park_of_ones_own_is_exported_at_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["park", "export", "small10", "--pandapower", str(tmp_path / "net.json")]) == 0
    assert "at 0 MW" in capsys.readouterr().out
    assert len(pp.from_json(str(tmp_path / "net.json")).bus) == 10
    assert cli.run(["park", "export", "small10", "--pandapower", str(tmp_path / "no" / "net.json")]) == 3
