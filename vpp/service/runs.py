"""Where runs keep their state, and that only one run holds a state folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vpp.errors import DeviceFailure, Fault, InvalidInput
from vpp.state_dir import StateDir

ROOT = Path(".yuanwang")
"""Default parent of state folders, in the working folder (design §2)."""

SOCKET_PATH_MAX = 107
"""Bytes of a Unix socket path, without the closing zero (Linux unix(7))."""


def state_for(park_name: str, option: Path | None) -> StateDir:
    """Return the state folder of a new run: `--state`, or `.yuanwang/PARK`; InvalidInput if too deep."""
    state = StateDir((option or ROOT / park_name).absolute())
    length = len(os.fsencode(state.socket))
    if length > SOCKET_PATH_MAX:
        raise InvalidInput(
            (
                Fault(
                    file="--state",
                    wrong=f"the socket's path {state.socket} has {length} bytes",
                    expected=f"at most {SOCKET_PATH_MAX}: choose a folder with a shorter path",
                ),
            )
        )
    return state


def find_running(option: Path | None) -> StateDir:
    """Return the state folder of a live run: `--state`, or the only one here with a socket.

    Raises InvalidInput for a folder that is not there, DeviceFailure where nothing runs or the
    choice is not clear.
    """
    state = _chosen(option) or _only_one("*/control.sock", "start one with `vpp run`")
    if not state.socket.exists():
        raise DeviceFailure(f"control does not run on {state.root}: start it with `vpp run`")
    return state


def find_recorded(option: Path | None) -> StateDir:
    """Return the state folder of a run, living or ended, that has a journal; raises as `find_running`."""
    state = _chosen(option) or _only_one("*/journal", "runs leave their journal there")
    if not state.journal.is_dir():
        raise InvalidInput(
            (Fault(file=str(state.journal), wrong="no such folder", expected="a run's journal"),)
        )
    return state


def _chosen(option: Path | None) -> StateDir | None:
    if option is not None and not option.is_dir():
        raise InvalidInput(
            (Fault(file=str(option), wrong="no such folder", expected="a run's state folder"),)
        )
    return None if option is None else StateDir(option.absolute())


def _only_one(pattern: str, advice: str) -> StateDir:
    found = sorted(path.parent for path in ROOT.glob(pattern))
    if len(found) == 1:
        return StateDir(found[0].absolute())
    if not found:
        raise DeviceFailure(f"no run found below {ROOT.absolute()}: {advice}, or give --state")
    names = ", ".join(str(path) for path in found)
    raise DeviceFailure(f"{len(found)} runs found ({names}): say which with --state")


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what keeps a folder from being written into InvalidInput with its name and the reason."""
    try:
        yield
    except OSError as error:
        fault = Fault(file=str(folder), wrong=error.strerror or str(error), expected="a folder to write")
        raise InvalidInput((fault,)) from error


class RunLock:
    """An exclusive lock on a state folder that dies with the process that holds it."""

    def __init__(self, state: StateDir) -> None:
        self._path = state.root / "run.lock"
        self._fd = -1

    def __enter__(self) -> "RunLock":
        """Take the lock; DeviceFailure where another run holds it."""
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._fd)
            raise DeviceFailure(
                f"another run or plant (process {holder}) already uses {self._path.parent}: "
                "end it first, or choose another folder with --state"
            ) from error
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)
        return self

    def outlive_exec(self) -> None:
        """Leave the lock to the program that this process becomes."""
        os.set_inheritable(self._fd, True)

    def __exit__(self, *exc: object) -> None:
        """Give the lock back."""
        os.close(self._fd)
