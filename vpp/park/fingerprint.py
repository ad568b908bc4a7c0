"""What two processes compare to know that they have read the same park and the same register maps."""

import hashlib
from pathlib import Path

APART = "scenarios"
"""Folder of scripted days: no part of the park."""
READ = (".toml", ".csv", ".csv.gz")


def fingerprint(folder: Path) -> str:
    """Return a hash of the names and contents of a park folder's files, hex; scenarios and notes left out.

    A file that cannot be read counts by its name alone: reading the park tells of it.
    """
    whole = hashlib.blake2b(digest_size=16)
    files = sorted(path for path in folder.rglob("*") if path.name.endswith(READ) and path.is_file())
    for path in files:
        name = path.relative_to(folder)
        if name.parts[0] == APART:
            continue
        try:
            content = path.read_bytes()
        except OSError:
            content = b""
        for part in (str(name).encode("utf-8", "surrogateescape"), content):
            whole.update(len(part).to_bytes(8, "little") + part)
    return whole.hexdigest()
