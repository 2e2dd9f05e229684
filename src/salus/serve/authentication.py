"""Who may come in where a token is set: by header, or once by a link or a form, then by cookie."""

from __future__ import annotations

import hmac
import secrets
from http.cookies import CookieError, SimpleCookie

COOKIE = "salus_pass"
SHORTEST = 16
"""Characters of a token, at least."""


class Door:
    """The token, the link that works once, and the pass that a browser keeps.

    Args:
        token: that programs send, and people type.

    Example:
        >>> door = Door("a token of some length")
        >>> door.knows({"authorization": "Bearer a token of some length"}), door.knows({})
        (True, False)
        >>> code = door.code
        >>> door.enter(code=code) is not None, door.enter(code=code) is not None
        (True, False)
    """

    def __init__(self, token: str) -> None:
        self.token = token
        self.code: str | None = secrets.token_urlsafe(24)
        self.ticket = secrets.token_urlsafe(32)  # the cookie's value: of this run, and not the token

    def knows(self, headers: dict[str, str]) -> bool:
        """Whether a request's headers (names in lower case) carry the token or the pass."""
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and _same(given.strip(), self.token):
            return True
        return _same(cookie(headers.get("cookie", ""), COOKIE), self.ticket)

    def enter(self, *, code: str = "", token: str = "") -> str | None:
        """The cookie's value for one who has the link's code, which then is spent, or the token; None for others."""
        if self.code and _same(code, self.code):
            self.code = None
            return self.ticket
        return self.ticket if _same(token, self.token) else None


def cookie(header: str, name: str) -> str:
    """A cookie's value in the header Cookie; empty where it is not there."""
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


def _same(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode(), known.encode())
