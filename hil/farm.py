"""The process of `hil.feeders` from outside: started, told what its feeders are, asked, ended."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import IO

from hil.feeders import Feeder


class Farm:
    """A farm of `count` terminals in a process of its own; use as a context."""

    def __init__(self, count: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hil.feeders", str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ports: list[int] = json.loads(self._out.readline())
        """By number of the terminal."""

    @property
    def _out(self) -> IO[str]:
        assert self._process.stdout is not None
        return self._process.stdout

    def _ask(self, question: object) -> object:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return json.loads(self._out.readline())

    def become(self, feeders: Mapping[int, Feeder]) -> None:
        """Make terminals these feeders; one that differs only in how it answers keeps its breakers."""
        self._ask([(number, asdict(feeder)) for number, feeder in feeders.items()])

    def cut_mw(self) -> list[float]:
        """Return by number what the breakers keep from each feeder now, MW."""
        cut = self._ask("cut")
        assert isinstance(cut, list)
        return cut

    def __enter__(self) -> "Farm":
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=5)
