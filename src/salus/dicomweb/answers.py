"""What answers of an archive mean, whatever protocol it speaks."""

from __future__ import annotations

from typing import Any

DUPLICATE = 0x0111
"""Status of an instance that the archive has (PS3.4 B.2.3): only its maker makes its UID, so it is there."""

REFUSALS = (400, 409, 413, 415, 422)
"""HTTP statuses that are due to the objects; others may be gone the next time."""

PASSING = (408, 425, 429, 500, 502, 503, 504)
"""HTTP statuses that may be gone the next time one asks; others stay."""


class Unreachable(Exception):
    """The archive does not answer, or not now; everything is tried again later.

    Attributes:
        passes: whether it is likely that it answers later: no wrong password, and no wrong address.
        pause: seconds after which the archive wants to be asked again; 0 where it does not say.
    """

    def __init__(self, reason: str, *, passes: bool = True, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.passes, self.pause = passes, pause


class Refused(Exception):
    """The archive does not take an object; others are sent, and this may be tried again later."""


def unreachable(error: Any) -> Unreachable:
    """Say what an error of requests means, without words of the answer, which may quote a header.

    Args:
        error: a `requests.RequestException`.
    """
    response = getattr(error, "response", None)
    if response is None:
        return Unreachable(type(error).__name__, passes=not _is_lasting(error))
    after = str(response.headers.get("retry-after", ""))
    pause = float(after) if after.isdigit() else 0.0
    return Unreachable(f"HTTP status {response.status_code}", passes=response.status_code in PASSING, pause=pause)


def _is_lasting(error: Any) -> bool:
    import requests

    lasting = (requests.exceptions.SSLError, requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)
    return isinstance(error, lasting)
