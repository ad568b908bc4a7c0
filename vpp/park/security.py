"""`[security]` of a park and the endpoints that ask for it."""

from collections.abc import Iterator
from pathlib import Path

from vpp.errors import Fault
from vpp.park.folder import Folder
from vpp.park.settings import FILE
from vpp.park.tables import quoted


def security_faults(root: Path, folder: Folder) -> Iterator[Fault]:
    """Yield endpoints with TLS in a park without certificates, and certificates that do not exist."""
    if folder.settings is None:
        return
    security = folder.settings.security
    if security is None:
        for row in folder.endpoint_rows():
            if row.value.endpoint.security == "tls":
                yield row.fault("security", quoted("tls"), f"a table [security] in {FILE}")
        return
    for field in ("ca", "certificate", "key", "plant_certificate", "plant_key"):
        name = getattr(security, field)
        if not name and field.startswith("plant"):
            continue
        if not (root / name).is_file():
            yield Fault(file=FILE, field=f"security.{field}", wrong=f"no file {quoted(name)}", expected="PEM")
    if bool(security.plant_certificate) != bool(security.plant_key):
        expected = "plant_certificate and plant_key, both or neither"
        yield Fault(file=FILE, field="security", wrong="one without the other", expected=expected)
