"""Somebody else's grid as a park: the same power flow in, through the oracle and out again."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandapower as pp
import pandapower.networks as cases
import pytest

from network.contingency import Operation, outage_flows
from network.empty import empty_net
from network.export_park import delivered_net, export_pandapower
from network.import_park import Imported, import_pandapower
from network.powerflow import Oracle
from network.strains import aftermaths
from vpp.errors import InvalidInput
from vpp.park import load_park

Net = Any
PU = 1e-6
PERCENT = 0.01


def brought(net: Net, folder: Path, *places: str) -> Imported:
    pp.to_json(net, str(folder / "net.json"))
    return import_pandapower(folder / "net.json", folder / "park", places)


def ring() -> Net:
    """Two 110 kV sources, a 20 kV ring behind two transformers, one of everything small."""
    net = empty_net()
    hv = [pp.create_bus(net, 110.0, name=f"HV {k}") for k in range(2)]
    mv = [pp.create_bus(net, 20.0, name=f"MV {k}") for k in range(5)]
    for k, bus in enumerate(hv):
        pp.create_ext_grid(net, bus, vm_pu=1.02, va_degree=0.5 * k)
        pp.create_transformer(net, bus, mv[k], "25 MVA 110/20 kV", name=f"T {k}", tap_pos=2, parallel=k + 1)
    for a, b in ((0, 2), (2, 3), (3, 4), (4, 1)):
        pp.create_line(net, mv[a], mv[b], 4.0, "NA2XS2Y 1x240 RM/25 12/20 kV", name=f"L {a}-{b}", df=0.9)
    pp.create_load(net, mv[2], 6.0, 1.5, name="town")
    pp.create_load(net, mv[3], 4.0, -0.5, name="capacitive")
    pp.create_sgen(net, mv[4], 3.0, 0.4, name="Windpark Süd", type="WP")
    return net


def with_open_line(net: Net) -> None:
    pp.create_switch(net, net.line.from_bus.iloc[2], 2, et="l", closed=False, type="LBS")


def with_open_trafo(net: Net) -> None:
    pp.create_switch(net, net.trafo.lv_bus.iloc[0], 0, et="t", closed=False)


def with_coupler(net: Net) -> None:
    twin = pp.create_bus(net, 20.0, name="MV 2")
    pp.create_switch(net, net.load.bus.iloc[0], twin, et="b", closed=True)
    pp.create_load(net, twin, 1.0, 0.2, name="town")


def with_resistive_coupler(net: Net) -> None:
    twin = pp.create_bus(net, 20.0)
    pp.create_switch(net, net.load.bus.iloc[0], twin, et="b", closed=True, z_ohm=0.3)
    pp.create_load(net, twin, 1.0, 0.2)


def with_three_windings(net: Net) -> None:
    low = pp.create_bus(net, 10.0, name="LV")
    pp.create_transformer3w(net, 0, int(net.load.bus.iloc[0]), low, "63/25/38 MVA 110/20/10 kV", tap_pos=-3)
    net.trafo3w["tap_changer_type"] = "Ratio"
    pp.create_load(net, low, 2.0, 0.5)


def with_phase_shifter(net: Net) -> None:
    net.trafo["tap_changer_type"] = "Ideal"
    net.trafo["tap_step_degree"] = 0.4
    net.trafo["tap_step_percent"] = np.nan


def with_vector_group(net: Net) -> None:
    net.trafo["shift_degree"] = 150.0


def with_ratio_taps(net: Net) -> None:
    net.trafo["tap_changer_type"] = "Ratio"
    net.trafo["tap_neutral"] = 1


def with_voltage_control(net: Net) -> None:
    pp.create_gen(net, int(net.load.bus.iloc[1]), 2.0, vm_pu=1.0, name="CHP", sn_mva=4.0)
    pp.create_gen(net, int(net.load.bus.iloc[0]), 0.0, vm_pu=1.005, name="condenser")


def with_shunts(net: Net) -> None:
    pp.create_shunt(net, 3, q_mvar=-1.2, p_mw=0.01, step=2, max_step=3, vn_kv=19.0, name="C")
    pp.create_ward(net, 4, 0.5, 0.1, 0.2, 0.1, name="ward")
    pp.create_xward(net, 5, 0.3, 0.1, 0.1, 0.1, 0.1, 1.0, 1.0, name="xward")


def with_impedance(net: Net) -> None:
    pp.create_impedance(net, 4, 6, rft_pu=0.01, xft_pu=0.05, sn_mva=10.0, name="Z")


def with_dc_line(net: Net) -> None:
    pp.create_dcline(net, 3, 5, p_mw=1.5, loss_percent=2.0, loss_mw=0.01, vm_from_pu=1.0, vm_to_pu=1.0)


def with_other_loads(net: Net) -> None:
    pp.create_load(net, 4, 2.0, 0.3, scaling=0.7)
    pp.create_motor(net, 5, pn_mech_mw=0.5, cos_phi=0.9)
    pp.create_asymmetric_load(net, 6, p_a_mw=0.2, p_b_mw=0.1, p_c_mw=0.15)
    pp.create_storage(net, 4, p_mw=0.5, max_e_mwh=4.0, sn_mva=2.0, name="store")


def with_dead_parts(net: Net) -> None:
    far = [pp.create_bus(net, 20.0, name="far") for _ in range(2)]
    pp.create_line(net, far[0], far[1], 1.0, "NA2XS2Y 1x240 RM/25 12/20 kV")
    pp.create_load(net, far[1], 1.0)
    net.line.loc[1, "in_service"] = False
    net.sgen.loc[0, "in_service"] = False


VARIANTS = (
    with_open_line, with_open_trafo, with_coupler, with_resistive_coupler, with_three_windings,
    with_phase_shifter, with_vector_group, with_ratio_taps, with_voltage_control, with_shunts,
    with_impedance, with_dc_line, with_other_loads, with_dead_parts,
)  # fmt: skip


def same_flow(source: Net, park_folder: Path) -> None:
    """Export the park as pandapower JSON and compare what `runpp` makes of both files."""
    park = load_park(park_folder)
    export_pandapower(park, park_folder / "back.json")
    back = pp.from_json(str(park_folder / "back.json"))
    pp.runpp(back, numba=False, calculate_voltage_angles=True)
    pp.runpp(source, numba=False)
    fed = source.res_bus.vm_pu.notna()
    there, here = back.res_bus.loc[source.res_bus.index[fed]], source.res_bus[fed]
    assert np.abs(there.vm_pu - here.vm_pu).max() < PU
    if source._options["calculate_voltage_angles"]:
        assert np.abs(there.va_degree - here.va_degree).max() < 1e-4
    tie = ["p_mw", "q_mvar"]
    slack = source.gen.index[source.gen.slack] if len(source.gen) else []
    fed_in = source.res_ext_grid[tie].sum() + source.res_gen.loc[slack, tie].sum()
    assert np.allclose(back.res_ext_grid[tie].sum(), fed_in, atol=1e-4)


def oracle_agrees(park_folder: Path) -> None:
    """Solve the delivered state by the batched oracle and compare it with `runpp` of the park's net."""
    park = load_park(park_folder)
    oracle = Oracle(park)
    points = [park.operating_point[e] for e in oracle.elements]
    states = oracle.solve(np.array([o.p_mw for o in points]), np.array([o.q_mvar for o in points]))
    net = delivered_net(park)
    assert states.converged.all()
    assert np.nanmax(np.abs(states.vm_pu[0] - net.res_bus.vm_pu.to_numpy())) < PU
    loading = [*net.res_line.loading_percent, *net.res_trafo.loading_percent]
    assert np.abs(states.loading_percent[0] - np.nan_to_num(loading)).max() < PERCENT


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: v.__name__)
def test_each_kind_of_element_keeps_the_power_flow(variant: Callable[[Net], None], tmp_path: Path) -> None:
    net = ring()
    variant(net)
    made = brought(net, tmp_path)
    assert made.deviation_pu < PU, made.notes
    same_flow(net, tmp_path / "park")


@pytest.mark.parametrize("name", ["case33bw", "mv_oberrhein", "case118", "case9", "example_multivoltage"])
def test_a_known_grid_makes_the_round_trip(name: str, tmp_path: Path) -> None:
    net = getattr(cases, name)()
    made = brought(net, tmp_path)
    assert made.deviation_pu < PU
    same_flow(net, tmp_path / "park")
    oracle_agrees(tmp_path / "park")


def test_loads_that_depend_on_voltage_are_told_and_their_difference_is_measured(tmp_path: Path) -> None:
    net = ring()
    pp.create_load(net, 4, 2.0, 0.3, const_z_p_percent=40, const_i_p_percent=20)
    made = brought(net, tmp_path)
    assert any("depend on voltage" in note for note in made.notes)
    assert 1e-9 < made.deviation_pu < 1e-3


def test_outages_of_a_grid_without_banks_and_taps_are_looked_at(tmp_path: Path) -> None:
    brought(ring(), tmp_path)
    park = load_park(tmp_path / "park")
    oracle = Oracle(park)
    points = [park.operating_point[e] for e in oracle.elements]
    before = Operation(
        p_mw=np.array([[o.p_mw for o in points]]), q_mvar=np.array([[o.q_mvar for o in points]])
    )
    flows = outage_flows(oracle)
    every = {name: np.ones(1, dtype=bool) for name in flows.by_name}
    for after in aftermaths(oracle, every, before):
        alone = flows.solve(after.outage.name, before)
        assert after.worst_percent == pytest.approx(np.nanmax(alone.loading_percent, axis=1), abs=1e-5)
    assert not oracle.actuators


def test_what_changes_on_the_way_is_told(tmp_path: Path) -> None:
    net = ring()
    for variant in (
        with_three_windings,
        with_voltage_control,
        with_dc_line,
        with_dead_parts,
        with_ratio_taps,
    ):
        variant(net)
    pp.create_poly_cost(net, 0, "ext_grid", 1.0)
    text = " | ".join(brought(net, tmp_path).notes)
    for word in (
        "three-winding", "voltage-controlled", "DC lines", "no source feeds", "cost functions",
        "external grids are one tie", "neutral", "safe and unique", "CHP units", "prices",
    ):  # fmt: skip
        assert word in text, word


def test_names_become_safe_and_unique(tmp_path: Path) -> None:
    net = ring()
    net.bus["name"] = ["Ä/1", "Ä/1", "../x", "", None, "a" * 200, "a" * 200]
    net.line["name"] = "same"
    net.load["name"] = "same"
    brought(net, tmp_path)
    park = load_park(tmp_path / "park")
    assert [bus.name for bus in park.grid.buses][:5] == ["A_1", "A_1_2", "x", "BUS3", "BUS4"]
    assert sorted(line.name for line in park.grid.lines) == ["same", "same_2", "same_3", "same_4"]
    assert not set(park.loads) & {line.name for line in park.grid.lines}


def test_every_branch_stands_in_the_class_of_its_loss(tmp_path: Path) -> None:
    net = ring()
    end = pp.create_bus(net, 20.0)
    pp.create_line(net, 6, end, 1.0, "NA2XS2Y 1x240 RM/25 12/20 kV", name="spur")
    pp.create_load(net, end, 0.5, name="farm")
    brought(net, tmp_path)
    classes = {c.kind: set(c.outages) for c in load_park(tmp_path / "park").contracts.contingencies}
    assert classes["radial"] == {"spur"}
    assert {"L_0-2", "T_0", "T_1", "T_1_2"} <= classes["preventive"]


def test_wind_and_sun_keep_their_kind_and_others_are_plants_with_a_band(tmp_path: Path) -> None:
    net = ring()
    pp.create_sgen(net, 2, 1.0, name="roof", type="PV")
    pp.create_sgen(net, 3, 0.7, name="biogas", type="Biomass")
    with_voltage_control(net)
    with_other_loads(net)
    brought(net, tmp_path)
    park = load_park(tmp_path / "park")
    kinds = {name: resource.kind for name, resource in park.resources.items()}
    assert kinds == {"Windpark_Sud": "wind", "roof": "pv", "biogas": "chp", "CHP": "chp", "store": "bess"}
    assert [(s.name, s.kind) for s in park.grid.shunts] == [("condenser", "statcom")]
    assert park.resources["store"].e_mwh == 4.0


def test_the_solved_source_is_not_touched(tmp_path: Path) -> None:
    net = ring()
    before = copy.deepcopy({table: net[table] for table in ("bus", "line", "trafo", "load", "sgen")})
    brought(net, tmp_path)
    assert all(net[table].equals(frame) for table, frame in before.items())


def test_placed_devices_stand_where_they_were_asked_for(tmp_path: Path) -> None:
    made = brought(
        ring(), tmp_path,
        "caes@HV_0=40", "bess@MV 3=5/20", "bess@MV_3=2", "electrolyzer@MV_4=8", "wind@MV_2=3", "pv@MV_2=2",
    )  # fmt: skip
    park = load_park(tmp_path / "park")
    placed = {name: park.resources[name] for name in made.placed}
    assert list(placed) == ["CAES", "BESS", "BESS_2", "ELECTROLYZER", "WIND", "PV", "H2_STORE"]
    assert [r.bus for r in placed.values()] == ["HV_0", "MV_3", "MV_3", "MV_4", "MV_2", "MV_2", "MV_4"]
    assert (placed["CAES"].p_max_mw, placed["CAES"].p_min_mw, placed["CAES"].e_mwh) == (40.0, -32.0, 160.0)
    assert (placed["BESS"].e_mwh, placed["BESS_2"].e_mwh) == (20.0, 4.0)
    assert made.deviation_pu < PU
    assert park.contracts.hydrogen is not None


def test_every_fault_of_every_placement_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as told:
        brought(
            ring(), tmp_path,
            "gas@MV_3=5", "bess@NOWHERE=5", "bess@MV_3=-1", "bess@MV_3=nan", "wind@MV_3=5/10",
            "nonsense", "caes@MV_3=1e9",
        )  # fmt: skip
    text = str(told.value)
    for word in ("gas", "NOWHERE", "-1", "nan", "an energy for a wind", "not understood", "1e9"):
        assert word in text, word
    assert len(told.value.faults) == 7
    assert not (tmp_path / "park").exists()
