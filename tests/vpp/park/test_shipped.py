"""A shipped park is copied whole, and never over something else."""

from pathlib import Path

import pytest

from vpp.errors import InvalidInput
from vpp.park import copy_park, load_park, shipped_parks
from vpp.park.shipped import SHIPPED


def files(folder: Path) -> dict[Path, bytes]:
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("name", shipped_parks())
def test_a_copy_is_the_same_park(name: str, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    folder = copy_park(name, tmp_path / "mine")
    assert files(folder) == files(SHIPPED / name)
    assert load_park(folder).resources == load_park(name).resources


def test_a_folder_that_holds_something_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "plan.txt").write_text("mine")
    with pytest.raises(InvalidInput, match="not empty"):
        copy_park("small10", tmp_path)
    with pytest.raises(InvalidInput, match=r"plan\.txt: Not a directory"):
        copy_park("small10", tmp_path / "plan.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["plan.txt"]


def test_an_unknown_park_is_told_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"no such park; .*small10"):
        copy_park("../small10", tmp_path / "mine")
    assert not (tmp_path / "mine").exists()
