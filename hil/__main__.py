"""`python -m hil --state DIR [--own-process ID]`: serve the simulated plant over Modbus/TCP."""

import argparse
import sys
from pathlib import Path

from vpp.errors import YuanwangError
from vpp.state_dir import StateDir


def main() -> int:
    """Run until SIGTERM; returns the exit code of vpp.errors, after one line per fault."""
    parser = argparse.ArgumentParser(prog="python -m hil")
    parser.add_argument("--state", type=Path, required=True, help="state folder with run.json")
    parser.add_argument(
        "--own-process",
        action="append",
        default=[],
        metavar="ID",
        help="serve this endpoint from a process of its own",
    )
    options = parser.parse_args()
    state = StateDir(options.state)
    if not state.settings.exists():
        sys.stderr.write(f"{state.settings} is missing: no run was started here\n")
        return 3
    import uvloop  # only now: the plant's libraries take seconds to load

    from hil.process import serve

    try:
        uvloop.run(serve(state, options.own_process))
    except YuanwangError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
