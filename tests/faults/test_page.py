"""docs/faults.md names every entry of the catalogue, and tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/faults.md").read_text(encoding="utf-8")
ENTRIES = {"D": 24, "N": 12, "C": 6, "O": 7, "H": 7, "R": 10, "U": 5}


def rows() -> list[list[str]]:
    lines = [line for line in PAGE.splitlines() if re.match(r"\| [A-Z]\d", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def named(text: str) -> list[tuple[str, str]]:
    return re.findall(r"`([\w/]+\.py)::(\w+)`", text)


def test_every_entry_of_the_catalogue_has_one_row_in_its_order():
    expected = [f"{group}{k}" for group, count in ENTRIES.items() for k in range(1, count + 1)]
    assert [row[0] for row in rows()] == expected


def test_every_named_test_exists():
    missing = [
        f"{file}::{test}"
        for file, test in named(PAGE)
        if not (ROOT / "tests" / file).exists()
        or not re.search(rf"^(async )?def {test}\(", (ROOT / "tests" / file).read_text(), re.MULTILINE)
    ]
    assert missing == []


def test_what_is_proven_names_a_test_and_the_rest_says_why():
    for entry, _, _, state, by in rows():
        assert state in ("proven", "partly", "not"), entry
        words = re.sub(r"`[^`]*`|[,;]", "", by).strip()
        assert named(by) or state == "not", entry
        assert words or state == "proven", f"{entry}: why?"
