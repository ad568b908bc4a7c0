"""What is written as TOML reads back alike."""

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from vpp.park.toml_text import to_toml

SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"])),
)
KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
LEAVES = st.one_of(
    SCALARS, st.lists(SCALARS, max_size=3), st.lists(st.lists(SCALARS, max_size=2), max_size=3)
)
TREES = st.recursive(
    st.dictionaries(KEYS, LEAVES, max_size=4),
    lambda tree: st.dictionaries(
        KEYS, st.one_of(LEAVES, tree, st.lists(tree, min_size=1, max_size=3)), max_size=4
    ),
    max_leaves=8,
)


@given(TREES)
def test_a_tree_survives(tree: dict[str, Any]) -> None:
    assert tomllib.loads(to_toml(tree)) == tree
