"""Find the ultrasound images of a study (QIDO-RS), and fetch them (WADO-RS)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from salus.atomic import write_whole
from salus.dicomweb.answers import Unreachable
from salus.dicomweb.retry import with_retries
from salus.errors import SalusError

UID = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+")
"""A unique identifier (PS3.5 9.1), which becomes part of addresses and file names."""

ULTRASOUND = (
    "1.2.840.10008.5.1.4.1.1.6.1",  # image
    "1.2.840.10008.5.1.4.1.1.3.1",  # multi-frame image
    "1.2.840.10008.5.1.4.1.1.6.2",  # enhanced volume
    "1.2.840.10008.5.1.4.1.1.6",  # image, retired
    "1.2.840.10008.5.1.4.1.1.3",  # multi-frame image, retired
)
"""SOP classes that are segmented."""

PAGE = 500
"""Instances that are asked for at a time."""

OnPause = Callable[[str, float], object]


@dataclass(frozen=True)
class Instance:
    """An object of a study, by its UIDs."""

    study: str
    series: str
    uid: str
    sop_class: str


def check_uid(uid: str) -> str:
    """Return a UID.

    Raises:
        SalusError: it is none.

    Example:
        >>> check_uid("1.2.840.10008.1.1")
        '1.2.840.10008.1.1'
    """
    if not (UID.fullmatch(uid) and len(uid) <= 64):
        raise SalusError(f"{uid!r} is no UID; it has up to 64 digits and dots")
    return uid


def find_instances(
    client: Any, study: str, series: str | None = None, tries: int = 5, on_pause: OnPause = lambda reason, s: None
) -> list[Instance]:
    """List the objects of a study or a series, of every class.

    Args:
        client: of `open_service`.
        study: its UID.
        series: UID of the one that is meant; None takes all.
        tries: see `with_retries`, also for the next.
        on_pause: called before each pause.

    Raises:
        SalusError: a UID is none, or the service lists what is no object of the study.
        Unreachable: the service does not answer.
    """
    check_uid(study)
    if series is not None:
        check_uid(series)
    found: dict[str, Instance] = {}
    offset = 0
    while True:
        options: dict[str, Any] = {"limit": PAGE, "offset": offset}
        items = with_retries(
            partial(client.search_for_instances, study, series, **options),
            tries,
            on_pause,
        )
        instances = [_instance(item, study, series) for item in items]
        new = [instance for instance in instances if instance.uid not in found]
        found |= {instance.uid: instance for instance in new}
        offset += len(items)
        if not new:  # all were listed; a service that ignores the offset lists the same again
            return list(found.values())


def fetch_instances(
    client: Any,
    instances: Sequence[Instance],
    folder: Path,
    tries: int = 5,
    on_pause: OnPause = lambda reason, s: None,
    on_progress: Callable[[int, int], object] = lambda done, total: None,
) -> tuple[list[Path], list[str]]:
    """Fetch objects, each into FOLDER/UID.dcm, one in memory at a time; those that are there are not fetched again.

    Args:
        client: of `open_service`.
        instances: the objects.
        folder: made where it is missing.
        tries: see `with_retries`, also for the next.
        on_pause: called before each pause.
        on_progress: called with the number of objects that are there, and of all.

    Returns:
        The files, and a line for each object that could not be had.

    Raises:
        Unreachable: the service does not answer any more.
        OSError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    failures: list[str] = []
    for number, instance in enumerate(instances, 1):
        path = folder / f"{instance.uid}.dcm"
        if not path.exists():
            try:
                dataset = with_retries(partial(_fetch, client, instance), tries, on_pause)
            except Unreachable as error:
                if error.passes or "404" not in str(error):
                    raise
                failures.append(f"{instance.uid}: the service lists it and does not have it")
                continue
            except _Damaged as error:
                failures.append(f"{instance.uid}: what was sent is damaged ({error})")
                continue
            write_whole(path, partial(dataset.save_as, enforce_file_format=True))
        files.append(path)
        on_progress(number, len(instances))
    return files, failures


class _Damaged(Exception):
    """An answer is no object, or another one."""


def _fetch(client: Any, instance: Instance) -> Any:
    """Fetch an object as it was stored, whatever its transfer syntax."""
    import requests

    try:
        dataset = client.retrieve_instance(
            instance.study, instance.series, instance.uid, media_types=(("application/dicom", "*"),)
        )
        uid = str(dataset.SOPInstanceUID)
    except requests.RequestException:
        raise
    except Exception as error:  # pydicom and dicomweb-client raise many kinds
        raise _Damaged(type(error).__name__) from None
    if uid != instance.uid:
        raise _Damaged("another object")
    return dataset


def _instance(item: Any, study: str, series: str | None) -> Instance:
    """Read one answer of QIDO-RS; UIDs that it leaves out are those that were asked for."""

    def value(tag: str, default: str | None) -> str:
        try:
            return check_uid(str(item[tag]["Value"][0]))
        except (KeyError, IndexError, TypeError):
            if default is None:
                raise SalusError("the service lists an object without its UIDs; it is no DICOMweb service") from None
            return default

    instance = Instance(
        value("0020000D", study), value("0020000E", series), value("00080018", None), value("00080016", "")
    )
    if instance.study != study or series not in (None, instance.series):
        raise SalusError("the service lists objects of another study; it does not search by what it is asked for")
    return instance
