"""The control process: `python -m controllers.acting --state DIR [--standby]`."""

import argparse
import sys
from pathlib import Path

import uvloop

from controllers.acting.process import serve
from vpp.errors import YuanwangError
from vpp.state_dir import StateDir


def main(arguments: list[str] | None = None) -> int:
    """Return the exit code of the control process; failures are told in one line."""
    parser = argparse.ArgumentParser(prog="python -m controllers.acting", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="state folder of the run")
    parser.add_argument(
        "--standby", action="store_true", help="wait passively behind a control that acts, and take over"
    )
    options = parser.parse_args(arguments)
    state = StateDir(options.state)
    try:
        uvloop.run(serve(state, standby=options.standby))
    except FileNotFoundError as missing:
        print(f"control: no run was started in {state.root}: {missing}", file=sys.stderr)
        return 3
    except YuanwangError as failed:
        print(f"control: {failed}", file=sys.stderr)
        return failed.exit_code
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
