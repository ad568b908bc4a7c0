"""Control's side of Modbus/TCP Security: TLS with certificates on both ends.

Source: MODBUS/TCP Security Protocol Specification v2.1: TLS 1.2 or later, both ends show
certificates, the client's role stands in its own (extension 1.3.6.1.4.1.50316.802.1).
"""

import ssl
from pathlib import Path

from vpp.errors import Fault, InvalidInput
from vpp.park.endpoints import endpoints
from vpp.park.model import Park


def client_context(park: Park) -> ssl.SSLContext | None:
    """Return what control's connections use, or None where no endpoint asks for TLS.

    A peer's certificate must be signed by the park's authority and name the host of its row.

    Raises:
        InvalidInput: a certificate or key cannot be used.

    """
    security = park.security
    if security is None or all(e.security != "tls" for e in endpoints(park).values()):
        return None
    root = Path(park.folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cafile=root / security.ca)
        context.load_cert_chain(root / security.certificate, root / security.key)
    except (OSError, ssl.SSLError) as refused:
        wrong = getattr(refused, "reason", None) or str(refused)
        fault = Fault(
            file="park.toml", field="security", wrong=str(wrong), expected="PEM that belongs together"
        )
        raise InvalidInput((fault,)) from refused
    return context
