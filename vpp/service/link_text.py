"""How the connections to the field stand, in lines for people."""

from collections.abc import Mapping

from vpp.types import Link, LinkState

MOST_LINES = 8
"""Links named one by one; the others are counted."""
_WORDS = {
    LinkState.CONNECTING: "never answered",
    LinkState.OPEN: "open",
    LinkState.HALF_OPEN: "trying again",
    LinkState.CLOSED: "answers",
}


def link_lines(links: Mapping[str, Link]) -> list[str]:
    """Return how many circuits are closed, and a line for each that is not or that refuses something."""
    if not links:
        return []
    closed = sum(link.state is LinkState.CLOSED for link in links.values())
    lines = [f"links: {closed} of {len(links)} answer"]
    told = _told(links)
    lines += [f"  {name}: {link_words(link)}" for name, link in told[:MOST_LINES]]
    return lines + ([f"  ... and {len(told) - MOST_LINES} more"] if len(told) > MOST_LINES else [])


def link_view(links: Mapping[str, Link]) -> dict[str, object]:
    """Return the same for the page and the API: counts, and in words each link that is told of."""
    return {
        "all": len(links),
        "closed": sum(link.state is LinkState.CLOSED for link in links.values()),
        "told": {name: link_words(link) for name, link in _told(links)},
    }


def _told(links: Mapping[str, Link]) -> list[tuple[str, Link]]:
    return [(name, link) for name, link in links.items() if link.state is not LinkState.CLOSED or link.reason]


def link_words(link: Link) -> str:
    """Return state, reason and counters of a link in words."""
    counts = {
        "connects": link.connects,
        "timed out": link.timeouts,
        "wrong": link.wrong,
        "refused": link.refused,
        "skipped": link.dropped,
    }
    counted = ", ".join(f"{word} {count}" for word, count in counts.items() if count)
    return "; ".join(part for part in (_WORDS[link.state], link.reason, counted) if part)
