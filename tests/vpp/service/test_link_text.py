"""Connections in words: what is not well is named, what is well is counted."""

from dataclasses import replace

from vpp.service.link_text import MOST_LINES, link_lines, link_view, link_words
from vpp.types import Link, LinkState

WELL = Link(state=LinkState.CLOSED, reason="", connects=1, timeouts=0, wrong=0, refused=0, dropped=0)
GONE = replace(WELL, state=LinkState.OPEN, reason="the connection is refused", connects=7, timeouts=2)


def test_refused_timed_out_and_wrong_are_told_apart() -> None:
    assert link_words(GONE) == "open; the connection is refused; connects 7, timed out 2"
    lying = replace(WELL, reason="it refuses: exception 2", wrong=3, refused=1, dropped=4)
    assert link_words(lying) == "answers; it refuses: exception 2; connects 1, wrong 3, refused 1, skipped 4"


def test_what_is_well_is_counted_and_the_rest_named_up_to_a_bound() -> None:
    assert link_lines({}) == []
    assert link_lines({"WF": WELL, "PV": WELL}) == ["links: 2 of 2 answer"]
    many = {f"D{k}": GONE for k in range(MOST_LINES + 3)} | {"WF": WELL}
    lines = link_lines(many)
    assert lines[0] == f"links: 1 of {len(many)} answer"
    assert len(lines) == MOST_LINES + 2
    assert lines[-1].strip() == "... and 3 more"
    view = link_view(many)
    assert (view["all"], view["closed"]) == (len(many), 1)
    assert view["told"] == dict.fromkeys(list(many)[:-1], link_words(GONE))
