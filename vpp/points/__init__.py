"""Register maps: registers to values and back; scale, word order, device sign; no IO."""

from vpp.points.codec import Write, decode, encode
from vpp.points.command import command_points, safest_first
from vpp.points.request import MAX_READ_BITS, MAX_READ_REGISTERS, WIDTH, Block, read_blocks

__all__ = [
    "MAX_READ_BITS",
    "MAX_READ_REGISTERS",
    "WIDTH",
    "Block",
    "Write",
    "command_points",
    "decode",
    "encode",
    "read_blocks",
    "safest_first",
]
