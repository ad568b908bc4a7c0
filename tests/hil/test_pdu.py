"""Modbus PDUs: hand-written bytes in, hand-written bytes out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.pdu import Read, Refusal, Request, Write, parse, refuse, reply

READS = [
    ("01 0000 0010", "coil", 0, 16),
    ("02 0005 0001", "discrete", 5, 1),
    ("03 9c40 0002", "holding", 40000, 2),
    ("04 03e8 0012", "input", 1000, 18),
]


@pytest.mark.parametrize(("pdu", "table", "address", "count"), READS)
def test_a_read_names_its_table_and_range(pdu: str, table: str, address: int, count: int) -> None:
    request = parse(bytes.fromhex(pdu))
    assert isinstance(request, Request)
    assert request.read == Read(table=table, address=address, count=count)
    assert request.write is None


def test_bits_are_packed_lowest_address_first() -> None:
    request = parse(bytes.fromhex("01 0000 000a"))
    assert isinstance(request, Request)
    assert reply(request, (1, 0, 1, 0, 0, 0, 0, 0, 1, 1)).hex(" ") == "01 02 05 03"


def test_registers_are_answered_high_byte_first() -> None:
    request = parse(bytes.fromhex("03 0000 0002"))
    assert isinstance(request, Request)
    assert reply(request, (0x1234, 0xFFFE)).hex(" ") == "03 04 12 34 ff fe"


def test_a_single_coil_is_echoed() -> None:
    request = parse(bytes.fromhex("05 0003 ff00"))
    assert isinstance(request, Request)
    assert request.write == Write(table="coil", address=3, values=(1,))
    assert reply(request, ()).hex(" ") == "05 00 03 ff 00"


def test_many_coils_are_unpacked_and_answered_with_their_count() -> None:
    request = parse(bytes.fromhex("0f 0000 0009 02 01 01"))
    assert isinstance(request, Request)
    assert request.write == Write(table="coil", address=0, values=(1, 0, 0, 0, 0, 0, 0, 0, 1))
    assert reply(request, ()).hex(" ") == "0f 00 00 00 09"


def test_many_registers_are_answered_with_their_count() -> None:
    request = parse(bytes.fromhex("10 07d0 0002 04 ffff 8ad0"))
    assert isinstance(request, Request)
    assert request.write == Write(table="holding", address=2000, values=(0xFFFF, 0x8AD0))
    assert reply(request, ()).hex(" ") == "10 07 d0 00 02"


def test_an_exchange_writes_and_reads() -> None:
    request = parse(bytes.fromhex("17 0001 0002 0010 0001 02 002a"))
    assert isinstance(request, Request)
    assert request.write == Write(table="holding", address=16, values=(42,))
    assert request.read == Read(table="holding", address=1, count=2)
    assert reply(request, (1, 2)).hex(" ") == "17 04 00 01 00 02"


REFUSED = [
    ("", Refusal.ILLEGAL_FUNCTION),
    ("2b 0e 01 00", Refusal.ILLEGAL_FUNCTION),
    ("83 02", Refusal.ILLEGAL_FUNCTION),
    ("03 0000 0000", Refusal.ILLEGAL_VALUE),
    ("03 0000 007e", Refusal.ILLEGAL_VALUE),
    ("01 0000 07d1", Refusal.ILLEGAL_VALUE),
    ("03 0000", Refusal.ILLEGAL_VALUE),
    ("05 0000 1234", Refusal.ILLEGAL_VALUE),
    ("10 0000 0002 04 0000", Refusal.ILLEGAL_VALUE),
    ("10 0000 0002 02 0000 0000", Refusal.ILLEGAL_VALUE),
    ("0f 0000 0009 01 ff", Refusal.ILLEGAL_VALUE),
    ("17 0000 0001 0000 0000 00", Refusal.ILLEGAL_VALUE),
]


@pytest.mark.parametrize(("pdu", "code"), REFUSED)
def test_a_broken_request_is_refused_with_the_code_of_the_standard(pdu: str, code: Refusal) -> None:
    assert parse(bytes.fromhex(pdu)) is code


def test_a_refusal_carries_the_function_with_its_high_bit() -> None:
    assert refuse(16, Refusal.ILLEGAL_ADDRESS).hex(" ") == "90 02"


@given(st.binary(max_size=260))
def test_no_bytes_raise(pdu: bytes) -> None:
    outcome = parse(pdu)
    if isinstance(outcome, Request):
        count = outcome.read.count if outcome.read is not None else 0
        assert reply(outcome, (1,) * count)[0] == pdu[0]
    else:
        assert outcome in Refusal
