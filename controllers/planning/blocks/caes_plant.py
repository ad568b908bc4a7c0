"""Variables and parameters of a CAES plant: the turbine, the compressor trains, the air between them."""

from dataclasses import dataclass
from typing import Literal

import cvxpy as cp

from controllers.planning.slots import Frame
from vpp.devices import Caes, caes


@dataclass(frozen=True, slots=True)
class Unit:
    """One machine: the turbine or a compressor train."""

    on: cp.Variable
    start: cp.Variable
    stop: cp.Variable
    up_steps: int
    down_steps: int
    start_s: float
    start_cost_cny: float


@dataclass(frozen=True, slots=True)
class Plant:
    """All variables and parameters of one CAES plant."""

    device: Caes
    p: cp.Variable
    charge: cp.Variable
    discharge: cp.Variable
    air_in: cp.Variable
    air_out: cp.Variable
    e: cp.Variable
    units: tuple[Unit, ...]
    """The turbine, then the trains in order of starting."""
    condenser: cp.Variable
    """1 where the motor-generator runs alone as a synchronous condenser."""
    e_start: cp.Parameter
    aux: cp.Parameter
    correction: cp.Parameter
    """Air-side MWh that the curves give beyond their hulls at the last solution."""
    edge: cp.Variable
    """Air-side MWh outside the window: what the curves take beyond their hulls once starts are fixed."""
    window: tuple[cp.Parameter, cp.Parameter]
    """(n,) each: edges of the air window."""
    starts_left: tuple[cp.Parameter, ...]
    """(DAYS,) for the turbine and for the trains together."""


def plant_of(device: Caes, frame: Frame) -> Plant:
    """Return fresh variables and parameters of a plant."""
    n, name, params = frame.axis.n, device.resource.id, device.params
    machines: list[tuple[str, Literal["turbine", "compressor"], caes.Machine]]
    machines = [("turbine", "turbine", params.turbine)]
    machines += [(f"train_{k + 1}", "compressor", params.compressor) for k in range(params.compressor.trains)]
    units = tuple(
        Unit(
            cp.Variable(n, name=f"{name}_{label}_on"),
            cp.Variable(n, name=f"{name}_{label}_start"),
            cp.Variable(n, name=f"{name}_{label}_stop"),
            frame.axis.steps_of(machine.min_up_time_min),
            caes.min_off_steps(device, kind, frame.axis.step_min),
            machine.start_time_s,
            machine.start_cost_cny,
        )
        for label, kind, machine in machines
    )
    names = ("p", "charge", "discharge", "air_in", "air_out", "e")
    p, charge, discharge, air_in, air_out, e = (cp.Variable(n, name=f"{name}_{x}") for x in names)
    return Plant(
        device, p, charge, discharge, air_in, air_out, e, units,
        cp.Variable(n, name=f"{name}_condenser"),
        cp.Parameter(name=f"{name}_e0"),
        cp.Parameter(n, name=f"{name}_aux"),
        cp.Parameter(n, name=f"{name}_correction"),
        cp.Variable(n, name=f"{name}_edge"),
        (cp.Parameter(n, name=f"{name}_e_min"), cp.Parameter(n, name=f"{name}_e_max")),
        tuple(cp.Parameter(frame.days.shape[0], name=f"{name}_starts_{x}") for x in ("turbine", "trains")),
    )  # fmt: skip
