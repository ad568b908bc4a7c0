import pytest

from vpp.park import copy_park, load_park, with_port_base
from vpp.park.fingerprint import fingerprint


@pytest.mark.parametrize(
    "file", ["registers/caes.csv", "park.toml", "params/caes_100.toml", "grid/lines.csv"]
)
def test_every_change_of_a_map_or_table_is_another_park(tmp_path, file):
    copy_park("small10", tmp_path / "a")
    before = fingerprint(tmp_path / "a")
    path = tmp_path / "a" / file
    path.write_bytes(path.read_bytes() + b"\n")
    assert fingerprint(tmp_path / "a") != before


def test_scenarios_notes_and_ports_are_no_part_of_it(tmp_path):
    copy_park("small10", tmp_path / "a")
    park = load_park(tmp_path / "a")
    (tmp_path / "a" / "scenarios" / "mine.toml").write_text("x")
    (tmp_path / "a" / "NOTES.md").write_text("x")
    assert fingerprint(tmp_path / "a") == park.fingerprint == with_port_base(park, 20000).fingerprint
    assert load_park("small10").fingerprint == fingerprint(tmp_path / "a"), "a copy is the same park"
