"""What a run is made of: its park, state, settings, processes and ports."""

from dataclasses import dataclass, replace
from datetime import datetime

from vpp.park import endpoints
from vpp.park.model import Park
from vpp.service.children import Child
from vpp.state_dir import RunSettings, StateDir

PLANT, CONTROL, PLANNER, SERVICE = "plant", "control", "planner", "service"
WEB = "web page"
STANDBY = "--standby"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What `vpp run` was asked for."""

    park: Park
    """With the port base of the run already applied."""
    state: StateDir
    settings: RunSettings
    ends_at: datetime | None
    """Plant time; None: until Ctrl-C."""
    own_process: tuple[str, ...] = ()
    """Endpoints of the simulated plant that get a server process of their own."""
    standby: bool = False
    """True: control waits behind one on another machine that acts."""


def children_of(request: RunRequest) -> list[Child]:
    """Return the processes of a run, the plant first."""
    modules = {CONTROL: "controllers.acting", PLANNER: "controllers.planning", SERVICE: "vpp.service"}
    state = ("--state", str(request.state.root))
    own = tuple(word for name in request.own_process for word in ("--own-process", name))
    children = [
        Child(name=name, arguments=("-m", module, *state), log=request.state.logs / f"{name}.log")
        for name, module in modules.items()
    ]
    if request.standby:
        children = [again(child) for child in children]
    if request.settings.simulated:
        plant = Child(
            name=PLANT, arguments=("-m", "hil", *state, *own), log=request.state.logs / f"{PLANT}.log"
        )
        return [plant, *children]
    return children


def again(child: Child) -> Child:
    """Return how a child is started once more: control waits behind another that has taken over meanwhile."""
    if child.name != CONTROL or STANDBY in child.arguments:
        return child
    return replace(child, arguments=(*child.arguments, STANDBY))


def addresses(request: RunRequest) -> list[tuple[str, str, int]]:
    """Return the ports that this machine must give to the run: (what for, host, port)."""
    settings = request.settings
    web = [(WEB, settings.web_host, settings.web_port)]
    if not settings.simulated:
        return web
    return [*((id_, e.host, e.port) for id_, e in endpoints(request.park).items()), *web]
