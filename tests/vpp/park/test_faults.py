"""Every fault of a park folder is told with file, row, field, what is wrong and what is expected."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from vpp.errors import Fault, InvalidInput
from vpp.park import load_park
from vpp.park.shipped import SHIPPED

Edit = Callable[[Path], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED / "small10", tmp_path / "park"))


def faults_of(folder: Path) -> tuple[Fault, ...]:
    with pytest.raises(InvalidInput) as caught:
        load_park(folder)
    return caught.value.faults


def swap(file: str, old: str, new: str) -> Edit:
    def edit(folder: Path) -> None:
        text = (folder / file).read_text("utf-8")
        assert old in text
        (folder / file).write_text(text.replace(old, new, 1), "utf-8")

    return edit


def add(file: str, text: str) -> Edit:
    def edit(folder: Path) -> None:
        with (folder / file).open("a", encoding="utf-8") as f:
            f.write(text)

    return edit


def in_turn(*edits: Edit) -> Edit:
    def edit(folder: Path) -> None:
        for one in edits:
            one(folder)

    return edit


def each(file: str, start: str, its: str, others: str) -> Edit:
    """Add a cell to every row: `its` to the one that begins so, `others` to the rest; not to the header."""

    def edit(folder: Path) -> None:
        head, *rows = (folder / file).read_text("utf-8").splitlines()
        assert any(row.startswith(start) for row in rows)
        longer = [row + (its if row.startswith(start) else others) for row in rows if row]
        (folder / file).write_text("\n".join([head, *longer]) + "\n", "utf-8")

    return edit


def raw(file: str, data: bytes) -> Edit:
    return lambda folder: (folder / file).write_bytes(data) and None


def gone(file: str) -> Edit:
    return lambda folder: (folder / file).unlink()


DEVICE = "X1,pv,PV35,1,0,2,,pv_roof,pv,127.0.0.1,16000,99\n"

# what the folder suffers, and the words (file, row, field, wrong) by which it is told
CASES: dict[str, tuple[Edit, str]] = {
    "file missing": (gone("loads.csv"), r"loads.csv: missing; expected a readable file"),
    "parameter file missing": (gone("params/pv_roof.toml"), r"devices.csv:4 params_ref: no file params/"),
    "map missing": (gone("registers/caes.csv"), r"devices.csv:5 register_map: no file registers/"),
    "empty file": (raw("meters.csv", b""), r"meters.csv: empty"),
    "not UTF-8": (raw("loads.csv", b"id,\xff\n"), r"loads.csv:1: not UTF-8"),
    "not TOML": (swap("park.toml", "[site]", "[site"), r"park.toml:\d+: "),
    "key twice": (swap("park.toml", "lat = 42.28", "lat = 1\nlat = 2"), r"park.toml:\d+: Cannot overwrite"),
    "column missing": (swap("devices.csv", ",bus,", ",buss,"), r"devices.csv:1 bus: column missing"),
    "unknown column": (swap("devices.csv", ",bus,", ",buss,"), r"devices.csv:1 buss: unknown column"),
    "cells missing": (add("devices.csv", "X1,pv\n"), r"devices.csv:9: 2 cells; expected 12 cells"),
    "not a number": (swap("devices.csv", "100,0,110", "lots,0,110"), r'devices.csv:2 p_max_mw: "lots"'),
    "NaN": (swap("devices.csv", "100,0,110", "nan,0,110"), r'devices.csv:2 p_max_mw: "nan"; expected a fin'),
    "infinite": (swap("devices.csv", "100,0,110", "inf,0,110"), r"devices.csv:2 p_max_mw: .*a finite number"),
    "negative rating": (swap("devices.csv", "100,0,110", "-100,0,110"), r"devices.csv:2 p_max_mw.*0 or more"),
    "NaN in TOML": (swap("park.toml", "lat = 42.28", "lat = nan"), r"park.toml site.lat: \"nan\""),
    "unknown key": (swap("park.toml", "lat =", "latt ="), r"park.toml site.latt: unknown key"),
    "section missing": (swap("park.toml", "[carbon]", "[carbonn]"), r"park.toml carbon: missing"),
    "unknown kind": (swap("devices.csv", "WF,wind", "WF,wnd"), r'devices.csv:2 kind: "wnd"; expected one of'),
    "unknown bus": (swap("devices.csv", "WIND35", "WIND36"), r'devices.csv:2 bus: unknown bus "WIND36"'),
    "unknown line type": (swap("grid/lines.csv", "1x240", "1x24"), r"grid/lines.csv:2 std_type"),
    "unknown trafo type": (swap("grid/trafos.csv", "63MVA", "64MVA"), r"grid/trafos.csv:8 std_type"),
    "unknown profile": (swap("loads.csv", "flat24", "flat23"), r'loads.csv:2 profile: "flat23"'),
    "isolated bus": (
        swap("grid/trafos.csv", "T_PV,PARK66,PV35", "T_PV,PARK66,WIND35"),
        r"grid/buses.csv:5 name",
    ),
    "bus twice": (add("grid/buses.csv", "9,FDR10,10,PARK,x\n"), r'grid/buses.csv:12 name: "FDR10" stands in'),
    "device twice": (add("devices.csv", DEVICE.replace("X1", "WF")), r'devices.csv:9 id: "WF" stands in dev'),
    "an id in two tables": (
        swap("loads.csv", "LD_ZN,", "WF,"),
        r'loads.csv:2 id: "WF" stands in devices.csv:2',
    ),
    "a branch named like a device": (
        swap("grid/trafos.csv", "T_PV,", "PV,"),
        r'grid/trafos.csv:5 name: "PV"',
    ),
    "endpoint twice": (swap("devices.csv", "15021,2", "15020,1"), r"devices.csv:3 port: .*15020 unit 1"),
    "port too high": (swap("devices.csv", "15021", "99999"), r"devices.csv:3 port"),
    "register twice": (
        swap("registers/pv.csv", ",102,", ",101,"),
        r"registers/pv.csv:4 address: register 101",
    ),
    "registers overlap": (
        swap("registers/pv.csv", ",104,", ",103,"),
        r"registers/pv.csv:5 address: register 103",
    ),
    "point twice": (
        swap("registers/pv.csv", "q_mvar", "p_mw"),
        r'registers/pv.csv:5 point: "p_mw" stands in',
    ),
    "point missing": (
        swap("registers/pv.csv", "available_mw", "avail"),
        r"devices.csv:3 register_map: .*available",
    ),
    "breaker missing": (
        swap("registers/load.csv", "block_4,", "blockk,"),
        r"loads.csv:2 register_map: .*block_4",
    ),
    "command read-only": (swap("registers/pv.csv", "1,rw,,cmd", "1,r,,cmd"), r"registers/pv.csv:9 access"),
    "input written": (swap("registers/wind.csv", "1,r,", "1,rw,"), r"registers/wind.csv:2 access: rw in"),
    "unknown scale point": (
        swap("registers/sunspec_bess.csv", "w_sf,W", "x_sf,W"),
        r"sunspec_bess.csv:3 scale_p",
    ),
    "bool in holding": (swap("registers/pv.csv", "100,uint16", "100,bool"), r"registers/pv.csv:2 type"),
    "pattern matches nothing": (
        swap("park.toml", '"T_MAIN_*"', '"T_MAIM_*"'),
        r'outages: "T_MAIM_\*" matches',
    ),
    "branch in no class": (swap("park.toml", '"T_WIND", ', ""), r'contingency: branch "T_WIND" stands in 0'),
    "branch in two classes": (swap("park.toml", '"WF",', '"WF", "T_PV",'), r'branch "T_PV" stands in 2'),
    "hours without price": (
        swap("park.toml", "[6, 9]", "[7, 9]"),
        r"park.toml tariff: no price for the hours \[6\]",
    ),
    "hours with two prices": (
        swap("park.toml", "[6, 9]", "[5, 9]"),
        r"park.toml tariff: hours \[5\] have two",
    ),
    "a price below nothing": (swap("park.toml", "= 0.711", "= -0.1"), "park.toml tariff: peak: price -0.1"),
    "hours upside down": (swap("park.toml", "[6, 9]", "[9, 6]"), r"park.toml tariff: peak: hours \[9, 6\]"),
    "short time-to-live": (
        swap("park.toml", "setpoint_ttl_s = 60", "setpoint_ttl_s = 4"),
        r"horizon.setpoint_ttl",
    ),
    "late deadline": (
        swap("park.toml", "deadline_s = 4", "deadline_s = 4000"),
        r"horizon.planner_deadline_s",
    ),
    "plan too short-lived": (
        swap("park.toml", "plan_ttl_s = 3600", "plan_ttl_s = 900"),
        r"horizon.plan_ttl_s",
    ),
    "unknown zone": (swap("park.toml", "Asia/Shanghai", "Asia/Shangai"), r'site.zone: "Asia/Shangai"'),
    "tie above the grid's limit": (
        swap("park.toml", "import_max_mw = 150", "import_max_mw = 151"),
        r"tie.import",
    ),
    "SoC outside its window": (
        swap("park.toml", "battery_soc = 0.50", "battery_soc = 0.99"),
        r"initial.battery",
    ),
    "curve not rising": (
        swap("params/caes_100.toml", "[0.15, 100]", "[1.5, 100]"),
        r"p_dis_max_vs_soc: not rising",
    ),
    "curve too short": (
        swap("params/caes_100.toml", "[0.3, 0.86], ", ""),
        r"turbine.rel_eff: covers 0.4 to 1",
    ),
    "stacks against rating": (
        swap("params/elz_alk_50.toml", "stacks = 10", "stacks = 9"),
        r"devices.csv:7 p_min_mw",
    ),
    "turbine against rating": (swap("devices.csv", "CAES10,100", "CAES10,90"), r"devices.csv:5 p_max_mw"),
    "store without compressor power": (
        swap("devices.csv", "-1.1", "-1.0"),
        r"devices.csv:8 p_min_mw: .*1.09",
    ),
    "battery without energy": (swap("devices.csv", "46,80", "46,"), r"devices.csv:6 e_mwh: empty"),
    "apparent below active power": (
        swap("devices.csv", "46,80", "39,80"),
        r"devices.csv:6 s_mva: 39; expected 40",
    ),
    "a PV plant that draws": (
        swap("devices.csv", "60,0,66", "60,-1,66"),
        r"devices.csv:3 p_min_mw: -1; expected 0",
    ),
    "share without blocks": (swap("loads.csv", ",9,4,2,", ",9,0,2,"), r"loads.csv:2 blocks: 0 blocks"),
    "never, yet interruptible": (swap("loads.csv", "1,seconds", "1,never"), r"loads.csv:2 notice_class"),
    "no tie meter": (swap("meters.csv", "TIE,tie", "TIE,feeder"), r"meters.csv kind: 0 meters of kind tie"),
    "tie meter elsewhere": (
        swap("meters.csv", "GRID220", "PARK66"),
        r'meters.csv:2 bus: "PARK66"; expected the bus',
    ),
    "tap out of range": (
        swap("grid/trafos.csv", "230/69,-1", "230/69,-9"),
        r"trafos.csv:2 tap_pos: -9; expected -8 to",
    ),
    "line between voltages": (
        swap("grid/lines.csv", "PUB10,FDR10", "PUB10,PV35"),
        r"lines.csv:2: joins 10 kV and 35",
    ),
    "winding on the wrong bus": (
        swap("grid/trafos.csv", "GRID220,PARK66", "PARK66,GRID220"),
        r"trafos.csv:2 hv_bus",
    ),
    "no voltage band": (
        swap("park.toml", "vn_kv_max = 12", "vn_kv_max = 9"),
        r"buses.csv:6 vn_kv: 0 voltage bands",
    ),
    "unknown actuator element": (
        add("actuators.csv", "A1,tap,T_XX,actuator,127.0.0.1,16000,1\n"),
        r'actuators.csv:6 element: unknown element "T_XX"',
    ),
    "an actuator with the map of a meter": (
        add("actuators.csv", "A1,tap,T_WIND,meter,127.0.0.1,16000,1\n"),
        r'actuators.csv:6 register_map: "meter" lacks position, setpoint_position, epoch',
    ),
    "a name with a path": (
        swap("devices.csv", "pv_roof", "../pv_roof"),
        r"devices.csv:4 params_ref: no file",
    ),
    "profile for nobody": (
        add("park.toml", '[[profile]]\nresource="X"\nfile="x.csv"\ncolumn="p"\nunit="MW"\nlabel="start"\n'),
        r'park.toml profile\[1\].resource: unknown resource "X"',
    ),
    "profile file missing": (
        add("park.toml", '[[profile]]\nresource="PV"\nfile="x.csv"\ncolumn="p"\nunit="MW"\nlabel="start"\n'),
        r"x.csv: missing",
    ),
    "a heartbeat that is read now and then": (
        in_turn(
            swap("registers/caes.csv", "sync_group\n", "sync_group,rate\n"),
            each("registers/caes.csv", "heartbeat,input,1012,uint32,big,1,,,1,r,,", ",slow", ",fast"),
        ),
        r'registers/caes.csv:\d+ rate: "heartbeat" is slow; expected fast',
    ),
    "a device too patient": (
        in_turn(
            swap("meters.csv", "port,unit\n", "port,unit,timeout_ms\n"),
            each("meters.csv", "TIE", ",60000", ",400"),
        ),
        r"meters.csv:2 timeout_ms: \"60000\"; expected 5000 or less",
    ),
    "TLS without certificates": (
        in_turn(
            swap("meters.csv", "port,unit\n", "port,unit,security\n"),
            each("meters.csv", "TIE", ",tls", ",none"),
        ),
        r"meters.csv:2 security: \"tls\"; expected a table \[security\] in park.toml",
    ),
    "certificates that are not there": (
        add("park.toml", '\n[security]\nca = "ca.pem"\ncertificate = "c.pem"\nkey = "c.key"\n'),
        r'park.toml security.ca: no file "ca.pem"; expected PEM',
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_fault_is_told_where_it_stands(name: str, folder: Path) -> None:
    edit, words = CASES[name]
    edit(folder)
    told = [str(fault) for fault in faults_of(folder)]
    assert any(re.search(words, text) for text in told), told


def test_one_fault_gives_one_message_and_no_echo(folder: Path) -> None:
    swap("grid/buses.csv", "66,PARK", "nan,PARK")(folder)
    assert [str(f) for f in faults_of(folder)] == [
        'grid/buses.csv:3 vn_kv: "nan"; expected a finite number, more than 0'
    ]


def test_all_faults_are_told_at_once(folder: Path) -> None:
    names = ["NaN in TOML", "unknown kind", "registers overlap", "tap out of range", "share without blocks"]
    for name in names:
        CASES[name][0](folder)
    told = [str(fault) for fault in faults_of(folder)]
    assert all(any(re.search(CASES[name][1], text) for text in told) for name in names)


def test_a_folder_that_is_not_there_is_told_with_the_shipped_parks() -> None:
    with pytest.raises(InvalidInput, match=r"nowhere: no such folder; expected .*small10"):
        load_park("nowhere")


def test_an_empty_folder_names_every_missing_file(tmp_path: Path) -> None:
    told = {fault.file for fault in faults_of(tmp_path)}
    assert told >= {"park.toml", "devices.csv", "loads.csv", "meters.csv", "actuators.csv", "grid/buses.csv"}


@pytest.mark.parametrize("file", ["devices.csv", "grid/trafos.csv", "registers/caes.csv"])
def test_byte_order_mark_and_windows_line_ends_are_fine(file: str, folder: Path) -> None:
    text = (folder / file).read_bytes()
    (folder / file).write_bytes(b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"))
    assert load_park(folder).resources == load_park("small10").resources
