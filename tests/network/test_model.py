from dataclasses import replace

import numpy as np
import pandapower as pp
import pytest

from network.model import SIGN, TABLE, elements, index_table, inject, q_mvar, table_of, to_pandapower
from vpp.devices import DEVICE_TYPES


def test_every_resource_and_load_is_in_the_net_once_and_by_name(park):
    net = to_pandapower(park)
    named = [name for table in ("sgen", "load", "storage") for name in net[table]["name"]]
    assert sorted(named) == sorted(elements(park))


def test_generation_storage_and_demand_lie_in_the_tables_a_person_expects(park):
    found = {e: table_of(park, e) for e in elements(park)}
    assert {found["WF"], found["PV"]} == {"sgen"}
    assert {found["CAES1"], found["BESS1"]} == {"storage"}
    assert {found["ALK1"], found["LD_ZN"]} == {"load"}


def test_an_injection_of_any_element_lowers_the_import_by_nearly_as_much(park):
    net = to_pandapower(park)
    inject(net, dict.fromkeys(elements(park), 0.0), {})
    pp.runpp(net, numba=False)
    idle = float(net.res_ext_grid.p_mw.sum())
    for element in elements(park):
        inject(net, {element: 5.0}, {})
        pp.runpp(net, numba=False)
        assert float(net.res_ext_grid.p_mw.sum()) - idle == pytest.approx(-5.0, abs=0.3), element
        inject(net, {element: 0.0}, {})


def test_taps_move_the_voltage_as_the_table_says(park):
    raised = replace(
        park,
        grid=replace(
            park.grid,
            trafos=tuple(
                replace(t, tap_pos=t.tap_pos - 2) if t.name == "T_PUB" else t for t in park.grid.trafos
            ),
        ),
    )
    vm = []
    for each in (park, raised):
        net = to_pandapower(each)
        pp.runpp(net, numba=False)
        vm.append(net.res_bus.vm_pu[net.bus.name == "PUB10"].item())
    # two steps of 1.25 % less on the hv side
    assert vm[1] / vm[0] == pytest.approx(1.025, abs=0.002)


def test_shunt_banks_are_wholly_in(park):
    net = to_pandapower(park)
    whole = {s.name: s.q_mvar for s in park.grid.shunts if s.kind != "statcom"}
    found = dict(zip(net.shunt.name, net.shunt.q_mvar * net.shunt.step, strict=True))
    assert {name: found[name] for name in whole} == pytest.approx(whole)


def test_names_lead_back_to_tables(park):
    net = to_pandapower(park)
    table, index = index_table(net)["T_MAIN_2"]
    assert table == "trafo"
    assert net.trafo.name[index] == "T_MAIN_2"


def test_a_load_that_shares_its_name_with_a_transformer_still_gets_its_power(park):
    loads = {("T_PV" if i == "LD_SME" else i): load for i, load in park.loads.items()}
    loads["T_PV"] = replace(loads["T_PV"], id="T_PV")
    net = to_pandapower(replace(park, loads=loads))
    inject(net, {"T_PV": -4.0}, {"T_PV": -1.0})
    assert net.load.p_mw[net.load.name == "T_PV"].tolist() == [4.0]


def test_reactive_power_follows_the_fixed_rule_of_each_element(park):
    load = park.loads["LD_ZN"]
    q = q_mvar(park, "LD_ZN", -10.0)
    assert 10.0 / np.hypot(10.0, q) == pytest.approx(load.pf)
    assert q < 0, "a lagging load draws reactive power"
    assert q_mvar(park, "WF", 50.0) == pytest.approx(50.0 * park.devices["WF"].params.q_per_p)
    assert q_mvar(park, "BESS1", 30.0) == 0.0
    assert np.array_equal(q_mvar(park, "CAES1", np.array([-80.0, 100.0])), [0.0, 0.0])


def test_an_unknown_element_is_refused(park):
    with pytest.raises(KeyError):
        q_mvar(park, "nobody", 1.0)


def test_the_sign_table_turns_withdrawals_only():
    assert {k for k, v in SIGN.items() if v < 0} == {"load", "storage"}


def test_every_kind_of_device_has_its_table():
    assert TABLE.keys() == DEVICE_TYPES.keys()
