"""What `vpp run` shows may be read by nobody."""

from pathlib import Path

import pytest

from vpp.clock import RealClock
from vpp.service import watch
from vpp.service.launch import Wishes, request_for
from vpp.service.supervise import Live


async def test_a_run_goes_on_when_nobody_reads_its_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(_text: str) -> None:
        raise BrokenPipeError

    forsaken = []
    monkeypatch.setattr(watch, "say", closed)
    monkeypatch.setattr(watch, "forsake_output", lambda: forsaken.append(True))
    request = request_for(Wishes(park="small10", hil=False, state=tmp_path))
    await watch.show(Live(request=request, clock=RealClock(request.settings.schedule)))
    assert forsaken == [True]
