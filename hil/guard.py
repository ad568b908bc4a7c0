"""The plant's side of Modbus/TCP Security: whose certificate is trusted, and what its role may do.

Source: MODBUS/TCP Security Protocol Specification v2.1: mutual TLS 1.2 or later; the client's role is
a UTF-8 string in its certificate's extension 1.3.6.1.4.1.50316.802.1; a request beyond the role's
rights is answered by exception 1.
"""

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vpp.errors import Fault, InvalidInput
from vpp.park import Park, endpoints

ROLE = bytes.fromhex("060b2b0601040183890c862201")
"""The extension's object identifier in DER."""
_SEQUENCE, _OCTETS, _UTF8, _EXTENSIONS = 0x30, 0x04, 0x0C, 0xA3


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What stands before a listener with `security` `tls`."""

    context: ssl.SSLContext
    roles: Mapping[str, str]
    """By role `r` or `rw`."""

    def permits(self, role: str | None, *, write: bool) -> bool:
        """Return whether a role may read, or write; a certificate without a role may do nothing."""
        rights = self.roles.get(role, "") if role is not None else ""
        return ("w" if write else "r") in rights


def guard_of(park: Park) -> Guard | None:
    """Return the guard of a park's secured endpoints, None where there are none.

    Raises:
        InvalidInput: the simulated plant has no certificate, or one that cannot be used.

    """
    security = park.security
    if security is None or all(e.security != "tls" for e in endpoints(park).values()):
        return None
    root = Path(park.folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        if not security.plant_certificate:
            raise ssl.SSLError("missing")
        context.load_verify_locations(cafile=root / security.ca)
        context.load_cert_chain(root / security.plant_certificate, root / security.plant_key)
    except (OSError, ssl.SSLError) as refused:
        raise InvalidInput(
            (
                Fault(
                    file="park.toml",
                    field="security.plant_certificate",
                    wrong=str(refused),
                    expected="the simulated plant's certificate and key as PEM",
                ),
            )
        ) from refused
    return Guard(context=context, roles=security.roles)


def role_of(certificate: bytes) -> str | None:
    """Return the role in a DER certificate; None where it names none or is malformed."""
    try:
        ((_, body),) = _elements(certificate)
        _, tbs = next(_elements(body))
        for tag, part in _elements(tbs):
            if tag == _EXTENSIONS:
                ((_, extensions),) = _elements(part)
                return _role_among(extensions)
    except (IndexError, ValueError, StopIteration):
        return None
    return None


def _role_among(extensions: bytes) -> str | None:
    for tag, extension in _elements(extensions):
        if tag == _SEQUENCE and extension.startswith(ROLE):
            (*_, (kind, value)) = _elements(extension)
            ((text, role),) = _elements(value)
            return role.decode() if kind == _OCTETS and text == _UTF8 else None
    return None


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (tag, content) of consecutive DER elements (X.690, definite lengths)."""
    at = 0
    while at < len(data):
        tag, size, at = data[at], data[at + 1], at + 2
        if size & 0x80:
            count = size & 0x7F
            size, at = int.from_bytes(data[at : at + count], "big"), at + count
        if at + size > len(data):
            raise ValueError("a length beyond the end")
        yield tag, data[at : at + size]
        at += size
