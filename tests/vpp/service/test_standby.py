"""A run that waits behind another, and a control that is started again."""

from pathlib import Path

import pytest

from vpp.errors import InvalidInput
from vpp.service.launch import Wishes, request_for
from vpp.service.request import CONTROL, again, children_of


def arguments(wishes):
    return {child.name: child.arguments for child in children_of(request_for(wishes))}


def test_a_standby_run_starts_its_control_as_one_and_the_others_as_ever(tmp_path: Path):
    plain = arguments(Wishes(park="small10", hil=False, state=tmp_path))
    waiting = arguments(Wishes(park="small10", hil=False, state=tmp_path, standby=True))
    assert waiting == plain | {CONTROL: (*plain[CONTROL], "--standby")}


def test_a_simulated_plant_has_nobody_to_stand_by_for(tmp_path: Path):
    with pytest.raises(InvalidInput, match="--standby"):
        request_for(Wishes(park="small10", hil=True, state=tmp_path, standby=True))


def test_control_that_is_started_again_waits_behind_one_that_took_over(tmp_path: Path):
    children = children_of(request_for(Wishes(park="small10", hil=True, state=tmp_path)))
    for child in children:
        once = again(child)
        assert ("--standby" in once.arguments) == (child.name == CONTROL)
        assert again(once) == once
