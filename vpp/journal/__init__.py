"""What happened, append-only and hash-chained: segments of framed records."""

from vpp.journal.segments import Damage, Journal, Record, Verdict, read, tail, verify
from vpp.journal.snapshots import LoggedSnapshot, SnapshotLog, snapshots

__all__ = [
    "Damage",
    "Journal",
    "LoggedSnapshot",
    "Record",
    "SnapshotLog",
    "Verdict",
    "read",
    "snapshots",
    "tail",
    "verify",
]
