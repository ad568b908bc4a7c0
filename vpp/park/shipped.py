"""The parks inside the package, and a copy of one to work on."""

import shutil
from pathlib import Path

import vpp
from vpp.errors import Fault, InvalidInput

SHIPPED = Path(vpp.__file__).parent / "parks"
"""Folder of the parks inside the package."""


def shipped_parks() -> tuple[str, ...]:
    """Return the names of the parks inside the package."""
    return tuple(sorted(p.name for p in SHIPPED.iterdir() if (p / "park.toml").is_file()))


def copy_park(name: str, folder: Path) -> Path:
    """Copy the shipped park `name` to `folder`, which must be missing or empty, and return it.

    Raises InvalidInput for an unknown park and a folder that holds something or cannot be written.
    """
    if name not in shipped_parks():
        expected = "the name of a shipped park: " + ", ".join(shipped_parks())
        raise InvalidInput((Fault(file=name, wrong="no such park", expected=expected),))
    try:
        if folder.exists() and any(folder.iterdir()):
            raise InvalidInput((Fault(file=str(folder), wrong="not empty", expected="a new folder"),))
        shutil.copytree(
            SHIPPED / name, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    except (OSError, shutil.Error) as error:
        wrong = getattr(error, "strerror", None) or str(error)
        raise InvalidInput((Fault(file=str(folder), wrong=wrong, expected="a folder to write"),)) from error
    return folder
