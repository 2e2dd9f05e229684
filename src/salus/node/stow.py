"""Send results by STOW-RS, with dicomweb-client."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from salus.node.destination import DUPLICATE, Refused, Unreachable
from salus.node.settings import DestinationSettings

REFUSALS = (400, 409, 413, 415, 422)
"""HTTP statuses that are due to the objects; others may be gone the next time."""


class StowDestination:
    """A DICOMweb service.

    Args:
        settings: of the destination.
    """

    def __init__(self, settings: DestinationSettings) -> None:
        self.settings = settings

    @contextmanager
    def connect(self) -> Iterator[StowConnection]:
        """Make a session; nothing is sent yet. See `salus.node.destination.Destination`."""
        import requests
        from dicomweb_client.web import DICOMwebClient

        settings = self.settings
        with requests.Session() as session:
            if settings.user:
                session.auth = (settings.user, os.environ.get(settings.password_env, ""))
            if settings.ca:
                session.verify = settings.ca
            if settings.certificate:
                session.cert = (settings.certificate, settings.key) if settings.key else settings.certificate
            headers = {}
            if settings.token_env:
                headers["Authorization"] = f"Bearer {os.environ.get(settings.token_env, '')}"
            client = DICOMwebClient(settings.url, session, headers=headers, timeout=settings.timeout)
            client.set_http_retry_params(retry=False)  # `salus.node.sender` tries again
            yield StowConnection(client)


class StowConnection:
    """A session; see `salus.node.destination.Connection`."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def send(self, files: Sequence[Path]) -> None:
        """Send files one after another, so that one of them is in memory at a time."""
        import requests
        from pydicom import dcmread

        for file in files:
            dataset = dcmread(file)
            try:
                answer = self.client.store_instances([dataset])
            except requests.HTTPError as error:
                _judge_status(error.response, dataset.SOPClassUID.name)
                continue
            except requests.RequestException as error:
                raise Unreachable(type(error).__name__) from None
            for item in answer.get("FailedSOPSequence", ()):
                if item.get("FailureReason") != DUPLICATE:
                    raise Refused(f"failure {item.get('FailureReason', 0):04X} for a {dataset.SOPClassUID.name}")


def _judge_status(response: Any, class_name: str) -> None:
    """Raise what an HTTP error means; nothing where it says that the service has the instance."""
    status = response.status_code
    if status not in REFUSALS:
        raise Unreachable(f"HTTP status {status}")
    if not _is_duplicate(response):
        raise Refused(f"HTTP status {status} for a {class_name}")


def _is_duplicate(response: Any) -> bool:
    """Tell whether an answer says of every instance that the service has it."""
    try:
        items = response.json()["00081198"]["Value"]
        return bool(items) and all(item["00081197"]["Value"] == [DUPLICATE] for item in items)
    except (ValueError, KeyError, TypeError):
        return False
