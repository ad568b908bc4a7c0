"""The state in which an imported grid was delivered: `operating_point.csv`, where a park has one."""

from collections.abc import Mapping
from pathlib import Path

from vpp.errors import Fault
from vpp.park.folder import Folder
from vpp.park.tables import quoted, read_rows, twice
from vpp.types.park import OperatingPoint

FILE = "operating_point.csv"


def read_operating_point(root: Path, folder: Folder, faults: list[Fault]) -> Mapping[str, OperatingPoint]:
    """Return the injections by element, empty where the park has no such file; faults are added."""
    if not (root / FILE).exists():
        return {}
    rows = read_rows(root, FILE, OperatingPoint, faults)
    faults.extend(twice((row, "element", row.value.element) for row in rows))
    known = {row.value.id for row in folder.resources} | {row.value.id for row in folder.loads}
    known |= {row.value.name for row in folder.shunts if row.value.kind == "statcom"}
    if not folder.broken.intersection(("devices.csv", "loads.csv", "grid/shunts.csv")):
        faults.extend(
            row.fault(
                "element", f"unknown element {quoted(row.value.element)}", "a resource, load or statcom"
            )
            for row in rows
            if row.value.element not in known
        )
    return {row.value.element: row.value for row in rows}
