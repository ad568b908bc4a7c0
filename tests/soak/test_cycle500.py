"""An hour of control's 1 s cycle with 500 devices over Modbus/TCP. Only in `./run soak`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "benchmarks" / "cycle500.py"
HOUR_S = 3600


@pytest.mark.soak
@pytest.mark.timeout(2 * HOUR_S)
def test_an_hour_of_500_devices_misses_no_tick() -> None:
    asked = [sys.executable, str(BENCH), "--json", "--seconds", str(HOUR_S)]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)
    print(done.stderr)
    print("\n".join(f"{name:20s} {value:10.3f}" for name, value in found.items()))
    assert (found["devices"], found["cycles"]) == (500, HOUR_S)
    assert found["missed_ticks"] == 0
    assert found["good_share"] > 0.999
