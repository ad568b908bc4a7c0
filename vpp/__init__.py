"""Yuanwang (源网): virtual power plant and source-grid-load-storage dispatch controller."""

from typing import TYPE_CHECKING, Any

from vpp.version import VERSION as __version__

if TYPE_CHECKING:
    from vpp.park import Park, load_park

__all__ = ["Park", "__version__", "load_park"]

_HOME = {
    "Park": "vpp.park",
    "load_park": "vpp.park",
    "compare": "vpp.reports",
    "explain": "vpp.reports",
    "read_plan": "vpp.reports",
    "plan_day": "controllers.planning",
}
"""Name -> module; only the first two are declared above, since imports point downwards."""


def __getattr__(name: str) -> Any:
    """Load the planner's API on first use, so that `import vpp` costs nothing."""
    if name in _HOME:
        from importlib import import_module

        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'vpp' has no attribute {name!r}")
