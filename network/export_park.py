"""A park's grid as a pandapower net at the state it was delivered in."""

from pathlib import Path

import pandapower as pp

from network.model import inject, to_pandapower
from vpp.errors import Fault, InvalidInput
from vpp.park import Park


def delivered_net(park: Park) -> pp.pandapowerNet:
    """Return the solved net with the injections of `operating_point.csv`; all at 0 where it has none.

    InvalidInput where that state has no power flow.
    """
    net = to_pandapower(park)
    points = park.operating_point
    inject(
        net,
        {name: point.p_mw for name, point in points.items()},
        {name: point.q_mvar for name, point in points.items()},
    )
    try:
        pp.runpp(net, numba=False, calculate_voltage_angles=True)
    except pp.LoadflowNotConverged as error:
        wrong = "its power flow is not found from a flat start"
        expected = "a state that does: generators here hold their power, not their voltage"
        raise InvalidInput((Fault(file="operating_point.csv", wrong=wrong, expected=expected),)) from error
    return net


def export_pandapower(park: Park, file: Path) -> None:
    """Write the park's net, solved, as pandapower JSON; InvalidInput where it cannot be."""
    net = delivered_net(park)
    try:
        pp.to_json(net, str(file))
    except OSError as error:
        wrong = error.strerror or str(error)
        raise InvalidInput((Fault(file=str(file), wrong=wrong, expected="a file to write"),)) from error
