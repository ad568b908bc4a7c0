"""Further people of a run: each with a token of his own, of which only a hash is kept.

The run's own token is for its programs and its page. Who confirms beyond a soft limit needs another one,
which nobody can read from the state folder: it is shown once, when it is made.
"""

import hashlib
import secrets
from collections.abc import Mapping

import msgspec

from vpp.errors import Fault, InvalidInput
from vpp.park.tables import NAME_PATTERN
from vpp.service.token import TOKEN_BYTES, is_same, session_of
from vpp.state_dir import StateDir

RUN = "run"
"""Subject of the run's own token."""


def _hash(session: str) -> str:
    return hashlib.sha256(session.encode()).hexdigest()


def people(state: StateDir) -> Mapping[str, str]:
    """Return by name the hash of what a person's cookie holds; empty where there are none."""
    try:
        return msgspec.json.decode(state.people.read_bytes(), type=dict[str, str])
    except FileNotFoundError:
        return {}


def add_person(state: StateDir, name: str) -> str:
    """Return a new token for a person; one of that name before holds no more.

    InvalidInput for a name that is none.
    """
    if not NAME_PATTERN.fullmatch(name) or name == RUN:
        wrong = f"{name[:40]!r} is no name"
        raise InvalidInput(
            (Fault(file="person", wrong=wrong, expected=f"letters, digits, _, - or ., not {RUN}"),)
        )
    token = secrets.token_urlsafe(TOKEN_BYTES)
    beside = state.people.with_suffix(".new")
    beside.touch(mode=0o600)
    beside.write_bytes(msgspec.json.encode({**people(state), name: _hash(session_of(token))}))
    beside.replace(state.people)
    return token


def person_of(known: Mapping[str, str], session: str) -> str | None:
    """Return whose session this is; None where it is nobody's."""
    given = _hash(session)
    return next((name for name, kept in known.items() if is_same(given, kept)), None)
