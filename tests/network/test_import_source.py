"""What is no grid is refused in words, and nothing of it comes to life."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandapower as pp
import pandapower.networks as cases
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from network.empty import empty_net
from network.import_park import import_pandapower
from network.import_source import source_from_simbench
from vpp.errors import InvalidInput
from vpp.park import load_park

Tree = dict[str, Any]


def small() -> Any:
    net = empty_net()
    a, b = pp.create_bus(net, 20.0, name="A"), pp.create_bus(net, 20.0, name="B")
    pp.create_ext_grid(net, a)
    pp.create_line(net, a, b, 2.0, "NA2XS2Y 1x240 RM/25 12/20 kV", name="AB")
    pp.create_load(net, b, 1.0, 0.2, name="town")
    return net


def refused(net: Any, folder: Path) -> str:
    pp.to_json(net, str(folder / "net.json"))
    return refused_text((folder / "net.json").read_text(), folder)


def refused_text(text: str, folder: Path) -> str:
    (folder / "net.json").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput) as told:
        import_pandapower(folder / "net.json", folder / "park")
    assert not (folder / "park").exists()
    assert not list(folder.glob(".import-*"))
    return str(told.value)


def changed(change: Callable[[Tree], None], folder: Path, net: Any = None) -> str:
    pp.to_json(small() if net is None else net, str(folder / "net.json"))
    tree = json.loads((folder / "net.json").read_text())
    change(tree)
    return json.dumps(tree)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[1, 2]", "no pandapower net"),
        ('{"_class": "pandapowerNet", "_object": 7}', "without tables"),
        ('{"_class": "pandapowerNet", "_module": "pandapower.auxiliary", "_object": {}}', "without buses"),
        ('{"_class": "pandapowerNet", "_module": "os", "_object": {}}', "objects of os"),
        ('{"_class": "pandapowerNet", "_module": "numpy", "_object": {}}', "unreadable by pandapower"),
    ],
)
def test_text_that_is_no_net(text: str, word: str, tmp_path: Path) -> None:
    assert word in refused_text(text, tmp_path)


def test_a_missing_file_and_a_folder_that_holds_something(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="missing"):
        import_pandapower(tmp_path / "nowhere.json", tmp_path / "park")
    pp.to_json(small(), str(tmp_path / "net.json"))
    with pytest.raises(InvalidInput, match="not empty"):
        import_pandapower(tmp_path / "net.json", tmp_path)


def test_a_file_of_a_later_pandapower_says_so(tmp_path: Path) -> None:
    def later(tree: Tree) -> None:
        tree["_object"]["format_version"] = tree["_object"]["version"] = "99.1.0"

    assert "99.1.0" in refused_text(changed(later, tmp_path), tmp_path)


def test_a_file_of_an_earlier_pandapower_is_read(tmp_path: Path) -> None:
    def earlier(tree: Tree) -> None:
        tree["_object"]["format_version"] = tree["_object"]["version"] = "2.14.0"

    (tmp_path / "net.json").write_text(changed(earlier, tmp_path))
    assert import_pandapower(tmp_path / "net.json", tmp_path / "park").deviation_pu < 1e-6


def test_tables_that_are_nonsense(tmp_path: Path) -> None:
    def broken(tree: Tree) -> None:
        tree["_object"]["line"]["_object"] = '{"columns": ["from_bus"], "index": [0], "data": [[1]]}'

    assert "line: no column to_bus" in refused_text(changed(broken, tmp_path), tmp_path)


@pytest.mark.parametrize("place", ["name", "bus", "cell"])
def test_no_module_but_those_of_a_net_is_imported(place: str, tmp_path: Path) -> None:
    def planted(tree: Tree) -> None:
        planted = {"_module": "antigravity", "_class": "fly", "_object": "x"}
        if place == "cell":
            frame = json.loads(tree["_object"]["load"]["_object"])
            frame["data"][0][0] = planted
            tree["_object"]["load"]["_object"] = json.dumps(frame)
        else:
            tree["_object"][place] = planted

    assert "objects of antigravity" in refused_text(changed(planted, tmp_path), tmp_path)
    assert "antigravity" not in sys.modules


def test_what_pandapower_itself_does_not_bring_to_life(tmp_path: Path) -> None:
    def planted(tree: Tree) -> None:
        tree["_object"]["name"] = {"_module": "numpy", "_class": "load", "_object": "x"}

    assert "numpy.load" in refused_text(changed(planted, tmp_path), tmp_path)


@pytest.mark.parametrize("table", [7, {"a": 1}, None])
def test_what_stands_for_a_table_and_is_none(table: object, tmp_path: Path) -> None:
    def broken(tree: Tree) -> None:
        tree["_object"]["line"] = tree["_object"]["load"] = table

    text = refused_text(changed(broken, tmp_path), tmp_path)
    assert "line: no table" in text
    assert "load: no table" in text


def test_columns_without_names(tmp_path: Path) -> None:
    def broken(tree: Tree) -> None:
        tree["_object"]["load"]["_object"] = tree["_object"]["load"]["_object"].replace('"p_mw"', "true")

    assert "load: no table of numbered rows and named columns" in refused_text(
        changed(broken, tmp_path), tmp_path
    )


def test_objects_of_programs_stay_asleep(tmp_path: Path) -> None:
    def planted(tree: Tree) -> None:
        tree["_object"]["evil"] = {"_module": "subprocess", "_class": "Popen", "_object": {"args": "true"}}
        tree["_object"]["controller"] = {
            "_module": "pandas.core.frame",
            "_class": "DataFrame",
            "_object": json.dumps({"columns": ["object"], "index": [0, 1], "data": [[1], [2]]}),
        }

    (tmp_path / "net.json").write_text(changed(planted, tmp_path))
    made = import_pandapower(tmp_path / "net.json", tmp_path / "park")
    assert any("2 rows of controller" in note for note in made.notes)


def test_a_net_without_source_or_solution_or_with_figures_that_are_none(tmp_path: Path) -> None:
    net = small()
    net.ext_grid["in_service"] = False
    assert "no external grid in service" in refused(net, tmp_path)
    net = small()
    net.load["p_mw"] = 5e4
    assert "does not converge" in refused(net, tmp_path)
    net = small()
    net.line["r_ohm_per_km"] = float("nan")
    net.load.loc[0, "bus"] = 77
    net.bus.loc[1, "vn_kv"] = float("inf")
    text = refused(net, tmp_path)
    for word in ("line[0].r_ohm_per_km", "load[0].bus: unknown bus 77", "bus[1].vn_kv"):
        assert word in text


def test_branches_without_a_counterpart_are_all_told_at_once(tmp_path: Path) -> None:
    net = small()
    c = pp.create_bus(net, 21.0, name="C")
    pp.create_line(net, 1, c, 1.0, "NA2XS2Y 1x240 RM/25 12/20 kV")
    pp.create_impedance(net, 0, 1, rft_pu=0.01, xft_pu=0.05, rtf_pu=0.02, xtf_pu=0.05, sn_mva=10.0)
    text = refused(net, tmp_path)
    assert "line[1]: joins 20 kV and 21 kV" in text
    assert "impedance[0]" in text


def test_a_grid_that_stands_only_by_voltage_control_is_refused_in_words(tmp_path: Path) -> None:
    assert "flat start" in refused(cases.case300(), tmp_path)


NASTY = (None, float("nan"), float("inf"), -1, 0, -1e9, 1e30, "x", "", True, 2**62, [1], {"a": 1}, 77, 10**7)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_cell_may_be_nonsense(tmp_path: Path, data: st.DataObject) -> None:
    def one_cell(tree: Tree) -> None:
        tables = {t: json.loads(v["_object"]) for t, v in tree["_object"].items() if is_table(v)}
        name = data.draw(st.sampled_from([t for t, frame in tables.items() if frame["data"]]))
        row = data.draw(st.sampled_from(tables[name]["data"]))
        row[data.draw(st.integers(0, len(row) - 1))] = data.draw(st.sampled_from(NASTY))
        tree["_object"][name]["_object"] = json.dumps(tables[name])

    net = small()
    pp.create_transformer(net, 1, pp.create_bus(net, 0.4), "0.63 MVA 20/0.4 kV")
    pp.create_sgen(net, 2, 0.1)
    (tmp_path / "net.json").write_text(changed(one_cell, tmp_path, net))
    shutil.rmtree(tmp_path / "park", ignore_errors=True)
    try:
        import_pandapower(tmp_path / "net.json", tmp_path / "park")
    except InvalidInput:
        assert not (tmp_path / "park").exists()
    else:
        load_park(tmp_path / "park")


def is_table(value: object) -> bool:
    return isinstance(value, dict) and value.get("_class") == "DataFrame"


def test_a_row_that_stands_for_too_many_is_refused(tmp_path: Path) -> None:
    net = small()
    net.line["parallel"] = 101
    assert "parallel circuits" in refused(net, tmp_path)


def test_without_simbench_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("network.import_source.find_spec", lambda _name: None)
    with pytest.raises(InvalidInput, match=r"yuanwang\[simbench\]"):
        source_from_simbench("1-HV-mixed--0-no_sw")


def test_the_park_check_judges_the_delivered_state(tmp_path: Path) -> None:
    pp.to_json(small(), str(tmp_path / "net.json"))
    import_pandapower(tmp_path / "net.json", tmp_path / "park")
    table = tmp_path / "park" / "operating_point.csv"
    table.write_text(table.read_text() + "town,1,0\nnobody,1,0\nAB,x,0\n")
    with pytest.raises(InvalidInput) as told:
        load_park(tmp_path / "park")
    text = str(told.value)
    assert "nobody" in text
    assert '"town" stands in operating_point.csv:2 too' in text
    assert "operating_point.csv:5 p_mw" in text
