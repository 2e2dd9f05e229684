"""Store DICOM files in a service by STOW-RS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from salus.dicomweb.answers import DUPLICATE, REFUSALS, Refused, unreachable


def store_file(client: Any, file: Path) -> None:
    """Store a file. An instance that the service has already counts as stored.

    Args:
        client: of `open_service`.
        file: a DICOM file.

    Raises:
        Unreachable: the service does not answer, or not now, or wants another password.
        Refused: it does not take the object.
    """
    import requests
    from pydicom import dcmread

    dataset = dcmread(file)
    try:
        answer = client.store_instances([dataset])
    except requests.HTTPError as error:
        response = error.response
        if response is None or response.status_code not in REFUSALS:
            raise unreachable(error) from None
        if not _is_duplicate(response):
            raise Refused(f"HTTP status {response.status_code} for a {dataset.SOPClassUID.name}") from None
        return
    except requests.RequestException as error:
        raise unreachable(error) from None
    for item in answer.get("FailedSOPSequence", ()):
        if item.get("FailureReason") != DUPLICATE:
            raise Refused(f"failure {item.get('FailureReason', 0):04X} for a {dataset.SOPClassUID.name}")


def _is_duplicate(response: Any) -> bool:
    """Tell whether an answer says of every instance that the service has it."""
    try:
        items = response.json()["00081198"]["Value"]
        return bool(items) and all(item["00081197"]["Value"] == [DUPLICATE] for item in items)
    except (ValueError, KeyError, TypeError):
        return False
