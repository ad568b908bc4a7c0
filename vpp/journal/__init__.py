"""What happened, append-only and hash-chained: segments of framed records."""

from vpp.journal.reading import Damage, Verdict, read, recent, tail, verify
from vpp.journal.segments import Journal, Record
from vpp.journal.snapshots import LoggedSnapshot, SnapshotLog, snapshots

__all__ = [
    "Damage",
    "Journal",
    "LoggedSnapshot",
    "Record",
    "SnapshotLog",
    "Verdict",
    "read",
    "recent",
    "snapshots",
    "tail",
    "verify",
]
