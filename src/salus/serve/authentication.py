"""Authentication by a token: in a header, or once by a link or a form and from then on by a cookie."""

from __future__ import annotations

import hmac
import secrets

from salus.serve.settings import ServeSettings

TOKEN_COOKIE = "salus_pass"
"""Name of the cookie of a browser that was let in, without the port; see `cookie_name`."""


def cookie_name(name: str, settings: ServeSettings) -> str:
    """Name a cookie by the server's port, since browsers give the cookies of one port to all ports of a host.

    Example:
        >>> cookie_name(TOKEN_COOKIE, ServeSettings(port=8000))
        'salus_pass_8000'
    """
    return f"{name}_{settings.port}"


class Authentication:
    """Check the token, the link that works once, and the cookie that a browser keeps.

    Args:
        token: secret that programs send and people type.
        secret: of the work folder, so that a browser stays let in when the server is started again; None ends that.

    Attributes:
        one_time_code: code of the link that works once; None after its use.
        cookie_value: value of the cookie, which does not reveal the token.

    Example:
        >>> authentication = Authentication("a token of some length")
        >>> authentication.accepts("Bearer a token of some length"), authentication.accepts("")
        (True, False)
        >>> code = authentication.one_time_code
        >>> authentication.log_in(code=code), authentication.log_in(code=code)
        (True, False)
    """

    def __init__(self, token: str, secret: bytes | None = None) -> None:
        self.token = token
        self.one_time_code: str | None = secrets.token_urlsafe(24)
        self.cookie_value = hmac.digest(secret or secrets.token_bytes(32), token.encode(), "sha256").hex()

    def accepts(self, authorization: str, cookie: str = "") -> bool:
        """Tell whether a request may pass.

        Args:
            authorization: its header Authorization, or "".
            cookie: its cookie `TOKEN_COOKIE`, or "".
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() == "bearer" and _equal(token.strip(), self.token):
            return True
        return _equal(cookie, self.cookie_value)

    def log_in(self, *, code: str = "", token: str = "") -> bool:
        """Tell whether a link's code, which then is used up, or a typed token is right."""
        if self.one_time_code and _equal(code, self.one_time_code):
            self.one_time_code = None
            return True
        return _equal(token, self.token)


def _equal(text: str, secret: str) -> bool:
    """Compare in constant time, so that the duration does not reveal the secret."""
    return hmac.compare_digest(text.encode(), secret.encode())
