from pathlib import Path

import pytest

from vpp.errors import DeviceFailure, InvalidInput
from vpp.service.runs import RunLock, find_recorded, find_running, state_for
from vpp.state_dir import StateDir


def prepared(folder: Path) -> StateDir:
    state = StateDir(folder)
    state.prepare()
    return state


def test_a_second_run_on_the_same_folder_is_refused_in_words(tmp_path: Path) -> None:
    state = prepared(tmp_path)
    with RunLock(state), pytest.raises(DeviceFailure, match="another run or plant"), RunLock(state):
        pass
    with RunLock(state):
        pass


def test_a_folder_too_deep_for_a_socket_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="shorter path"):
        state_for("small10", tmp_path / ("x" * 120))


def test_without_state_the_only_run_here_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DeviceFailure, match="no run found"):
        find_running(None)
    first = prepared(tmp_path / ".yuanwang" / "a")
    first.socket.touch()
    assert find_running(None).root == first.root
    prepared(tmp_path / ".yuanwang" / "b").socket.touch()
    with pytest.raises(DeviceFailure, match="say which with --state"):
        find_running(None)


def test_a_missing_state_folder_is_invalid_input(tmp_path: Path) -> None:
    for find in (find_running, find_recorded):
        with pytest.raises(InvalidInput, match="no such folder"):
            find(tmp_path / "nowhere")


def test_an_ended_run_still_has_its_journal(tmp_path: Path) -> None:
    state = prepared(tmp_path)
    assert find_recorded(tmp_path).journal == state.journal
    with pytest.raises(DeviceFailure, match="does not run"):
        find_running(tmp_path)
