"""Register maps: what goes through a map comes back, and hand-written frames agree."""

import math
import struct
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from vpp.park import endpoints, load_park
from vpp.points import MAX_READ_BITS, MAX_READ_REGISTERS, WIDTH, Block, Write, decode, encode, read_blocks
from vpp.types import Access, Point

FRAMES = sorted((Path(__file__).parents[1] / "cases" / "frames").glob("*.toml"))
PARK = load_park("small10")
MAPS = sorted(PARK.register_maps)


def point(name: str = "p_mw", **fields: object) -> Point:
    row = Point(
        point=name,
        table="holding",
        address=0,
        type="int16",
        word_order="big",
        scale=1.0,
        scale_point=None,
        unit="",
        sign=1,
        access=Access.READ,
        sentinel=None,
        sync_group=None,
    )
    return replace(row, **fields)


def image(writes: tuple[Write, ...]) -> dict[tuple[str, int], int]:
    return {(w.table, w.address + i): word for w in writes for i, word in enumerate(w.registers)}


def raw_range(p: Point) -> tuple[float, float]:
    bits = 16 * WIDTH[p.type]
    match p.type:
        case "bool":
            return 0, 1
        case "float32":
            return -1e6, 1e6
        case "int16" | "int32":
            return -(2 ** (bits - 1)) + 1, 2 ** (bits - 1) - 1
    return 0, min(2**bits - 2, 2**50)


@pytest.mark.parametrize("name", MAPS)
@given(data=st.data())
def test_every_value_that_fits_a_shipped_map_comes_back(name: str, data: DataObject) -> None:
    points = PARK.register_maps[name]
    scales = {p.scale_point for p in points if p.scale_point}
    exponents = {s: float(data.draw(st.integers(-3, 4))) for s in scales}
    values, tolerance = dict(exponents), {}
    for p in points:
        if p.point in scales:
            continue
        factor = p.sign * p.scale * 10 ** exponents.get(p.scale_point or "", 0.0)
        low, high = raw_range(p)
        raw = data.draw(st.floats(low, high) if p.type == "float32" else st.integers(int(low), int(high)))
        values[p.point] = raw * factor
        tolerance[p.point] = abs(values[p.point]) * 1e-6 + 1e-9 * abs(factor)
    registers = image(encode(points, values))
    for s in scales:
        at = next(p for p in points if p.point == s)
        registers[at.table, at.address] = int(exponents[s]) & 0xFFFF
    back = decode(points, registers)
    assert back.keys() == values.keys()
    for p_name, allowed in tolerance.items():
        assert back[p_name] == pytest.approx(values[p_name], abs=allowed)


@pytest.mark.parametrize("name", MAPS)
def test_read_blocks_cover_every_point_once_inside_the_protocol_limits(name: str) -> None:
    points = PARK.register_maps[name]
    blocks = read_blocks(points)
    for p in points:
        inside = [b for b in blocks if b.table == p.table and b.address <= p.address < b.address + b.count]
        assert len(inside) == 1
        assert p.address + WIDTH[p.type] <= inside[0].address + inside[0].count
    for b in blocks:
        assert 1 <= b.count <= (MAX_READ_BITS if b.table in ("coil", "discrete") else MAX_READ_REGISTERS)


def test_a_map_of_one_range_is_one_request_and_a_far_point_a_second() -> None:
    near = (point("a"), point("b", address=5), point("c", address=500))
    assert read_blocks(near) == (Block("holding", 0, 6), Block("holding", 500, 1))


def test_a_sync_group_is_never_torn_by_the_limit_of_a_request() -> None:
    plain = tuple(point(f"x{i}", address=i) for i in range(120))
    group = tuple(point(f"g{i}", address=120 + i, sync_group="g") for i in range(10))
    assert read_blocks(plain + group) == (Block("holding", 0, 120), Block("holding", 120, 10))


def test_word_order_and_sign_are_those_of_the_device() -> None:
    big = point(type="int32", scale=0.001)
    little = replace(big, word_order="little", sign=-1)
    assert encode((big,), {"p_mw": -1.0}) == (Write("holding", 0, (0xFFFF, 0xFC18)),)
    assert encode((little,), {"p_mw": 1.0}) == (Write("holding", 0, (0xFC18, 0xFFFF)),)
    assert decode((little,), {("holding", 0): 0xFC18, ("holding", 1): 0xFFFF}) == {"p_mw": 1.0}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"sentinel": 0x8000}, (0x8000,)),
        ({"type": "int32", "sentinel": 0x80000000}, (0x8000, 0)),
        ({"type": "float32"}, (0x7FC0, 0)),
        ({"type": "float32"}, (0x7F80, 0)),
    ],
    ids=["int16 sentinel", "int32 sentinel", "float nan", "float infinity"],
)
def test_a_value_that_is_not_implemented_is_left_out(
    fields: dict[str, object], words: tuple[int, ...]
) -> None:
    other = point("other", address=9)
    registers = {("holding", i): word for i, word in enumerate(words)} | {("holding", 9): 3}
    assert decode((point(**fields), other), registers) == {"other": 3.0}


def test_a_point_without_its_scale_factor_or_its_registers_is_left_out() -> None:
    scaled = point(scale_point="sf")
    factor = point("sf", address=1, sentinel=0x8000)
    assert decode((scaled, factor), {("holding", 0): 7, ("holding", 1): 0x8000}) == {}
    assert decode((scaled, factor), {("holding", 0): 7, ("holding", 1): 2}) == {"p_mw": 700.0, "sf": 2.0}
    assert decode((point(type="int32"),), {("holding", 0): 7}) == {}


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({}, 32768.0),
        ({}, -32769.0),
        ({}, math.nan),
        ({}, math.inf),
        ({"type": "uint16"}, -1.0),
        ({"type": "uint16", "sentinel": 0xFFFF}, 65535.0),
        ({"type": "float32"}, 1e39),
        ({"type": "float32"}, math.nan),
        ({"type": "bool", "table": "coil"}, 2.0),
        ({"scale_point": "sf"}, 1.0),
    ],
)
def test_what_does_not_fit_is_refused(fields: dict[str, object], value: float) -> None:
    with pytest.raises(ValueError, match="p_mw"):
        encode((point(**fields),), {"p_mw": value})


def test_a_command_group_is_written_whole_or_not_at_all() -> None:
    points = PARK.register_maps["caes"]
    with pytest.raises(ValueError, match="setpoint_mvar is missing"):
        encode(points, {"setpoint_mw": 1.0, "epoch": 1.0})


def test_names_that_a_map_lacks_are_ignored() -> None:
    assert encode((point(),), {"p_mw": 1.0, "unheard": math.nan}) == (Write("holding", 0, (1,)),)


def frame(text: str) -> bytes:
    return bytes.fromhex(text)


def requests_of(writes: tuple[Write, ...]) -> list[bytes]:
    """The PDU of each write after the unit byte, as the MODBUS specification lays it out."""
    pdus = []
    for w in writes:
        if w.table == "coil":
            packed = sum(bit << i for i, bit in enumerate(w.registers))
            data = packed.to_bytes(-(-len(w.registers) // 8), "little")
            function = 15
        else:
            data = struct.pack(f">{len(w.registers)}H", *w.registers)
            function = 16
        pdus.append(struct.pack(">BHHB", function, w.address, len(w.registers), len(data)) + data)
    return pdus


@pytest.mark.parametrize("path", FRAMES, ids=lambda p: p.stem)
def test_frames_written_by_hand_mean_what_the_map_says(path: Path) -> None:
    case = tomllib.loads(path.read_text())
    endpoint = endpoints(PARK)[case["endpoint"]]
    points = PARK.register_maps[endpoint.register_map]
    for read in case.get("read", []):
        request, response = frame(read["request"]), frame(read["response"])
        table = {3: "holding", 4: "input"}[request[7]]
        address, count = struct.unpack(">HH", request[8:12])
        assert Block(table, address, count) in read_blocks(points)
        assert request[6] == response[6] == endpoint.unit
        words = struct.unpack(f">{count}H", response[9:])
        decoded = decode(points, {(table, address + i): word for i, word in enumerate(words)})
        assert decoded == pytest.approx(read["values"])
    for write in case.get("write", []):
        writes = encode(points, write["values"])
        assert requests_of(writes) == [frame(text)[7:] for text in write["requests"]]
    assert case.get("read") or case.get("write")
