"""The command `vpp`: one entry, one place where errors become words and exit codes.

Nothing heavy is imported here or in the modules of the commands: `vpp --help` must answer in under
0.3 s of CPU time. Each command imports what it needs when it runs.
"""

import sys
import traceback
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import typer

from vpp import threads
from vpp.errors import YuanwangError
from vpp.service import (
    cli_approve,
    cli_capability,
    cli_compare,
    cli_doctor,
    cli_explain,
    cli_field,
    cli_hil,
    cli_journal,
    cli_orders,
    cli_park,
    cli_plan,
    cli_report,
    cli_run,
)
from vpp.service.exits import ExitCode, of_error
from vpp.service.terminal import (
    complain,
    error_json,
    error_lines,
    forsake_output,
    prepare_streams,
    say,
    to_json,
)

app = typer.Typer(
    name="vpp",
    help="Yuanwang: plan, dispatch and protect a park's virtual power plant.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for module in (
    cli_park,
    cli_plan,
    cli_report,
    cli_explain,
    cli_compare,
    cli_approve,
    cli_run,
    cli_hil,
    cli_orders,
    cli_field,
    cli_journal,
    cli_capability,
    cli_doctor,
):
    module.register(app)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; nothing is raised and no traceback shown."""
    prepare_streams()
    threads.one_each()
    try:
        typer.main.get_command(app).main(list(arguments), prog_name="vpp")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(ExitCode.OK)
    except YuanwangError as error:
        _report(error, as_json="--json" in arguments)
        return int(of_error(error))
    except BrokenPipeError:
        forsake_output()
        return int(ExitCode.BUG)
    except Exception as error:  # the outermost edge of this process
        complain(f"vpp: internal error ({type(error).__name__}); {_log_bug(arguments)}")
        return int(ExitCode.BUG)
    return int(ExitCode.OK)


def main() -> None:
    """Entry of the script `vpp`."""
    sys.exit(run(sys.argv[1:]))


def _report(error: YuanwangError, *, as_json: bool) -> None:
    if as_json:
        say(to_json(error_json(error, of_error(error))))
    else:
        complain("\n".join(error_lines(error)))


def _log_bug(arguments: Sequence[str]) -> str:
    """Append the traceback to the state folder's log and say where it lies."""
    after = dict(pairwise(arguments))
    folder = Path(after.get("--state", ".yuanwang")) / "logs"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        log = folder / "vpp.log"
        with log.open("a", encoding="utf-8") as file:
            file.write(f"vpp {' '.join(arguments)}\n{traceback.format_exc()}\n")
    except OSError as error:
        return f"its traceback could not be written ({error.strerror})"
    return f"its traceback is in {log}"


if __name__ == "__main__":
    main()
