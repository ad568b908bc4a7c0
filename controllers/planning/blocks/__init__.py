"""One planning block per device type: variables, rows and costs of one device over all steps."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from controllers.planning.blocks import ammonia, bess, caes, chp, electrolyzer, h2_store, load, pv, wind
from controllers.planning.blocks.block import Block
from controllers.planning.slots import Frame
from vpp.park.model import Park

BLOCKS: Mapping[str, Callable[[Park, Any, Frame], Block]] = MappingProxyType(
    {
        "wind": wind.block,
        "pv": pv.block,
        "bess": bess.block,
        "caes": caes.block,
        "electrolyzer": electrolyzer.block,
        "ammonia": ammonia.block,
        "chp": chp.block,
    }
)
"""Device kind -> block; kinds that are fed by other blocks are in `FED_BLOCKS`."""

FED_BLOCKS: Mapping[str, Callable[[Park, Any, Frame, list[Any], list[Any]], Block]] = MappingProxyType(
    {"h2_store": h2_store.block}
)
"""Device kind -> block that also takes the hydrogen made and used by all others, kg/h."""


def all_blocks(park: Park, frame: Frame) -> dict[str, Block]:
    """Return a block for each resource and load, in the park's order of elements."""
    blocks = {
        name: BLOCKS[r.kind](park, park.devices[name], frame)
        for name, r in park.resources.items()
        if r.kind in BLOCKS
    }
    made = [block.h2_kg_per_h for block in blocks.values() if block.h2_kg_per_h is not None]
    used = [block.h2_used_kg_per_h for block in blocks.values() if block.h2_used_kg_per_h is not None]
    for name, r in park.resources.items():
        if r.kind in FED_BLOCKS:
            blocks[name] = FED_BLOCKS[r.kind](park, park.devices[name], frame, made, used)
    ordered = {name: blocks[name] for name in park.resources}
    return ordered | {name: load.block(park, row, frame) for name, row in park.loads.items()}


__all__ = ["BLOCKS", "FED_BLOCKS", "Block", "all_blocks"]
