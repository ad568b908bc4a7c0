"""A pandapower net without rows."""

import copy
from functools import cache
from typing import Any

import pandapower as pp


def empty_net(name: str = "") -> Any:
    """Return a net of 50 Hz and 100 MVA without rows, one of its own for each call.

    A copy takes 9 ms, `pp.create_empty_network` 130 ms (2 cores of an AMD EPYC).
    """
    net = copy.deepcopy(_model())
    net.name = name
    return net


@cache
def _model() -> Any:
    return pp.create_empty_network(f_hz=50.0, sn_mva=100.0)
