"""The API token of a run: made at the first start, readable by its owner alone."""

import hashlib
import hmac
import os
import secrets

from vpp.state_dir import StateDir

TOKEN_BYTES = 32


def read_or_make_token(state: StateDir) -> str:
    """Return the token of a state folder, made with mode 0600 where there is none.

    Two processes that start at once get the same token: the file appears complete or not at all.
    """
    if not state.token.exists():
        beside = state.token.with_name(f"{state.token.name}.{os.getpid()}")
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "w") as file:
            file.write(secrets.token_urlsafe(TOKEN_BYTES))
        try:
            os.link(beside, state.token)
        except FileExistsError:
            pass
        finally:
            beside.unlink()
    state.token.chmod(0o600)
    return state.token.read_text().strip()


def session_of(token: str) -> str:
    """Return what the page's cookie holds: it opens the page but does not give the token away.

    Cookies of one host are sent to all its ports, so another local server may see this value.
    """
    return hmac.new(token.encode(), b"yuanwang console session", hashlib.sha256).hexdigest()


def is_same(given: str, wanted: str) -> bool:
    """Compare two secrets in a time that does not depend on where they differ."""
    return hmac.compare_digest(given.encode(), wanted.encode())
