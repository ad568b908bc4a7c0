"""The independent checker of plans."""

from controllers.planning.checker.check import check

__all__ = ["check"]
