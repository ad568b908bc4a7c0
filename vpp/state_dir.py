"""The state folder of a running park: one place for its file names and its run settings."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec

from vpp.clock import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """What all processes of one run share; written once by `vpp run` before any starts."""

    park: str
    """Absolute path of the park folder."""
    schedule: Schedule
    seed: int
    """Seed of the simulated plant's true parameters and noise."""
    port_base: int | None
    """Where set, endpoint k of the park (devices, loads, meters, actuators) is 127.0.0.1:base+k."""
    simulated: bool
    """True with `--hil`; a rate other than 1 is refused without it."""
    scenario: str | None
    """Absolute path of a scenario file for the plant, or None."""
    web_host: str = "127.0.0.1"
    web_port: int = 8000


@dataclass(frozen=True, slots=True)
class StateDir:
    """Paths inside a state folder (mode 0700)."""

    root: Path

    @property
    def settings(self) -> Path:
        """Run settings, JSON."""
        return self.root / "run.json"

    @property
    def socket(self) -> Path:
        """Control's Unix socket."""
        return self.root / "control.sock"

    @property
    def journal(self) -> Path:
        """Folder of journal segments."""
        return self.root / "journal"

    @property
    def plans(self) -> Path:
        """Folder of released plans."""
        return self.root / "plans"

    @property
    def current_plan(self) -> Path:
        """The plan that control follows, as link frame; read back after a restart of control."""
        return self.plans / "current.plan"

    def day_plan(self, day: date) -> Path:
        """Folder of the day-ahead plan of a local day: plan.json, and approval.json where approved."""
        return self.plans / day.isoformat()

    @property
    def pins(self) -> Path:
        """What rolling plans hold fixed, JSON; absent: nothing."""
        return self.root / "pins.json"

    @property
    def token(self) -> Path:
        """API token, mode 0600."""
        return self.root / "token"

    @property
    def people(self) -> Path:
        """Hashes of the tokens of further people, JSON; absent: nobody else."""
        return self.root / "people.json"

    @property
    def logs(self) -> Path:
        """Folder of process logs."""
        return self.root / "logs"

    @property
    def epoch(self) -> Path:
        """Epoch of the control that holds the folder, as text."""
        return self.root / "epoch"

    @property
    def lease(self) -> Path:
        """Folder with the locked file of the control that holds this folder; its name is the epoch."""
        return self.root / "lease"

    @property
    def standby(self) -> Path:
        """Folder of a second control while it watches: its own journal, and its socket."""
        return self.root / "standby"

    @property
    def device_log(self) -> Path:
        """JSON lines of the simulated devices themselves: writes, reversions, trips."""
        return self.root / "devices.log"

    def prepare(self) -> None:
        """Make the folders, readable by the owner alone."""
        for folder in (self.root, self.journal, self.plans, self.logs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root.chmod(0o700)

    def write_settings(self, settings: RunSettings) -> None:
        """Write the run settings."""
        self.settings.write_bytes(msgspec.json.encode(settings))

    def read_settings(self) -> RunSettings:
        """Read the run settings; FileNotFoundError where no run was started here."""
        return msgspec.json.decode(self.settings.read_bytes(), type=RunSettings)
