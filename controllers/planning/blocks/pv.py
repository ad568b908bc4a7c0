"""PV plant: planned like a wind farm."""

from controllers.planning.blocks.wind import block

__all__ = ["block"]
