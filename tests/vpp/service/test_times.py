from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp.service.times import local_text, parse_date, parse_span, parse_stamp


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("30m", 1800),
        ("30min", 1800),
        ("6h", 21600),
        ("1d", 86400),
        ("1h30m", 5400),
        ("1.5h", 5400),
    ],
)
def test_spans_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "6", "h", "-1h", "0s", "6 hours", "nan h", "400d", "1h?", "1e9h"])
def test_what_is_no_span_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="is not a span"):
        parse_span(text)


@given(st.text(max_size=12))
def test_any_text_is_a_time_or_refused_in_words(text: str) -> None:
    for parse, kind in ((parse_span, timedelta), (parse_date, date), (shanghai, datetime)):
        answer: object
        try:
            answer = parse(text)
        except ValueError as refused:
            answer = str(refused)
        assert answer
        assert isinstance(answer, kind | str)


def shanghai(text: str) -> datetime:
    return parse_stamp(text, "Asia/Shanghai")


def test_a_stamp_without_offset_is_plant_time() -> None:
    expected = datetime(2026, 3, 17, 7, tzinfo=timezone.utc)
    assert parse_stamp("2026-03-17T15:00", "Asia/Shanghai") == expected
    assert parse_stamp("2026-03-17T08:00+01:00", "Asia/Shanghai") == expected
    assert local_text(expected, "Asia/Shanghai") == "2026-03-17 15:00:00 +0800"
