"""How good the machine's wall clock is, by the kernel's own account."""

import ctypes

_UNSYNCHRONISED = 5
"""What adjtimex(2) returns while nobody disciplines the clock (TIME_ERROR)."""


class _Timex(ctypes.Structure):
    """The head of `struct timex`, adjtimex(2); the rest is room that the kernel may fill."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("rest", ctypes.c_byte * 256),
    )


def wall_error_s() -> float | None:
    """Return by how many seconds the wall clock may be off at most; None where nothing disciplines it.

    The kernel lets the bound grow from the last time that NTP or PTP set it. Asks only, sets nothing.
    """
    try:
        adjtimex = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError):  # not Linux
        return None
    found = _Timex()
    state = adjtimex(ctypes.byref(found))
    return None if state < 0 or state == _UNSYNCHRONISED else found.maxerror * 1e-6
