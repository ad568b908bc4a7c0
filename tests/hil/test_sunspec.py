"""The battery's SunSpec map agrees with the SunSpec Alliance's own model files."""

import json
import os
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from hil.sunspec import BASE, model_addresses, static_registers
from vpp.devices import Bess
from vpp.park import load_park
from vpp.points import WIDTH, decode, encode

sunspec2 = (
    import_module("sunspec2")
    if os.environ.get("VPP_REQUIRE_PEERS") == "1"
    else pytest.importorskip("sunspec2", reason="the pysunspec2 package brings the model files")
)
MODELS = Path(sunspec2.__file__).parent / "models" / "json"
PARK = load_park("small10")
POINTS = PARK.register_maps["sunspec_bess"]


def bess() -> Bess:
    device = PARK.devices["BESS1"]
    assert isinstance(device, Bess)
    return device


def offsets(model: int) -> dict[str, tuple[int, dict[str, Any]]]:
    """Point name -> (offset from the id register, description), groups in order."""
    found: dict[str, tuple[int, dict[str, Any]]] = {}

    def walk(group: dict[str, Any], prefix: str, at: int) -> int:
        for point in group.get("points", []):
            found[prefix + point["name"]] = at, point
            at += point["size"]
        for inner in group.get("groups", []):
            at = walk(inner, f"{prefix}{inner['name']}.", at)
        return at

    group = json.loads((MODELS / f"model_{model}.json").read_text("utf-8"))["group"]
    found["END"] = walk(group, "", 0), {}
    return found


def test_models_stand_one_after_the_other_with_their_lengths() -> None:
    registers = static_registers(bess())
    assert (registers[BASE], registers[BASE + 1]) == (0x5375, 0x6E53)
    at = BASE + 2
    for model, address in model_addresses().items():
        length = offsets(model)["END"][0]
        assert (address, registers[at], registers[at + 1]) == (at, model, length - 2)
        at += length
    assert (registers[at], registers[at + 1]) == (0xFFFF, 0)
    assert sorted(registers) == list(range(BASE, at + 2))


@pytest.mark.parametrize(
    ("point", "model", "name", "unit"),
    [
        ("status", 701, "St", None),
        ("p_mw", 701, "W", "W_SF"),
        ("q_mvar", 701, "Var", "Var_SF"),
        ("energy_out_mwh", 701, "TotWhInj", "TotWh_SF"),
        ("energy_in_mwh", 701, "TotWhAbs", "TotWh_SF"),
        ("setpoint_enable", 704, "WSetEna", None),
        ("setpoint_mode", 704, "WSetMod", None),
        ("setpoint_mw", 704, "WSet", "WSet_SF"),
        ("reversion_mw", 704, "WSetRvrt", "WSet_SF"),
        ("reversion_enable", 704, "WSetEnaRvrt", None),
        ("reversion_total_s", 704, "WSetRvrtTms", None),
        ("e_mwh", 713, "WHAvail", "WH_SF"),
        ("soc", 713, "SoC", "Pct_SF"),
        ("heartbeat", 715, "DERHb", None),
        ("epoch", 715, "ControllerHb", None),
    ],
)
def test_a_point_has_the_address_type_and_scale_of_its_model(
    point: str, model: int, name: str, unit: str | None
) -> None:
    row = next(p for p in POINTS if p.point == point)
    names, start = offsets(model), model_addresses()[model]
    offset, described = names[name]
    assert row.address == start + offset
    assert WIDTH[row.type] == described["size"]
    assert row.type == described["type"].replace("enum16", "uint16")
    assert described.get("sf") == unit
    if unit is not None:
        scale = next(p for p in POINTS if p.point == row.scale_point)
        assert (scale.address, scale.type) == (start + names[unit][0], "int16")
    assert row.access.value == described.get("access", "R").lower()


def test_what_the_battery_is_not_reads_as_not_implemented() -> None:
    registers = static_registers(bess())
    absent = {
        **dict.fromkeys(("int16", "sunssf", "pad"), (0x8000,)),
        **dict.fromkeys(("uint16", "enum16", "bitfield16"), (0xFFFF,)),
        **dict.fromkeys(("uint32", "bitfield32"), (0xFFFF,) * 2),
        "int32": (0x8000, 0),
        "uint64": (0xFFFF,) * 4,
    }
    for model, names in ((701, ("VA", "Hz", "TmpAmb", "VL1", "TotWhInjL3")), (702, ("WOvrExtRtg", "S_SF"))):
        for name in names:
            offset, described = offsets(model)[name]
            at = model_addresses()[model] + offset
            assert tuple(registers[at + i] for i in range(described["size"])) == absent[described["type"]]


def test_ratings_and_scale_factors_carry_the_whole_range_of_the_plant() -> None:
    static = {("holding", address): word for address, word in static_registers(bess()).items()}
    scales = {name: v for name, v in decode(POINTS, static).items() if name.endswith("_sf")}
    image = {"p_mw": -46.0, "q_mvar": 46.0, "e_mwh": 80.0, "soc": 1.0, "energy_in_mwh": 1e6}
    words = {
        (w.table, w.address + i): word
        for w in encode(POINTS, image | scales)
        for i, word in enumerate(w.registers)
    }
    assert decode(POINTS, static | words).items() >= image.items()
    rating = model_addresses()[702] + offsets(702)["WDisChaRteMaxRtg"][0]
    assert static["holding", rating] * 10 ** scales["w_sf"] == 40e6
