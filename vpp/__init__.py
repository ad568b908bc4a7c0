"""Yuanwang (源网): virtual power plant and source-grid-load-storage dispatch controller."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vpp.park import Park, load_park

__all__ = ["Park", "load_park"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Load the planner's API on first use, so that `import vpp` costs nothing."""
    if name in __all__:
        from importlib import import_module

        return getattr(import_module("vpp.park"), name)
    raise AttributeError(f"module 'vpp' has no attribute {name!r}")
