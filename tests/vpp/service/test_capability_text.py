"""What `vpp capability` says of a park at rest."""

import json
from datetime import datetime, timezone

import pytest

from controllers.acting.capability import capability
from vpp.service import cli
from vpp.service.capability_text import capability_lines, span_text
from vpp.service.cli_capability import resting

NOON = datetime(2026, 6, 1, 4, tzinfo=timezone.utc)


def test_a_park_at_rest_offers_what_its_initial_state_holds(small10):
    found = capability(small10, resting(small10, NOON))
    battery = found.elements["BESS1"]
    assert battery.p_mw == pytest.approx(-0.32)
    assert found.elements["PV"].down.reach[-1].mw > 5
    assert not found.network


def test_both_tables_fit_a_terminal(small10):
    lines = capability_lines(capability(small10, resting(small10, NOON)))
    assert sum(line.startswith("PARK") for line in lines) == 2
    assert max(map(len, lines)) <= 80
    for name in ("BESS1", "CAES1", "LD_ZN"):
        assert sum(line.startswith(name) for line in lines) == 2


def test_the_command_answers_in_json_and_refuses_two_sources(small10, capsys, tmp_path):
    assert cli.run(["capability", "small10", "--json"]) == 0
    assert "BESS1" in json.loads(capsys.readouterr().out)["elements"]
    assert cli.run(["capability", "small10", "--state", str(tmp_path)]) == 2
    assert cli.run(["capability", "--state", str(tmp_path)]) == 6


@pytest.mark.parametrize(
    ("seconds", "text"), [(float("inf"), "no end"), (90, "2 min"), (5400, "90 min"), (7200, "2.0 h")]
)
def test_a_span_is_short(seconds, text):
    assert span_text(seconds) == text
