"""Frozen values as bytes: MessagePack with arrays, strict on the way in.

Only what we would write ourselves is accepted: the decoded value is encoded again and compared.
That refuses unknown fields, missing fields and doubled keys with one rule.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import numpy as np

T = TypeVar("T")

MAY_BE_NON_FINITE = frozenset({"gap", "age_s", "tie_mean_mw", "last_mean_mw", "metered_ms"})
"""Fields whose docstring gives nan or inf a meaning; everywhere else they are refused."""
_DATE = re.compile(rb"\d{4}-\d\d-\d\dT")


def _to_plain(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        return (list(value.shape), np.ascontiguousarray(value, dtype="<f8").tobytes())
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, frozenset):
        return sorted(value)
    if hasattr(value, "items"):
        return dict(value.items())
    raise TypeError(f"{type(value).__name__} does not cross a process border")


def _to_array(kind: Any, plain: Any) -> Any:
    if kind is not np.ndarray and getattr(kind, "__origin__", None) is not np.ndarray:
        raise TypeError(f"no rule to build a {kind}")
    shape, raw = plain
    array = np.frombuffer(raw, dtype="<f8").reshape(shape).astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError("an array holds a number that is not finite")
    return array


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_to_plain)


_DECODERS: dict[Any, msgspec.msgpack.Decoder[Any]] = {}


def _decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    if kind not in _DECODERS:
        _DECODERS[kind] = msgspec.msgpack.Decoder(kind, dec_hook=_to_array)
    return _DECODERS[kind]


def encode(value: Any) -> bytes:
    """Return the canonical bytes of a value of `vpp.types`; arrays as little-endian float64."""
    return _ENCODER.encode(value)


def decode(payload: bytes, kind: type[T]) -> T:
    """Return the value of type `kind`; ValueError in words for anything that is not canonical."""
    try:
        value: T = _decoder(kind).decode(payload)
        again = encode(value)
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError) as wrong:
        raise ValueError(f"not a {kind.__name__}: {wrong}") from wrong
    sent = msgspec.msgpack.decode(payload)
    if again != payload and not _same(sent, msgspec.msgpack.decode(again)):
        raise ValueError(f"not a {kind.__name__}: it has unknown, missing or doubled fields")
    field = _non_finite(sent, "")
    if field is not None:
        raise ValueError(f"not a {kind.__name__}: {field} is not a finite number")
    if _DATE.search(payload) and _naive(value):
        raise ValueError(f"not a {kind.__name__}: a time without a zone")
    return value


def plain(payload: bytes) -> Any:
    """Return the bytes of `encode` as dicts, lists and scalars, for readers that know no type."""
    return msgspec.msgpack.decode(payload)


def _naive(value: Any) -> bool:
    """Return whether a datetime without a zone is inside; aware ones cross as binary timestamps."""
    if isinstance(value, datetime):
        return value.tzinfo is None
    if is_dataclass(value):
        return any(_naive(getattr(value, field.name)) for field in fields(value))
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else ()
    return any(map(_naive, parts))


def _same(sent: Any, ours: Any) -> bool:
    """Return whether two plain values agree; 1 and 1.0 do, and so do two nan."""
    if isinstance(sent, dict) and isinstance(ours, dict):
        return sent.keys() == ours.keys() and all(_same(x, ours[key]) for key, x in sent.items())
    if isinstance(sent, list) and isinstance(ours, list):
        return len(sent) == len(ours) and all(map(_same, sent, ours))
    return bool(sent == ours) or str(sent) == str(ours) == "nan"


def _non_finite(value: Any, name: str) -> str | None:
    """Return the name of the first field whose number must be finite and is not."""
    if isinstance(value, float):
        return None if math.isfinite(value) or name in MAY_BE_NON_FINITE else name
    parts: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        parts = ((name, part) for part in value)
    return next((bad for key, part in parts if (bad := _non_finite(part, str(key))) is not None), None)
