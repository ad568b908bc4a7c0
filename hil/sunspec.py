"""SunSpec registers of the simulated battery that its register map does not hold.

Models 1, 701, 702, 704, 713 and 715 in this order from address 40000, after the SunSpec Device
Information Model Specification and the DER Information Model Specification. Here stand marker, ids,
lengths, name plate, scale factors and the words for "not implemented", so that a foreign client can
scan the whole map; measured values and commands are laid over them by the server.
"""

import math
from itertools import accumulate

from vpp.devices import Bess

BASE = 40000
_MARKER = (0x5375, 0x6E53)
"""The letters SunS."""
_END = (0xFFFF, 0)

_ABSENT: dict[str, tuple[int, ...]] = {
    "int16": (0x8000,),
    "uint16": (0xFFFF,),
    "enum16": (0xFFFF,),
    "bits16": (0xFFFF,),
    "sf": (0x8000,),
    "int32": (0x8000, 0),
    "uint32": (0xFFFF, 0xFFFF),
    "bits32": (0xFFFF, 0xFFFF),
    "uint64": (0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF),
    "text": (0,),
}
"""The word or words that mean "not implemented"; a text is counted in registers."""

_PHASE = (("int16", 5), ("uint16", 2), ("uint64", 4))
_REVERT = (("enum16", 2), ("uint32", 2))

_TYPES: dict[int, tuple[tuple[str, int], ...]] = {
    1: (("text", 64), ("uint16", 1), ("int16", 1)),
    701: (
        *(("enum16", 4), ("bits32", 2)),
        *(*_PHASE[:2], ("uint32", 1), _PHASE[2], ("int16", 6)),
        *(*_PHASE, *_PHASE, *_PHASE),
        *(("uint16", 1), ("bits32", 1), ("sf", 10), ("text", 32)),
    ),
    702: (
        *(("uint16", 19), ("enum16", 2), ("bits32", 1), ("bits16", 1)),
        *(("uint16", 18), ("bits16", 1), ("sf", 7)),
    ),
    704: (
        *(*_REVERT, *_REVERT),
        *(("enum16", 1), ("uint16", 2), ("enum16", 1), ("uint32", 2)),
        *(("enum16", 2), ("int32", 2), ("int16", 2), ("enum16", 1), ("uint32", 2)),
        *(("enum16", 3), ("int32", 2), ("int16", 2), ("enum16", 1), ("uint32", 2)),
        *(("uint16", 1), ("enum16", 1), ("uint16", 1), ("enum16", 1), ("sf", 6)),
        *(("uint16", 1), ("enum16", 1)) * 4,
    ),
    713: (("uint16", 4), ("enum16", 1), ("sf", 2)),
    715: (("enum16", 1), ("uint32", 2), ("uint16", 1), ("enum16", 1)),
}
"""Types of a model's points after id and length, with how many stand in a row."""


def static_registers(bess: Bess) -> dict[int, int]:
    """Return address -> word of the whole SunSpec map of `bess`, nothing measured, nothing commanded."""
    words: list[int] = list(_MARKER)
    for model, known in _known(bess).items():
        body = [word for name, count in _TYPES[model] for word in _ABSENT[name] * count]
        for offset, values in known.items():
            body[offset - 2 : offset - 2 + len(values)] = values
        words += [model, len(body), *body]
    words += _END
    return {BASE + i: word for i, word in enumerate(words)}


def model_addresses() -> dict[int, int]:
    """Return model id -> address of its id register."""
    lengths = [2 + sum(len(_ABSENT[name]) * count for name, count in types) for types in _TYPES.values()]
    starts = accumulate(lengths, initial=BASE + len(_MARKER))
    return dict(zip(_TYPES, starts, strict=False))


def _known(bess: Bess) -> dict[int, dict[int, tuple[int, ...]]]:
    """Return model -> offset from the id register -> words."""
    plate = bess.resource
    assert plate.e_mwh is not None
    p_w = 1e6 * max(bess.charge_max_mw, bess.discharge_max_mw)
    s_va = p_w if plate.s_mva is None else 1e6 * plate.s_mva
    e_wh = 1e6 * plate.e_mwh
    # a quarter above the rating, so that overload and own use fit too; assumption
    w_sf, va_sf = _exponent(1.25 * p_w, 0x7FFF), _exponent(1.25 * s_va, 0x7FFF)
    wh_sf = _exponent(e_wh, 0xFFFE)
    discharge, charge = (round(1e6 * p / 10**w_sf) for p in (bess.discharge_max_mw, bess.charge_max_mw))
    va = round(s_va / 10**va_sf)
    fixed_watts = 1 << 1
    ratings = {2: (discharge,), 7: (va,), 10: (charge, discharge), 23: (0, fixed_watts)}
    settings = {26: (discharge,), 31: (va,), 34: (charge, discharge)}
    three_phase, running, connected = 2, 3, 1
    return {
        1: {
            2: _text("Yuanwang", 16),
            18: _text("simulated battery", 16),
            50: _text(plate.id, 16),
            66: (plate.endpoint.unit,),
        },
        701: {
            2: (three_phase, 1, running, connected, 0, 0),
            19: (0,) * 8,
            116: (_int16(w_sf),),
            119: (_int16(va_sf), 0),
        },
        702: ratings | settings | {45: (_int16(w_sf),), 47: (_int16(va_sf),)},
        704: {22: (0, 1, 0, 0, 0, 0), 30: (0, 0, 0, 0, 0), 35: (0, 4, 0, 0, 0), 55: (0,), 57: (0,)},
        713: {2: (round(e_wh / 10**wh_sf),), 6: (0, _int16(wh_sf), _int16(-2))},
        715: {2: (0, 0, 0, 0, 0)},
    }


def _exponent(value: float, greatest: int) -> int:
    """Return the smallest decimal exponent with which `value` fits a register."""
    return max(0, math.ceil(math.log10(value / greatest)))


def _int16(number: int) -> int:
    return number & 0xFFFF


def _text(text: str, registers: int) -> tuple[int, ...]:
    raw = text.encode("ascii")[: 2 * registers].ljust(2 * registers, b"\0")
    return tuple(raw[i] << 8 | raw[i + 1] for i in range(0, len(raw), 2))
