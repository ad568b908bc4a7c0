from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from vpp.park import load_park
from vpp.types import Certificate, Plan, PlanLabel, PlantState, Relaxation


@pytest.fixture(scope="session")
def park():
    return load_park("small10")


@pytest.fixture(scope="session")
def plan(park):
    """A made-up day with every kind of series; not balanced by a solver, only to be shown."""
    steps, hours = 96, np.arange(96) / 4
    start = datetime(2026, 3, 14, 16, tzinfo=UTC)
    wave = np.sin(2 * np.pi * hours / 24)
    series, causes = {}, {}
    for name, resource in park.resources.items():
        zero, top = np.zeros(steps), resource.p_max_mw
        match resource.kind:
            case "wind" | "pv":
                sun = np.clip(np.sin(np.pi * (hours - 6) / 12), 0, None)
                available = top * (sun if resource.kind == "pv" else 0.5 + 0.3 * wave)
                curtailed = np.where((hours > 12) & (hours < 13), 0.2 * available, 0.0)
                p_mw = available - curtailed
                extra = {"available_mw": available, "curtailed_mw": curtailed}
                causes[name] = tuple("branch:T_MAIN_1" if c else "" for c in curtailed)
            case "bess" | "caes":
                p_mw = 0.3 * top * -wave
                discharge, charge = np.clip(p_mw, 0, None), np.clip(-p_mw, 0, None)
                device = park.devices[name]
                full = device.e_air_mwh if resource.kind == "caes" else device.e_full_mwh
                content = full * (0.5 + 0.3 * np.sin(2 * np.pi * (hours - 6) / 24))
                extra = {"charge_mw": charge, "discharge_mw": discharge, "e_mwh": content}
            case "electrolyzer":
                p_mw, extra = zero - 8.0, {"load_mw": zero + 8.0, "h2_kg": zero + 38.0}
            case _:
                p_mw, extra = zero - 0.2, {"h2_kg": 2500 + 900 * wave, "delivery_kg_per_h": zero + 250}
        series[name] = {"p_mw": p_mw, "q_mvar": zero, **extra}
    for name, load in park.loads.items():
        demand = load.p_peak_mw * (0.8 + 0.15 * wave)
        series[name] = {
            "load_mw": demand,
            "shed_mw": np.zeros(steps),
            "open_blocks": np.zeros(steps),
        }
    use = sum(s["load_mw"] for s in series.values() if "load_mw" in s)
    net = use - sum(np.maximum(series[n]["p_mw"], 0) for n in park.resources)
    series["tie"] = {
        "import_mw": np.clip(net, 0, 150),
        "export_mw": np.zeros(steps),
        "price_cny_per_mwh": np.where((hours >= 17) & (hours < 22), 1100.0, 420.0),
        "import_max_mw": np.full(steps, 150.0),
        "export_max_mw": np.zeros(steps),
        "declared_mw": np.full(steps, 100.0),
    }
    series["network"] = {"losses_mw": np.full(steps, 0.8)}
    return Plan(
        id="small10-20260315-1",
        park=park.name,
        made_at=start - timedelta(hours=1),
        start=start,
        step_min=15,
        steps=steps,
        valid_until=start + timedelta(hours=26),
        label=PlanLabel.RELAXED,
        status="optimal",
        gap=float("nan"),
        cost_cny=481_234.5,
        cost_breakdown_cny={"energy": 512_000.25, "hydrogen": -96_000.0, "demand_charge": 65_234.25},
        series=series,
        initial=PlantState(at=start, resources={}, calls={}, month_peak_mw=95.0),
        curtailment_cause=causes,
        vm_pu={f"B{i}": 1.0 + 0.004 * i + 0.01 * wave for i in range(5)},
        loading_percent={f"=T_{i}": 30.0 + 15 * i + 10 * wave for i in range(6)},
        relaxations=(
            Relaxation(
                limit="tie_import", step=70, amount=3.2, unit="MW", reason="evening peak <CAES empty>"
            ),
        ),
        certificate=Certificate(
            ok=True,
            violations=(),
            checked_rules=("energy_balance", "ramp"),
            max_vm_pu=1.026,
            min_vm_pu=0.99,
            max_loading_percent=115.0,
            max_balance_error_mw=1e-7,
            cut_rounds=2,
        ),
        solve_s=0.42,
        notes=("Hydrogen: 6000 kg delivered.",),
    )
